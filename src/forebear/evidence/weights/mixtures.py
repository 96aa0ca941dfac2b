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
        One mixture for each part that the first candidate holds. A candidate whose comparison shows another stretch
        or order of the model's rows there counts as lacking the part.
    """
    others = [{pair.part: pair for pair in pairs} for pairs in parents[1:]]
    bases = {pair.part: pair for pair in base or ()}
    for pair in parents[0] if parents else ():
        found = [_like(pair, other.get(pair.part)) for other in others]
        yield Mixture(
            pair.part, pair.model, (pair.reference, *found), _like(pair, bases.get(pair.part)), storage=pair.types[0]
        )


def _like(pair: StoredPair, other: StoredPair | None) -> Floats | None:
    """The other reference's values, if both were laid beside the same values of the model."""
    return other.reference if other is not None and np.array_equal(pair.model, other.model) else None
