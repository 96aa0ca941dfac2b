"""Which mixture of several candidates a model is: least squares from inner products, tensor by tensor.

Only inner products are kept, so a mixture of any number of tensors is fitted, and fitted again on resampled tensors,
without holding one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, sin, sqrt

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

Numbers = NDArray[np.float64]

RESAMPLES = 1_000
WITHIN = 1.96
"""Standard errors either side of an estimate that make a 95% interval."""

_SINGULAR = 1e-11
"""Eigenvalues of the candidates' inner products below this share of the largest are taken for zero: candidates whose
difference is smaller than storage rounding (relative energy 1e-6) cannot be told apart anyway."""

_LEADING = 8


@dataclass(frozen=True)
class Products:
    """Inner products of one tensor.

    Attributes:
        among: ``(k, k)``, of the candidates among themselves.
        with_model: ``(k,)``, of each candidate with the model.
        energy: square norm of the model.
        size: number of values.
    """

    among: Numbers
    with_model: Numbers
    energy: float
    size: int

    def residual(self, weights: Numbers) -> float:
        """Square norm of what weights ``(k,)`` leave of the model."""
        left = self.energy - 2.0 * float(weights @ self.with_model) + float(weights @ self.among @ weights)
        return max(left, 0.0)

    def free(self) -> Numbers:
        """Least-squares weights of this tensor alone, ``(k,)``."""
        weights: Numbers = _solve(self.among, self.with_model)
        return weights


@dataclass(frozen=True)
class Fit:
    """Weights common to all tensors.

    Attributes:
        weights: ``(k,)``.
        errors: ``(k,)`` standard errors, the larger of the bootstrap's over tensors and the analytic one.
        residual: share of the model's energy left, each tensor counting by its number of values.
    """

    weights: Numbers
    errors: Numbers
    residual: float

    @property
    def intervals(self) -> list[tuple[float, float]]:
        """95% interval of each weight."""
        pairs = zip(self.weights, self.errors, strict=True)
        return [(float(weight - WITHIN * error), float(weight + WITHIN * error)) for weight, error in pairs]


def products_of(model: Floats, candidates: Sequence[Floats]) -> Products:
    """Inner products in double precision.

    Args:
        model: values of one tensor.
        candidates: the same tensor of each candidate, of equal shape.
    """
    target = model.ravel().astype(np.float64)
    columns = np.stack([candidate.ravel().astype(np.float64) for candidate in candidates])
    return Products(columns @ columns.T, columns @ target, float(target @ target), target.size)


def fit(
    parts: Sequence[Products], rng: np.random.Generator, *, to_one: bool = False, resamples: int = RESAMPLES
) -> Fit:
    """Least-squares weights over all tensors.

    Args:
        parts: one entry a tensor, at least one; all of the same candidates.
        rng: source of the bootstrap over tensors.
        to_one: weights must add up to one.
        resamples: of the bootstrap.

    Returns:
        The fit. A tensor counts by its size, whatever its scale: rounding grows with the scale.
    """
    scales = np.array([part.size / part.energy if part.energy > 0.0 else 0.0 for part in parts])
    among = np.stack([part.among for part in parts]) * scales[:, None, None]
    with_model = np.stack([part.with_model for part in parts]) * scales[:, None]
    weights = _constrained(among.sum(axis=0), with_model.sum(axis=0), to_one)
    left = sum(float(scale) * part.residual(weights) for scale, part in zip(scales, parts, strict=True))
    whole = float(sum(part.size for part in parts))
    counts = rng.multinomial(len(parts), np.full(len(parts), 1.0 / len(parts)), size=resamples).astype(np.float64)
    redrawn = _constrained(np.einsum("rp,pij->rij", counts, among), counts @ with_model, to_one)
    analytic = _standard_errors(among.sum(axis=0), left / whole, to_one)
    return Fit(weights, np.maximum(redrawn.std(axis=0), analytic), left / whole)


def edge_ratio(values: Floats) -> float:
    """Top singular value over that of white noise of the same size and deviation (Marchenko and Pastur's edge).

    Args:
        values: ``(n, p)``.

    Returns:
        About 1 for noise, above it where there is structure; 0 for a matrix of zeros.
    """
    deviation = float(values.std())
    if deviation == 0.0:
        return 0.0
    flat = _short_first(values)
    top = sqrt(float(np.linalg.eigvalsh(flat @ flat.T)[-1]))
    return top / (deviation * (sqrt(values.shape[0]) + sqrt(values.shape[1])))


def leading_overlap(values: Floats, other: Floats) -> float:
    """How much of the leading directions of one matrix lies in those of another, relative to chance.

    Args:
        values, other: ``(n, p)``.

    Returns:
        Overlap of the subspaces of the eight leading left singular directions, 1 where they are unrelated.
    """
    first, second = (_leading(matrix) for matrix in (values, other))
    count, dimensions = first.shape[1], first.shape[0]
    chance: float = count * count / dimensions
    return float(np.square(first.T @ second).sum()) / chance


def interpolation(products: Products) -> float:
    """Place ``t`` between two candidates on the great circle through them that fits the model best.

    With the angle ``a`` between the candidates, spherical interpolation gives them the weights
    ``sin((1 - t) a) / sin(a)`` and ``sin(t a) / sin(a)`` (Shoemake 1985).

    Args:
        products: of exactly two candidates, neither zero.

    Returns:
        ``t``, 0 at the first candidate and 1 at the second.
    """
    angle = _angle(products)
    first, second = (float(weight) for weight in products.free())
    if angle < _STRAIGHT:
        return second / (first + second) if first + second != 0.0 else 0.0
    return atan2(second * sin(angle), first + second * cos(angle)) / angle


def spherical_weights(products: Products, t: float) -> Numbers:
    """Weights that spherical interpolation at ``t`` gives two candidates; straight ones where they are parallel."""
    angle = _angle(products)
    if angle < _STRAIGHT:
        return np.array([1.0 - t, t])
    weights: Numbers = np.sin(np.array([1.0 - t, t]) * angle) / np.sin(angle)
    return weights


_STRAIGHT = 0.0316
"""Angle below which merging tools interpolate in a straight line (cosine above 0.9995)."""


def _angle(products: Products) -> float:
    norms = sqrt(float(products.among[0, 0] * products.among[1, 1]))
    return float(np.arccos(np.clip(products.among[0, 1] / norms, -1.0, 1.0))) if norms > 0.0 else 0.0


def _solve(among: Numbers, with_model: Numbers) -> Numbers:
    """Least squares of smallest norm, for one system or a stack of them."""
    inverse = np.linalg.pinv(among, rcond=_SINGULAR, hermitian=True)
    weights: Numbers = np.einsum("...ij,...j->...i", inverse, with_model)
    return weights


def _constrained(among: Numbers, with_model: Numbers, to_one: bool) -> Numbers:
    if not to_one:
        return _solve(among, with_model)
    # Weights are one on the last candidate plus multiples of (another minus the last).
    last, moves = _moves(among.shape[-1])
    reduced = np.einsum("ai,...ij,bj->...ab", moves, among, moves)
    target = np.einsum("ai,...i->...a", moves, with_model - among @ last)
    weights: Numbers = last + _solve(reduced, target) @ moves
    return weights


def _standard_errors(among: Numbers, variance: float, to_one: bool) -> Numbers:
    covariance: NDArray[np.floating]
    if to_one:
        _, moves = _moves(among.shape[0])
        covariance = moves.T @ np.linalg.pinv(moves @ among @ moves.T, rcond=_SINGULAR, hermitian=True) @ moves
    else:
        covariance = np.linalg.pinv(among, rcond=_SINGULAR, hermitian=True)
    return np.asarray(np.sqrt(np.maximum(np.diag(covariance), 0.0) * variance), dtype=np.float64)


def _moves(count: int) -> tuple[Numbers, Numbers]:
    last = np.zeros(count)
    last[-1] = 1.0
    return last, np.eye(count)[:-1] - last


def _short_first(values: Floats) -> Numbers:
    return np.asarray(values if values.shape[0] <= values.shape[1] else values.T, dtype=np.float64)


def _leading(matrix: Floats) -> Numbers:
    doubled = np.asarray(matrix, dtype=np.float64)
    vectors: Numbers = np.linalg.eigh(doubled @ doubled.T)[1][:, -_LEADING:]
    return vectors
