"""Error vectors of several models on the same items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import binomtest

from forebear.statistics.arrays import Floats
from forebear.statistics.error_vectors import (
    alike,
    are_boxes,
    chernoff_log10_p,
    clipped_rms,
    correlation_interval,
    dealt,
    noise_spreads,
    overlap,
    vector_correlation,
)


def strangers(
    seed: int, items: int = 200, models: int = 8, spreads: tuple[float, ...] = (), bias: float = 3.0
) -> Floats:
    rng = np.random.default_rng(seed)
    wide = np.array([*spreads, *[1.0] * (models - len(spreads))])
    noise: Floats = rng.standard_normal((items, models, 2)) * wide[:, None]
    return noise + bias * rng.standard_normal((items, 1, 2))


def test_what_all_models_share_is_gone_and_models_are_alike() -> None:
    errors = strangers(0, items=4000, spreads=(0.3, 3.0))
    left = alike(errors, (0, 1))
    assert np.abs(left.sum(axis=1)).max() < 1e-9
    lengths = (left**2).sum(axis=2).mean(axis=0)
    assert lengths == pytest.approx(lengths.mean(), rel=0.1)
    products = np.einsum("ijd,ikd->jk", left, left) / len(left)
    apart = products[~np.eye(len(products), dtype=bool)]
    assert apart == pytest.approx(apart.mean(), abs=0.1 * lengths.mean())


@settings(max_examples=20)
@given(seed=st.integers(0, 2**16), scale=st.floats(1e-3, 1e3), shift=st.floats(-1e3, 1e3))
def test_units_and_a_shift_of_an_item_change_nothing(seed: int, scale: float, shift: float) -> None:
    errors = strangers(seed, items=30)
    moved = errors * scale
    moved[3] += shift
    assert alike(moved, (0, 1)) == pytest.approx(alike(errors, (0, 1)), abs=1e-5)


def test_spreads_are_those_of_the_noise() -> None:
    wanted = (0.5, 2.0, 1.0, 1.0, 4.0)
    found = noise_spreads(strangers(1, items=20_000, models=5, spreads=wanted, bias=9.0), (0, 1))
    assert found / found[2] == pytest.approx(wanted, rel=0.1)


@pytest.mark.parametrize(
    ("spreads", "models"), [((), 8), ((0.25, 0.25), 10), ((4.0, 4.0), 10), ((1.0, 1.0, 0.3, 2.0), 5)]
)
def test_strangers_keep_the_null(spreads: tuple[float, ...], models: int) -> None:
    reached = 0
    trials = 60
    for seed in range(trials):
        left = alike(strangers(seed, items=120, models=models, spreads=spreads), (0, 1))
        found = dealt(left, 0, 1, np.random.default_rng(seed))
        reached += bool(ndtr((found.expected - found.value) / found.spread) <= 0.05)
    assert binomtest(reached, trials, 0.05, alternative="greater").pvalue > 1e-4


def test_a_copy_among_strangers_is_found_far_out() -> None:
    errors = strangers(5, bias=3.0)
    errors[::2, 1] = errors[::2, 0]
    found = dealt(alike(errors, (0, 1)), 0, 1, np.random.default_rng(0))
    assert found.bounded
    assert found.log10_p < -8.0
    other = dealt(alike(errors, (2, 3)), 2, 3, np.random.default_rng(0))
    assert other.log10_p > -3.0


def test_deals_are_those_of_pairs_drawn_at_random() -> None:
    left = alike(strangers(6, items=9, models=4), (0, 1))
    found = dealt(left, 0, 1, np.random.default_rng(1))
    first, second = np.triu_indices(4, 1)
    products = np.einsum("ijd,ikd->ijk", left, left)[:, first, second]
    rng = np.random.default_rng(2)
    sums = products[np.arange(9), rng.integers(0, 6, (20_000, 9))].sum(axis=1)
    assert found.expected == pytest.approx(products.mean(axis=1).sum())
    assert found.spread == pytest.approx(sums.std(), rel=0.05)
    assert 10**found.log10_p == pytest.approx((sums >= found.value).mean(), abs=0.03)


def test_the_bound_is_never_below_the_exact_tail() -> None:
    left = alike(strangers(7, items=6, models=4), (0, 1))
    first, second = np.triu_indices(4, 1)
    products = np.einsum("ijd,ikd->ijk", left, left)[:, first, second]
    sums = products[0]
    for row in products[1:]:
        sums = np.add.outer(sums, row).ravel()
    for value in np.quantile(sums, [0.6, 0.9, 0.999]):
        exact = np.log10((sums >= value).mean())
        assert chernoff_log10_p(left, float(value)) >= exact


def test_correlation_of_vectors() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.standard_normal((2, 300, 2))
    assert vector_correlation(first, 2.0 * first + 5.0)[0] == pytest.approx(1.0)
    assert vector_correlation(first, -first)[0] == pytest.approx(-1.0)
    assert np.isnan(vector_correlation(first, np.ones_like(first))[0])
    interval = correlation_interval(first, second, rng)
    assert interval is not None
    assert interval[0] < vector_correlation(first, second)[0] < interval[1]
    assert correlation_interval(first[:, :1], np.ones((300, 1)), rng) is None
    one = np.corrcoef(first[:, 0], second[:, 0])[0, 1]
    assert vector_correlation(first[:, :1], second[:, :1])[0] == pytest.approx(one)


def test_overlap_of_boxes() -> None:
    box = np.array([0.0, 0.0, 2.0, 2.0])
    assert overlap(box, box) == 1.0
    assert overlap(box, np.array([1.0, 0.0, 3.0, 2.0])) == pytest.approx(1 / 3)
    assert overlap(box, box + 9.0) == 0.0
    assert overlap(box, np.zeros(4)) == 0.0
    assert are_boxes(np.array([box, box + 1.0]))
    assert not are_boxes(np.array([box, [2.0, 0.0, 1.0, 1.0]]))
    assert not are_boxes(np.array([0.0, 0.0, 1.0, 0.0]))
    assert not are_boxes(np.ones((3, 2)))


def test_a_few_far_values_do_not_make_the_spread() -> None:
    values = np.ones((100, 1))
    values[:5] = 1e9
    assert clipped_rms(values)[0] == pytest.approx(1.0)
    assert clipped_rms(np.zeros((10, 1)))[0] == 0.0
