"""The zoo's answers to items of its own corpus: how they are drawn, packed and read again."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.items import CHOICE, FREE, LETTERS, OPTIONS, STEPS, Items, Sheet, answers, load, load_answers, save

PACKED = Path(__file__).parents[1] / "zoo" / "answers" / "answers.npz.xz"
TEXTS = {part: np.random.default_rng(seed).integers(0, 40, 4000) for seed, part in enumerate("ABC")}


def drawn(count: int = 20, seed: int = 0) -> Items:
    pytest.importorskip("torch")
    from forebear.zoo.answering import draw

    return draw(TEXTS, count, seed)


def sheet_of(items: Items, seed: int) -> Sheet:
    rng = np.random.default_rng(seed)
    shares = rng.multinomial(STEPS, [0.25] * OPTIONS, size=len(items.parts)).astype(np.int8)
    free = rng.integers(0, 1024, len(items.parts)).astype(np.int16)
    return Sheet(free, shares.argmax(axis=1).astype(np.int8), shares)


def test_every_part_is_asked_about_equally_and_the_right_answer_follows_the_context() -> None:
    from forebear.zoo.answering import contexts

    items = drawn()
    assert Counter(items.parts.tolist()) == {"A": 20, "B": 20, "C": 20}
    before = contexts(items, TEXTS)
    for number, part in enumerate(items.parts.tolist()):
        place = items.free_positions[number]
        assert TEXTS[part][place] == items.free_gold[number]
        assert np.array_equal(TEXTS[part][place - 64 : place], before[FREE][number])
        assert TEXTS[part][items.choice_positions[number]] == items.options[number, items.right[number]]
        assert len(set(items.options[number].tolist())) == OPTIONS
    places = list(zip(items.parts.tolist(), items.free_positions.tolist(), strict=True))
    assert len({*places, *zip(items.parts.tolist(), items.choice_positions.tolist(), strict=True)}) == 120


def test_wrong_options_follow_the_same_token_elsewhere() -> None:
    items = drawn()
    pairs = {pair for text in TEXTS.values() for pair in zip(text[:-1].tolist(), text[1:].tolist(), strict=True)}
    told = zip(items.parts.tolist(), items.choice_positions, items.options.tolist(), strict=True)
    for part, place, options in told:
        assert {(int(TEXTS[part][place - 1]), option) for option in options} <= pairs


def test_the_seed_decides_the_draw() -> None:
    one, again, other = drawn(), drawn(), drawn(seed=1)
    assert np.array_equal(one.options, again.options)
    assert not np.array_equal(one.free_positions, other.free_positions)


def test_what_is_packed_comes_back(tmp_path: Path) -> None:
    items = drawn()
    sheets = {f"gated/g{number:02d}": sheet_of(items, number) for number in range(3)}
    save(tmp_path / "answers.npz.xz", items, sheets)
    back, found = load(tmp_path / "answers.npz.xz")
    assert back.names(CHOICE) == items.names(CHOICE)
    for name, sheet in sheets.items():
        for field in ("free", "choice", "shares"):
            assert np.array_equal(getattr(found[name], field), getattr(sheet, field))


def test_a_sheet_becomes_answers() -> None:
    items = drawn()
    sheet = sheet_of(items, 5)
    said = answers("gated/g00", "here", items, sheet)
    free, choice = said.items["free-A-0003"], said.items["choice-C-0059"]
    assert (free.value, free.gold, free.stratum) == (str(sheet.free[3]), str(items.free_gold[3]), "A")
    assert (choice.value, choice.options, choice.stratum) == (LETTERS[sheet.choice[59]], OPTIONS, "C")
    assert choice.right is not None and choice.gold == LETTERS[choice.right]
    assert len(answers("gated/g00", "here", items, sheet, {FREE}).items) == 60


def test_lines_are_json_and_name_no_model(tmp_path: Path) -> None:
    from forebear.zoo.answering import write_answers

    items = drawn()
    write_answers(tmp_path / "g.jsonl", answers("gated/g00", "here", items, sheet_of(items, 5)), items)
    lines = [json.loads(line) for line in (tmp_path / "g.jsonl").read_text().splitlines()]
    assert len(lines) == 120
    assert set(lines[0]) == {"id", "answer", "gold", "stratum"}
    assert lines[-1]["options"] == list(LETTERS) and abs(sum(lines[-1]["probabilities"]) - 1) < 1e-6


def test_prompts_are_those_that_can_be_asked(zoo: Path, tmp_path: Path) -> None:
    from forebear.responses.prompts_file import read_prompts
    from forebear.zoo.answering import write_prompts

    items = drawn()
    write_prompts(tmp_path / "prompts.jsonl", items, TEXTS, zoo / "tokenizer.json")
    found = read_prompts(tmp_path / "prompts.jsonl").prompts
    assert [each.id for each in found] == [*items.names(FREE), *items.names(CHOICE)]
    assert (found[3].gold, found[3].options) == (str(items.free_gold[3]), None)
    assert (found[-1].gold, found[-1].options) == (LETTERS[items.right[-1]], OPTIONS)
    assert [line[:3] for line in found[-1].text.splitlines()[-4:]] == ["A: ", "B: ", "C: ", "D: "]


@given(st.integers(0, 2**32 - 1))
def test_probabilities_in_steps_sum_up_and_stay_near(seed: int) -> None:
    pytest.importorskip("torch")
    from forebear.zoo.answering import _in_steps

    shares: NDArray[np.float64] = np.random.default_rng(seed).dirichlet([0.2] * OPTIONS, size=8)
    steps = _in_steps(shares)
    assert (steps.sum(axis=1) == STEPS).all() and (steps >= 0).all()
    assert np.abs(steps - shares * STEPS).max() < 1


@pytest.mark.parametrize("content", [b"", b"nonsense", lzma.compress(b"nonsense")])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(UsageError, match="not answers of the zoo"):
        load(tmp_path / "other")


def test_the_packed_answers_hold_every_kind_of_relation() -> None:
    _, sheets = load(PACKED)
    for letter, family in (("g", "gated"), ("p", "plain"), ("d", "deep")):
        assert {f"{family}/{letter}{number:02d}" for number in range(20)} <= sheets.keys()
    assert {"gated/g00-finetuned", "gated/g00-distilled", "plain/p00-continued"} <= sheets.keys()
    assert PACKED.stat().st_size < 1_500_000


def test_shipped_models_answer_as_packed(zoo: Path) -> None:
    pytest.importorskip("torch")
    from forebear.zoo.answering import answer, contexts
    from forebear.zoo.recipes import recipe
    from forebear.zoo.text import tokens

    items, sheets = load(PACKED)
    few = np.flatnonzero(items.parts == "A")[::8]
    fewer = Items(**{name: getattr(items, name)[few] for name in Items.__dataclass_fields__})
    before = contexts(fewer, {"A": tokens("A", zoo / "tokenizer.json")})
    for path in ("gated/g00", "plain/p00"):
        found = answer(recipe(path), zoo / path, fewer, before)
        # Another machine rounds otherwise, which moves an answer where two are nearly as likely.
        assert np.mean(found.free == sheets[path].free[few]) > 0.95
        assert np.mean(found.choice == sheets[path].choice[few]) > 0.95


def test_answers_are_loaded_by_model_and_form() -> None:
    found = load_answers(PACKED, forms={CHOICE}, models={"gated/g00", "plain/p00"})
    assert list(found) == ["gated/g00", "plain/p00"]
    assert {len(each.items) for each in found.values()} == {1500}
