"""Counts of equal replies and their nulls."""

from __future__ import annotations

from itertools import combinations, product
from math import comb, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forebear.statistics.agreement import (
    Codes,
    beyond_habit,
    equal_counts,
    exchange_chances,
    exchange_log10_p,
    fair_coins_log10_p,
    habit_scores,
    log_shares,
    wilson_interval,
)
from forebear.statistics.arrays import Floats
from forebear.statistics.tails import probability

CODES = arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.integers(0, 3))


@given(codes=CODES)
def test_equal_replies_are_counted(codes: Codes) -> None:
    found = equal_counts(codes)
    for first, second in product(range(codes.shape[1]), repeat=2):
        assert found[first, second] == sum(row[first] == row[second] for row in codes)


@given(codes=CODES)
def test_chances_are_shares_of_pairs(codes: Codes) -> None:
    pairs = list(combinations(range(codes.shape[1]), 2))
    expected = [sum(row[a] == row[b] for a, b in pairs) / len(pairs) for row in codes]
    assert exchange_chances(codes) == pytest.approx(expected)


@pytest.mark.parametrize(("heads", "tosses"), [(0, 0), (1, 1), (5, 8), (60, 100)])
def test_fair_coins_are_binomial(heads: int, tosses: int) -> None:
    exact = sum(comb(tosses, each) for each in range(heads, tosses + 1)) / 2**tosses
    assert fair_coins_log10_p(heads, tosses) == pytest.approx(log10(exact), abs=1e-9)


def test_a_deep_tail_of_coins_does_not_underflow() -> None:
    assert fair_coins_log10_p(2000, 2000) == pytest.approx(-2000 * log10(2.0))


def test_dealt_replies_give_p_values_no_smaller_than_they_say() -> None:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(600):
        popular = rng.integers(1, 6, size=(150, 1))
        codes = rng.integers(0, popular, size=(150, 8))
        equal = int((codes[:, 0] == codes[:, 1]).sum())
        found.append(probability(exchange_log10_p(equal, exchange_chances(codes))))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level / 600)


def test_copied_replies_are_beyond_what_is_dealt() -> None:
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 4, size=(300, 12))
    codes[:120, 1] = codes[:120, 0]
    equal = int((codes[:, 0] == codes[:, 1]).sum())
    assert exchange_log10_p(equal, exchange_chances(codes)) < -8


@given(share=arrays(np.float64, (5, 5), elements=st.floats(0, 1)))
def test_habits_of_either_model_leave_nothing(share: Floats) -> None:
    habits = share[0]
    additive = habits[:, None] + habits[None, :]
    assert beyond_habit(additive) == pytest.approx(np.zeros((5, 5)), abs=1e-9)
    found = beyond_habit(share + share.T)
    assert found.sum(axis=1) == pytest.approx(np.zeros(5), abs=1e-9)
    assert found == pytest.approx(found.T)
    assert beyond_habit(np.stack([additive, share + share.T]))[1] == pytest.approx(found)


def test_scores_of_prompts_add_up_to_the_figure() -> None:
    codes = np.random.default_rng(8).integers(0, 3, size=(500, 5))
    shares = equal_counts(codes) / 500
    first, second = np.triu_indices(5, 1)
    whole = beyond_habit(np.stack([(row[:, None] == row[None, :]) / shares for row in codes]))
    assert habit_scores(codes, shares, first, second) == pytest.approx(whole[:, first, second])


def test_errors_from_scores_are_the_spread_of_the_figure() -> None:
    rng = np.random.default_rng(9)
    figures, errors = [], []
    for _ in range(300):
        popular = rng.integers(1, 6, size=(200, 1))
        codes = rng.integers(0, popular, size=(200, 6))
        counts = equal_counts(codes)
        figures.append(beyond_habit(log_shares(counts, 200))[0, 1])
        scores = habit_scores(codes, counts / 200, np.array([0]), np.array([1]))
        errors.append(scores.std() / np.sqrt(200))
    assert np.mean(errors) == pytest.approx(np.std(figures), rel=0.15)


def test_no_agreement_at_all_has_a_finite_logarithm() -> None:
    found = log_shares(np.array([[10, 0], [0, 10]]), 10)
    assert np.isfinite(found).all()
    assert found[0, 1] == pytest.approx(np.log(0.5 / 11))


def test_wilson_intervals_cover() -> None:
    rng = np.random.default_rng(7)
    for share in (0.02, 0.5, 0.9):
        counts = rng.binomial(200, share, size=2000)
        held = [low <= share <= high for low, high in (wilson_interval(int(count), 200) for count in counts)]
        assert np.mean(held) > 0.93
    assert wilson_interval(0, 10)[0] == pytest.approx(0.0)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
