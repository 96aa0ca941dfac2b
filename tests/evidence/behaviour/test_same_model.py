"""Two endpoints: one model asked twice, altered copies, strangers, greedy replies, and what must be refused."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from benchmarks.behaviour._endpoints import logits, rounded, said, transcript
from forebear.errors import UsageError
from forebear.evidence.behaviour import same_model as module
from forebear.evidence.behaviour.live import Heard, live_tests
from forebear.evidence.behaviour.same_model import SameModel, SamePair, same_model
from forebear.responses.transcript import Settings, Transcript

DATA = Path(__file__).parent / "data" / "zoo-sampled.jsonl"
RNG = np.random.default_rng(0)
MODEL = logits(40, length=20, seed=0)


@cache
def zoo(name: str) -> Transcript:
    lines = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    return transcript(name, next(line["replies"] for line in lines if line["name"] == name), temperature=0.5)


def asked(name: str, of: np.ndarray = MODEL, samples: int = 10, temperature: float = 1.0) -> Transcript:
    return transcript(name, said(of, samples, RNG, temperature))


def looked(model: Transcript, *references: Transcript, controls: tuple[Transcript, ...] = ()) -> SameModel:
    claim = same_model(Heard(model, references, controls))
    assert isinstance(claim, SameModel)
    return claim


def only(claim: SameModel) -> SamePair:
    assert len(claim.pairs) == 1
    return claim.pairs[0]


def test_it_is_called_by_its_name() -> None:
    assert live_tests()["same-model"].look is same_model


def test_one_model_asked_twice_is_not_told_apart_and_power_is_stated() -> None:
    control = asked("c", logits(40, length=20, seed=9), samples=40)
    claim = looked(asked("a", samples=40), asked("b", samples=40), controls=(control,))
    pair = only(claim)
    assert (claim.verdict, pair.outcome) == (None, "not told apart")
    assert pair.power is not None
    assert pair.power.planted == "controls"
    assert pair.power.smallest_share is not None
    assert pair.power.smallest_share <= pair.power.stated_share
    assert pair.p is not None
    assert pair.p > 0.01
    assert pair.interval is not None
    assert pair.mmd_squared is not None
    assert pair.interval[0] < pair.mmd_squared < pair.interval[1]
    assert f"{pair.power.smallest_share:.0%}" in claim.because


@pytest.mark.parametrize(
    "other",
    [rounded(MODEL, 2.0), MODEL / 0.4, logits(40, length=20, seed=5)],
    ids=["coarsely rounded", "colder", "stranger"],
)
def test_another_distribution_differs_which_is_no_verdict(other: np.ndarray) -> None:
    claim = looked(asked("a"), asked("b", other))
    pair = only(claim)
    assert (claim.verdict, pair.outcome, pair.power) == (None, "differ", None)
    assert pair.p == pair.p_floor == pytest.approx(0.001)
    assert "do not give the same distribution" in claim.because
    assert any("nothing on descent" in limit for limit in claim.limits)
    assert "quantisation" in claim.innocent_explanation


def test_few_replies_leave_it_undetermined() -> None:
    model = logits(3, length=20, seed=0)
    claim = looked(asked("a", model, samples=2), asked("b", model, samples=2))
    pair = only(claim)
    assert (claim.verdict, pair.outcome, pair.interval) == ("undetermined", "undetermined", None)
    assert "more prompts or replies" in claim.because
    assert pair.reason == "3 prompts are too few for an interval over prompts"


def test_p_values_are_adjusted_for_the_number_of_references() -> None:
    claim = looked(asked("a"), asked("b"), asked("c", logits(40, length=20, seed=5)))
    same, other = claim.pairs
    assert other.p == pytest.approx(0.001)
    assert other.p_adjusted == pytest.approx(0.002)
    assert other.outcome == "differ"
    assert same.outcome != "differ"


def test_on_the_zoo_a_child_and_a_stranger_differ_and_the_model_asked_again_does_not() -> None:
    claim = looked(zoo("g00"), zoo("again"), zoo("finetuned"), zoo("stranger"))
    assert [pair.outcome == "differ" for pair in claim.pairs] == [False, True, True]


def test_white_space_around_replies_and_what_follows_the_first_thousand_letters_is_left_out() -> None:
    first, second = (
        [[f"{'x' * 999}{reply.replace(' ', '-')}" for reply in replies] for replies in said(MODEL, 4, RNG)]
        for _ in "ab"
    )
    spaced = [[f"\n {reply}  " for reply in replies] for replies in second]
    cut = [[reply[:1000] for reply in replies] for replies in first]
    wanted = only(looked(transcript("a", cut), transcript("b", second))).mmd_squared
    assert only(looked(transcript("a", first), transcript("b", spaced))).mmd_squared == pytest.approx(wanted)


def test_two_caches_are_warned_of() -> None:
    first, second = said(MODEL, 1, RNG), said(MODEL, 1, RNG)
    claim = looked(transcript("a", [each * 5 for each in first]), transcript("b", [each * 5 for each in second]))
    pair = only(claim)
    assert pair.repeating is not None
    assert pair.repeating > 30
    assert any("caches" in limit and str(pair.repeating) in limit for limit in claim.limits)


def greedy(name: str, replies: list[list[str]]) -> Transcript:
    return transcript(name, replies, temperature=0.0)


def test_greedy_replies_are_counted_and_not_tested() -> None:
    replies = [["one"], ["two"], ["three"]]
    claim = looked(greedy("a", replies), greedy("b", replies), greedy("c", [["one"], ["two"], ["four"]]))
    same, other = claim.pairs
    assert (same.kind, same.outcome, same.identical, same.p) == ("greedy", "identical", 3, None)
    assert (other.outcome, other.identical, other.prompts) == ("not identical", 2, 3)
    assert claim.verdict is None
    assert any("Greedy" in limit for limit in claim.limits)


def test_prompts_without_enough_replies_are_left_out() -> None:
    claim = looked(transcript("a", [["x"], ["x", "y"]]), transcript("b", [["x", "y"], ["x", "y"]]))
    assert only(claim).prompts == 1
    nothing = looked(transcript("a", [["x"]]), transcript("b", [["x"]]))
    assert (nothing.verdict, only(nothing).outcome) == ("undetermined", None)
    assert nothing.reason is not None


def test_other_settings_other_prompts_and_no_reference_are_refused() -> None:
    model = asked("a")
    with pytest.raises(UsageError, match=r"temperature is 0, that of a\.jsonl 1"):
        looked(model, greedy("b", [["x"]] * 40))
    with pytest.raises(UsageError, match="max_tokens"):
        looked(model, replace(asked("b"), settings=Settings(temperature=1.0, max_tokens=5)))
    with pytest.raises(UsageError, match="other prompts"):
        looked(model, asked("b", logits(3)))
    with pytest.raises(UsageError, match="nothing to compare"):
        looked(model)


def test_another_way_of_asking_is_told() -> None:
    other = asked("b")
    claim = looked(asked("a"), replace(other, settings=replace(other.settings, kind="local")))
    assert any("different ways (chat and local)" in limit for limit in claim.limits)


def test_one_seed_for_both_sides_is_refused_on_this_machine_and_told_elsewhere() -> None:
    first, second = (replace(each, settings=replace(each.settings, seed=3)) for each in (asked("a"), asked("b")))
    assert any("one seed" in limit for limit in looked(first, second).limits)
    local = [replace(each, endpoint=None) for each in (first, second)]
    with pytest.raises(UsageError, match="not independent"):
        looked(*local)
    unstated = [
        replace(each, settings=replace(each.settings, seed=seed)) for each, seed in zip(local, (None, 0), strict=True)
    ]
    with pytest.raises(UsageError, match="drawn with the seed 0"):
        looked(*unstated)
    other = replace(local[1], settings=replace(local[1].settings, seed=4))
    assert only(looked(local[0], other)).outcome != "differ"


def test_too_many_replies_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CELLS", 100)
    with pytest.raises(UsageError, match="more than 100 pairs"):
        looked(asked("a"), asked("b"))


def test_the_result_does_not_change_from_run_to_run() -> None:
    first, second = asked("a"), asked("b")
    assert looked(first, second) == looked(first, second)
