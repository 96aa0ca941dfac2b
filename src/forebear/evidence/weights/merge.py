"""Whether a model was merged from given parents, by which method, and with which amounts.

Every method leaves an exact mark. Added with constant weights (linear; task arithmetic over a base) the model is one
combination of the parents in every tensor. Spherical interpolation (SLERP) is a combination whose weights follow the
angle of each tensor. A frankenmerge takes whole layers. Trimmed or dropped changes (TIES, DARE) leave the base's own
values where nothing was kept. What no combination explains is rounding, noise, or a structure that none of the
parents holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from forebear.evidence.weights.merge_dense import Dense, best_dense
from forebear.evidence.weights.merge_origins import layer_origins
from forebear.evidence.weights.merge_sparse import best_sparse
from forebear.evidence.weights.mixtures import Mixture, fused
from forebear.statistics.arrays import Floats
from forebear.statistics.mixture import WITHIN, Fit, Numbers, Products, edge_ratio, fit, leading_overlap, products_of
from forebear.statistics.rounding import rounding_energy

Method = Literal["linear", "task arithmetic", "slerp", "ties", "dare", "frankenmerge"]

USED = 0.02
"""Weight below which a candidate counts as unused; weights are recovered to 0.01."""

AT_ROUNDING = 3.0
"""Residual, in multiples of what rounding to the storage type leaves, that still counts as rounding: merging tools
round more than once."""

NOISE_EDGE = 1.1
"""Largest median ratio of a residual's top singular value to the edge of noise that reads as noise."""

NOISE_SPREAD = 0.05
NOISE_KURTOSIS = 0.3
"""Largest spread of a residual's sigma over tensors, relative to its median, and largest median excess kurtosis, that
read as noise of one scalar; what a missing parent leaves varies by 0.1 and more."""

EXPLAINED = 0.5
EXPLAINED_STRUCTURE = 0.2
"""Largest share of the square distance to the nearest candidate (or the base) that a mixture may leave, as noise or
as structure. Siblings trained on the same data in the same order explain each other down to 0.27."""

_MOST_ROWS = 256


@dataclass(frozen=True)
class Merge:
    """A merge, told apart and measured.

    Attributes:
        method: how the parents were put together.
        weights: one a candidate, 0 for one that is not used. Of a frankenmerge the share of layers; of SLERP the
            mean place between two parents.
        intervals: 95% intervals of the weights.
        densities: of TIES and DARE, share of each parent's change that was kept, with its 95% interval.
        scale: factor on the averaged changes (TIES); 1 elsewhere.
        places: SLERP: for each layer place ``t`` between first and second used parent, with its 95% interval.
        origins: frankenmerge: for each layer of the model the candidate it comes from.
        residual: share of the model's energy that is left.
        rounding: what rounding to the storage type leaves.
        left: what the residual looks like.
        missing_parent: a structure is left that no given parent holds.
        overlap: of the residual's leading directions with those of the parents' differences, relative to chance.
        alternatives: other histories that leave the same mark.
    """

    method: Method
    weights: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]
    residual: float
    rounding: float
    left: Literal["rounding", "noise", "structure"] = "rounding"
    densities: tuple[tuple[float, float, float] | None, ...] = ()
    scale: float = 1.0
    places: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    origins: dict[int, int] = field(default_factory=dict)
    overlap: float | None = None
    alternatives: tuple[str, ...] = ()

    @property
    def missing_parent(self) -> bool:
        """Whether the parents given leave a structure unexplained."""
        return self.left == "structure"

    @property
    def used(self) -> tuple[int, ...]:
        """Candidates that contribute."""
        return tuple(index for index, weight in enumerate(self.weights) if weight != 0.0)


@dataclass(frozen=True)
class NotMerged:
    """Why the model is no merge of the candidates, or none that can be told."""

    reason: str


@dataclass(frozen=True)
class Measured:
    """Mixtures that can be used, with their inner products (candidates first, the base last where there is one)."""

    mixtures: list[Mixture]
    products: list[Products]
    with_base: bool

    @property
    def count(self) -> int:
        """Number of candidate parents."""
        return len(self.mixtures[0].parents)

    def rounding(self) -> float:
        """Share of the model's energy that rounding to its storage type leaves."""
        whole = sum(one.size for one in self.products)
        pairs = zip(self.mixtures, self.products, strict=True)
        return sum(rounding_energy(m.model, m.storage) / p.energy * p.size for m, p in pairs) / whole

    def to_nearest(self) -> float:
        """Share of the model's energy left by the nearest candidate, or the base, of each tensor."""
        left = 0.0
        for one in self.products:
            distances = one.energy - 2.0 * one.with_model + np.diag(one.among)
            left += max(float(distances.min()), 0.0) / one.energy * one.size
        return left / sum(one.size for one in self.products)


def estimate_merge(mixtures: Iterable[Mixture], rng: np.random.Generator) -> Merge | NotMerged:
    """Tell how a model was merged from candidate parents.

    Args:
        mixtures: parts of the model with their candidates, matrices and vectors; only matrices that the model and
            every candidate hold are used.
        rng: source of the bootstrap and of the entries sampled.

    Returns:
        The simplest method that explains the model, or why none does.
    """
    kept = [one for one in mixtures if _usable(one)]
    if not kept or len(kept[0].parents) < 2:
        return NotMerged("fewer than two candidate parents hold matrices of the model")
    origins = layer_origins(kept)
    if origins is not None:
        return _franken(origins, kept)
    measured = _measured(kept)
    if measured is None:
        return NotMerged("no matrix is held by the model and by every candidate")
    start = fit(measured.products, rng)
    sparse = _sparse(measured, start, rng)
    if sparse is not None:
        return sparse
    return _dense(measured, start, rng)


def _measured(mixtures: Sequence[Mixture]) -> Measured | None:
    kept = [one for one in mixtures if all(parent is not None for parent in one.parents)]
    if not kept:
        return None
    # A base that some parts lack would make their weights mean something else.
    with_base = all(one.base is not None for one in kept)
    products = [products_of(one.model, _candidates(one, with_base)) for one in kept]
    return Measured(kept, products, with_base)


def _usable(mixture: Mixture) -> bool:
    """Whether a part is a matrix of finite values that some candidate holds, and none of those is empty."""
    arrays = [mixture.model, *(array for array in (*mixture.parents, mixture.base) if array is not None)]
    held = any(parent is not None for parent in mixture.parents)
    return held and all(
        array.ndim == 2 and array.shape == mixture.model.shape and bool(np.isfinite(array).all()) and array.any()
        for array in arrays
    )


def _candidates(mixture: Mixture, with_base: bool) -> list[Floats]:
    found = [parent for parent in mixture.parents if parent is not None]
    return [*found, mixture.base] if with_base and mixture.base is not None else found


def _franken(origins: dict[int, int], mixtures: Sequence[Mixture]) -> Merge:
    count = len(mixtures[0].parents)
    weights = tuple(list(origins.values()).count(index) / len(origins) for index in range(count))
    left = rounding = whole = 0.0
    for mixture in mixtures:
        values = mixture.model.astype(np.float64)
        left += min(float(np.square(values - parent).sum()) for parent in mixture.parents if parent is not None)
        rounding += rounding_energy(values, mixture.storage)
        whole += float(np.square(values).sum())
    intervals = tuple((weight, weight) for weight in weights)
    return Merge("frankenmerge", weights, intervals, left / whole, rounding / whole, origins=origins)


def _sparse(measured: Measured, start: Fit, rng: np.random.Generator) -> Merge | None:
    if not measured.with_base:
        return None
    # Trimming biases least squares, so that a small change's weight may drown: then every candidate is tried.
    found = None
    for used in dict.fromkeys([_used(start, measured.count), tuple(range(measured.count))]):
        found = found or (best_sparse(measured.mixtures, used, start.weights[list(used)], rng) if used else None)
    if found is None:
        return None
    weights, errors = np.zeros(measured.count), start.errors[: measured.count].copy()
    weights[list(found.used)], errors[list(found.used)] = found.weights, found.errors
    bounds = _intervals(np.array(found.densities), np.array(found.density_errors))
    kept = {i: (middle, *pair) for i, middle, pair in zip(found.used, found.densities, bounds, strict=True)}
    return Merge(
        found.method,
        tuple(weights.tolist()),
        _intervals(weights, errors),
        residual=found.residual,
        rounding=measured.rounding(),
        densities=tuple(kept.get(index) for index in range(measured.count)),
        scale=found.scale,
    )


def _dense(measured: Measured, start: Fit, rng: np.random.Generator) -> Merge | NotMerged:
    used = _used(start, measured.count)
    if len(used) < 2:
        return NotMerged("one candidate explains the model as well as all of them together")
    nearest, rounding = measured.to_nearest(), measured.rounding()
    if nearest <= rounding:
        return NotMerged("the model holds the values of one candidate, or of the base, in every matrix")
    columns = [*used, *([measured.count] if measured.with_base else [])]
    found = _combined(measured, columns, len(used), rng)
    left, overlap = _left(measured, columns, found, rounding)
    share = found.residual / nearest
    if share > (EXPLAINED_STRUCTURE if left == "structure" else EXPLAINED):
        return NotMerged(f"the best mixture leaves {share:.2g} of the square distance to the nearest candidate")
    weights, errors = np.zeros(measured.count), start.errors[: measured.count].copy()
    weights[list(used)], errors[list(used)] = found.weights, found.errors
    return Merge(
        found.method,
        tuple(weights.tolist()),
        _intervals(weights, errors),
        residual=found.residual,
        rounding=rounding,
        left=left,
        places=found.places,
        overlap=overlap,
        alternatives=(*found.alternatives, *(_UNEXPLAINED if left == "structure" else ())),
    )


def _combined(measured: Measured, columns: Sequence[int], count: int, rng: np.random.Generator) -> Dense:
    """The best combination of whole tensors, as parts or as tools may have stored them."""
    rounding = measured.rounding()

    def best(one: Measured) -> Dense:
        layers = [mixture.part.layer for mixture in one.mixtures]
        return best_dense([_only(products, columns) for products in one.products], layers, count, rounding, rng)

    found = best(measured)
    stored = _measured(fused(measured.mixtures))
    if count != 2 or found.residual <= AT_ROUNDING * rounding or stored is None:
        return found
    return min(found, best(stored), key=lambda one: one.residual)


_UNEXPLAINED = (
    "a parent is missing from the list",
    "the model was trained on after merging",
)


def _left(
    measured: Measured, columns: Sequence[int], found: Dense, rounding: float
) -> tuple[Literal["rounding", "noise", "structure"], float | None]:
    """What the residual looks like, and how far its leading directions are those of the parents' differences."""
    if found.residual <= AT_ROUNDING * rounding:
        return "rounding", None
    seen = [
        _looks(mixture, [_candidates(mixture, measured.with_base)[index] for index in columns], _only(one, columns))
        for mixture, one in zip(measured.mixtures, measured.products, strict=True)
    ]
    differing = np.array([looks for looks in seen if looks is not None])
    if differing.size == 0:
        return "rounding", None
    edges, overlaps, sigmas, relative, kurtosis = differing.T
    even = min(_spread(sigmas), _spread(relative)) <= NOISE_SPREAD
    noise = even and float(np.median(edges)) <= NOISE_EDGE and float(np.median(kurtosis)) <= NOISE_KURTOSIS
    return ("noise" if noise else "structure"), float(np.median(overlaps))


def _looks(
    mixture: Mixture, candidates: Sequence[Floats], products: Products
) -> tuple[float, float, float, float, float] | None:
    """Edge ratio, overlap with the candidates' difference, sigma, relative sigma and |excess kurtosis| of what is left.

    None where nothing is.
    """
    values = [candidate[:_MOST_ROWS].astype(np.float64) for candidate in candidates]
    model = mixture.model[:_MOST_ROWS]
    residual = model - np.tensordot(products.free(), np.stack(values), axes=1)
    sigma, deviation = float(residual.std()), float(model.std())
    if sigma == 0.0 or deviation == 0.0:
        return None
    return (
        edge_ratio(residual),
        leading_overlap(residual, values[0] - values[1]),
        sigma,
        sigma / deviation,
        abs(float(np.mean(((residual - residual.mean()) / sigma) ** 4)) - 3.0),
    )


def _spread(values: Numbers) -> float:
    """Median absolute deviation, as a standard deviation, over the median."""
    middle = float(np.median(values))
    return 1.4826 * float(np.median(np.abs(values - middle))) / middle


def _used(start: Fit, count: int) -> tuple[int, ...]:
    weights, errors = start.weights[:count], start.errors[:count]
    return tuple(np.flatnonzero(np.abs(weights) > np.maximum(USED, WITHIN * errors)).tolist())


def _only(products: Products, columns: Sequence[int]) -> Products:
    chosen = list(columns)
    return Products(products.among[np.ix_(chosen, chosen)], products.with_model[chosen], products.energy, products.size)


def _intervals(weights: Numbers, errors: Numbers) -> tuple[tuple[float, float], ...]:
    pairs = zip(weights.tolist(), errors.tolist(), strict=True)
    return tuple((weight - WITHIN * error, weight + WITHIN * error) for weight, error in pairs)
