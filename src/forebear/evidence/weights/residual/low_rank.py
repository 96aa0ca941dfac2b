"""A difference of few directions: beyond them nothing but the rounding of the sum is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forebear.evidence.weights.residual.spectrum import MOST_ROWS, singular_values
from forebear.evidence.weights.residual.storage import Doubles

ABOVE_ROUNDING = 1.15
"""Least ratio of a singular value to the largest that rounding alone leaves, for it to count."""

LEFT = 2.0
"""Most energy beyond the rank, in units of what rounding leaves."""

MOST = 0.75
"""Largest rank, as a share of the full one, that is still called low."""

SHARE = 0.9
GAP = 1.3
"""Least share of energy inside the rank, and least ratio of its last singular value to the next: noise or training
that is hardly larger than the rounding has neither."""


@dataclass(frozen=True)
class LowRank:
    """Rank of a difference.

    Attributes:
        rank: singular values above what rounding leaves.
        share: of the difference's energy in them.
        full: largest rank the difference could have had.
    """

    rank: int
    share: float
    full: int


def find_low_rank(values: Doubles, shape: tuple[int, int], deviation: Doubles) -> LowRank | None:
    """Rank, where it is low; None where directions beyond it hold more than rounding.

    Args:
        values: singular values of the difference, descending, as ``singular_values`` gives them.
        shape: of the difference.
        deviation: ``(rows, columns)`` what rounding leaves at each value, as a standard deviation.
    """
    energies = np.square(values)
    expected = float(np.square(deviation[:MOST_ROWS]).sum())
    beyond = energies[round(MOST * len(values)) :]
    if len(values) < 4 or not energies.sum() or beyond.sum() > LEFT * expected + _precision(energies):
        return None
    rng = np.random.default_rng(shape)
    noise = singular_values(
        deviation[:MOST_ROWS] * rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), deviation[:MOST_ROWS].shape)
    )
    floor = max(ABOVE_ROUNDING * float(noise[0]), float(np.sqrt(_precision(energies))))
    rank = int(np.count_nonzero(values > floor))
    left = float(energies[rank:].sum())
    if not 1 <= rank <= MOST * len(values) or left > LEFT * expected + _precision(energies):
        return None
    share = 1.0 - left / float(energies.sum())
    if share < SHARE or values[rank - 1] < GAP * values[rank]:
        return None
    return LowRank(rank, share, len(values))


def _precision(energies: Doubles) -> float:
    """What the singular values' own computation leaves of nothing."""
    return 1e-11 * float(energies.sum())
