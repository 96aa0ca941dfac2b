"""Which matrix of a model is which part of a reference, by content alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from forebear.alignment.content import Content, Index, Scores, Slot
from forebear.alignment.segments import Segment, Segments, adds_up, fusions
from forebear.anatomy.parts import Part

Floats = NDArray[np.float64]

STANDS_OUT = 0.1
"""Lift over the next best part from which content names a matrix: trained children keep 0.3 to 0.7 over every other
part, matrices of strangers that play the same role differ from the next best by a few hundredths."""

FEW_VECTORS = 0.4
"""What is asked on top, divided by the number of vectors: a router of one row needs a lift of a half."""

FUSED_BY = 0.01
"""Lift by which a fused reading must beat the whole tensor as one part."""

LEAST_OF_TYPICAL = 0.2
"""Share of the typical lift of clear matrices below which an unclear one is none of the reference's parts."""

_Key = tuple[str, int | None]


@dataclass(frozen=True)
class Match:
    """What a matrix is taken for.

    Attributes:
        slot: the matrix, in the orientation that fits.
        segments: parts of the reference it holds; one for a plain matrix.
        lift: how far its vectors are nearer to these parts' than to any part's, 0 none to 1 equal.
        margin: lift over the next best reading.
    """

    slot: Slot
    segments: Segments
    lift: float
    margin: float

    @property
    def clear(self) -> bool:
        """Content alone decides it; of few vectors, which chance brings near more easily, more is asked."""
        return self.margin >= STANDS_OUT + FEW_VECTORS / self.slot.vectors

    @property
    def confidence(self) -> float:
        """0 to 1: a half at the margin from which content decides."""
        return float(1.0 - 2.0 ** (-max(self.margin, 0.0) / STANDS_OUT))


@dataclass(frozen=True)
class _Reading:
    slot: Slot
    segments: Segments
    lift: float


def attribute(content: Content, slots: Sequence[Slot], kv_heads: int | None) -> list[Match]:
    """Finds what each matrix holds.

    Args:
        content: the reference's parts.
        slots: the model's matrices, square ones in both orientations.
        kv_heads: groups in which the reference's q, k and v may alternate in a fused tensor.

    Returns:
        One match a matrix, except for those that are like no part. Of matrices alike to several parts each goes where
        all together fit best; one that is clearly a part that another is too (a repeated layer) keeps it.
    """
    if not slots or not content.parts:
        return []
    scores = {slot: content.score(slot) for slot in slots}
    means = np.array([scores[slot].nearest.mean(axis=0) for slot in slots], dtype=np.float64)
    level = np.median(means, axis=0)
    span = np.maximum(1.0 - level, 1e-6)
    grouped: dict[_Key, list[Slot]] = defaultdict(list)
    for slot in slots:
        grouped[slot.tensor, slot.index].append(slot)
    lifts = {slot: (means[number] - level) / span for number, slot in enumerate(slots)}
    matches = []
    for group in grouped.values():
        readings = [
            reading
            for slot in group
            for reading in _readings(content, slot, lifts[slot], _rows(scores[slot], slot, level, span), kv_heads)
        ]
        matches.append(_best(readings))
    return _without_strays(_dealt(content, matches, lifts, grouped))


def _rows(scores: Scores, slot: Slot, level: Floats, span: Floats) -> tuple[Floats, Floats]:
    """Lift of every vector over every part, zero where it was not read, and which were."""
    lifts, read = np.zeros((slot.vectors, len(level))), np.zeros(slot.vectors)
    lifts[scores.rows] = (scores.nearest - level) / span
    read[scores.rows] = 1.0
    return lifts, read


def _readings(
    content: Content, slot: Slot, lifts: Floats, rows: tuple[Floats, Floats], kv_heads: int | None
) -> Iterator[_Reading]:
    everything = np.arange(slot.vectors, dtype=np.int64)
    for number, part in enumerate(content.parts):
        yield _Reading(slot, (Segment(part, everything),), float(lifts[number]))
    column = {part: number for number, part in enumerate(content.parts)}
    for parts in _homes(content).values():
        if adds_up(tuple(sorted(parts.values())), slot.vectors):
            for segments in fusions(parts, slot.vectors, kv_heads):
                yield _Reading(slot, segments, _fused_lift(segments, *rows, column))


def _fused_lift(segments: Segments, rows: Floats, read: Floats, column: Mapping[Part, int]) -> float:
    """Mean lift of the vectors read, each over the part its segment says."""
    means = [rows[each.rows, column[each.part]].sum() / max(read[each.rows].sum(), 1.0) for each in segments]
    weights = [len(each.rows) for each in segments]
    return float(np.average(means, weights=weights))


def _homes(content: Content) -> dict[tuple[int | None, int | None], dict[Part, int]]:
    homes: dict[tuple[int | None, int | None], dict[Part, int]] = defaultdict(dict)
    for part in content.parts:
        if part.layer is not None:
            homes[part.layer, part.expert][part] = content.count(part)
    return homes


def _best(readings: Sequence[_Reading]) -> Match:
    ordered = sorted(readings, key=lambda each: -each.lift)
    best = ordered[0]
    whole = next(each for each in ordered if len(each.segments) == 1)
    if len(best.segments) > 1 and best.lift < whole.lift + FUSED_BY:
        best = whole
    parts = {segment.part for segment in best.segments}
    rivals = (
        each.lift
        for each in ordered
        if each is not best and (len(best.segments) > 1 or {segment.part for segment in each.segments} != parts)
    )
    return Match(best.slot, best.segments, best.lift, best.lift - next(rivals, 0.0))


def _dealt(
    content: Content,
    matches: Sequence[Match],
    lifts: Mapping[Slot, Floats],
    grouped: Mapping[_Key, Sequence[Slot]],
) -> list[Match]:
    """Whole matrices dealt out to parts of as many vectors so that all together fit best."""
    whole = [number for number, match in enumerate(matches) if len(match.segments) == 1]
    table = np.full((len(whole), len(content.parts)), -1.0)
    which: dict[tuple[int, int], Slot] = {}
    for row, number in enumerate(whole):
        match = matches[number]
        for slot in grouped[match.slot.tensor, match.slot.index]:
            for column, part in enumerate(content.parts):
                if slot.vectors == content.count(part) and lifts[slot][column] > table[row, column]:
                    table[row, column] = lifts[slot][column]
                    which[row, column] = slot
    dealt = list(matches)
    assigned = (axis.tolist() for axis in linear_sum_assignment(-table))
    for row, column in zip(*assigned, strict=True):
        match = matches[whole[row]]
        chosen = content.parts[column]
        if (row, column) not in which or chosen == match.segments[0].part:
            continue
        given_up = match.lift - table[row, column]
        if given_up < STANDS_OUT:
            slot = which[int(row), int(column)]
            segments = (replace(match.segments[0], part=chosen),)
            dealt[whole[row]] = Match(slot, _resized(segments, slot), float(table[row, column]), float(-given_up))
    return dealt


def _without_strays(matches: Sequence[Match]) -> list[Match]:
    """Leaves out what is hardly like its part beside the clear ones, and what is like a part only a clear one is."""
    clear = [match for match in matches if match.clear]
    taken = {segment.part for match in clear for segment in match.segments}
    least = LEAST_OF_TYPICAL * float(np.median([match.lift for match in clear])) if clear else 0.0
    return [
        match
        for match in matches
        if match.clear
        or (match.lift >= least and not taken & {segment.part for segment in match.segments})
        or not clear
    ]


def _resized(segments: Segments, slot: Slot) -> Segments:
    rows: Index = np.arange(slot.vectors, dtype=np.int64)
    return tuple(replace(each, rows=rows) for each in segments)
