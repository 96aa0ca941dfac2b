"""Whether two of several models err in the same direction and by as much, item by item.

An error vector is an answer minus the right answer: one number of a quantity, four of a box. Errors of one item are
not independent, as an item that misleads one model misleads the next; so what all models share is taken out of each
item first, and the null deals what is left to the models at random, item by item.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log, log10

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from forebear.statistics.arrays import Floats
from forebear.statistics.tails import LOG10_FLOOR, capped

LARGEST = 3.0
"""Longest scaled error, in spreads: longer ones are cut to it, so that no single item decides."""
SPREAD_WITHIN = 0.9
"""A model's spread is the root mean square of its errors, those beyond this quantile of its own cut to it."""
ROUNDS = 8
"""Corrections of spreads; in the simulations of benchmarks/behaviour/numeric.py further ones change nothing."""
SMALLEST_SPREAD = 0.05
"""Of a model, against the usual one: below it a model counts as no more accurate."""
DRAWS = 9_999
_MOST_DRAWN = 20_000_000
_AT_ONCE = 2_000_000
_LN10 = log(10.0)


@dataclass(frozen=True, slots=True)
class Dealt:
    """A sum over items beside the same sum where each item's errors are dealt to the models at random.

    Attributes:
        value: sum seen.
        expected: its mean under the null.
        spread: its standard deviation under the null.
        log10_p: of a sum at least as large.
        draws: random deals behind it.
        bounded: whether ``log10_p`` is Chernoff's bound, no deal having come so far.
    """

    value: float
    expected: float
    spread: float
    log10_p: float
    draws: int
    bounded: bool


def alike(errors: Floats, pair: tuple[int, int]) -> Floats:
    """Error vectors with what all models share taken out and every model's spread made one.

    With a model's spread s, errors ``b + s z`` of an item (b what it does to all, z of one law in all models) become
    ``b/s + z`` when divided by it; the direction 1/s over models is projected out, and the rest is turned from the
    space across that direction into the space across (1, ..., 1) by the rotation that takes the one to the other.
    Plain centring would leave models of unequal accuracy unequally correlated; thus they are correlated alike.

    Spreads come from `noise_spreads`, and are corrected until what is left of every model is equally long, as it is
    when they are right: too large a spread of two accurate models would make them look related.

    Args:
        errors: ``(items, models, dimensions)``, finite; four models or more.
        pair: the two in question; their nearness to one another has no part in their spreads.

    Returns:
        The same shape; every item sums to zero over models.
    """
    apart = errors - np.median(errors, axis=1, keepdims=True)
    units = clipped_rms(np.abs(apart).reshape(-1, errors.shape[2]))
    apart = apart / np.where(units > 0.0, units, 1.0)
    spreads = noise_spreads(apart, pair)
    for _ in range(ROUNDS):
        left = (_left(apart, spreads) ** 2).sum(axis=2).mean(axis=0)
        usual = float(np.median(left))
        spreads *= np.clip(np.sqrt(left / usual), 0.5, 2.0) if usual > 0.0 else 1.0
        spreads = np.maximum(spreads, SMALLEST_SPREAD * np.median(spreads))
    return _left(apart, spreads)


def _left(apart: Floats, spreads: Floats) -> Floats:
    """What is left of errors once scaled, cut, and rid of what models of these spreads share."""
    scaled = (apart - _weighted_median(apart, 1.0 / spreads)) / spreads[:, None]
    lengths = np.linalg.norm(scaled, axis=2, keepdims=True)
    scaled *= np.minimum(1.0, LARGEST / np.maximum(lengths, 1e-300))
    shared = spreads.min() / spreads
    turned: Floats = np.einsum("jk,ikd->ijd", _across(shared / np.linalg.norm(shared)), scaled)
    return turned


def clipped_rms(lengths: Floats) -> Floats:
    """Root mean square of each column, values beyond its own `SPREAD_WITHIN` quantile cut to that.

    Where the quantile is zero, most values being so, nothing is cut.
    """
    bounds = np.quantile(lengths, SPREAD_WITHIN, axis=0)
    cut = np.where(bounds > 0.0, np.minimum(lengths, bounds), lengths)
    rms: Floats = np.sqrt((cut**2).mean(axis=0))
    return rms


def noise_spreads(errors: Floats, pair: tuple[int, int]) -> Floats:
    """Spread of what each model's errors share with no other's: ``(models,)``, positive.

    The squared spread of the difference of two models' errors is the sum of their squared spreads, whatever an item
    does to both; all pairs but the one in question are solved for them by least squares of relative deviations.
    """
    models = errors.shape[1]
    first, second = np.triu_indices(models, 1)
    kept = ~(np.isin(first, pair) & np.isin(second, pair))
    first, second = first[kept], second[kept]
    differences = [np.linalg.norm(errors[:, j] - errors[:, k], axis=1) for j, k in zip(first, second, strict=True)]
    sums = np.array([float(clipped_rms(each[:, None])[0]) ** 2 for each in differences])
    usual = float(np.median(sums)) / 2.0 or float(sums.mean()) / 2.0 or 1.0
    weights = 1.0 / np.maximum(sums, 1e-6 * usual)
    design = np.zeros((len(sums), models))
    rows = np.arange(len(sums))
    design[rows, first] = design[rows, second] = weights
    squares = np.linalg.lstsq(design, sums * weights, rcond=None)[0]
    spreads: Floats = np.sqrt(np.maximum(squares, SMALLEST_SPREAD**2 * usual))
    return spreads


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    """Weighted median over models of each item and dimension, ``(items, 1, dimensions)``."""
    order = np.argsort(values, axis=1)
    reached = np.cumsum(weights[order], axis=1) >= weights.sum() / 2.0
    place = np.argmax(reached, axis=1)[:, None]
    return np.take_along_axis(values, np.take_along_axis(order, place, axis=1), axis=1)


def _across(shared: Floats) -> Floats:
    """Project out a unit vector over models, then turn it, in the plane of both, onto the even one."""
    even = np.full(len(shared), len(shared) ** -0.5)
    away: Floats = np.eye(len(shared)) - np.outer(shared, shared)
    away -= np.outer(shared + even, even @ away) / (1.0 + shared @ even)
    return away


def dealt(vectors: Floats, a: int, b: int, rng: np.random.Generator) -> Dealt:
    """Sum over items of the inner product of two models' vectors, beside its law when errors are dealt at random.

    Null: within each item, every assignment of the vectors to models is equally likely, and items are independent.
    Then each item's product is that of a pair of different models drawn at random. p counts deals, (1 + as many) /
    (1 + all); where none came so far, p is Chernoff's bound on the same law, which is never too small: the least over
    t >= 0 of exp(sum of log mean exp(t product) - t value).

    Args:
        vectors: ``(items, models, dimensions)`` as `alike` gives them.
        a: index of the one model.
        b: index of the other.
        rng: draws the deals.

    Source of the bound: Chernoff, A measure of asymptotic efficiency for tests of a hypothesis based on the sum of
    observations (1952), theorem 1.
    """
    value = float(np.einsum("id,id->", vectors[:, a], vectors[:, b]))
    draws = max(999, min(DRAWS, _MOST_DRAWN // len(vectors)))
    expected = variance = 0.0
    sums = np.zeros(draws)
    for products in _products(vectors):
        expected += float(products.mean(axis=1).sum())
        variance += float(products.var(axis=1).sum())
        for row in products:
            sums += row[rng.integers(0, row.size, size=draws)]
    tie = 1e-9 * max(1.0, abs(value))
    reached = int((sums >= value - tie).sum())
    counted = log10((1 + reached) / (1 + draws))
    bound = counted if reached or variance <= 0.0 else chernoff_log10_p(vectors, value)
    return Dealt(value, expected, variance**0.5, capped(min(counted, bound)), draws, bound < counted)


def chernoff_log10_p(vectors: Floats, value: float) -> float:
    """log10 of Chernoff's bound on the chance that a deal's sum of products is at least ``value``, see `dealt`."""

    def exponent(log_t: float) -> float:
        t = float(np.exp(log_t))
        whole = 0.0
        for products in _products(vectors):
            whole += float((logsumexp(t * products, axis=1) - log(products.shape[1])).sum())
        return whole - t * value

    best = minimize_scalar(exponent, bounds=(-8.0, 5.0), method="bounded", options={"xatol": 1e-3})
    return float(max(LOG10_FLOOR, min(0.0, float(best.fun) / _LN10)))


def _products(vectors: Floats) -> Iterator[Floats]:
    """Inner products of every two models' vectors, ``(some items, pairs)`` at a time."""
    items, models, _ = vectors.shape
    first, second = np.triu_indices(models, 1)
    step = max(1, _AT_ONCE // max(models**2, 1))
    for start in range(0, items, step):
        part = vectors[start : start + step]
        yield np.einsum("ijd,ikd->ijk", part, part)[:, first, second]


def vector_correlation(first: Floats, second: Floats, weights: NDArray[np.floating] | None = None) -> Floats:
    """Correlation of two lists of vectors about their means: inner products over the product of lengths.

    Args:
        first: ``(items, dimensions)``.
        second: the same shape.
        weights: ``(resamples, items)`` how often each item counts; None for one list in which each counts once.

    Returns:
        ``(resamples,)``; NaN where a list has no spread.
    """
    counts = np.ones((1, len(first))) if weights is None else weights
    total = counts.sum(axis=1)
    inner = counts @ np.einsum("id,id->i", first, second)
    squares = [counts @ np.einsum("id,id->i", each, each) for each in (first, second)]
    means = [counts @ each / total[:, None] for each in (first, second)]
    inner = inner - total * np.einsum("rd,rd->r", *means)
    lengths = [square - total * np.einsum("rd,rd->r", mean, mean) for square, mean in zip(squares, means, strict=True)]
    product = lengths[0] * lengths[1]
    small = 1e-12 * squares[0] * squares[1]
    return np.where(product > small, inner / np.sqrt(np.where(product > small, product, 1.0)), np.nan)


def correlation_interval(
    first: Floats, second: Floats, rng: np.random.Generator, resamples: int = 2_000
) -> tuple[float, float] | None:
    """95 % bootstrap interval over items of `vector_correlation`; None where a resample has no spread."""
    items = len(first)
    step = max(1, _AT_ONCE // items)
    found: list[Floats] = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = rng.multinomial(items, np.full(items, 1.0 / items), size=size).astype(np.float64)
        found.append(vector_correlation(first, second, weights))
    values = np.concatenate(found)
    if np.isnan(values).any():
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def overlap(first: Floats, second: Floats) -> Floats:
    """Intersection over union of boxes (left, top, right, bottom): ``(...,)`` from ``(..., 4)``; 0 without area."""
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    union = _area(first) + _area(second) - shared
    shares: Floats = np.where((shared > 0.0) & (union > 0.0), shared / np.where(union > 0.0, union, 1.0), 0.0)
    return shares


def are_boxes(values: Floats) -> bool:
    """Whether all rows, ``(..., dimensions)``, are boxes (left, top, right, bottom) with an area."""
    if values.shape[-1] != 4:
        return False
    return bool(np.all((values[..., 2] > values[..., 0]) & (values[..., 3] > values[..., 1])))


def _area(box: Floats) -> Floats:
    sides: Floats = np.maximum(box[..., 2] - box[..., 0], 0.0) * np.maximum(box[..., 3] - box[..., 1], 0.0)
    return sides
