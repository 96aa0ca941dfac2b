"""Signs of gated neurons where widths differ and where copies would repeat their coins."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from sys import maxsize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.alignment.align import Alignment, align
from forebear.alignment.sampled import Ffn
from forebear.evidence.finding import Finding
from forebear.evidence.weights.pair import Pair
from forebear.evidence.weights.signs import gated_signs, matched_coins
from forebear.zoo.surgery import prune_neurons, repeat_layers, rotate_residual, shuffle_experts, upcycle, widen_neurons
from tests.alignment.framed import Model, changed, framed, sides, zoo

EXPERTS = {"experts": 6, "shuffle": True, "noise": 0.05}


def signs(model: Model, reference: Model) -> Finding:
    found = align(*sides(model, reference), "seed 0", maxsize, framed(model, reference))
    assert isinstance(found, Alignment)
    return gated_signs(Pair.of(found))


@cache
def upcycled(name: str, seed: int) -> Model:
    return changed(zoo(name), upcycle(*zoo(name), **EXPERTS, seed=seed))


def log10_p(found: Finding) -> float:
    assert found.log10_p is not None, found.reason
    return found.log10_p


@pytest.mark.parametrize("seed", range(3))
def test_copies_of_a_strangers_neurons_are_one_coin_each(seed: int) -> None:
    found = signs(upcycled("gated/g01", seed), zoo("gated/g00"))
    assert log10_p(found) > -4.0
    assert 0 < (found.effect["coins"] or 0.0) <= 5 * 144


def test_a_dense_parent_is_found_in_shuffled_experts() -> None:
    turned = rotate_residual(*upcycled("gated/g00-continued", 1), seed=1)
    found = signs((turned.tensors, dict(turned.config)), zoo("gated/g00"))
    assert log10_p(found) < -100.0
    assert found.effect["agreeing_share"] == pytest.approx(1.0, abs=0.02)


def test_experts_of_both_sides_stand_each_alone() -> None:
    model, reference = upcycled("gated/g00-continued", 1), upcycled("gated/g00", 2)
    shuffled = shuffle_experts(*model, seed=3)
    found = signs((shuffled.tensors, dict(shuffled.config)), reference)
    # One FFN of 144 neurons cannot say more than that, after paying for thirty.
    assert -40.0 < log10_p(found) < -15.0


def test_repeated_layers_are_not_counted_twice() -> None:
    child = zoo("gated/g00-continued")
    doubled = changed(child, repeat_layers(*child, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]))
    once, twice = signs(child, zoo("gated/g00")), signs(doubled, zoo("gated/g00"))
    assert twice.effect["coins"] == once.effect["coins"]
    assert log10_p(twice) == pytest.approx(log10_p(once))


@pytest.mark.parametrize("kept", [0.75, 0.5, 0.25])
def test_the_neurons_a_pruning_kept_are_all_found(kept: float) -> None:
    child = zoo("gated/g00-continued")
    found = signs(changed(child, prune_neurons(*child, 1.0 - kept)), zoo("gated/g00"))
    assert found.effect["coins"] == pytest.approx(720 * kept, rel=0.02)
    assert found.effect["agreeing_share"] == pytest.approx(1.0, abs=0.01)
    assert log10_p(found) < -0.19 * 720 * kept


def test_widened_layers_are_matched() -> None:
    child = zoo("gated/g00-continued")
    found = signs(changed(child, widen_neurons(*child, 0.5, shuffle=True)), zoo("gated/g00"))
    assert log10_p(found) < -100.0


def ffn(rng: np.random.Generator, width: int) -> Ffn:
    gate, up, down = (rng.standard_normal((width, 20)).astype(np.float32) for _ in range(3))
    return Ffn(gate, up, down, np.arange(width), width, np.arange(20), np.arange(20))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), widths=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_coin_turns_with_its_neuron_and_with_nothing_else(seed: int, widths: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    mine, yours = (ffn(rng, width) for width in widths)
    coins, neurons = matched_coins(mine, yours)
    assert np.unique(neurons).size == neurons.size == coins.size
    flips = rng.choice([-1.0, 1.0], widths[1]).astype(np.float32)
    turned = replace(yours, up=yours.up * flips[:, None], down=yours.down * flips[:, None])
    again, same = matched_coins(mine, turned)
    assert np.array_equal(neurons, same)
    assert again == pytest.approx(coins * flips[neurons], abs=1e-6)
