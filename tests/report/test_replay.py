from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

import forebear
from forebear.errors import UsageError
from forebear.report import json
from forebear.report.replay import contrast, replay
from forebear.verdict.comparison import Comparison, Ranking
from tests.report import examples


@pytest.fixture
def result(tmp_path: Path) -> Path:
    path = tmp_path / "result.json"
    path.write_text(json.encode(examples.comparison("derived")), encoding="utf-8")
    return path


def again(monkeypatch: pytest.MonkeyPatch, answer: Comparison | Ranking) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def call(model: str, other: Any, **options: Any) -> Comparison | Ranking:
        asked.append((model, other, options))
        return answer

    monkeypatch.setattr(forebear, "compare", call, raising=False)
    monkeypatch.setattr(forebear, "rank", call, raising=False)
    return asked


def test_the_same_figures_are_identical(monkeypatch: pytest.MonkeyPatch, result: Path) -> None:
    asked = again(monkeypatch, examples.comparison("derived"))
    outcome = replay(result)
    assert outcome.identical
    assert outcome.why == []
    assert asked == [("models/child", "models/parent", {"seed": 0, "budget": 64_000_000, "full": False})]


def test_other_files_are_told_by_their_digests(monkeypatch: pytest.MonkeyPatch, result: Path) -> None:
    changed = msgspec.structs.replace(examples.comparison("derived"), model=examples.side("models/child", "c"))
    again(monkeypatch, changed)
    outcome = replay(result)
    assert not outcome.identical
    assert outcome.why == ["the files are not those the result was computed from"]
    assert [each.place for each in outcome.differences] == ["model.sample_digest"]


def test_another_version_and_other_figures_are_told_apart(monkeypatch: pytest.MonkeyPatch, result: Path) -> None:
    other = examples.comparison("derived")
    again(monkeypatch, msgspec.structs.replace(other, tool={"name": "forebear", "version": "9"}))
    assert replay(result).why == ["another version of Forebear computed the result"]
    assert other.weights is not None
    again(monkeypatch, msgspec.structs.replace(other, weights=msgspec.structs.replace(other.weights, log10_p=-7.0)))
    outcome = replay(result)
    assert outcome.why == ["the same files and version give other figures on this machine"]
    assert [(each.place, each.recorded, each.replayed) for each in outcome.differences] == [
        ("weights.log10_p", -300.0, -7.0)
    ]


def test_rankings_are_replayed_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    path.write_text(json.encode(examples.ranking()), encoding="utf-8")
    asked = again(monkeypatch, examples.ranking())
    assert replay(path).identical
    assert asked[0][1] == ["models/parent", "models/other"]


def test_further_models_are_opened_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = examples.comparison("related")
    further = {"also": [{"source": "other", "digest": None}], "bases": [{"source": "base", "digest": None}]}
    result = msgspec.structs.replace(result, computation=result.computation | further)
    path = tmp_path / "result.json"
    path.write_text(json.encode(result), encoding="utf-8")
    asked = again(monkeypatch, result)
    assert replay(path).identical
    assert asked[0][2]["also"] == ["other"]
    assert asked[0][2]["bases"] == ["base"]


@pytest.mark.parametrize("computation", [{}, {"seed": "0", "budget": 1, "full": False}, {"seed": 0, "budget": 1}])
def test_a_record_that_cannot_be_repeated_is_refused(computation: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    broken = msgspec.structs.replace(examples.comparison("same"), computation=computation)
    path.write_text(json.encode(broken), encoding="utf-8")
    with pytest.raises(UsageError, match="does not say how to repeat it"):
        replay(path)


def test_rankings_of_mixed_records_or_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ranking.json"
    one, two = examples.ranking().comparisons
    mixed = msgspec.structs.replace(two, computation={**two.computation, "seed": 1})
    for comparisons in ([one, mixed], []):
        path.write_text(json.encode(Ranking(examples.TOOL, comparisons)), encoding="utf-8")
        with pytest.raises(UsageError, match="comparisons"):
            replay(path)


def test_lists_of_other_lengths_true_and_one_and_extra_keys_are_differences() -> None:
    assert not contrast({"a": [1]}, {"a": [1, 2]}).identical
    assert not contrast({"a": True}, {"a": 1}).identical
    assert not contrast({"a": 1, "b": 2}, {"a": 1}).identical
    assert contrast({"a": [{"b": 1.0}]}, {"a": [{"b": 1.0}]}).identical
