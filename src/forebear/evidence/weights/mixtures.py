"""The model, its candidate parents and their base, part by part in the model's frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forebear.anatomy.parts import Part
from forebear.evidence.weights.identity import StoredPair
from forebear.statistics.arrays import Floats


@dataclass(frozen=True)
class Mixture:
    """One part of the model, its candidate parents and their base, all in the model's frame.

    Attributes:
        part: which part.
        model: its values.
        parents: the same of each candidate, of equal shape; None where a candidate has no such part.
        base: the same of the parents' common base; None where none is given.
        storage: the model's storage type.
    """

    part: Part
    model: Floats
    parents: tuple[Floats | None, ...]
    base: Floats | None = None
    storage: str = "F32"


def mixtures_of(parents: Sequence[Iterable[StoredPair]], base: Iterable[StoredPair] | None = None) -> Iterator[Mixture]:
    """Put the comparisons of one model with several candidates together.

    Args:
        parents: for each candidate the model's parts against its own.
        base: the model's parts against the base's; None where none is given.

    Returns:
        One mixture for each part that a candidate holds. A candidate whose comparison shows another stretch or order
        of the model's rows than the first one's counts as lacking the part.
    """
    held = [{pair.part: pair for pair in pairs} for pairs in parents]
    below = {pair.part: pair for pair in base or ()}
    for part in dict.fromkeys(part for pairs in held for part in pairs):
        like = next(pairs[part] for pairs in held if part in pairs)
        found = tuple(_beside(like, pairs.get(part)) for pairs in held)
        yield Mixture(part, like.model, found, _beside(like, below.get(part)), storage=like.types[0])


def _beside(like: StoredPair, pair: StoredPair | None) -> Floats | None:
    """The reference's values, if they were laid beside the same values of the model."""
    return pair.reference if pair is not None and np.array_equal(like.model, pair.model) else None
