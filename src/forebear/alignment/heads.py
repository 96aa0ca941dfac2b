"""Which attention head goes with which, and what was mixed inside a head.

What a head writes for what it reads, output times value, and what it attends to, query times key, do not change when
its inner dimensions are mixed by any invertible matrix (queries and keys under a rotary embedding: by one complex
factor a plane). Heads are paired by these products; a mixture is accepted only if one matrix leaves clearly less of
both tensors, value and output or query and key, than no mixture or a simpler one does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, minimize

from forebear.statistics.arrays import Floats

Order = NDArray[np.int64]

KEEPS_ORDER = 0.9
"""Share of the best assignment's total similarity at which heads are read as unmoved."""

LEAST_SIMILAR = 0.25
"""Mean cosine of the products of assigned heads below which heads are read as unrelated and left where they are."""

_NOTHING = 1e-5
_MONOMIAL = 0.95
_MOST_ITERATIONS = 100
_SNAPPED = 0.01


@dataclass(frozen=True)
class Attention:
    """Query, key, value and output of one layer, norm gains folded, biases as a last column where there are any.

    Attributes:
        query: ``(heads, size, inputs)``.
        key: ``(groups, size, inputs)``.
        value: ``(groups, value size, inputs)``.
        output: ``(heads, value size, outputs)``, one row a value dimension.
    """

    query: Floats
    key: Floats
    value: Floats
    output: Floats

    @property
    def group(self) -> int:
        """Query heads that share a key/value head."""
        return int(self.query.shape[0] // self.key.shape[0])


@dataclass(frozen=True)
class HeadMap:
    """Heads of the model in terms of the reference's.

    Attributes:
        groups: for each key/value head of the model the reference's.
        heads: for each query head of the model the reference's.
        values: for each key/value head of the model P: value = P value', output = output' P^-1; None: unmixed.
        queries: for each key/value head of the model Z: query = Z query', key = Z^-T key'; None: unmixed.
    """

    groups: Order
    heads: Order
    values: Floats | None
    queries: Floats | None

    @property
    def in_place(self) -> bool:
        """Every head is where it was."""
        return bool(
            np.array_equal(self.groups, np.arange(self.groups.size))
            and np.array_equal(self.heads, np.arange(self.heads.size))
        )


def pair_heads(mine: Attention, yours: Attention, *, rotary: bool) -> HeadMap | None:
    """Pair the heads of a layer.

    Args:
        mine, yours: model and reference, inputs and outputs in the same coordinates.
        rotary: positions enter by rotating planes of queries and keys (dimensions i and i + size/2).

    Returns:
        None where heads differ in size or in how many share a key, or have nothing in common.
    """
    same_size = mine.query.shape[1:] == yours.query.shape[1:] and mine.value.shape[1:] == yours.value.shape[1:]
    if not same_size or mine.group != yours.group:
        return None
    similarity = _similarity(mine, yours)
    groups, heads = _assigned(similarity, mine.group)
    if float(similarity[np.arange(heads.size), heads].mean()) < LEAST_SIMILAR:
        return None
    aligned = Attention(yours.query[heads], yours.key[groups], yours.value[groups], yours.output[heads])
    query, output = _grouped(mine.query, mine.group), _grouped(mine.output, mine.group)
    same_query, same_output = _grouped(aligned.query, mine.group), _grouped(aligned.output, mine.group)
    queries = _mixing((query, same_query, mine.key, aligned.key), ROTARY if rotary else GENERAL)
    values = _mixing((mine.value, aligned.value, output, same_output), GENERAL)
    return HeadMap(groups, heads, values, queries)


def _similarity(mine: Attention, yours: Attention) -> Floats:
    """Mean cosine of both products for every pair of query heads, ``(model heads, reference heads)``."""
    attends = _products(mine.query, _spread(mine.key, mine.group), yours.query, _spread(yours.key, yours.group))
    writes = _products(mine.output, _spread(mine.value, mine.group), yours.output, _spread(yours.value, yours.group))
    mean: Floats = (attends + writes) / 2.0
    return mean


def _spread(shared: Floats, group: int) -> Floats:
    return np.repeat(shared, group, axis=0)


def _products(left: Floats, right: Floats, other_left: Floats, other_right: Floats) -> Floats:
    """Cosines of left_h' right_h with other_left_k' other_right_k, for all h and k, through small Gram matrices."""

    def crossed(first: Floats, second: Floats) -> Floats:
        """``(heads, size, other heads, other size)`` inner products of all rows."""
        flat = first.reshape(-1, first.shape[-1]) @ second.reshape(-1, second.shape[-1]).T
        return flat.reshape(*first.shape[:2], *second.shape[:2])

    def lengths(first: Floats, second: Floats) -> Floats:
        own = [float(((a @ a.T) * (b @ b.T)).sum()) for a, b in zip(first, second, strict=True)]
        return np.sqrt(np.maximum(own, 1e-30))

    scale = lengths(left, right)[:, None] * lengths(other_left, other_right)[None, :]
    inner = np.einsum("aibj,aibj->ab", crossed(left, other_left), crossed(right, other_right))
    cosines: Floats = inner / scale
    return cosines


def _assigned(similarity: Floats, group: int) -> tuple[Order, Order]:
    """Groups, then heads inside their groups; unmoved where that explains nearly as much."""
    mine, yours = similarity.shape[0] // group, similarity.shape[1] // group
    blocks = similarity.reshape(mine, group, yours, group).transpose(0, 2, 1, 3)
    inside = {(i, j): linear_sum_assignment(-blocks[i, j])[1] for i in range(mine) for j in range(yours)}
    totals = np.array([[blocks[i, j][np.arange(group), inside[i, j]].sum() for j in range(yours)] for i in range(mine)])
    # With fewer groups on the reference's side several of the model's share one.
    groups = linear_sum_assignment(-totals)[1] if mine <= yours else totals.argmax(axis=1)
    heads = np.concatenate([groups[i] * group + inside[i, int(groups[i])] for i in range(mine)]).astype(np.int64)
    best = float(similarity[np.arange(heads.size), heads].sum())
    if mine == yours and float(np.trace(similarity)) >= KEEPS_ORDER * best:
        return np.arange(mine, dtype=np.int64), np.arange(heads.size, dtype=np.int64)
    return groups.astype(np.int64), heads


def _grouped(rows: Floats, group: int) -> Floats:
    """``(heads, size, n)`` as ``(groups, size, group * n)``: what heads of a group share is mixed alike."""
    heads, size, width = rows.shape
    return rows.reshape(heads // group, group, size, width).transpose(0, 2, 1, 3).reshape(heads // group, size, -1)


_Fit = Callable[[Floats, Floats], Floats]
_Pairs = tuple[Floats, Floats, Floats, Floats]
"""Rows of model and reference, and the dual rows of model and reference, ``(heads, size, columns)`` each."""


def _mixing(pairs: _Pairs, kinds: Sequence[_Fit]) -> Floats | None:
    """Matrices P with mine = P yours and mine_dual = P^-T yours_dual, head by head; None where none is needed.

    Args:
        pairs: both matrices of model and reference.
        kinds: kinds of matrix, simplest first; each must leave clearly less than the simpler ones.
    """
    # A tensor that only shrank or grew is not mixed.
    left = _rescaled_error(pairs[0], pairs[1]) + _rescaled_error(pairs[2], pairs[3])
    if left <= _NOTHING:
        return None
    chosen: Floats | None = None
    for kind in kinds:
        if kind is _linear and _freely_fitted(pairs) > left:
            continue
        found = _mixture(pairs, kind)
        remaining = _left(pairs, found)
        if remaining <= LEAVES[kind] * left:
            chosen, left = found, remaining
    return None if chosen is None else np.stack([snapped(matrix) for matrix in chosen])


def _mixture(pairs: _Pairs, kind: _Fit) -> Floats:
    """The matrices of a kind that serve both pairs."""
    mine, yours, mine_dual, yours_dual = pairs
    direct = np.stack([kind(a, b) for a, b in zip(mine, yours, strict=True)])
    dual = np.stack([np.linalg.pinv(kind(a, b)).T for a, b in zip(mine_dual, yours_dual, strict=True)])
    if kind is not _linear:
        return _between(direct, dual)
    heads = zip(mine, yours, mine_dual, yours_dual, direct, dual, strict=True)
    return np.stack([_settled((a, b, c, d), (first, second)) for a, b, c, d, first, second in heads])


def _left(pairs: _Pairs, mixture: Floats) -> float:
    """Squared error that a mixture leaves on both pairs."""
    inverse = np.stack([np.linalg.pinv(matrix).T for matrix in mixture])
    return _error(pairs[0], mixture @ pairs[1]) + _error(pairs[2], inverse @ pairs[3])


def _between(direct: Floats, dual: Floats) -> Floats:
    """Matrices half way between two estimates; where one factor a dimension differs in sign, the larger estimate's."""
    diagonal = np.eye(direct.shape[-1], dtype=bool)
    if np.any(direct[:, ~diagonal]) or np.any(dual[:, ~diagonal]):
        mean: Floats = (direct + dual) / 2.0
        return mean
    first, second = direct[:, diagonal], dual[:, diagonal]
    size = np.sqrt(np.abs(first * second))
    factors = np.where(size > 0.0, size * np.sign(first + second), 1.0)
    return np.stack([np.diag(np.where(row != 0.0, row, 1.0)) for row in factors])


def _freely_fitted(pairs: _Pairs) -> float:
    """Squared error on half of the columns of matrices fitted on the other half, each pair on its own.

    Quick to find and never less than what one mixture for both leaves where there is none.
    """
    halves = [tuple(side[..., start::2] for side in pairs) for start in (0, 1)]
    total = 0.0
    for learn, test in (halves, halves[::-1]):
        for at in (0, 2):
            found = np.stack([_linear(a, b) for a, b in zip(learn[at], learn[at + 1], strict=True)])
            total += _error(test[at], found @ test[at + 1]) / 2.0
    return total


def _settled(pairs: _Pairs, starts: tuple[Floats, Floats]) -> Floats:
    """The one matrix of a head that serves both pairs best, sought from the better of either pair's own."""
    size = pairs[0].shape[0]
    direct, dual = _Fitting.of(pairs[0], pairs[1]), _Fitting.of(pairs[2], pairs[3])

    def loss(flat: Floats) -> tuple[float, Floats]:
        matrix = flat.reshape(size, size)
        inverse = np.linalg.pinv(matrix).T
        error, slope = direct.at(matrix)
        error_dual, slope_dual = dual.at(inverse)
        return error + error_dual, (slope - inverse @ slope_dual.T @ inverse).ravel()

    start = min(starts, key=lambda one: loss(one.ravel())[0])
    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": _MOST_ITERATIONS})
    best: Floats = found.x.reshape(size, size)
    return best


@dataclass(frozen=True)
class _Fitting:
    """Relative squared error of mine = P yours and its slope in P, from small products made once."""

    energy: float
    cross: Floats
    own: Floats

    @staticmethod
    def of(mine: Floats, yours: Floats) -> _Fitting:
        mine, yours = mine.astype(np.float64), yours.astype(np.float64)
        energy = max(float(np.square(mine).sum()), 1e-30)
        return _Fitting(energy, mine @ yours.T, yours @ yours.T)

    def at(self, matrix: Floats) -> tuple[float, Floats]:
        carried = matrix @ self.own
        error = self.energy - 2.0 * float((matrix * self.cross).sum()) + float((carried * matrix).sum())
        return error / self.energy, 2.0 * (carried - self.cross) / self.energy


def _error(wanted: Floats, found: Floats) -> float:
    """Squared error relative to the energy."""
    energy = float(np.square(wanted).sum())
    return float(np.square(wanted - found).sum()) / energy if energy > 0.0 else 0.0


def _signs(mine: Floats, yours: Floats) -> Floats:
    """A sign for each dimension."""
    return np.diag(np.where((mine * yours).sum(axis=1) < 0.0, -1.0, 1.0))


def _factors(mine: Floats, yours: Floats) -> Floats:
    """A factor for each dimension, by least squares."""
    energy = np.square(yours).sum(axis=1)
    found = (mine * yours).sum(axis=1) / np.where(energy > 0.0, energy, 1.0)
    return np.diag(np.where(found != 0.0, found, 1.0))


def _rescaled_error(wanted: Floats, found: Floats) -> float:
    """Squared error relative to the energy once the best factor is allowed; none below zero."""
    energy = float(np.square(wanted).sum()) * float(np.square(found).sum())
    product = max(float((wanted * found).sum()), 0.0)
    return 1.0 - product**2 / energy if energy > 0.0 else 0.0


def _linear(mine: Floats, yours: Floats) -> Floats:
    """Least-squares P of mine = P yours."""
    found: Floats = np.linalg.lstsq(yours.T.astype(np.float64), mine.T.astype(np.float64), rcond=None)[0].T
    return found


def _planes(mine: Floats, yours: Floats) -> Floats:
    """The same with one rotation and scale a rotary plane."""
    half = mine.shape[0] // 2
    first, second = (side[:half] + 1j * side[half : 2 * half] for side in (mine, yours))
    energy = np.square(np.abs(second)).sum(axis=1)
    factors = (first * second.conj()).sum(axis=1) / np.where(energy > 0.0, energy, 1.0)
    factors = np.where(energy > 0.0, factors, 1.0)
    matrix = np.eye(mine.shape[0])
    at = np.arange(half)
    matrix[at, at] = matrix[at + half, at + half] = factors.real
    matrix[at, at + half], matrix[at + half, at] = -factors.imag, factors.imag
    return matrix


def snapped(matrix: Floats) -> Floats:
    """A matrix that nearly has one entry a row and column without the others, factors near powers of two made exact.

    Relabelled, flipped and doubled dimensions then come out without the noise of the fit.
    """
    energy = np.square(matrix)
    columns = energy.argmax(axis=1)
    top = energy[np.arange(matrix.shape[0]), columns]
    if np.unique(columns).size < columns.size or np.any(top < _MONOMIAL * energy.sum(axis=1)):
        return matrix
    found = np.zeros_like(matrix)
    found[np.arange(matrix.shape[0]), columns] = near_powers(matrix[np.arange(matrix.shape[0]), columns])
    return found


def near_powers(factors: Floats) -> Floats:
    """Factors, those within a hundredth of a power of two made that power."""
    powers = np.sign(factors) * np.exp2(np.round(np.log2(np.maximum(np.abs(factors), 1e-30))))
    exact: Floats = np.where(np.abs(factors - powers) <= _SNAPPED * np.abs(powers), powers, factors)
    return exact


LEAVES: dict[_Fit, float] = {_signs: 0.8, _factors: 0.8, _planes: 0.8, _linear: 0.6}
"""Largest ratio of the squared error that a kind of mixture leaves to what simpler ones leave, at which it is taken.
Factors drift a little in training, and a whole matrix fits some of any difference. Mixed heads of children trained as
long as their parents reach 0.35, unmixed ones stay above 0.7."""

ROTARY: tuple[_Fit, ...] = (_signs, _factors, _planes)
GENERAL: tuple[_Fit, ...] = (_signs, _factors, _linear)
