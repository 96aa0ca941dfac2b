"""CAPA against sums done by hand, and the models for which it must be zero, one and nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.statistics.capa import capa, discrete_capa


def test_a_sum_done_by_hand() -> None:
    """Two items of 2 and 4 options: observed (0.52 + 0.34) / 2 = 0.43; right 0.7 and 0.4; chance 0.4; kappa 0.05."""
    first = [[0.8, 0.2], [0.2, 0.6, 0.1, 0.1]]
    second = [[0.5333333333333333, 0.4666666666666667], [0.4, 0.4, 0.1, 0.1]]
    observed = (0.8 * 0.5333333333333333 + 0.2 * 0.4666666666666667 + 0.08 + 0.24 + 0.01 + 0.01) / 2
    mine, yours = (0.8 + 0.6) / 2, (0.5333333333333333 + 0.4) / 2
    chance = mine * yours + (1 - mine) * (1 - yours) * (1 / 1 + 1 / 3) / 2
    assert observed == pytest.approx(0.43)
    assert chance == pytest.approx(0.7 * 0.4666666666666667 + 0.3 * 0.5333333333333333 * 2 / 3)
    assert capa(first, second, [0, 1], [2, 4]) == pytest.approx((0.43 - 0.4333333333333333) / 0.5666666666666667)


def test_the_published_example() -> None:
    """Table 5 of the paper: observed 0.61, chance 0.505, 0.21."""
    found = capa([[0.9, 0.1], [0.8, 0.2]], [[0.7, 0.3], [0.6, 0.4]], [0, 1], [2, 2])
    assert found == pytest.approx((0.61 - 0.505) / 0.495)
    assert round(found or 0.0, 2) == 0.21


def test_one_answer_each_by_hand() -> None:
    """Four items of four: equal on three, right on two and two: chance 1/4 + 1/12, so (3/4 - 1/3) / (2/3) = 5/8."""
    assert discrete_capa("abcd", "abca", "abdc", [4] * 4) == pytest.approx(5 / 8)


def test_free_answers_agree_on_the_wrong_by_chance_never() -> None:
    """Equal on 3 of 4, right on 2 of 4 each: chance 1/4, so (3/4 - 1/4) / (3/4) = 2/3."""
    assert discrete_capa("abcd", "abca", "abdc", [None] * 4) == pytest.approx(2 / 3)


@pytest.mark.parametrize("options", [2, 4, 10])
def test_models_that_err_independently_score_zero(options: int) -> None:
    rng = np.random.default_rng(3)
    right = rng.integers(options, size=40_000)
    sides = []
    for accuracy in (0.9, 0.6):
        wrong = (right + rng.integers(1, options, size=right.size)) % options
        sides.append(np.where(rng.random(right.size) < accuracy, right, wrong).tolist())
    found = discrete_capa(sides[0], sides[1], right.tolist(), [options] * right.size)
    assert found == pytest.approx(0, abs=0.02)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_all_probability_on_one_answer_is_the_discrete_figure(items: list[tuple[int, int, int]]) -> None:
    first, second, right = ([item[place] for item in items] for place in range(3))
    certain = [[[float(place == answer) for place in range(4)] for answer in side] for side in (first, second)]
    found = capa(certain[0], certain[1], right, [4] * len(right))
    wanted = discrete_capa(first, second, right, [4] * len(right))
    assert found == (None if wanted is None else pytest.approx(wanted))
    assert discrete_capa(second, first, right, [4] * len(right)) == (None if wanted is None else pytest.approx(wanted))
    assert wanted is None or -1 - 1e-9 <= wanted <= 1 + 1e-9


def test_nothing_to_measure_is_none() -> None:
    assert discrete_capa([], [], [], []) is None
    assert capa([], [], [], []) is None
    assert discrete_capa("ab", "ab", "ab", [4, 4]) is None
    assert discrete_capa("bb", "bb", "aa", [2, 2]) is None


@pytest.mark.parametrize(
    ("first", "second", "right", "options"),
    [
        ([[0.5, 0.5]], [[0.5, 0.5]], [2], [2]),
        ([[0.5, 0.5]], [[0.5, 0.25, 0.25]], [0], [2]),
        ([[1.0]], [[1.0]], [0], [1]),
        ([[0.5, 0.5]], [], [0], [2]),
    ],
)
def test_what_does_not_fit_is_refused(
    first: list[list[float]], second: list[list[float]], right: list[int], options: list[int]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        capa(first, second, right, options)
