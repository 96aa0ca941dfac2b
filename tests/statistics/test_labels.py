"""The label statistic against every relabelling there is, its p-values on nulls, and what must not change it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from forebear.statistics.arrays import unit_rows
from forebear.statistics.labels import Block, fixed_points, label_agreement, swap_coins
from forebear.statistics.tails import probability


def rows(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Heavy-tailed rows, some of them outliers."""
    return unit_rows(rng.standard_t(3, size=shape))


@pytest.mark.parametrize("size", [2, 3, 5, 7])
@pytest.mark.parametrize("columns", [1, 3, 9])
def test_moments_are_those_of_all_relabellings(size: int, columns: int) -> None:
    rng = np.random.default_rng(size * 10 + columns)
    first, second = rng.standard_t(2, (size, columns)), rng.standard_t(2, (size, columns))
    block = Block.of(first, second)
    every = np.array([np.trace((first - first.mean(0)) @ second[list(order)].T) for order in permutations(range(size))])
    assert every.mean() == pytest.approx(0.0, abs=1e-9)
    assert block.variance == pytest.approx(every.var(), rel=1e-9)
    assert block.statistic == pytest.approx(every[0], rel=1e-9, abs=1e-12)


def test_swap_coins_are_fair_over_all_relabellings() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((6, 4)), rng.standard_normal((6, 4))
    sums = []
    for order in permutations(range(6)):
        total, squares = swap_coins([Block.of(first, second[list(order)])], np.random.default_rng(3))
        assert total**2 <= 3 * squares + 1e-12
        sums.append(total)
    assert np.mean(sums) == pytest.approx(0.0, abs=1e-9)
    assert np.sort(sums) == pytest.approx(-np.sort(sums)[::-1], abs=1e-9)


def null_p_values(draws: int, blocks: int, size: int) -> np.ndarray:
    rng = np.random.default_rng(42)
    found = []
    for _ in range(draws):
        tested = [Block.of(rows(rng, (size, 12)), rows(rng, (size, 12))) for _ in range(blocks)]
        agreement = label_agreement(tested, rng)
        assert agreement is not None
        found.append(probability(agreement.log10_p))
    return np.array(found)


def test_p_values_of_strangers_are_valid() -> None:
    found = null_p_values(600, 2, 40)
    assert kstest(found, "uniform").pvalue > 0.01
    # 6 expected; 15 is exceeded once in more than a thousand times.
    assert np.count_nonzero(found <= 0.01) <= 15


def test_no_p_value_is_too_small_on_very_few_labels() -> None:
    rng = np.random.default_rng(5)
    first, second = rows(rng, (4, 3)), rows(rng, (4, 3))
    found = []
    for order in permutations(range(4)):
        agreement = label_agreement([Block.of(first, second[list(order)])], np.random.default_rng(0))
        assert agreement is not None
        found.append(probability(agreement.log10_p))
    for level in (0.01, 0.02):
        assert np.mean(np.array(found) <= level) <= level


def test_equal_rows_fire_by_an_exact_bound() -> None:
    first = rows(np.random.default_rng(1), (64, 16))
    agreement = label_agreement([Block.of(first, first)], np.random.default_rng(0))
    assert agreement is not None
    assert agreement.how == "exact bound"
    assert agreement.log10_p < -12
    assert agreement.fixed_points == 64


def test_rows_without_variation_give_no_result() -> None:
    same = np.ones((8, 3))
    assert Block.of(same, same).z is None
    assert label_agreement([Block.of(same, same)], np.random.default_rng(0)) is None
    assert label_agreement([], np.random.default_rng(0)) is None
    assert Block.of(np.ones((1, 3)), np.ones((1, 3))).variance == 0.0


def test_a_block_without_variation_leaves_the_others_as_they_are() -> None:
    rng = np.random.default_rng(2)
    block, flat = Block.of(rows(rng, (20, 5)), rows(rng, (20, 5))), Block.of(np.ones((20, 5)), np.ones((20, 5)))
    alone, beside = (label_agreement(blocks, np.random.default_rng(0)) for blocks in ([block], [block, flat]))
    assert alone is not None
    assert beside is not None
    assert (alone.z, alone.log10_p) == (beside.z, beside.log10_p)
    assert beside.by_block[1] is None


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(3, 20))
def test_rescaled_rows_and_a_common_relabelling_change_nothing(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((size, 6)), rng.standard_normal((size, 6))
    plain = Block.of(unit_rows(first), unit_rows(second))
    scaled = Block.of(unit_rows(first * rng.uniform(0.1, 9, (size, 1))), unit_rows(second))
    order = rng.permutation(size)
    moved = Block.of(unit_rows(first[order]), unit_rows(second[order]))
    for other in (scaled, moved):
        assert other.statistic == pytest.approx(plain.statistic, abs=1e-9)
        assert other.variance == pytest.approx(plain.variance, rel=1e-9)
        assert fixed_points(other.products) == fixed_points(plain.products)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_products_and_features_give_one_block(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((9, 4)), rng.standard_normal((9, 4))
    shifted = Block.of(first + rng.standard_normal(4), second + rng.standard_normal(4))
    assert shifted.products == pytest.approx(Block.of_products(first @ second.T).products, abs=1e-9)
