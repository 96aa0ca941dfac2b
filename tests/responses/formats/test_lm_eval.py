"""Sample logs of lm-evaluation-harness."""

from __future__ import annotations

import json
from math import exp
from pathlib import Path
from typing import Any

import pytest

from forebear.errors import UsageError
from forebear.responses.answers import Answers
from forebear.responses.reading import read_answers

HASHES = [f"{number:064x}" for number in range(1, 9)]


def choice(number: int, likelihoods: list[Any], target: Any, **more: Any) -> dict[str, Any]:
    """A multiple-choice sample as the harness writes it: numbers as text."""
    pairs = [[str(each), "False"] for each in likelihoods]
    return {
        "doc_id": number,
        "doc": {"question": "?", "subject": "law"},
        "target": str(target),
        "arguments": {f"gen_args_{n}": {"arg_0": "Q", "arg_1": f" option {n}"} for n in range(len(likelihoods))},
        "resps": [[pair] for pair in pairs],
        "filtered_resps": pairs,
        "filter": "none",
        "metrics": ["acc"],
        "doc_hash": HASHES[number],
        "prompt_hash": "0" * 64,
        "target_hash": "1" * 64,
        "acc": float("nan"),
        **more,
    }


def generated(number: int, text: str, target: Any, name: str, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": number,
        "doc": {},
        "target": str(target),
        "arguments": {"gen_args_0": {"arg_0": "Q", "arg_1": {"until": ["\n"]}}},
        "resps": [["so " + text]],
        "filtered_resps": [text],
        "filter": name,
        "doc_hash": HASHES[number],
        **more,
    }


def read(folder: Path, samples: list[dict[str, Any]], task: str = "some_task") -> Answers:
    path = folder / f"samples_{task}_2026-04-17T20-18-28.440238.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in samples), encoding="utf-8")
    return read_answers(path, name="m")


def test_multiple_choice_is_the_most_likely_option(tmp_path: Path) -> None:
    found = read(tmp_path, [choice(0, [-3.0, -1.0, -2.0], 2), choice(1, ["-inf", -1.0], "option 0")])
    assert found.form == "lm-eval"
    first, second = found.items.values()
    assert (first.id, first.value, first.gold, first.options, first.stratum, first.right) == (
        HASHES[0], "1", "2", 3, "law", 2,
    )  # fmt: skip
    weights = [exp(each) for each in (-3.0, -1.0, -2.0)]
    assert first.probabilities == pytest.approx([each / sum(weights) for each in weights])
    assert (second.value, second.gold, second.probabilities) == ("1", "0", (0.0, 1.0))


def test_older_logs_of_plain_numbers_without_hash_or_filter(tmp_path: Path) -> None:
    sample = {
        "doc_id": 4,
        "target": 0,
        "arguments": [["Q", " a"], ["Q", " b"]],
        "filtered_resps": [[-1.5, False], [-0.5, True]],
    }
    found = read(tmp_path, [{**sample, "resps": [[[-1.5, False]], [[-0.5, True]]]}], "cmmlu_law")
    assert list(found.items) == ["cmmlu_law/4"]
    assert next(iter(found.items.values())).stratum == "cmmlu_law"


def test_two_options_without_a_named_target_take_it_from_the_metric(tmp_path: Path) -> None:
    same = {"gen_args_0": {"arg_0": "A", "arg_1": " x"}, "gen_args_1": {"arg_0": "B", "arg_1": " x"}}
    samples = [choice(n, [-1, -2], "x", arguments=same, acc=acc) for n, acc in enumerate([1.0, 0.0, None])]
    assert [each.gold for each in read(tmp_path, samples).items.values()] == ["0", "1", None]


def test_unconditional_requests_of_mutual_information_are_no_options(tmp_path: Path) -> None:
    found = read(tmp_path, [choice(0, [-3, -1, -9, -0.1], 0, acc_mutual_info=0.0)])
    assert [(each.value, each.options) for each in found.items.values()] == [("1", 2)]


def test_one_filter_is_chosen_by_name_alone_and_noted(tmp_path: Path) -> None:
    filters = {"strict-match": "[invalid]", "flexible-extract": "17"}
    samples = [generated(n, text, "['18']", name) for name, text in filters.items() for n in (0, 1)]
    found = read(tmp_path, samples)
    assert [(each.value, each.gold) for each in found.items.values()] == [("17", "18")] * 2
    assert found.notes == ("answers as the filter 'flexible-extract' leaves them; not read: 'strict-match'",)


def test_an_answer_scored_right_is_the_target_however_worded(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        [generated(0, "$18.", "18", "none", exact_match=1.0), generated(1, "$18.", "18", "none", exact_match=0.0)],
    )
    assert [each.value for each in found.items.values()] == ["18", "$18."]


def test_equal_documents_are_numbered_and_repeated_ones_read_once(tmp_path: Path) -> None:
    first = choice(0, [-1, -2], 0)
    found = read(tmp_path, [first, {**first, "doc_id": 7}, first])
    assert list(found.items) == [HASHES[0], f"{HASHES[0]}#2"]


def test_samples_without_a_usable_number_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, [choice(0, [-1, -2], 0), choice(1, ["nan", "-inf"], 0)])
    assert list(found.items) == [HASHES[0]]
    assert found.notes == ("left out, for want of an answer: 1 items",)


@pytest.mark.parametrize(
    ("samples", "rule"),
    [
        ([choice(0, [-1], 0)], "no answers"),
        ([choice(0, [-1, -2], 0), {"id": 1, "answer": "a"}], "doc_id and filtered_resps are missing"),
        ([{"doc_id": 0, "filtered_resps": "x"}], "must be a list"),
        ([{"doc_id": [], "filtered_resps": ["x"]}], "must be text or a whole number"),
    ],
)
def test_what_is_no_sample_is_refused(samples: list[dict[str, Any]], rule: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rule):
        read(tmp_path, samples)
