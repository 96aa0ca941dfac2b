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
    dealt_at_most,
    equal_counts,
    exchange_chances,
    exchange_log10_p,
    fair_coins_log10_p,
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
    for _ in range(1500):
        popular = rng.integers(1, 6, size=(150, 1))
        codes = rng.integers(0, popular, size=(150, 8))
        equal = int((codes[:, 0] == codes[:, 1]).sum())
        found.append(probability(exchange_log10_p(equal, exchange_chances(codes))))
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level / 1500)


@given(chances=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=30))
def test_the_bound_never_falls_below_the_exact_tail(chances: list[float]) -> None:
    for equal in range(len(chances) + 1):
        given_chances = np.array(chances)
        assert exchange_log10_p(equal, given_chances) <= dealt_at_most(equal, given_chances) + 1e-12


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


def test_wilson_intervals_cover() -> None:
    rng = np.random.default_rng(7)
    for share in (0.02, 0.5, 0.9):
        counts = rng.binomial(200, share, size=2000)
        held = [low <= share <= high for low, high in (wilson_interval(int(count), 200) for count in counts)]
        assert np.mean(held) > 0.93
    assert wilson_interval(0, 10)[0] == pytest.approx(0.0)
    assert wilson_interval(10, 10)[1] == pytest.approx(1.0)
