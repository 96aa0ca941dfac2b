"""Which matrices make one expert, where several FFNs of a model come from one FFN of the reference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from forebear.alignment.attribution import Match
from forebear.alignment.content import Content, Index, scaled
from forebear.anatomy.parts import Role

_FFN = (Role.UP, Role.GATE, Role.DOWN)
_SHARED = {Role.UP: Role.SHARED_UP, Role.GATE: Role.SHARED_GATE, Role.DOWN: Role.SHARED_DOWN}
_ATTENTION = (Role.Q, Role.K, Role.V, Role.O)

Key = tuple[str, int]
"""A tensor and its stacked entry, -1 where none."""


@dataclass(frozen=True, slots=True)
class Expert:
    """Role and number of a matrix that is one of several from a single FFN; no number for the one of its own width."""

    role: Role
    number: int | None


def experts_of(content: Content, matches: Sequence[Match]) -> Mapping[Key, Expert]:
    """Groups the matrices of FFNs that come from one dense FFN.

    The same neurons stand in the same order in every matrix of one expert, so the neurons of the reference to which
    its rows are nearest tell which up, gate and down belong together. Full copies cannot be told apart so; they are
    grouped in the order of their names.

    Args:
        content: the reference's parts.
        matches: the model's matrices.

    Returns:
        By tensor and stacked entry; only layers in which FFNs are more than attention matrices.
    """
    layers: dict[int, dict[Role, list[Match]]] = defaultdict(lambda: defaultdict(list))
    for match in matches:
        part = match.segments[0].part
        if len(match.segments) == 1 and part.layer is not None and part.expert is None:
            layers[part.layer][part.role].append(match)
    found: dict[Key, Expert] = {}
    for roles in layers.values():
        copies = max((len(roles[role]) for role in _ATTENTION), default=0)
        if len(roles[Role.UP]) > max(copies, 1):
            found |= _grouped(content, {role: roles[role] for role in _FFN if roles[role]})
    return found


def _grouped(content: Content, roles: Mapping[Role, Sequence[Match]]) -> dict[Key, Expert]:
    ups = sorted(roles[Role.UP], key=_key)
    widths = Counter(match.slot.vectors for match in ups)
    alone = {width for width, count in widths.items() if count == 1} if len(widths) > 1 else set()
    numbers = {_key(up): number for number, up in enumerate(one for one in ups if one.slot.vectors not in alone)}
    origins = [_origins(content, up) for up in ups]
    found = {}
    for role, matches in roles.items():
        ordered = sorted(matches, key=_key)
        likeness = np.array([[_shared(_origins(content, one), origin) for origin in origins] for one in ordered])
        for row, column in zip(*linear_sum_assignment(-likeness), strict=True):
            number = numbers.get(_key(ups[column]))
            found[_key(ordered[row])] = Expert(_SHARED[role] if number is None else role, number)
    return found


def _key(match: Match) -> Key:
    return match.slot.tensor, -1 if match.slot.index is None else match.slot.index


def _origins(content: Content, match: Match) -> Index:
    """Neuron of the reference nearest to each row that was read."""
    vectors = scaled(content.read(match.slot)[1])
    nearest = np.abs(vectors @ content.vectors_of(match.segments[0].part).T).argmax(axis=1)
    return np.asarray(nearest, dtype=np.int64)


def _shared(first: Index, second: Index) -> float:
    return float(np.mean(first == second)) if first.shape == second.shape else -1.0
