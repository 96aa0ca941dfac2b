"""Counts of equal replies and their nulls."""

from __future__ import annotations

from itertools import product
from math import comb, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from forebear.statistics.agreement import Codes, equal_counts, fair_coins_log10_p

CODES = arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=st.integers(0, 3))


@given(codes=CODES)
def test_equal_replies_are_counted(codes: Codes) -> None:
    found = equal_counts(codes)
    for first, second in product(range(codes.shape[1]), repeat=2):
        assert found[first, second] == sum(row[first] == row[second] for row in codes)


@pytest.mark.parametrize(("heads", "tosses"), [(0, 0), (1, 1), (5, 8), (60, 100)])
def test_fair_coins_are_binomial(heads: int, tosses: int) -> None:
    exact = sum(comb(tosses, each) for each in range(heads, tosses + 1)) / 2**tosses
    assert fair_coins_log10_p(heads, tosses) == pytest.approx(log10(exact), abs=1e-9)


def test_a_deep_tail_of_coins_does_not_underflow() -> None:
    assert fair_coins_log10_p(2000, 2000) == pytest.approx(-2000 * log10(2.0))
