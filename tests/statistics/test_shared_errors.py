"""Shared errors beside chance: published counts, exactness against enumeration, and the null kept under difficulty."""

from __future__ import annotations

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from forebear.errors import UsageError
from forebear.statistics.shared_errors import (
    ErrorCounts,
    error_consistency,
    error_consistency_interval,
    items_needed,
    shared_errors,
)

PUBLISHED = ErrorCounts(1000, 236, 194, 182)


def test_published_counts_of_2024():
    found = shared_errors([PUBLISHED])
    assert PUBLISHED.expected == pytest.approx(45.784)
    assert found.expected == pytest.approx(45.784)
    assert found.log10_p == pytest.approx(-132.37, abs=0.01)
    kappa = error_consistency(PUBLISHED)
    assert kappa == pytest.approx(0.80498, abs=1e-5)
    low, high = error_consistency_interval(PUBLISHED)
    assert low == pytest.approx(0.758, abs=0.003)
    assert high == pytest.approx(0.849, abs=0.003)


@pytest.mark.parametrize(
    "counts", [(0, 0, 0, 0), (10, 11, 3, 3), (10, -1, 3, 0), (10, 4, 3, 4), (10, 8, 7, 4), (-5, 1, 1, 1)]
)
def test_impossible_counts_are_refused(counts):
    with pytest.raises(UsageError, match="counts"):
        ErrorCounts(*counts)


@st.composite
def some_counts(draw):
    items = draw(st.integers(1, 60))
    first, second = draw(st.integers(0, items)), draw(st.integers(0, items))
    shared = draw(st.integers(max(0, first + second - items), min(first, second)))
    return ErrorCounts(items, first, second, shared)


@given(some_counts())
def test_one_stratum_is_the_hypergeometric_tail(counts):
    found = shared_errors([counts])
    tail = hypergeom.sf(counts.shared - 1, counts.items, counts.first, counts.second)
    assert found.log10_p == pytest.approx(log10(tail), abs=1e-6)


@given(some_counts(), some_counts())
def test_two_strata_are_every_way_to_deal_errors_inside_them(one, other):
    found = shared_errors([one, other])
    laws = [hypergeom(each.items, each.first, each.second) for each in (one, other)]
    wanted = one.shared + other.shared
    tail = sum(laws[0].pmf(k) * laws[1].sf(wanted - k - 1) for k in range(one.items + 1))
    assert 10**found.log10_p == pytest.approx(min(tail, 1.0), rel=1e-6, abs=1e-9)
    assert found.expected == pytest.approx(one.expected + other.expected, abs=1e-9)


@given(some_counts())
def test_kappa_lies_between_minus_one_and_one_and_is_one_for_equal_errors(counts):
    kappa = error_consistency(counts)
    assert kappa is None or -1.0 - 1e-12 <= kappa <= 1.0 + 1e-12
    if counts.first == counts.second == counts.shared and 0 < counts.first < counts.items:
        assert kappa == pytest.approx(1.0)


def test_large_counts_are_counted_about_their_mean_alone():
    found = shared_errors([ErrorCounts(10**9, 5 * 10**8, 4 * 10**8, 200_020_000)])
    assert found.expected == pytest.approx(2e8, rel=1e-9)
    # The normal law serves at 20,000 beyond the mean, 2.582 standard deviations.
    assert found.log10_p == pytest.approx(log10(0.00491), abs=0.01)
    assert shared_errors([ErrorCounts(10**9, 5 * 10**8, 4 * 10**8, 3 * 10**8)]).log10_p == -300.0
    assert shared_errors([ErrorCounts(10**9, 5 * 10**8, 4 * 10**8, 10**8)]).log10_p == 0.0


def test_counts_too_large_to_be_told_apart_are_refused():
    with pytest.raises(UsageError, match="items"):
        ErrorCounts(10**22, 5, 5, 5)


def test_kappa_is_none_where_nobody_errs():
    assert error_consistency(ErrorCounts(10, 0, 0, 0)) is None
    assert error_consistency_interval(ErrorCounts(10, 0, 0, 0)) is None


def test_no_tail_is_lost_where_strata_are_many_and_deep():
    strata = [ErrorCounts(200, 100, 100, 90) for _ in range(20)]
    assert shared_errors(strata).log10_p == -300.0
    moderate = [ErrorCounts(200, 100, 100, 60) for _ in range(20)]
    assert -120 < shared_errors(moderate).log10_p < -30


def test_items_needed_grow_with_the_square_of_what_is_wanted():
    assert items_needed(0.0, 3.0, 100) is None
    assert items_needed(-1.0, 3.0, 100) is None
    assert items_needed(5.0, 10.0, 1000) == 4000
    assert items_needed(1e-9, 3.0, 1000) == 10**9
