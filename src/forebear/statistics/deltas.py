"""Two changes over one base: how much of either lies in the other, and whether their geometry is that of descent.

Where one model was trained on from another, its change is the other's plus steps that know nothing of it: base, parent
and child make a right angle at the parent, and the parent's change lies in the child's with a coefficient of one.
Siblings share a drift, since they learn from one start, and little else: the right angle is missing, or, where length
and rate of training happen to make one, embeddings agree more than matrices, for they hold more of the drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atanh, isfinite, log, sqrt

import numpy as np

from forebear.statistics.arrays import Floats
from forebear.statistics.retention import Curve, overlap_curve

RESAMPLES = 1_000
FORWARD, BACKWARD = 0.3, -0.1
"""Cosines of the angle at the parent that training in a chain leaves: steps taken after the parent may go on in its
direction or take some of it back."""

DRIFT = 0.3
"""Largest difference between the agreement of embeddings and of matrices, as Fisher's z, without a penalty."""

TILT = 0.05
"""Largest logarithm of the tilt without a penalty: noise on a sibling fills its small directions alone."""

ANGLE_PENALTY, TILT_PENALTY = 1.5, 3.0

CHAIN_COEFFICIENT, CHAIN_SLACK, CHAIN_TILT = 0.25, 0.05, 0.15
CHAIN_DRIFT, CHAIN_DRIFT_COEFFICIENT = 0.25, 0.05
"""Outside these no chain of the models that thresholds were set on lies, however long the training in it."""

_MOST_ROWS = 256


@dataclass(frozen=True)
class Change:
    """Inner products of two changes in one tensor.

    Attributes:
        product: of model minus base with reference minus base.
        model, reference: square norms of the two changes.
        curves: relative overlap by bins of equal energy, reference's change in model's and the reverse, ``(2, bins)``;
            None where they do not overlap.
    """

    product: float
    model: float
    reference: float
    curves: Curve | None = None

    @property
    def coefficients(self) -> tuple[float, float]:
        """Coefficient of the reference's change in the model's, and of the model's in the reference's."""
        return self.product / self.reference, self.product / self.model

    @property
    def cosine(self) -> float:
        """Cosine between the changes."""
        return self.product / sqrt(self.model * self.reference)


@dataclass(frozen=True)
class Geometry:
    """Where base, reference and model lie to each other, medians over tensors.

    Attributes:
        coefficients: of the reference's change in the model's, and of the model's in the reference's.
        cosine: between the changes.
        drift: by how much embeddings agree better than matrices (Fisher's z); None without embeddings.
        drift_coefficients: the same for the coefficients, as a logarithm, in either order.
        tilt: overlap of the two leading bins over that of the two last, in either order; None where not computable.
        longer: logarithm of the model's change over the reference's, in length.
        longer_interval: its 95% interval by bootstrap over tensors.
    """

    coefficients: tuple[float, float]
    cosine: float
    drift: float | None
    drift_coefficients: tuple[float, float] | None
    tilt: tuple[float, float] | None
    longer: float
    longer_interval: tuple[float, float]

    @property
    def order(self) -> int:
        """Whose change is nearer to lying in the other's with coefficient one: 0 the reference's, 1 the model's."""
        return int(np.argmin([_far(coefficient) for coefficient in self.coefficients]))

    @property
    def angle(self) -> float:
        """Cosine of the turn at the would-be parent: 0 where what came after knows nothing of its change."""
        across = sqrt(max(1.0 / max(self.cosine, 1e-6) ** 2 - 1.0, 1e-6))
        return (self.coefficients[self.order] - 1.0) / across

    @property
    def likeness(self) -> float:
        """How much this looks like descent beyond the base: the cosine, less what speaks against a chain."""
        bent = max(0.0, self.angle - FORWARD, BACKWARD - self.angle)
        drifting = max(0.0, (self.drift or 0.0) - DRIFT)
        tilted = max(0.0, self.tilted - TILT)
        return self.cosine - ANGLE_PENALTY * bent - drifting - TILT_PENALTY * tilted

    @property
    def tilted(self) -> float:
        """How far the curve of the change that lies in the other is from level, as a logarithm."""
        return abs(log(self.tilt[self.order])) if self.tilt else 0.0

    @property
    def chained(self) -> bool:
        """Whether a chain is possible at all, if only one with long training after the parent."""
        drift = self.drift_coefficients[self.order] if self.drift_coefficients else 0.0
        return (
            _far(self.coefficients[self.order]) <= CHAIN_COEFFICIENT
            and BACKWARD - CHAIN_SLACK <= self.angle <= FORWARD + CHAIN_SLACK
            and self.tilted <= CHAIN_TILT
            and (self.drift or 0.0) <= CHAIN_DRIFT
            and drift <= CHAIN_DRIFT_COEFFICIENT
        )


def change_of(model: Floats, reference: Floats, base: Floats, *, curves: bool = True) -> Change | None:
    """Changes of one tensor over its base, the base's own direction taken out (decay shortens it for everyone).

    Args:
        model, reference, base: matrices or vectors of equal shape.
        curves: whether to compare spectra too (matrices only).

    Returns:
        None where a side did not change.
    """
    mine, yours = (_beyond(values, base) for values in (model, reference))
    energies = float(np.square(mine).sum()), float(np.square(yours).sum())
    if min(energies) == 0.0:
        return None
    found = _curves(mine[:_MOST_ROWS], yours[:_MOST_ROWS]) if curves and mine.ndim == 2 else None
    return Change(float((mine * yours).sum()), *energies, found)


def geometry_of(matrices: Sequence[Change], embeddings: Sequence[Change], rng: np.random.Generator) -> Geometry:
    """Geometry of changes.

    Args:
        matrices: one a tensor inside layers, at least one.
        embeddings: of token embedding and output; may be empty.
        rng: source of the bootstrap over tensors.
    """
    coefficients, cosine = _middle(matrices)
    outside = _middle(embeddings) if embeddings else None
    lengths = np.array([0.5 * log(one.model / one.reference) for one in matrices])
    redrawn = np.median(lengths[rng.integers(0, lengths.size, (RESAMPLES, lengths.size))], axis=1)
    low, high = np.percentile(redrawn, [2.5, 97.5])
    return Geometry(
        coefficients,
        cosine,
        _fisher(outside[1]) - _fisher(cosine) if outside else None,
        _drift(coefficients, outside[0]) if outside else None,
        _tilt(matrices),
        float(np.median(lengths)),
        (float(low), float(high)),
    )


def _beyond(values: Floats, base: Floats) -> Floats:
    doubled, start = np.asarray(values, dtype=np.float64), np.asarray(base, dtype=np.float64)
    energy = float(np.square(start).sum())
    share = float((doubled * start).sum()) / energy if energy > 0.0 else 0.0
    beyond: Floats = doubled - share * start
    return beyond


def _curves(mine: Floats, yours: Floats) -> Curve | None:
    found = overlap_curve(yours, mine), overlap_curve(mine, yours)
    return None if found[0] is None or found[1] is None else np.stack([found[0], found[1]])


def _middle(changes: Sequence[Change]) -> tuple[tuple[float, float], float]:
    both = np.median([one.coefficients for one in changes], axis=0)
    return (float(both[0]), float(both[1])), float(np.median([one.cosine for one in changes]))


def _fisher(cosine: float) -> float:
    return atanh(min(max(cosine, -0.9999), 0.9999))


def _drift(inside: tuple[float, float], outside: tuple[float, float]) -> tuple[float, float] | None:
    if min(*inside, *outside) <= 0.0:
        return None
    return log(outside[0] / inside[0]), log(outside[1] / inside[1])


def _tilt(changes: Sequence[Change]) -> tuple[float, float] | None:
    curves = [one.curves for one in changes if one.curves is not None]
    if not curves:
        return None
    mean = np.mean(curves, axis=0)
    ratio = mean[:, :2].mean(axis=1) / mean[:, -2:].mean(axis=1)
    found = float(ratio[0]), float(ratio[1])
    return found if isfinite(sum(found)) and min(found) > 0.0 else None


def _far(coefficient: float) -> float:
    return abs(log(coefficient)) if coefficient > 0.0 else float("inf")
