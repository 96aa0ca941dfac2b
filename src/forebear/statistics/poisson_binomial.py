"""The tail of a sum of independent coins of unequal weight, exact however deep it lies.

The law is tilted until its mean is the count asked for (each chance p becomes p e^t / (1 - p + p e^t)); there it is
computed by convolution of non-negative numbers, and the tail is summed outwards from the count, where nothing
underflows and nothing cancels. The same change of measure as in large deviations, used here without approximation.
Source of the law and of other ways to it: Y. Hong, On computing the distribution function for the Poisson binomial
distribution, Computational Statistics & Data Analysis 59 (2013), 41-51.
"""

from __future__ import annotations

from math import inf, log

import numpy as np
from scipy.special import expit

from forebear.statistics.arrays import Floats

_LN10 = log(10.0)
_DIRECT = 512
"""Length up to which laws are convolved term by term; beyond it by a Fourier transform."""

_BLOCK = 16
"""Coins whose law is found at once, block beside block."""


def log10_upper_tail(count: int, probabilities: Floats) -> float:
    """log10 of the chance that at least ``count`` of independent coins fall heads.

    Args:
        count: heads seen.
        probabilities: ``(n,)`` chance of heads of each coin, 0 to 1.

    Returns:
        0 where ``count`` is 0 or less; minus infinity where more heads are asked for than can fall.

    Raises:
        ValueError: a chance outside 0 to 1, or no number.
    """
    chances = np.asarray(probabilities, dtype=np.float64).ravel()
    if not bool(np.all((chances >= 0.0) & (chances <= 1.0))):
        raise ValueError("chances lie between 0 and 1")
    left = count - int(np.count_nonzero(chances == 1.0))
    open_ = chances[(chances > 0.0) & (chances < 1.0)]
    if left <= 0:
        return 0.0
    if left > open_.size:
        return -inf
    if left == open_.size:
        return float(np.sum(np.log(open_))) / _LN10
    return min(0.0, _tail(left, open_) / _LN10)


def _tail(count: int, chances: Floats) -> float:
    odds = np.log(chances) - np.log1p(-chances)
    tilt = _tilt(count, odds)
    scale = float(np.sum(np.logaddexp(np.log1p(-chances), np.log(chances) + tilt)))
    law = poisson_binomial_law(np.asarray(expit(odds + tilt)))
    beyond = np.arange(chances.size - count + 1)
    return scale - tilt * count + log(float(np.sum(law[count:] * np.exp(-tilt * beyond))))


def _tilt(count: int, odds: Floats) -> float:
    """The tilt that makes ``count`` the mean, by bisection; 0 where the count does not exceed the mean."""
    low, high = 0.0, 1.0
    if float(np.sum(expit(odds))) >= count:
        return 0.0
    while float(np.sum(expit(odds + high))) < count:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = (low + high) / 2.0
        if float(np.sum(expit(odds + middle))) < count:
            low = middle
        else:
            high = middle
    return high


def poisson_binomial_law(probabilities: Floats) -> Floats:
    """Chance of each number of heads: ``(n + 1,)``, summing to one.

    Terms below about 1e-16 are lost where more than `_DIRECT` coins are thrown.

    Args:
        probabilities: ``(n,)`` chance of heads of each coin, 0 to 1.
    """
    coins = probabilities.size
    blocks = np.pad(probabilities, (0, -coins % _BLOCK)).reshape(-1, _BLOCK)
    law = np.zeros((len(blocks), _BLOCK + 1))
    law[:, 0] = 1.0
    for chance in blocks.T[:, :, None]:
        law[:, 1:] = law[:, 1:] * (1.0 - chance) + law[:, :-1] * chance
        law[:, :1] *= 1.0 - chance
    laws: list[Floats] = [*law] or [np.array([1.0])]
    while len(laws) > 1:
        pairs = zip(laws[::2], laws[1::2], strict=False)
        laws = [_convolved(*pair) for pair in pairs] + (laws[-1:] if len(laws) % 2 else [])
    return np.asarray(laws[0][: coins + 1])


def _convolved(first: Floats, second: Floats) -> Floats:
    size = first.size + second.size - 1
    if min(first.size, second.size) <= _DIRECT:
        return np.convolve(first, second)
    product = np.fft.rfft(first, size) * np.fft.rfft(second, size)
    return np.maximum(np.fft.irfft(product, size), 0.0)
