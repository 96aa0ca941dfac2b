"""What power is told for each disguise class, and why there is none."""

from __future__ import annotations

from functools import cache
from sys import maxsize

import pytest

from forebear.alignment.align import Alignment, align
from forebear.evidence.weights.pair import Pair
from forebear.evidence.weights.signs import RELABELLED
from forebear.verdict.comparison import Power
from forebear.verdict.power import EVERYTHING, FITTED_ON, ROTATED, measure_power, sufficient
from forebear.zoo.surgery import prune_hidden, prune_neurons
from tests.alignment.framed import Model, changed, framed, sides, zoo
from tests.models import zoo_pair

LEVEL = -6.8


@cache
def of(name: str, *, looked_for: bool) -> Power:
    fixed = zoo_pair(f"{name}1", f"{name}0")
    return measure_power(fixed, fitted(zoo(f"{name}1"), zoo(f"{name}0")) if looked_for else None, LEVEL, curves=False)


def fitted(model: Model, reference: Model) -> Pair:
    found = align(*sides(model, reference), "seed 0", maxsize, framed(model, reference))
    assert isinstance(found, Alignment)
    return Pair.of(found)


def test_gated_strangers_would_be_seen_kept_relabelled_and_rotated() -> None:
    power = of("gated/g0", looked_for=True)
    assert sufficient(power)
    assert power.classes[RELABELLED].tests == power.classes[ROTATED].tests == ["t2.signs"]
    assert power.classes[ROTATED].detected == 299
    assert power.classes[ROTATED].reason == FITTED_ON


def test_without_a_fitted_frame_rotation_is_not_claimed() -> None:
    rotated = of("gated/g0", looked_for=False).classes[ROTATED]
    assert rotated.detected is None
    assert rotated.reason is not None
    assert "was looked for" in rotated.reason


def test_ungated_neurons_have_no_exact_test_once_rotated() -> None:
    power = of("plain/p0", looked_for=True)
    assert power.classes[RELABELLED].tests == ["t3.neurons"]
    assert power.classes[ROTATED].detected is None
    assert "no exact test exists" in (power.classes[ROTATED].reason or "")


def test_everything_at_once_is_told_of_the_fixed_draw_only() -> None:
    found = of("gated/g0", looked_for=True).classes[EVERYTHING]
    assert (found.detected, found.reason) == (None, "told of the fixed draw only")


@pytest.mark.parametrize("name", ["hidden", "neurons"])
def test_another_width_is_seen_by_signs(name: str) -> None:
    stranger = zoo("gated/g01")
    made = prune_hidden(*stranger, 0.25) if name == "hidden" else prune_neurons(*stranger, 0.25)
    power = measure_power(None, fitted(changed(stranger, made), zoo("gated/g00")), LEVEL, curves=False)
    assert power.classes[RELABELLED].tests == ["t2.signs"]
    assert power.classes[RELABELLED].detected == 299


def test_nothing_to_measure_on_is_refused() -> None:
    with pytest.raises(ValueError, match="aligned pair"):
        measure_power(None, None, LEVEL, curves=False)
