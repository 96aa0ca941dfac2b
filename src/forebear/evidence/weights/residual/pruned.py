"""Zeros in the model where the reference has none: which, how many, and in what pattern."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, sqrt

import numpy as np
from numpy.typing import NDArray

from forebear.evidence.weights.residual.storage import Doubles

Mask = NDArray[np.bool_]

LEAST_SHARE = 0.01
"""Share of new zeros below which nothing was pruned: a few values round to zero by themselves."""

WHOLE = 0.999
"""Share of groups, rows or columns that must fit a pattern."""

PATTERNS = ((2, 4), (4, 8), (1, 4), (1, 2))
BY_MAGNITUDE = 0.9
"""Share of zeroed values that must lie below the magnitude up to which as many would have been zeroed; the zoo's
models trained on before pruning by magnitude have 0.93 and more, random pruning has the share pruned."""

HEAD = 8
"""Fewest rows in a row that are read as a whole head."""


@dataclass(frozen=True)
class Pruned:
    """Zeros a model has and its reference does not.

    Attributes:
        share: of the values.
        pattern: ``"unstructured"``, ``"2:4"`` and the like, ``"rows"``, ``"columns"`` or ``"tensor"``.
        by: ``"magnitude"``, ``"random"`` or ``"other"``: how the zeroed values of the reference were chosen; None for
            whole rows and columns.
        group: rows or columns zeroed at a time, where that is at least a head.
        zeros: where they are.
    """

    share: float
    pattern: str
    by: str | None
    group: int | None
    zeros: Mask


def find_pruned(model: Doubles, reference: Doubles, allowed: Doubles) -> Pruned | None:
    """New zeros; None where there are too few to speak of pruning.

    Args:
        model, reference: ``(rows, columns)`` or ``(n,)``.
        allowed: same shape; magnitudes of the reference up to which a zero is no more than rounding.
    """
    zeros: Mask = (model == 0.0) & (np.abs(reference) > allowed)
    share = float(zeros.mean()) if zeros.size else 0.0
    if share < LEAST_SHARE:
        return None
    dead: Mask = (model == 0.0) & (zeros | (np.abs(reference) <= allowed))
    pattern, group = _pattern(zeros, dead)
    by = None if group is not None or pattern in ("rows", "columns", "tensor") else _chosen(zeros, reference, share)
    return Pruned(share, pattern, by, group, zeros)


def _pattern(zeros: Mask, dead: Mask) -> tuple[str, int | None]:
    if dead.all():
        return "tensor", None
    if zeros.ndim < 2:
        return "unstructured", None
    for name, axis in (("rows", 1), ("columns", 0)):
        lines: Mask = np.asarray(dead.all(axis=axis) & zeros.any(axis=axis))
        covered = zeros[lines].sum() if axis else zeros[:, lines].sum()
        if covered >= WHOLE * zeros.sum():
            return name, _run(lines)
    for kept, size in PATTERNS:
        if any(_few_left(oriented, kept, size) for oriented in (dead, dead.T)):
            return f"{kept}:{size}", None
    return "unstructured", None


def _few_left(dead: Mask, kept: int, size: int) -> bool:
    whole = dead.shape[1] // size * size
    if not whole:
        return False
    groups = dead[:, :whole].reshape(-1, size).sum(axis=1)
    return float(np.mean(groups >= size - kept)) >= WHOLE and float(np.mean(groups == size - kept)) >= 0.5


def _run(lines: Mask) -> int | None:
    """Length of which every run of zeroed lines is a multiple, where it starts too; None if it is short."""
    bounds = np.flatnonzero(np.diff(lines.astype(np.int8), prepend=0, append=0))
    length = gcd(*(int(bound) for bound in bounds))
    return length if length >= HEAD else None


def _chosen(zeros: Mask, reference: Doubles, share: float) -> str:
    """How the zeroed values of the reference lie among the others, over the tensor or inside each row."""
    sizes = np.abs(reference)
    below = [np.mean(sizes[zeros] <= np.quantile(sizes, share))]
    if zeros.ndim == 2:
        limits = np.take_along_axis(np.sort(sizes, axis=1), (zeros.sum(axis=1, keepdims=True) - 1).clip(0), axis=1)
        below.append(np.mean((sizes <= limits)[zeros]))
        below += [_in_groups(zeros, sizes, size) for _, size in PATTERNS]
    if max(below) >= BY_MAGNITUDE:
        return "magnitude"
    chance = 5.0 * sqrt(share * (1.0 - share) / zeros.sum()) + 0.02
    return "random" if abs(float(below[0]) - share) <= chance else "other"


def _in_groups(zeros: Mask, sizes: Doubles, size: int) -> float:
    """Share of groups of so many neighbours in which no value kept is smaller than one zeroed; along either axis."""
    best = 0.0
    for gone, values in ((zeros, sizes), (zeros.T, sizes.T)):
        whole = gone.shape[1] // size * size
        if whole:
            off, of = gone[:, :whole].reshape(-1, size), values[:, :whole].reshape(-1, size)
            mixed = off.any(axis=1) & ~off.all(axis=1)
            if mixed.any() and float(off.sum(axis=1).std()) == 0.0:
                largest = np.where(off, of, 0.0).max(axis=1)[mixed]
                best = max(best, float(np.mean(largest <= np.where(off, np.inf, of).min(axis=1)[mixed])))
    return best
