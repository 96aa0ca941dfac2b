"""Checks that the parts of a draft fit each other; one that contradicts those beside it is turned away, with why."""

from __future__ import annotations

from collections.abc import Mapping

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.shapes import Draft, Shape

Modes = Mapping[tuple[Role, bool], Shape]

_BIAS_OF = {
    Role.OUTPUT_BIAS: Role.OUTPUT,
    Role.Q_BIAS: Role.Q,
    Role.K_BIAS: Role.K,
    Role.V_BIAS: Role.V,
    Role.GATE_BIAS: Role.GATE,
    Role.UP_BIAS: Role.UP,
    Role.ROUTER_BIAS: Role.ROUTER,
    Role.Q_A_NORM: Role.Q_A,
    Role.KV_A_NORM: Role.KV_A,
}
# Two parts and the axis of each whose lengths must be equal.
_FFN = ((Role.UP, 0, Role.GATE, 0), (Role.UP, 0, Role.DOWN, 1))
_SHARED = ((Role.SHARED_UP, 0, Role.SHARED_GATE, 0), (Role.SHARED_UP, 0, Role.SHARED_DOWN, 1))
_ATTENTION = ((Role.K, 0, Role.V, 0), (Role.Q, 0, Role.O, 1))


def settle(draft: Draft) -> None:
    """Turns away every part of a draft that contradicts the parts beside it.

    Where two parts disagree, the one whose shape is unlike its own role elsewhere goes; where that does not tell, the
    second of the pair goes.

    Args:
        draft: changed in place.
    """
    modes = draft.modes()
    blocks = sorted(
        {(part.layer, -1 if part.expert is None else part.expert) for part in draft.held if part.layer is not None}
    )
    for layer, number in blocks:
        expert = None if number < 0 else number
        for pair in _FFN:
            _pair(draft, modes, layer, expert, pair)
        if expert is None:
            for pair in _SHARED:
                _pair(draft, modes, layer, None, pair)
            _attention(draft, modes, layer)
    for part in sorted(draft.held, key=str):
        _attached(draft, part)
    _routers(draft)


def _pair(draft: Draft, modes: Modes, layer: int, expert: int | None, pair: tuple[Role, int, Role, int]) -> None:
    first, first_axis, second, second_axis = pair
    one, two = draft.shape(first, layer, expert), draft.shape(second, layer, expert)
    if one is None or two is None or one[first_axis] == two[second_axis]:
        return
    reason = f"{first.value} {list(one)} and {second.value} {list(two)} do not fit each other"
    draft.reject(Part(_culprit(modes, (first, one), (second, two), expert), layer, expert), reason)


def _culprit(modes: Modes, one: tuple[Role, Shape], two: tuple[Role, Shape], expert: int | None) -> Role:
    odd_one, odd_two = (modes.get((role, expert is not None)) != shape for role, shape in (one, two))
    return one[0] if odd_one and not odd_two else two[0]


def _attention(draft: Draft, modes: Modes, layer: int) -> None:
    key = draft.held.get(Part(Role.K, layer))
    if key is not None and key.match.entry.split == "latent_heads":
        return
    for pair in _ATTENTION:
        _pair(draft, modes, layer, None, pair)
    query, keys = draft.shape(Role.Q, layer), draft.shape(Role.K, layer)
    if query is not None and keys is not None and query[0] % keys[0]:
        reason = f"{query[0]} rows of q are no multiple of {keys[0]} rows of k"
        draft.reject(Part(_culprit(modes, (Role.Q, query), (Role.K, keys), None), layer), reason)


def _attached(draft: Draft, part: Part) -> None:
    """Checks a part that belongs to one other: a bias, a q or k norm, a matrix that reads a compressed stream."""
    held = draft.held[part]
    if part.role in _BIAS_OF:
        owner = draft.shape(_BIAS_OF[part.role], part.layer, part.expert)
        if owner is not None and owner[0] != held.shape[0]:
            draft.reject(part, f"{held.shape[0]} values for {owner[0]} rows of {_BIAS_OF[part.role].value}")
    elif part.role in (Role.Q_NORM, Role.K_NORM):
        owner = draft.shape(Role.Q if part.role is Role.Q_NORM else Role.K, part.layer)
        whole = draft.family.qk_norm == "whole"
        if owner is not None and (owner[0] != held.shape[0] if whole else owner[0] % held.shape[0]):
            draft.reject(part, f"{held.shape[0]} values do not go with {owner[0]} rows")
    elif held.match.entry.input is not None:
        source = draft.shape(held.match.entry.input, part.layer)
        if source is None or source[0] != held.shape[1]:
            found = "missing" if source is None else f"{source[0]} wide"
            draft.reject(part, f"reads {held.shape[1]} inputs, but {held.match.entry.input.value} is {found}")


def _routers(draft: Draft) -> None:
    experts: dict[int | None, set[int]] = {}
    for part in draft.held:
        if part.expert is not None:
            experts.setdefault(part.layer, set()).add(part.expert)
    for part in [part for part in draft.held if part.role is Role.ROUTER]:
        rows, found = draft.held[part].shape[0], len(experts.get(part.layer, ()))
        if found and rows != found:
            draft.reject(part, f"routes to {rows} experts, of which {found} were found")
