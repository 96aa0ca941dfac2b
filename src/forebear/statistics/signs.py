"""Agreement on signs that carry no meaning."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, sqrt

import numpy as np

from forebear.statistics.arrays import Floats
from forebear.statistics.labels import NORMAL_TRUSTED_DOWN_TO, RESAMPLES
from forebear.statistics.tails import capped, coin_log10_p, normal_log10_sf

FEWEST_COINS = 50.0
"""Effective number of coins, (sum c^2)^2 / sum c^4, from which the normal law is used for their sum."""

_EXACT_SUFFICES = -6.0
_CHUNK = 500


@dataclass(frozen=True)
class SignAgreement:
    """Result of a sign test.

    Attributes:
        z: sum of weighted coins over its standard deviation.
        log10_p: one-sided p-value, capped.
        agreeing: share of coins that agree.
        coins: number of coins.
        how: which form of the null the p-value comes from.
    """

    z: float
    log10_p: float
    agreeing: float
    coins: int
    how: str


def sign_agreement(coins: Floats, rng: np.random.Generator) -> SignAgreement | None:
    """Whether signed magnitudes lean to the positive side.

    Args:
        coins: ``(n,)`` signed values whose signs are fair coins under the null, whatever the magnitudes.
        rng: source of resampled coins.

    Returns:
        None when no coin is non-zero.

    Null: given all magnitudes, the signs are independent and fair.
    p-value: normal down to ``NORMAL_TRUSTED_DOWN_TO``, resampled coins to 1e-4, below that Hoeffding's bound.
    """
    thrown = coins[coins != 0.0].astype(np.float64)
    if thrown.size == 0:
        return None
    total, squares = float(thrown.sum()), float(np.square(thrown).sum())
    z = total / sqrt(squares)
    log10_p, how = _p_value(thrown, total, squares, rng)
    return SignAgreement(
        z=z, log10_p=capped(log10_p), agreeing=float(np.mean(thrown > 0.0)), coins=int(thrown.size), how=how
    )


def _p_value(coins: Floats, total: float, squares: float, rng: np.random.Generator) -> tuple[float, str]:
    normal = normal_log10_sf(total / sqrt(squares))
    effective = squares**2 / float((np.square(coins) ** 2).sum())
    if normal > log10(NORMAL_TRUSTED_DOWN_TO) and effective >= FEWEST_COINS:
        return normal, "normal"
    exact = coin_log10_p(total, squares)
    if exact <= _EXACT_SUFFICES:
        return exact, "exact bound"
    reached = 0
    for start in range(0, RESAMPLES, _CHUNK):
        signs = rng.integers(0, 2, size=(min(_CHUNK, RESAMPLES - start), coins.size)) * 2 - 1
        reached += int(np.count_nonzero(signs @ np.abs(coins) >= total))
    resampled = log10((1 + reached) / (1 + RESAMPLES))
    if reached or exact > resampled:
        return resampled, "resampled coins"
    return exact, "exact bound"


def fair_coin_z(values: Floats) -> float | None:
    """z of the count of positive signs against a fair coin; None without any non-zero value."""
    thrown = values[values != 0.0]
    if thrown.size == 0:
        return None
    return float(np.sign(thrown).sum() / sqrt(thrown.size))
