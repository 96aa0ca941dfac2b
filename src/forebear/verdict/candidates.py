"""Further models laid beside the model: candidate parents of a merge, declared bases."""

from __future__ import annotations

from collections.abc import Iterator

from forebear.alignment.align import Alignment, Unaligned, align
from forebear.alignment.draw import Planner
from forebear.alignment.frame import find_frame
from forebear.alignment.undoing import undo
from forebear.evidence.weights.identity import StoredPair, stored_pairs
from forebear.verdict.sides import Prepared, Settings, fixed_key


def laid_beside(mine: Prepared, other: Prepared, settings: Settings) -> list[StoredPair]:
    """The model's parts and another's in the model's form, part by part.

    Args:
        mine: the model.
        other: a reference, candidate parent or base.
        settings: what was asked for; the fixed draw is read.

    Returns:
        One pair a part; empty where the two cannot be laid side by side.
    """
    return list(_pairs(mine, other, settings))


def _pairs(mine: Prepared, other: Prepared, settings: Settings) -> Iterator[StoredPair]:
    aligned = _aligned(mine, other, settings)
    if isinstance(aligned, Alignment):
        yield from stored_pairs(aligned, aligned.neurons())


def _aligned(mine: Prepared, other: Prepared, settings: Settings) -> Alignment | Unaligned:
    """In the frame fixed beforehand where content agrees with it, so that values are those stored."""
    sides = (mine.store, mine.anatomy), (other.store, other.anatomy)
    key = fixed_key(settings.seed)
    if mine.complete and other.complete and all(side[1].parts for side in sides):
        draw = Planner(*sides[0]).plan(key, mine.draw_budget)
        frame = find_frame(*sides, (mine.tokens, other.tokens), draw)
        if frame is not None and not frame.plain:
            undone = undo(*sides, frame)
            return align(undone.model, undone.reference, key, mine.store.nbytes + other.store.nbytes)
    return align(*sides, key, min(mine.draw_budget, other.draw_budget))
