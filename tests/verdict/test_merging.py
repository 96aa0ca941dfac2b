from __future__ import annotations

import msgspec

from forebear.evidence.weights.merge import Merge, NotMerged
from forebear.verdict.comparison import WeightsClaim
from forebear.verdict.further import BeyondBase, MergeClaim
from forebear.verdict.merging import beyond_by_merge, merge_claim, merged_step, with_merge

MAPS = ((0, 1), (3, 4), (0, 1))
SOURCES = ("first", "second", "third")
LINEAR = Merge("linear", (0.6, 0.4, 0.0), ((0.59, 0.61), (0.39, 0.41), (-0.01, 0.01)), 1e-6, 1e-6)


def test_weights_and_intervals_go_by_source() -> None:
    claim = merge_claim(LINEAR, SOURCES, MAPS)
    assert claim.merged
    assert claim.weights == {"first": 0.6, "second": 0.4, "third": 0.0}
    assert merged_step(claim) == {
        "step": "merged",
        "method": "linear",
        "weights": claim.weights,
        "intervals": {"first": [0.59, 0.61], "second": [0.39, 0.41], "third": [-0.01, 0.01]},
        "missing_parent": False,
    }


def test_a_missing_parent_brings_its_alternatives() -> None:
    found = Merge(
        "linear",
        (0.5, 0.3),
        ((0.4, 0.6), (0.2, 0.4)),
        1e-2,
        1e-6,
        left="structure",
        overlap=2.0,
        alternatives=("a parent is missing from the list",),
    )
    claim = merge_claim(found, SOURCES[:2], MAPS)
    assert "no candidate holds" in claim.because
    assert merged_step(claim)["missing_parent"]
    assert merged_step(claim)["alternatives"] == ["a parent is missing from the list"]


def test_amounts_of_the_other_methods_stand_in_the_step() -> None:
    zero = ((0.0, 1.0),) * 3
    ties = Merge("ties", (0.6, 0.4, 0.0), zero, 0.0, 0.0, densities=((0.5, 0.4, 0.6), (0.3, 0.2, 0.4), None))
    franken = Merge("frankenmerge", (0.5, 0.5, 0.0), zero, 0.0, 0.0, origins={0: 0, 1: 1})
    slerp = Merge("slerp", (0.5, 0.5, 0.0), zero, 0.0, 0.0, places={0: (0.2, 0.1, 0.3)})
    assert merged_step(merge_claim(ties, SOURCES, MAPS))["densities"] == {"first": 0.5, "second": 0.3}
    assert merged_step(merge_claim(franken, SOURCES, MAPS))["origins"] == {
        "0": ["first", 0],
        "1": ["second", 4],
    }
    assert merged_step(merge_claim(slerp, SOURCES, MAPS))["places"] == {"0": 0.2}


def test_what_is_no_merge_says_why() -> None:
    claim = merge_claim(NotMerged("fewer than two candidate parents"), SOURCES, MAPS)
    assert (claim.merged, claim.because) == (False, "fewer than two candidate parents")
    assert msgspec.json.decode(msgspec.json.encode(claim), type=MergeClaim) == claim


def test_a_merge_changes_the_claim_only_where_the_reference_contributes() -> None:
    claim = WeightsClaim("related", "", recipe=[{"step": "renamed"}, {"step": "trained"}])
    beyond = BeyondBase("explained by base", "")
    merge = merge_claim(LINEAR, SOURCES, MAPS)
    changed = with_merge(claim, merge, "first")
    assert (changed.verdict, changed.direction) == ("derived", "reference to model")
    assert [step["step"] for step in changed.recipe] == ["renamed", "merged"]
    assert with_merge(claim, merge, "third") == with_merge(claim, None, "first") == claim
    assert beyond_by_merge(beyond, merge, "first").verdict == "derived beyond base"
    assert beyond_by_merge(beyond, merge, "third") == beyond


def test_a_merge_with_a_parent_missing_keeps_the_verdict() -> None:
    claim = WeightsClaim("related", "")
    merge = msgspec.structs.replace(merge_claim(LINEAR, SOURCES, MAPS), missing_parent=True)
    changed = with_merge(claim, merge, "first")
    assert (changed.verdict, changed.direction) == ("related", None)
    assert changed.recipe[0]["missing_parent"]
