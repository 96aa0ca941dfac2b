"""From files to a result: pairs, overlap, replayed figures, numbers and contradicting right answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import forebear
from forebear.errors import UsageError
from forebear.report import json as results
from forebear.report.replay import replay
from forebear.verdict.behaviour.files import overlap_matrix
from forebear.verdict.behaviour.naming import distinct


def written(path: Path, rows: list[dict]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def strangers(folder: Path, models: int, items: int = 300, seed: int = 3) -> list[Path]:
    """Answers of strangers to items of unequal difficulty, right answers included."""
    draw = np.random.default_rng(seed)
    chance = np.repeat(np.linspace(0.05, 0.95, items)[:, None], models, axis=1)
    wrong = draw.random((items, models)) < chance
    codes = np.where(wrong, draw.integers(1, 4, (items, models)), 0)
    return [
        written(
            folder / f"m{model}.jsonl",
            [
                {"id": str(item), "answer": "ABCD"[codes[item, model]], "gold": "A", "options": 4}
                for item in range(items)
            ],
        )
        for model in range(models)
    ]


def test_strangers_of_unequal_items(tmp_path):
    model, reference, *controls = strangers(tmp_path, 22, items=600)
    result = forebear.behaviour(model, reference, controls=controls)
    pair = result.pairs[0]
    assert pair.verdict == "independent"
    assert pair.power.draws == 100
    assert pair.log10_p_equal_difficulty < -6
    assert pair.log10_p_stratified > -3
    assert pair.power.detected == pair.power.draws
    assert pair.kappa > 0.2
    assert pair.capa is not None
    assert pair.same_wrong.both_wrong == pair.shared_errors
    plain = results.document(result)
    assert plain["schema"] == "forebear.behaviour/1"
    assert results.document(forebear.behaviour(model, reference, controls=controls)) == plain


def test_a_copy_among_strangers_is_related(tmp_path):
    model, reference, *controls = strangers(tmp_path, 14)
    rows = [json.loads(line) for line in reference.read_text().splitlines()]
    own = [json.loads(line) for line in model.read_text().splitlines()]
    copied = written(tmp_path / "copy.jsonl", [*rows[::2], *own[1::2]])
    pair = forebear.behaviour(copied, reference, controls=controls).pairs[0]
    assert pair.verdict == "related"
    assert pair.log10_p < -3
    assert pair.power.detected is None and "stands out" in pair.power.reason
    assert pair.population.p == pytest.approx(1 / 13)


def test_figures_of_errors_need_right_answers_and_equal_answers_do_not(tmp_path):
    files = strangers(tmp_path, 13)
    for path in files:
        written(path, [{k: v for k, v in json.loads(line).items() if k != "gold"} for line in path.open()])
    pair = forebear.behaviour(files[0], files[1], controls=files[2:]).pairs[0]
    assert pair.shared_errors is None and pair.kappa is None and pair.log10_p_stratified is None
    assert "--gold" in pair.reasons["kappa"]
    assert pair.same_answer.log10_p is not None
    gold = written(tmp_path / "gold.jsonl", [{"id": str(item), "gold": "A"} for item in range(300)])
    assert forebear.behaviour(files[0], files[1], gold=gold).pairs[0].shared_errors > 0


def test_without_right_answers_no_likeness_is_called_related(tmp_path):
    """Two able strangers among weaker ones agree where they are right, which nobody can tell from kinship."""
    model, reference, *controls = strangers(tmp_path, 14)
    copy = written(tmp_path / "copy.jsonl", [json.loads(line) for line in reference.read_text().splitlines()])
    for path in (copy, reference, *controls):
        written(path, [{k: v for k, v in json.loads(line).items() if k != "gold"} for line in path.open()])
    rows = [json.loads(line) for line in copy.open()]
    own = [json.loads(line) for line in model.open()]
    partly = written(
        tmp_path / "partly.jsonl",
        [*rows[:150], *({k: v for k, v in each.items() if k != "gold"} for each in own[150:])],
    )
    pair = forebear.behaviour(partly, reference, controls=controls).pairs[0]
    assert pair.log10_p < -3
    assert pair.verdict == "undetermined"
    assert "able strangers" in pair.because


def test_contradicting_right_answers_are_refused(tmp_path):
    one = written(tmp_path / "one.jsonl", [{"id": "1", "answer": "A", "gold": "A"}])
    two = written(tmp_path / "two.jsonl", [{"id": "1", "answer": "A", "gold": "B"}])
    with pytest.raises(UsageError, match=r"two\.jsonl: item 1: another right answer than in .*one\.jsonl"):
        forebear.behaviour(one, two)


def test_no_item_in_common_is_refused(tmp_path):
    one = written(tmp_path / "one.jsonl", [{"id": "1", "answer": "A"}])
    two = written(tmp_path / "two.jsonl", [{"id": "2", "answer": "A"}])
    with pytest.raises(UsageError, match="no item in common"):
        forebear.behaviour(one, two)


def test_a_control_with_few_of_the_items_is_left_out_and_said(tmp_path):
    files = strangers(tmp_path, 13)
    written(files[-1], [json.loads(line) for line in files[-1].read_text().splitlines()][:20])
    pair = forebear.behaviour(files[0], files[1], controls=files[2:]).pairs[0]
    assert pair.items == 300
    assert pair.population.controls == 10
    assert any("m12: answered 7% of the items" in each for each in pair.warnings)


def test_boxes_are_compared_as_errors(tmp_path):
    draw = np.random.default_rng(5)
    corners = np.sort(draw.uniform(0, 100, (120, 2, 2)), axis=1).reshape(120, 4)
    gold = corners + np.array([0, 0, 30, 30])
    bias = draw.normal(0, 2, gold.shape)
    errors = draw.normal(0, 3, (13, *gold.shape))
    errors[0] = 0.8 * errors[1] + 0.6 * errors[0]
    files = [
        written(
            tmp_path / f"b{model}.jsonl",
            [
                {
                    "id": str(item),
                    "answer": (gold[item] + bias[item] + errors[model, item]).tolist(),
                    "gold": box.tolist(),
                }
                for item, box in enumerate(gold)
            ],
        )
        for model in range(13)
    ]
    pair = forebear.behaviour(files[0], files[1], controls=files[2:]).pairs[0]
    assert pair.numeric["correlation_beyond"] > 0.5
    assert pair.numeric["log10_p"] < -3
    assert pair.verdict == "related"
    assert pair.population.figure == "correlation of error vectors"
    stranger = forebear.behaviour(files[2], files[1], controls=files[3:]).pairs[0]
    assert stranger.numeric["log10_p"] > -3
    assert stranger.verdict != "related"


def test_two_files_of_one_name_are_told_apart():
    paths = [Path("a/x.jsonl"), Path("b/x.jsonl"), Path("y.csv"), Path("a/x.csv")]
    assert distinct(paths) == ["a/x (1)", "b/x", "y", "a/x (2)"]
    assert distinct([Path("llama-3.1-8b.jsonl.gz"), Path("llama-3.2-8b.csv")]) == ["llama-3.1-8b", "llama-3.2-8b"]


def test_overlap_of_models_without_an_item_in_common_is_null(tmp_path):
    from forebear.responses.reading import read_answers

    one = read_answers(written(tmp_path / "one.jsonl", [{"id": "1", "answer": "A"}, {"id": "2", "answer": "B"}]))
    two = read_answers(written(tmp_path / "two.jsonl", [{"id": "2", "answer": "B"}]))
    none = read_answers(written(tmp_path / "none.jsonl", [{"id": "9", "answer": "B"}]))
    assert overlap_matrix([one, two, none]) == [[1.0, 1.0, None], [1.0, 1.0, None], [None, None, 1.0]]


def test_one_habit_that_makes_most_equal_answers_is_told(tmp_path):
    rows = [{"id": str(item), "answer": "I cannot say", "gold": str(item)} for item in range(40)]
    files = [written(tmp_path / f"{name}.jsonl", rows) for name in ("a", "b")]
    pair = forebear.behaviour(*files).pairs[0]
    assert any("I cannot say" in each and "habit" in each for each in pair.warnings)


def test_answers_that_differ_by_letter_case_are_told(tmp_path):
    one, two = strangers(tmp_path, 2)
    assert not any("letter case" in each for each in forebear.behaviour(one, two).pairs[0].warnings)
    rows = [json.loads(line) for line in two.read_text().splitlines()]
    lower = written(tmp_path / "lower.jsonl", [row | {"answer": row["answer"].lower()} for row in rows])
    assert any("letter case" in each for each in forebear.behaviour(one, lower).pairs[0].warnings)


def test_results_are_computed_again_from_their_own_record(tmp_path):
    model, reference, *controls = strangers(tmp_path, 13)
    found = forebear.behaviour(model, reference, controls=controls, share=0.3, seed=5)
    for place, result in enumerate((found, forebear.behaviour_from_counts(1000, 236, 194, 182, seed=2))):
        path = tmp_path / f"result{place}.json"
        path.write_text(results.encode(result))
        assert replay(path).identical
    rows = [json.loads(line) for line in model.read_text().splitlines()]
    written(model, [rows[0] | {"answer": "other"}, *rows[1:]])
    outcome = replay(tmp_path / "result0.json")
    assert not outcome.identical
    assert "files" in outcome.why[0]


def test_a_record_without_files_or_counts_is_refused(tmp_path):
    path = tmp_path / "result.json"
    plain = results.document(forebear.behaviour_from_counts(10, 3, 3, 1))
    path.write_text(json.dumps(plain | {"computation": {"seed": 0}}))
    with pytest.raises(UsageError, match="computation"):
        replay(path)
