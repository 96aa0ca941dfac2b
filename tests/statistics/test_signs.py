from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from forebear.statistics.matching import mutual_nearest
from forebear.statistics.signs import fair_coin_z, sign_agreement
from forebear.statistics.tails import probability


def test_p_values_of_fair_coins_are_valid_for_heavy_magnitudes() -> None:
    rng = np.random.default_rng(7)
    magnitudes = np.abs(rng.standard_t(4, size=200))
    found = []
    for draw in range(800):
        agreement = sign_agreement(magnitudes * rng.choice([-1.0, 1.0], 200), np.random.default_rng(draw))
        assert agreement is not None
        found.append(probability(agreement.log10_p))
    assert kstest(found, "uniform").pvalue > 0.01
    # 8 expected; 18 is exceeded once in more than a thousand times.
    assert np.count_nonzero(np.array(found) <= 0.01) <= 18


def test_coins_that_all_agree_fire_by_the_exact_bound() -> None:
    agreement = sign_agreement(np.ones(200), np.random.default_rng(0))
    assert agreement is not None
    assert (agreement.how, agreement.agreeing, agreement.coins) == ("exact bound", 1.0, 200)
    assert agreement.log10_p == pytest.approx(-200 / 2 / np.log(10))


def test_few_coins_never_reach_a_small_p() -> None:
    agreement = sign_agreement(np.ones(5), np.random.default_rng(0))
    assert agreement is not None
    assert probability(agreement.log10_p) >= 0.8 / 32


def test_zeros_are_no_coins() -> None:
    assert sign_agreement(np.zeros(4), np.random.default_rng(0)) is None
    assert fair_coin_z(np.zeros(4)) is None
    agreement = sign_agreement(np.array([0.0, 1.0, -1.0, 0.0]), np.random.default_rng(0))
    assert agreement is not None
    assert (agreement.coins, agreement.z) == (2, 0.0)


def test_the_coin_check_counts_signs_alone() -> None:
    assert fair_coin_z(np.array([1e-9, 5.0, 2.0, -1e9])) == pytest.approx(1.0)


@settings(max_examples=60)
@given(seed=st.integers(0, 100_000), rows=st.integers(1, 12), columns=st.integers(1, 12))
def test_mutual_nearest_moves_with_the_labels(seed: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    similarity = rng.standard_normal((rows, columns))
    first, second = rng.permutation(rows), rng.permutation(columns)
    plain = set(zip(*mutual_nearest(similarity), strict=True))
    moved = {(first[i], second[j]) for i, j in zip(*mutual_nearest(similarity[first][:, second]), strict=True)}
    assert moved == plain
    assert plain
    assert len({i for i, _ in plain}) == len({j for _, j in plain}) == len(plain)
