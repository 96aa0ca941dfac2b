"""Merges that combine whole tensors: constant weights (linear, task arithmetic) and spherical interpolation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from scipy.optimize import minimize_scalar

from forebear.statistics.mixture import WITHIN, Numbers, Products, fit, interpolation, spherical_weights

TOLERATED = 0.2
"""Part by which a method may leave more than weights chosen freely in every tensor do."""

BETTER = 0.8
"""A method with more freedom is preferred over constant weights if it leaves at most this share of their residual."""

BASE_UNUSED = 0.01
"""Weight of the base below which a merge of constant weights is linear."""


@dataclass(frozen=True)
class Dense:
    """A combination of whole tensors.

    Attributes:
        method: which.
        weights, errors: of the used candidates, without the base; of SLERP the mean place and its complement.
        residual: share of the model's energy left.
        places: SLERP along depth: by layer, place ``t`` with its 95% interval.
        alternatives: other histories that leave the same mark.
    """

    method: Literal["linear", "task arithmetic", "slerp"]
    weights: Numbers
    errors: Numbers
    residual: float
    places: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    alternatives: tuple[str, ...] = ()


def best_dense(
    products: Sequence[Products], layers: Sequence[int | None], count: int, rounding: float, rng: np.random.Generator
) -> Dense:
    """Simplest combination that leaves hardly more than free weights in every tensor do.

    Args:
        products: of the used candidates, then the base where there is one.
        layers: layer of each.
        count: number of used candidates, at least two.
        rounding: share of the model's energy that rounding leaves.
        rng: source of the bootstrap.
    """
    free = _left(products, [one.free() for one in products])
    allowed = free + TOLERATED * max(free, rounding)
    constant = _constant(products, count, rng)
    if count != 2:
        return constant
    two = [Products(one.among[:2, :2], one.with_model[:2], one.energy, one.size) for one in products]
    even = _even(two)
    if constant.residual <= allowed:
        # Parallel tensors are interpolated in a straight line: then both leave the same.
        return even if even.residual < BETTER * constant.residual else constant
    spherical = [even, _along_depth(two, layers), _by_tensor(two, layers)]
    found = next((one for one in spherical if one.residual <= allowed), None)
    return found or min([constant, *spherical], key=lambda one: one.residual)


def _constant(products: Sequence[Products], count: int, rng: np.random.Generator) -> Dense:
    with_base = products[0].with_model.size > count
    # With a base the changes are added to it, so all weights together make one.
    found = fit(products, rng, to_one=with_base)
    over_base = with_base and abs(found.weights[count]) > max(BASE_UNUSED, WITHIN * found.errors[count])
    loose = fit(products, rng) if not with_base else found
    return Dense(
        "task arithmetic" if over_base else "linear",
        loose.weights[:count],
        loose.errors[:count],
        loose.residual,
        alternatives=() if with_base else (_NO_BASE,) if abs(loose.weights.sum() - 1.0) > BASE_UNUSED else (),
    )


_NO_BASE = "the weights do not add up to one: task arithmetic over a base that was not given, or a parent not listed"


def _even(products: Sequence[Products]) -> Dense:
    """SLERP with one ``t`` for all tensors."""

    def left(t: float) -> float:
        return _left(products, [spherical_weights(one, t) for one in products])

    found = minimize_scalar(left, bounds=(0.0, 1.0), method="bounded", options={"xatol": 1e-5})
    places = np.array([interpolation(one) for one in products])
    return _slerp(float(found.x), _error(places), float(found.fun))


def _along_depth(products: Sequence[Products], layers: Sequence[int | None]) -> Dense:
    """SLERP with one ``t`` a layer; tensors outside layers have their own."""
    places = np.array([interpolation(one) for one in products])
    numbered = np.array([-1 if layer is None else layer for layer in layers])
    by_layer: dict[int, tuple[float, float, float]] = {}
    used = places.copy()
    for layer in sorted(set(numbered[numbered >= 0].tolist())):
        inside = numbered == layer
        middle = float(np.median(places[inside]))
        used[inside] = middle
        error = WITHIN * _error(places[inside])
        by_layer[layer] = (middle, middle - error, middle + error)
    residual = _left(products, [spherical_weights(one, t) for one, t in zip(products, used, strict=True)])
    found = _slerp(float(places.mean()), _error(places), residual)
    return replace(found, places=by_layer, alternatives=(_STRAIGHT,))


def _by_tensor(products: Sequence[Products], layers: Sequence[int | None]) -> Dense:
    """SLERP with its own ``t`` in every tensor."""
    residual = _left(products, [spherical_weights(one, interpolation(one)) for one in products])
    return replace(_along_depth(products, layers), residual=residual)


_STRAIGHT = "where the parents are nearly parallel, weights of a straight line look the same"


def _slerp(place: float, error: float, residual: float) -> Dense:
    return Dense("slerp", np.array([1.0 - place, place]), np.array([error, error]), residual)


def _error(places: Numbers) -> float:
    return float(places.std()) / float(np.sqrt(places.size))


def _left(products: Sequence[Products], weights: Sequence[Numbers]) -> float:
    """Share of the model's energy left, each tensor counting by its size."""
    pairs = zip(products, weights, strict=True)
    left = sum(one.residual(chosen) / one.energy * one.size for one, chosen in pairs)
    return left / sum(one.size for one in products)
