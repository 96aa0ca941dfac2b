"""How much of one matrix's structure lies in another, by shape rather than by level.

A matrix is cut into eight bins of equal energy along its singular directions, leading ones first; in each bin the
other matrix is projected on those directions. Where everything was kept, or all of it faded at one rate, the curve
is flat. Where the learned top was replaced and the random bulk of the start kept, it rises; where structure was
added on top, the curve seen from the other side falls off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

Curve = NDArray[np.float64]

BINS = 8
RESAMPLES = 2_000


@dataclass(frozen=True)
class Containment:
    """Retention both ways over layers.

    Attributes:
        deviation: rms of the mean curve minus one, first in second and second in first.
        interval: 95% bootstrap intervals of the two, over layers.
        difference: 95% bootstrap interval of (second in first) minus (first in second).
        curves: mean curves, ``(2, BINS)``.
        by_layer: ``(2, layers, BINS)``.
    """

    deviation: tuple[float, float]
    interval: tuple[tuple[float, float], tuple[float, float]]
    difference: tuple[float, float]
    curves: Curve
    by_layer: Curve

    @property
    def bulk_rise(self) -> tuple[float, float]:
        """Last bin minus the mean of the three middle ones before it, first in second and second in first."""
        rise = self.curves[:, -1] - self.curves[:, 3:6].mean(axis=1)
        return float(rise[0]), float(rise[1])


def overlap_curve(whole: Floats, other: Floats) -> Curve | None:
    """Relative overlap of ``other`` with ``whole`` in ``BINS`` bins of equal energy of ``whole``.

    Args:
        whole, other: matrices of one shape.

    Returns:
        ``(BINS,)`` overlaps divided by their mean; None when the two do not overlap at all on average.
    """
    left, sizes, right = np.linalg.svd(whole / np.linalg.norm(whole), full_matrices=False)
    overlap = np.einsum("ik,ij,kj->k", left, other / np.linalg.norm(other), right, optimize=True)
    energy = np.square(sizes, dtype=np.float64)
    edges = np.concatenate([[0.0], np.cumsum(energy)])
    bounds = np.linspace(0.0, edges[-1], BINS + 1)
    # A singular direction that straddles a bound is shared out between its bins.
    inside = np.minimum(edges[1:, None], bounds[None, 1:]) - np.maximum(edges[:-1, None], bounds[None, :-1])
    share = np.maximum(inside, 0.0) / np.where(energy > 0.0, energy, 1.0)[:, None]
    curve = (share * (sizes * overlap)[:, None]).sum(axis=0) / (share * energy[:, None]).sum(axis=0)
    mean = float(curve.mean())
    return curve / mean if mean > 0.0 else None


def containment(first_in_second: Curve, second_in_first: Curve, rng: np.random.Generator) -> Containment:
    """Deviation from flatness both ways, with intervals by bootstrap over layers.

    Args:
        first_in_second, second_in_first: ``(layers, BINS)`` relative curves, at least one layer.
        rng: source of the bootstrap.
    """
    both = np.stack([first_in_second, second_in_first])
    layers = both.shape[1]
    picked = rng.integers(0, layers, size=(RESAMPLES, layers))
    resampled = _deviation(both[:, picked, :].mean(axis=2))
    deviation = _deviation(both.mean(axis=1))
    return Containment(
        deviation=(float(deviation[0]), float(deviation[1])),
        interval=(_interval(resampled[0]), _interval(resampled[1])),
        difference=_interval(resampled[1] - resampled[0]),
        curves=both.mean(axis=1),
        by_layer=both,
    )


def _deviation(curves: Curve) -> Curve:
    deviation: Curve = np.sqrt(np.mean(np.square(curves - 1.0), axis=-1))
    return deviation


def _interval(values: Curve) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
