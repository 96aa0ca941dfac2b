"""Further models laid beside the model: candidate parents of a merge, declared bases."""

from __future__ import annotations

from dataclasses import dataclass

from forebear.alignment.align import Alignment, Unaligned, align
from forebear.alignment.draw import Planner
from forebear.alignment.frame import find_frame
from forebear.alignment.undoing import undo
from forebear.evidence.weights.identity import StoredPair, stored_pairs
from forebear.verdict.sides import Prepared, Settings, fixed_key


@dataclass(frozen=True)
class Laid:
    """Another model laid beside the model.

    Attributes:
        pairs: the model's parts and the other's in the model's form; empty where the two cannot be laid side by side.
        layer_map: for each layer of the model the other's.
    """

    pairs: tuple[StoredPair, ...]
    layer_map: tuple[int | None, ...]


def laid_beside(mine: Prepared, other: Prepared, settings: Settings) -> Laid:
    """Lay another model beside the model.

    Args:
        mine: the model.
        other: a reference, candidate parent or base.
        settings: what was asked for; the fixed draw is read.
    """
    aligned, layer_map = _aligned(mine, other, settings)
    if isinstance(aligned, Unaligned):
        return Laid((), (None,) * mine.anatomy.geometry.layers)
    return Laid(tuple(stored_pairs(aligned, aligned.neurons())), layer_map)


def _aligned(
    mine: Prepared, other: Prepared, settings: Settings
) -> tuple[Alignment | Unaligned, tuple[int | None, ...]]:
    """In the frame fixed beforehand where content agrees with it, so that values are those stored."""
    sides = (mine.store, mine.anatomy), (other.store, other.anatomy)
    key = fixed_key(settings.seed)
    if mine.complete and other.complete and all(side[1].parts for side in sides):
        draw = Planner(*sides[0]).plan(key, mine.draw_budget)
        frame = find_frame(*sides, (mine.tokens, other.tokens), draw)
        if frame is not None and not frame.plain:
            undone = undo(*sides, frame)
            whole = mine.store.nbytes + other.store.nbytes
            return align(undone.model, undone.reference, key, whole), frame.layers.source
    found = align(*sides, key, min(mine.draw_budget, other.draw_budget))
    return found, () if isinstance(found, Unaligned) else found.layer_map
