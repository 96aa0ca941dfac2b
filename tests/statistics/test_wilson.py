"""The score interval by its defining equation, at its ends, and in how often it holds the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.statistics.wilson import wilson


@given(st.integers(1, 1000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_its_ends_lie_z_standard_errors_from_the_share_as_seen_from_there(counts: tuple[int, int]) -> None:
    hits, trials = counts
    low, high = wilson(hits, trials, z=2.0)
    share = hits / trials
    assert 0 <= low <= share + 1e-12
    assert share - 1e-12 <= high <= 1
    for end in (low, high):
        assert (share - end) ** 2 == pytest.approx(4 * end * (1 - end) / trials, abs=1e-9)


def test_nothing_seen_is_not_nothing() -> None:
    """No hit in n: from 0 to z^2 / (n + z^2)."""
    assert list(wilson(0, 10, z=2.0)) == pytest.approx([0, 4 / 14])
    assert list(wilson(10, 10, z=2.0)) == pytest.approx([10 / 14, 1])


def test_it_holds_the_truth_in_about_95_of_100() -> None:
    rng = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.9):
        ends = [wilson(int(hits), 40) for hits in rng.binomial(40, share, 2000)]
        assert np.mean([low <= share <= high for low, high in ends]) > 0.925


@pytest.mark.parametrize(("hits", "trials"), [(1, 0), (-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(hits: int, trials: int) -> None:
    with pytest.raises(ValueError, match=" of "):
        wilson(hits, trials)
