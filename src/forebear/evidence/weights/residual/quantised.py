"""Values on a lattice: whole multiples of a step, in the tensor, in each row or column, or in each block of them.

Quantisers that round to evenly spaced levels leave one. The step is searched among the fractions 1/1 to 1/255 of a
block's largest magnitude, so that it is found also where the value that set it lies in another part of a fused tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from forebear.evidence.weights.residual.codebook import find_table
from forebear.evidence.weights.residual.lattice import Lattice
from forebear.evidence.weights.residual.storage import EIGHT_BITS, Doubles, spacing

BLOCKS = (256, 128, 64, 32)
MOST_LEVELS = 255
ON_LATTICE = 0.995
"""Least share of a block's values that lie on its lattice within the rounding of their storage type."""

PASSING = 0.9
"""Least share of blocks that do."""

PERHAPS = 0.3
"""The same by a quarter of their values, which may be too few to show a fine lattice."""

BY_CHANCE = -6.0
"""Largest log-probability with which the distinct values of a block without lattice would pass, over every step tried;
several blocks must. A coarse storage type hides fine lattices."""

FEW_LEVELS = 4
"""Values a distinct magnitude at which a block is on a few levels whatever they are; also fewest values to judge by."""

_SCREENED = 8
_FEWEST_VALUES = 32
_MOST_VALUES = 128
_CHUNK = 32

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class _Blocks:
    """Blocks with their rounding, ``(blocks, values)`` and ``(blocks, 1)``."""

    values: Doubles
    half: Doubles
    low: Doubles
    high: Doubles
    half_end: Doubles
    distinct: Doubles
    repeats: NDArray[np.bool_]

    @staticmethod
    def of(blocks: Doubles, dtype: str, most: int = _MOST_VALUES) -> _Blocks:
        low, high = blocks.min(axis=1, keepdims=True), blocks.max(axis=1, keepdims=True)
        few = blocks[:, :: max(1, blocks.shape[1] // most)]
        few = np.take_along_axis(few, np.argsort(np.abs(few), axis=1), axis=1)
        largest = np.maximum(np.abs(low), np.abs(high))
        # Zero and the largest magnitude lie on every lattice tried, and a value seen twice says nothing new.
        new = np.diff(np.abs(few), axis=1, prepend=0.0) > 0.0
        several = np.count_nonzero(few, axis=1, keepdims=True)
        repeats = (several >= FEW_LEVELS) & (FEW_LEVELS * new.sum(axis=1, keepdims=True) <= several)
        distinct = (new & (np.abs(few) < largest)).astype(np.float64)
        return _Blocks(few, spacing(few, dtype) / 2.0, low, high, spacing(largest, dtype) / 2.0, distinct, repeats)

    def judged(self) -> _Blocks:
        """Blocks with values enough to judge by."""
        return _part(self, np.flatnonzero(np.count_nonzero(self.values, axis=1) >= FEW_LEVELS))

    @property
    def largest(self) -> Doubles:
        """Largest magnitude of each block, one where it holds nothing but zeros."""
        found = np.maximum(np.abs(self.low), np.abs(self.high))
        return np.where(found > 0.0, found, 1.0)


def find_lattice(model: Doubles, dtype: str) -> Lattice | None:
    """The lattice of a matrix; None where there is none, or the storage type would hide it.

    Args:
        model: ``(rows, columns)`` values.
        dtype: their storage type.
    """
    if dtype in EIGHT_BITS or model.size < 2 * BLOCKS[-1] or np.ptp(model) == 0.0:
        return None
    for axis in (1, 0):
        oriented = model if axis else model.T
        for block, size, start in _sizes(oriented, axis):
            found = _spaced(oriented, size, start, dtype)
            if found is not None:
                bits, symmetric, steps = found
                cells = (steps if axis else steps.T) / 2.0
                return Lattice(bits, block, axis, symmetric, None, cells, cells)
    return find_table(model, dtype)


def _sizes(oriented: Doubles, axis: int) -> Iterator[tuple[int | str, int, int]]:
    """Names and lengths of blocks, with where the first begins: behind equal parts fused before this one, perhaps."""
    columns = oriented.shape[1]
    if axis:
        yield "tensor", oriented.size, 0
    if columns >= BLOCKS[-1]:
        yield ("row" if axis else "column"), columns, 0
    for size in BLOCKS:
        if size < columns:
            starts = {0} if axis else {0, -columns % size, -2 * columns % size}
            yield from ((size, size, start) for start in sorted(starts) if columns - start >= size)


def _spaced(oriented: Doubles, size: int, start: int, dtype: str) -> tuple[int, bool, Doubles] | None:
    """Bits, whether zero lies in the middle of the levels, and the step at every value."""
    whole = oriented.reshape(1, -1) if size == oriented.size else oriented
    stop = start + (whole.shape[1] - start) // size * size
    full = whole[:, start:stop].reshape(-1, size)
    bits = None
    if not (_screened(full, dtype, _FEWEST_VALUES, PERHAPS) and _screened(full, dtype, _MOST_VALUES, PASSING)):
        bits = _from_minimum(full, dtype)
        if bits is None:
            return None
    every = _Blocks.of(full, dtype)
    if bits is not None:
        steps, symmetric = (every.high - every.low) / (2**bits - 1), False
    else:
        levels = _all_levels(every)
        found = levels > 0.0
        if float(np.mean(found[np.count_nonzero(every.values, axis=1) >= FEW_LEVELS])) < PASSING:
            return None
        bits, symmetric = _bits(levels[found], (every.high - every.low)[found], every.largest[found])
        levels[~found] = np.median(levels[found])
        steps = every.largest / levels
    return bits, symmetric, _spread(steps, whole.shape, size, start).reshape(oriented.shape)


def _screened(full: Doubles, dtype: str, most: int, share: float) -> bool:
    """Whether a few blocks, by a few of their values, lie on a lattice through zero."""
    few = _few(full, dtype, most)
    return len(few.values) > 0 and float(np.mean(_levels(few) > 0.0)) >= share


def _few(full: Doubles, dtype: str, most: int) -> _Blocks:
    return _Blocks.of(full[:: max(1, len(full) // _SCREENED)][: 2 * _SCREENED], dtype, most).judged()


def _spread(steps: Doubles, shape: tuple[int, ...], size: int, start: int) -> Doubles:
    """The step of each block at each of its values; what lies outside whole blocks takes the step of the nearest."""
    rows, columns = shape
    wide = np.repeat(steps.reshape(rows, -1), size, axis=1)
    return np.pad(wide, ((0, 0), (start, columns - start - wide.shape[1])), mode="edge")


def _levels(blocks: _Blocks) -> Numbers:
    """Number of steps to the largest magnitude, the fewest that puts a block on a lattice through zero; 0 if none.

    Returns:
        ``(blocks, 1)``.
    """
    tried = np.arange(1.0, MOST_LEVELS + 1.0)[:, None, None]
    passing = _on_multiples(blocks, tried)
    first = np.argmax(passing, axis=0)
    return np.where(passing.any(axis=0), first + 1.0, 0.0)


def _on_multiples(blocks: _Blocks, number: Numbers) -> NDArray[np.bool_]:
    """Which blocks are whole multiples of their largest magnitude over ``number`` (broadcast ahead of them)."""
    scaled = blocks.values * (number / blocks.largest)
    nearest = np.rint(scaled)
    # The largest magnitude is rounded too, which stretches the lattice a little.
    blur = (blocks.half * number + blocks.half_end * np.abs(nearest)) / blocks.largest + 1e-6
    on, chance = _share_on(np.abs(scaled - nearest), blur, blocks.distinct)
    rare = chance + np.log(number) <= BY_CHANCE
    passing: NDArray[np.bool_] = on & (rare | (blocks.repeats & (number < FEW_LEVELS)))
    return passing


def _share_on(off: Doubles, blur: Doubles, distinct: Doubles) -> tuple[NDArray[np.bool_], Doubles]:
    """Whether nearly all values of a block lie on its lattice, and the log-probability that they do so by chance."""
    chance = (np.log(np.minimum(2.0 * blur, 1.0)) * distinct).sum(axis=-1, keepdims=True)
    on: NDArray[np.bool_] = np.mean(off <= blur, axis=-1, keepdims=True) >= ON_LATTICE
    return on, np.asarray(chance)


def _all_levels(blocks: _Blocks) -> Numbers:
    """``_levels`` of many blocks; those of the commonest number are settled without a search."""
    found = _levels(_part(blocks, slice(0, _CHUNK)))
    usual = float(np.median(found[found > 0.0])) if (found > 0.0).any() else 1.0
    rest = _part(blocks, slice(_CHUNK, None))
    later = np.where(_on_multiples(rest, np.full((1, 1), usual)), usual, 0.0)
    missing = np.flatnonzero(later[:, 0] == 0.0)
    for start in range(0, len(missing), _CHUNK):
        chosen = missing[start : start + _CHUNK]
        later[chosen] = _levels(_part(rest, chosen))
    return np.concatenate([found, later])


def _part(blocks: _Blocks, chosen: slice | NDArray[np.intp]) -> _Blocks:
    return _Blocks(*(getattr(blocks, one.name)[chosen] for one in fields(blocks)))


def _bits(levels: Numbers, width: Doubles, largest: Doubles) -> tuple[int, bool]:
    """Bits that number the levels, and whether they lie evenly about zero."""
    most = float(np.quantile(levels, 0.9))
    between = float(np.quantile(np.rint(width / largest * levels), 0.9)) + 1.0
    even, uneven = max(2, int(np.ceil(np.log2(2.0 * most)))), max(2, int(np.ceil(np.log2(between))))
    return min(even, uneven, 8), even <= uneven and even <= 8


def _from_minimum(full: Doubles, dtype: str) -> int | None:
    """Bits of a lattice that starts at each block's minimum and ends at its maximum; None if there is none."""
    few = _few(full, dtype, _MOST_VALUES)
    if not len(few.values):
        return None
    width = np.maximum(few.high - few.low, np.finfo(np.float64).tiny)
    for bits in range(2, 9):
        step = width / (2**bits - 1)
        scaled = (few.values - few.low) / step
        blur = (few.half + 2.0 * few.half_end) / step + 1e-6
        on, chance = _share_on(np.abs(scaled - np.rint(scaled)), blur, few.distinct)
        if float(np.mean(on & (chance <= BY_CHANCE))) >= PASSING:
            return bits
    return None
