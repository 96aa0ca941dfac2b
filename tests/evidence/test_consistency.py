from __future__ import annotations

from functools import cache
from sys import maxsize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.alignment.align import Alignment, align
from forebear.alignment.sampled import Ffn, Place
from forebear.evidence.finding import Finding
from forebear.evidence.weights import consistency as module
from forebear.evidence.weights.consistency import (
    CALIBRATED_EFFECT,
    CALIBRATED_Z,
    MOST_LEADING,
    Controls,
    PlantedConsistency,
    consistency,
    consistency_coins,
    controls,
    speaks_of_descent,
    without_leading,
)
from forebear.evidence.weights.pair import Pair
from forebear.statistics.arrays import Floats
from forebear.statistics.planting import DRAWS
from forebear.zoo.surgery import everything, flip_signs, permute_neurons
from forebear.zoo.surgery.residual import orthogonal
from tests.alignment.framed import Model, changed, framed, sides, zoo
from tests.models import START, Tensors, aligned, pair_of, random_start


@cache
def disguised(model: str, reference: str, seed: int) -> Pair:
    hidden = changed(zoo(model), everything(*zoo(model), seed=seed))
    found = align(*sides(hidden, zoo(reference)), "seed 0", maxsize, framed(hidden, zoo(reference)))
    assert isinstance(found, Alignment)
    return Pair.of(found)


def coins(tensors: Tensors, reference: Model) -> Floats:
    return consistency_coins(aligned(tensors, *reference))[0]


CHILDREN = [("gated/g00-continued", "gated/g00"), ("plain/p00-continued", "plain/p00"), ("gated/g00", "gated/g00")]
STRANGERS = [("gated/g01", "gated/g00"), ("gated/g01-continued", "gated/g00-continued"), ("plain/p01", "plain/p00")]


@pytest.mark.parametrize("pair", CHILDREN)
@pytest.mark.parametrize("seed", range(2))
def test_a_child_disguised_in_every_way_speaks_of_descent(pair: tuple[str, str], seed: int) -> None:
    found = consistency(disguised(*pair, seed))
    assert found.log10_p is None
    assert speaks_of_descent(found)
    assert (found.effect["effect"] or 0.0) > 2.0 * CALIBRATED_EFFECT


@pytest.mark.parametrize("pair", STRANGERS)
@pytest.mark.parametrize("seed", range(2))
def test_a_stranger_does_not(pair: tuple[str, str], seed: int) -> None:
    found = consistency(disguised(*pair, seed))
    assert not speaks_of_descent(found)
    assert abs(found.effect["effect"] or 0.0) < CALIBRATED_EFFECT


def test_shipped_controls_are_ascending_and_below_the_level() -> None:
    effects = controls().effects
    assert effects == sorted(effects)
    assert all(effect < CALIBRATED_EFFECT for effect in effects)
    assert controls().command.startswith("python -m benchmarks.")


@pytest.mark.parametrize(("known", "p"), [([0.0, 0.1, 0.2], 0.25), ([0.0, 0.9, 0.95], 0.75), ([], 1.0)])
def test_the_effect_is_held_against_the_controls(monkeypatch: pytest.MonkeyPatch, known: list[float], p: float) -> None:
    monkeypatch.setattr(module, "controls", lambda: Controls("a command", known))
    found = consistency(disguised("plain/p00-continued", "plain/p00", 0))
    assert 0.2 < (found.effect["effect"] or 0.0) < 0.9
    assert found.effect["controls"] == len(known)
    assert found.effect["conformal_p"] == pytest.approx(p)


@pytest.mark.parametrize(
    ("value", "effect", "speaks"),
    [
        (CALIBRATED_Z, CALIBRATED_EFFECT, True),
        (CALIBRATED_Z - 0.1, 0.9, False),
        (50.0, CALIBRATED_EFFECT - 0.01, False),
    ],
)
def test_both_the_effect_and_its_weight_must_be_there(value: float, effect: float, speaks: bool) -> None:
    assert speaks_of_descent(Finding("t4.consistency", "title", value=value, effect={"effect": effect})) == speaks
    assert not speaks_of_descent(Finding("t1.neurons", "title", value=value, effect={"effect": effect}))


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_and_signs_of_neurons_change_nothing(seed: int) -> None:
    model, reference = zoo("gated/g01"), zoo("gated/g00")
    hidden = flip_signs(permute_neurons(model[0], seed=seed), seed=seed + 1)
    plain, moved = (coins(tensors, reference) for tensors in (model[0], hidden))
    assert np.sort(moved) == pytest.approx(np.sort(plain), abs=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_shared_leading_directions_are_left_out_whatever_the_basis(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = 10.0 * rng.standard_normal((2, 12))
    mine, yours = (rng.standard_normal((50, 12)) + rng.standard_normal((50, 2)) @ shared for _ in "ab")
    turn = orthogonal(12, rng)
    plain, turned = without_leading(mine, yours), without_leading(mine @ turn, yours @ turn)
    for one, other in zip(plain, turned, strict=True):
        assert np.linalg.norm(one @ shared.T) < 0.2 * np.linalg.norm(one) * np.linalg.norm(shared)
        assert other == pytest.approx(one @ turn, abs=1e-6)


def test_at_most_half_of_the_directions_are_left_out() -> None:
    rng = np.random.default_rng(0)
    for size in (6, 4 * MOST_LEADING):
        rows = without_leading(rng.standard_normal((300, size)), rng.standard_normal((300, size)))[0]
        assert np.linalg.matrix_rank(rows, tol=1e-8) == size - min(MOST_LEADING, size // 2)


def test_nothing_to_compare_is_a_reason() -> None:
    blank = {name: tensor * np.nan for name, tensor in random_start(0).items()}
    found = consistency(pair_of(blank, random_start(1), START))
    assert found.value is None
    assert found.reason


def ffn(seed: int) -> Ffn:
    rng = np.random.default_rng(seed)
    gate, up, down = (rng.standard_normal((96, 64)).astype(np.float32) for _ in range(3))
    return Ffn(gate, up, down, np.arange(96), 96, np.arange(64), np.arange(64))


def test_planted_inheritance_is_found_and_its_absence_is_not() -> None:
    planted = PlantedConsistency([(ffn(1), ffn(2))], 5, np.random.default_rng(0))
    assert planted.detected(1.0, 0.99) == DRAWS
    assert planted.detected(0.02, 0.1) == 0


def test_places_are_those_both_sides_have() -> None:
    pair = disguised("gated/g00", "gated/g00", 0)
    assert pair.alignment.places() == [Place(layer) for layer in range(5)]
