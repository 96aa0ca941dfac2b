"""The anatomy of a model once each of its tensors is known as a part of a reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from forebear.alignment.content import WRITERS, Slot
from forebear.alignment.numbering import Placed
from forebear.alignment.segments import Segment, spans
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Geometry, Part, Role, View
from forebear.checkpoint.store import TensorStore

_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True)
class Held:
    """A part of the reference and where it lies in the model."""

    placed: Placed
    view: View


def view_of(store: TensorStore, slot: Slot | None, segment: Segment, offset: float, vector: str = "") -> View:
    """Where a segment lies.

    Args:
        store: tensors of the model.
        slot: its matrix; None for a vector.
        segment: which of the slot's vectors over the residual stream, or entries of the vector.
        offset: added to stored values.
        vector: name of the vector.
    """
    count = len(segment.rows)
    if slot is None:
        return View(vector, (count,), spans(segment.rows), offset=offset)
    shape = store.info(slot.tensor).shape[-2:]
    hidden = shape[0] if slot.turned else shape[1]
    if segment.part.role in WRITERS:
        return View(slot.tensor, (hidden, count), ((0, hidden),), not slot.turned, slot.index)
    return View(slot.tensor, (count, hidden), spans(segment.rows), slot.turned, slot.index)


def build(
    store: TensorStore,
    reference: Anatomy,
    held: Iterable[Held],
    numbered: tuple[Mapping[Placed, Part], int],
    rest: Mapping[Part, Held],
) -> tuple[Anatomy, dict[Part, Held]]:
    """The anatomy in the reference's roles.

    Args:
        store: tensors of the model.
        reference: of the reference.
        held: what was found, surest first where two are the same part.
        numbered: the model's part of each, and how many layers the model has.
        rest: parts that only names know, by the model's part.

    Returns:
        The anatomy, and what each of its parts is.
    """
    own, layers = numbered
    kept: dict[Part, Held] = {}
    for each in held:
        kept.setdefault(own[each.placed], each)
    for part, each in rest.items():
        if part.layer is None or part.layer < layers:
            kept.setdefault(part, each)
    kept = dict(sorted(kept.items(), key=lambda item: _place(item[0])))
    parts = {part: each.view for part, each in kept.items()}
    used = {view.tensor for view in parts.values()}
    anatomy = Anatomy(
        family=reference.family,
        prefix="",
        geometry=_geometry(reference.geometry, parts, layers),
        parts=parts,
        reads=_reads(reference, parts),
        unrecognised=tuple(name for name in sorted(store.names()) if name not in used),
        notes=("what each tensor is was decided by its content, held against the reference's",),
    )
    return anatomy, kept


def _place(part: Part) -> tuple[int, int, int]:
    return (
        -1 if part.layer is None else part.layer,
        _ORDER[part.role],
        -1 if part.expert is None else part.expert,
    )


def _reads(reference: Anatomy, parts: Mapping[Part, View]) -> dict[Part, Part]:
    """Each part through the norm that the same role reads in the reference, in the first layer and in later ones."""
    patterns: dict[tuple[Role, bool], tuple[Role, int | None]] = {}
    for part, norm in reference.reads.items():
        step = None if norm.layer is None or part.layer is None else norm.layer - part.layer
        patterns[part.role, part.layer == 0] = (norm.role, step)
    found = {}
    for part in parts:
        pattern = patterns.get((part.role, part.layer == 0)) or patterns.get((part.role, part.layer != 0))
        if pattern is None:
            continue
        role, step = pattern
        norm = Part(role, None if step is None or part.layer is None else part.layer + step)
        if norm in parts:
            found[part] = norm
    return found


def _geometry(reference: Geometry, parts: Mapping[Part, View], layers: int) -> Geometry:
    def rows(role: Role, *, expert: bool = False) -> int | None:
        sizes = Counter(
            view.shape[0] for part, view in parts.items() if part.role is role and (part.expert is not None) is expert
        )
        return sizes.most_common(1)[0][0] if sizes else None

    def heads(role: Role, before: int | None) -> int | None:
        size = rows(role)
        if size is None or not reference.head_dim or size % reference.head_dim:
            return before
        return size // reference.head_dim

    latent = reference.value_dim != reference.head_dim
    hidden = next((view.shape[1] for part, view in parts.items() if part.role in (Role.UP, Role.EMBEDDING)), 0)
    experts = {part.expert for part in parts if part.expert is not None}
    return Geometry(
        hidden=hidden or reference.hidden,
        layers=layers,
        vocabulary=rows(Role.EMBEDDING) or rows(Role.OUTPUT),
        heads=reference.heads if latent else heads(Role.Q, reference.heads),
        kv_heads=reference.kv_heads if latent else heads(Role.K, reference.kv_heads),
        head_dim=reference.head_dim,
        value_dim=reference.value_dim,
        neurons=rows(Role.UP) or rows(Role.UP, expert=True),
        experts=max(experts) + 1 if experts else None,
        gated=any(part.role is Role.GATE for part in parts),
        tied=Part(Role.OUTPUT) not in parts,
        norm=reference.norm,
    )
