"""The model, its candidate parents and their base, part by part in the model's frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from forebear.anatomy.parts import Part, Role
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
        of the model's rows than the one that shows most counts as lacking the part.
    """
    held = [{pair.part: pair for pair in pairs} for pairs in parents]
    below = {pair.part: pair for pair in base or ()}
    for part in dict.fromkeys(part for pairs in held for part in pairs):
        like = max((pairs[part] for pairs in held if part in pairs), key=lambda pair: pair.model.size)
        found = tuple(_beside(like, pairs.get(part)) for pairs in held)
        yield Mixture(part, like.model, found, _beside(like, below.get(part)), storage=like.types[0])


def _beside(like: StoredPair, pair: StoredPair | None) -> Floats | None:
    """The reference's values, if they were laid beside the same values of the model."""
    return pair.reference if pair is not None and np.array_equal(like.model, pair.model) else None


def fused(mixtures: Sequence[Mixture]) -> list[Mixture]:
    """The parts as if attention inputs, and gate and up, of each layer were stored as one tensor.

    Merging tools treat stored tensors, of which one may hold several parts. A group of which something is missing in
    a candidate stays as it is.
    """
    groups: dict[tuple[object, ...], list[Mixture]] = {}
    for one in mixtures:
        stored = next((index for index, roles in enumerate(_FUSED) if one.part.role in roles), one.part.role)
        groups.setdefault((one.part.layer, one.part.expert, stored), []).append(one)
    found: list[Mixture] = []
    for group in groups.values():
        found += [_joined(group)] if len(group) > 1 and _joinable(group) else group
    return found


_FUSED = ((Role.Q, Role.K, Role.V), (Role.GATE, Role.UP))


def _joinable(group: Sequence[Mixture]) -> bool:
    widths = {one.model.shape[1:] for one in group}
    held = {tuple(array is None for array in (*one.parents, one.base)) for one in group}
    return len(widths) == len(held) == 1


def _joined(group: Sequence[Mixture]) -> Mixture:
    columns = zip(*((one.model, *one.parents, one.base) for one in group), strict=True)
    arrays = [_stacked(column) for column in columns]
    first = group[0]
    model = first.model if arrays[0] is None else arrays[0]
    return Mixture(first.part, model, tuple(arrays[1:-1]), arrays[-1], first.storage)


def _stacked(arrays: Sequence[Floats | None]) -> Floats | None:
    held = [array for array in arrays if array is not None]
    return np.concatenate(held) if held else None
