"""Which stretches of a matrix's vectors are which parts: whole, or several parts fused in one tensor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np

from forebear.alignment.content import WRITERS, Index
from forebear.anatomy.parts import Part, Role

MOST_FUSED = 3
_ATTENTION = (Role.Q, Role.K, Role.V)


@dataclass(frozen=True)
class Segment:
    """Vectors of a slot that are one part of the reference, in the part's order as far as the layout tells."""

    part: Part
    rows: Index


Segments = tuple[Segment, ...]


@cache
def adds_up(sizes: tuple[int, ...], vectors: int) -> bool:
    """Whether a few of these sizes make so many vectors."""
    return any(sum(some) == vectors for count in range(2, MOST_FUSED + 1) for some in combinations(sizes, count))


def fusions(parts: Mapping[Part, int], vectors: int, kv_heads: int | None) -> Iterator[Segments]:
    """Every way in which a matrix with so many vectors may hold several parts of one layer or expert.

    Args:
        parts: readers of the residual stream in one layer (or expert), and how many vectors each has.
        vectors: of the matrix.
        kv_heads: groups in which q, k and v may alternate; None where not known.

    Yields:
        Parts one after the other in any order, q, k and v (or k and v) group by group, gate and up row by row.
    """
    readers = [part for part in parts if part.role not in WRITERS]
    for count in range(2, MOST_FUSED + 1):
        for order in permutations(readers, count):
            if sum(parts[part] for part in order) == vectors:
                yield _runs(order, parts)
                yield from _alternating(order, parts, kv_heads)


def _runs(order: Sequence[Part], parts: Mapping[Part, int]) -> Segments:
    ends = np.cumsum([parts[part] for part in order])
    return tuple(
        Segment(part, np.arange(end - parts[part], end, dtype=np.int64)) for part, end in zip(order, ends, strict=True)
    )


def _alternating(order: Sequence[Part], parts: Mapping[Part, int], kv_heads: int | None) -> Iterator[Segments]:
    roles = {part.role for part in order}
    if len(order) == 2 and parts[order[0]] == parts[order[1]] and not roles & set(_ATTENTION):
        yield _groups(order, parts, parts[order[0]])
    if kv_heads and kv_heads > 1 and roles <= set(_ATTENTION) and not any(parts[part] % kv_heads for part in order):
        yield _groups(order, parts, kv_heads)


def _groups(order: Sequence[Part], parts: Mapping[Part, int], groups: int) -> Segments:
    widths = [parts[part] // groups for part in order]
    starts = np.concatenate([[0], np.cumsum(widths)[:-1]])
    step = sum(widths)
    return tuple(
        Segment(
            part,
            (np.arange(groups)[:, None] * step + start + np.arange(width)[None, :]).ravel().astype(np.int64),
        )
        for part, start, width in zip(order, starts, widths, strict=True)
    )


def spans(rows: Index) -> tuple[tuple[int, int], ...]:
    """Half-open runs of consecutive numbers, in order."""
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    return tuple((int(run[0]), int(run[-1]) + 1) for run in np.split(rows, breaks))
