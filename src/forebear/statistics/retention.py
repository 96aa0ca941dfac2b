"""How much of one matrix's structure lies in another, by shape rather than by level.

A matrix is cut into eight bins of equal energy along its singular directions, leading ones first; in each bin the
other matrix is projected on those directions. Where everything was kept, or all of it faded at one rate, the curve
is flat. Where the learned top was replaced and the random bulk of the start kept, it rises; where structure was
added on top, the curve seen from the other side falls off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

Curve = NDArray[np.float64]

BINS = 8
RESAMPLES = 2_000
ENOUGH_LAYERS = 4


@dataclass(frozen=True)
class Containment:
    """Retention both ways over layers.

    Attributes:
        deviation: rms of the mean curve minus one, first in second and second in first.
        interval: 95% bootstrap intervals of the two.
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
    def fall(self) -> tuple[float, float]:
        """First two bins minus last two, first in second and second in first: what the other lacks shows as a fall."""
        fall = self.curves[:, :2].mean(axis=1) - self.curves[:, -2:].mean(axis=1)
        return float(fall[0]), float(fall[1])

    @property
    def bulk_rise(self) -> tuple[float, float]:
        """Last bin minus the mean of the three middle ones before it, first in second and second in first."""
        rise = self.curves[:, -1] - self.curves[:, 3:6].mean(axis=1)
        return float(rise[0]), float(rise[1])


@dataclass(frozen=True)
class Spectrum:
    """Singular directions of a matrix on its shorter side.

    Attributes:
        energy: ``(k,)`` squared singular values, descending, k the shorter side.
        directions: ``(k, k)``, one direction a column.
        shape: of the matrix, shorter side first.
    """

    energy: Curve
    directions: Curve
    shape: tuple[int, int]

    @property
    def signal_share(self) -> float:
        """Share of energy above the edge of noise as strong as the median singular value says.

        The edge is that of Marchenko and Pastur; their median lies near the longer side for flat matrices and falls
        to 0.65 of it for square ones, which is taken as linear in between.
        """
        short, long = self.shape
        total = float(self.energy.sum())
        variance = float(np.median(self.energy)) / (long * (1.0 - 0.35 * short / long))
        edge = variance * (np.sqrt(short) + np.sqrt(long)) ** 2
        return float(self.energy[self.energy > edge].sum()) / total if total > 0.0 else 0.0


def spectrum_of(matrix: Floats) -> Spectrum:
    """Spectrum by the Gram matrix of the shorter side: small directions lose digits that no bin of energy shows."""
    flat = _flat(matrix)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    return Spectrum(np.maximum(values[::-1], 0.0), vectors[:, ::-1], (flat.shape[0], flat.shape[1]))


def overlap_curve(whole: Floats, other: Floats, spectrum: Spectrum | None = None) -> Curve | None:
    """Relative overlap of ``other`` with ``whole`` in ``BINS`` bins of equal energy of ``whole``.

    Args:
        whole, other: matrices of one shape.
        spectrum: that of ``whole``, where it is at hand.

    Returns:
        ``(BINS,)`` overlaps divided by their mean; None when the two do not overlap at all on average.
    """
    spectrum = spectrum or spectrum_of(whole)
    # With A = sum of s u v', the overlap s u'Bv is u'(B A')u: right directions are never needed.
    overlap = np.einsum(
        "ik,ij,jk->k", spectrum.directions, _flat(other) @ _flat(whole).T, spectrum.directions, optimize=True
    )
    energy = spectrum.energy
    edges = np.concatenate([[0.0], np.cumsum(energy)])
    bounds = np.linspace(0.0, edges[-1], BINS + 1)
    # A singular direction that straddles a bound is shared out between its bins.
    inside = np.minimum(edges[1:, None], bounds[None, 1:]) - np.maximum(edges[:-1, None], bounds[None, :-1])
    share = np.maximum(inside, 0.0) / np.where(energy > 0.0, energy, 1.0)[:, None]
    curve = (share * overlap[:, None]).sum(axis=0) / (share * energy[:, None]).sum(axis=0)
    mean = float(curve.mean())
    if not mean > 0.0:
        return None
    relative: Curve = curve / mean
    return relative


def _flat(matrix: Floats) -> Curve:
    """Shorter side first, in double precision."""
    return np.asarray(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T, dtype=np.float64)


def containment(by_layer: Sequence[Curve], rng: np.random.Generator) -> Containment:
    """Deviation from flatness both ways, with intervals by bootstrap over layers.

    Below ``ENOUGH_LAYERS`` the matrices of each layer are resampled instead: a few layers redrawn among themselves
    would make the interval too short.

    Args:
        by_layer: for each layer ``(2, matrices, BINS)`` relative curves, first in second and second in first; at
            least one layer, each with at least one matrix.
        rng: source of the bootstrap.
    """
    layers = np.stack([matrices.mean(axis=1) for matrices in by_layer], axis=1)
    if len(by_layer) < ENOUGH_LAYERS:
        means = np.mean([_redrawn(matrices, rng) for matrices in by_layer], axis=0)
    else:
        picked = rng.integers(0, len(by_layer), size=(RESAMPLES, len(by_layer)))
        means = layers.transpose(1, 0, 2)[picked].mean(axis=1)
    resampled = _deviation(means)
    deviation = _deviation(layers.mean(axis=1))
    return Containment(
        deviation=(float(deviation[0]), float(deviation[1])),
        interval=(_interval(resampled[:, 0]), _interval(resampled[:, 1])),
        difference=_interval(resampled[:, 1] - resampled[:, 0]),
        curves=layers.mean(axis=1),
        by_layer=layers,
    )


def _redrawn(matrices: Curve, rng: np.random.Generator) -> Curve:
    """Means over matrices drawn with replacement, ``(RESAMPLES, 2, BINS)``."""
    count = matrices.shape[1]
    picked = rng.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES) / count
    means: Curve = np.einsum("rm,smb->rsb", picked, matrices)
    return means


def _deviation(curves: Curve) -> Curve:
    deviation: Curve = np.sqrt(np.mean(np.square(curves - 1.0), axis=-1))
    return deviation


def _interval(values: Curve) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
