"""Values that are, block by block, the same few numbers times the block's largest magnitude.

NF4 is the table of Dettmers et al., QLoRA (2023): quantiles of a normal distribution, zero among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forebear.evidence.weights.residual.lattice import Lattice
from forebear.evidence.weights.residual.storage import Doubles, spacing

SIZES = (256, 128, 64, 32)
MOST_LEVELS = 16
MOST_BLOCKS = 512
NF4 = (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
)  # fmt: skip


def find_table(model: Doubles, dtype: str) -> Lattice | None:
    """Blocks along rows or columns, or whole rows, whose levels are at most 16 numbers times the largest magnitude.

    Args:
        model: ``(rows, columns)`` values.
        dtype: their storage type.
    """
    for axis in (1, 0):
        oriented = model if axis else model.T
        width = oriented.shape[1]
        for size in (width, *(size for size in SIZES if size < width)):
            blocks = oriented[:, : width // size * size].reshape(-1, size)
            levels = _levels(blocks[:: max(1, len(blocks) // MOST_BLOCKS)], dtype)
            if levels is not None:
                block: int | str = size if size < width else ("row" if axis else "column")
                return _with(oriented, size, levels, block, axis)
    return None


def _levels(blocks: Doubles, dtype: str) -> NDArray[np.float64] | None:
    """Levels, ascending, if there are few enough and many more values than levels."""
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    usable = largest[:, 0] > 0.0
    if blocks.shape[1] < SIZES[-1] or usable.sum() < 4:
        return None
    scaled = blocks[usable] / largest[usable]
    blur = float((spacing(blocks[usable], dtype) / largest[usable]).max()) + 1e-6
    values = np.sort(scaled.ravel())
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > blur)
    if len(starts) > MOST_LEVELS:
        return None
    groups = np.split(values, starts[1:])
    if max(float(group[-1] - group[0]) for group in groups) > 4.0 * blur:
        return None
    return np.array([float(group.mean()) for group in groups])


def _with(oriented: Doubles, size: int, levels: NDArray[np.float64], block: int | str, axis: int) -> Lattice:
    gaps = np.diff(levels) / 2.0
    below, above = np.concatenate([gaps[:1], gaps]), np.concatenate([gaps, gaps[-1:]])
    cells = np.empty((2, *oriented.shape))
    for start in range(0, oriented.shape[1], size):
        part = oriented[:, start : start + size]
        largest = np.abs(part).max(axis=1, keepdims=True)
        nearest = _nearest(part / np.where(largest > 0.0, largest, 1.0), levels)
        cells[:, :, start : start + size] = below[nearest] * largest, above[nearest] * largest
    cells = cells if axis else cells.transpose(0, 2, 1)
    return Lattice(4, block, axis, False, _name(levels), cells[0], cells[1])


def _nearest(scaled: Doubles, levels: NDArray[np.float64]) -> NDArray[np.intp]:
    middles = (levels[1:] + levels[:-1]) / 2.0
    return np.searchsorted(middles, scaled)


def _name(levels: NDArray[np.float64]) -> str:
    """NF4 if every level found is one of its levels, else a table of its own."""
    away = np.abs(levels[:, None] - np.array(NF4)[None, :]).min(axis=1)
    return "nf4" if float(away.max()) < 0.01 else "table"
