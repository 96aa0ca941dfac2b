"""Values on a lattice: whole multiples of a step, in the tensor, in each row or column, or in each block of them.

Quantisers that round to the nearest of a few evenly spaced levels leave one; those with a table of levels (NF4, of
Dettmers et al., QLoRA, 2023) leave the same few values in every block once it is divided by its largest magnitude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from forebear.evidence.weights.residual.codebook import find_table
from forebear.evidence.weights.residual.lattice import Lattice
from forebear.evidence.weights.residual.storage import EIGHT_BITS, Doubles, spacing

BLOCKS = (256, 128, 64, 32)
ON_LATTICE = 0.995
"""Least share of values that lie on a lattice within the rounding of their storage type."""

BY_CHANCE = 0.8
"""Largest share that would do so anywhere; above it the storage type is too coarse to see a lattice."""

MOST_BLOCKS = 512


@dataclass(frozen=True)
class _Fit:
    """Step and offset of each block, ``(blocks, 1)``."""

    bits: int
    symmetric: bool
    step: Doubles
    offset: Doubles


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
        for block, size in _sizes(oriented, axis):
            number = _fitting(_cut(oriented, size), dtype, size)
            if number is not None:
                return _evenly(oriented, size, number, block, axis)
    return find_table(model, dtype)


def _sizes(oriented: Doubles, axis: int) -> Iterator[tuple[int | str, int]]:
    columns = oriented.shape[1]
    if axis:
        yield "tensor", oriented.size
    if columns >= BLOCKS[-1]:
        yield ("row" if axis else "column"), columns
    yield from ((size, size) for size in BLOCKS if size < columns)


def _cut(oriented: Doubles, size: int) -> Doubles:
    """``(blocks, size)``; the shorter last block of a row is left out."""
    if size == oriented.size:
        return oriented.reshape(1, -1)
    whole = oriented.shape[1] // size * size
    return oriented[:, :whole].reshape(-1, size)


def _fitting(blocks: Doubles, dtype: str, size: int) -> int | None:
    """The first of the known ways to choose a step that puts nearly every value on the lattice."""
    usable = blocks[np.ptp(blocks, axis=1) > 0.0]
    if not len(usable):
        return None
    some = usable[:: max(1, len(usable) // MOST_BLOCKS)][:MOST_BLOCKS]
    few = some[:: max(1, len(some) // 8)]
    for number in range(_CANDIDATES):
        if _on(few[:, :128], _candidate(number, _ends(few)), dtype) and _on(
            some, _candidate(number, _ends(some)), dtype
        ):
            return number
    return None


def _evenly(oriented: Doubles, size: int, number: int, block: int | str, axis: int) -> Lattice:
    width = oriented.shape[1]
    starts = range(0, width, size) if size <= width else (0,)
    half = np.empty_like(oriented)
    for start in starts:
        part = oriented[:, start : start + size]
        ends = _ends(part) if size <= width else _ends(part.reshape(1, -1))
        half[:, start : start + size] = _candidate(number, ends).step / 2.0
    fit = _candidate(number, _ends(oriented))
    cells = half if axis else half.T
    return Lattice(fit.bits, block, axis, fit.symmetric, None, cells, cells)


def _ends(blocks: Doubles) -> tuple[Doubles, Doubles]:
    return blocks.min(axis=1, keepdims=True), blocks.max(axis=1, keepdims=True)


_WAYS = 5
_CANDIDATES = 7 * _WAYS


def _candidate(number: int, ends: tuple[Doubles, Doubles]) -> _Fit:
    """Ways to choose a step, fewest bits first: by largest magnitude or by range, zero a level or the minimum one."""
    bits, way = 2 + number // _WAYS, number % _WAYS
    low, high = ends
    largest, width = np.maximum(np.abs(low), np.abs(high)), high - low
    zero = np.zeros_like(low)
    if way == 0:
        return _Fit(bits, True, largest / (2 ** (bits - 1) - 1), zero)
    if way == 1:
        return _Fit(bits, True, largest / 2 ** (bits - 1), zero)
    if way == 2:
        return _Fit(bits, False, width / (2**bits - 1), zero)
    if way == 3:
        return _Fit(bits, False, width / (2**bits - 2), zero)
    return _Fit(bits, False, width / (2**bits - 1), low)


def _on(blocks: Doubles, fit: _Fit, dtype: str) -> bool:
    """Whether values lie on the lattice, and would not do so anyway."""
    step = np.where(fit.step > 0.0, fit.step, 1.0)
    number = np.rint((blocks - fit.offset) / step)
    ends = np.maximum(
        spacing(blocks.min(axis=1, keepdims=True), dtype), spacing(blocks.max(axis=1, keepdims=True), dtype)
    )
    # Ends are rounded too, so that the step is uncertain by a share of their rounding over the levels between them.
    uncertain = np.abs(number) * ends / np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-300)
    allowed = (spacing(blocks, dtype) / 2.0 + ends / 2.0 * (fit.offset != 0.0)) / step + uncertain / 2.0 + 1e-6
    off = np.abs((blocks - fit.offset) / step - number)
    chance = float(np.minimum(2.0 * allowed, 1.0).mean())
    return float(np.mean(off <= allowed)) >= ON_LATTICE and chance <= BY_CHANCE
