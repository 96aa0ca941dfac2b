"""The tail against exact fractions, the binomial, and itself."""

from __future__ import annotations

from fractions import Fraction
from math import inf, log10

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import bdtrc, log_ndtr

from forebear.statistics.poisson_binomial import log10_upper_tail, poisson_binomial_law

CHANCES = st.lists(st.one_of(st.floats(1e-12, 1.0), st.just(0.0)), min_size=0, max_size=14)


def exact_law(chances: list[float]) -> list[Fraction]:
    law = [Fraction(1)]
    for each in map(Fraction, chances):
        stay, move = [*law, Fraction(0)], [Fraction(0), *law]
        law = [one * (1 - each) + other * each for one, other in zip(stay, move, strict=True)]
    return law


@given(chances=CHANCES)
def test_every_tail_is_the_exact_one(chances: list[float]) -> None:
    law = exact_law(chances)
    for count in range(len(chances) + 2):
        tail = sum(law[count:], Fraction(0))
        found = log10_upper_tail(count, np.array(chances))
        if tail == 0:
            assert found == -inf
        else:
            exact = log10(tail.numerator) - log10(tail.denominator)
            assert found == pytest.approx(exact, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize(("coins", "chance", "count"), [(1000, 0.05, 90), (1000, 0.5, 500), (3000, 0.3, 1100)])
def test_equal_coins_are_binomial(coins: int, chance: float, count: int) -> None:
    assert log10_upper_tail(count, np.full(coins, chance)) == pytest.approx(
        log10(bdtrc(count - 1, coins, chance)), rel=1e-8
    )


def test_a_deep_tail_neither_underflows_nor_loses_digits() -> None:
    exact = sum(exact_law([0.001] * 400)[300:], Fraction(0))
    found = log10_upper_tail(300, np.full(400, 0.001))
    assert found == pytest.approx(log10(exact.numerator) - log10(exact.denominator), abs=1e-9)
    assert found < -700.0


def test_many_coins_follow_the_normal_law_near_the_middle() -> None:
    chances = np.random.default_rng(0).uniform(0.0, 1.0, 40_000)
    spread = float(np.sqrt(np.sum(chances * (1.0 - chances))))
    count = round(float(chances.sum()) + 3.0 * spread)
    z = (count - 0.5 - float(chances.sum())) / spread
    assert log10_upper_tail(count, chances) == pytest.approx(float(log_ndtr(-z)) / np.log(10.0), rel=1e-3)


@given(chances=CHANCES)
def test_the_law_sums_to_one_with_the_right_mean(chances: list[float]) -> None:
    law = poisson_binomial_law(np.array(chances))
    assert law.sum() == pytest.approx(1.0)
    assert np.arange(law.size) @ law == pytest.approx(sum(chances))


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_what_is_no_chance_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        log10_upper_tail(1, np.array([chance]))
