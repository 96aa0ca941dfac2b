"""What a reader should know about a recognised model, in sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from forebear.anatomy.claims import Claims, shown
from forebear.anatomy.names import Found, ancestors
from forebear.anatomy.parts import Geometry, Role
from forebear.anatomy.shapes import Draft
from forebear.anatomy.tables import LAYER

_LISTED = 40
_SCALES = (".weight_scale_inv", ".weight_scale", ".scales", ".qzeros")


def remarks(found: Found, draft: Draft, claims: Claims, shape: Geometry, unrecognised: Sequence[str]) -> list[str]:
    """Notes on one model, in a fixed order.

    Args:
        found: where the family's names were found.
        draft: settled and placed.
        claims: the configuration.
        shape: the geometry.
        unrecognised: tensors without a part.
    """
    return [
        *_heads(draft, shape),
        *_output(draft, claims),
        *_layers(draft, shape),
        *_extra_layers(found, unrecognised),
        *_extras(found, unrecognised),
        *_scales(unrecognised),
        *_turned_away(draft),
    ]


def _heads(draft: Draft, shape: Geometry) -> list[str]:
    if shape.heads is not None or not any(part.role is Role.Q for part in (*draft.held, *draft.rejected)):
        return []
    return ["the number of heads is unknown: the shapes do not determine it and config.json gives none that fits them"]


def _output(draft: Draft, claims: Claims) -> list[str]:
    claim = claims.values.get("tie_word_embeddings")
    output, embedding = draft.shape(Role.OUTPUT), draft.shape(Role.EMBEDDING)
    notes = []
    if output is not None and claim is True:
        notes.append("config.json ties output and embedding, yet both are stored; whether they are equal was not read")
    if output is None and claim is False and draft.family.block != "residual":
        notes.append("config.json unties output and embedding, but no output matrix is stored")
    if output is not None and embedding is not None and output != embedding:
        notes.append(f"output {list(output)} and embedding {list(embedding)} differ in shape")
    return notes


def _layers(draft: Draft, shape: Geometry) -> list[str]:
    present = {part.layer for part in draft.held}
    missing = [layer for layer in range(shape.layers) if layer not in present]
    notes = [f"layers without any tensor: {_some(missing)}"] if missing else []
    widths = {held.shape[0] for part, held in draft.held.items() if part.role is Role.UP and part.expert is None}
    if len(widths) > 1:
        notes.append(f"FFN widths differ between layers: {min(widths)} to {max(widths)}")
    return notes


def _extra_layers(found: Found, unrecognised: Iterable[str]) -> list[str]:
    starts = {pattern.partition(LAYER)[0] for pattern in found.family.extra_layers}
    notes = []
    for layer in sorted(found.extra_layers):
        inside = tuple(f"{found.prefix}{start}{layer}." for start in starts)
        count = sum(name.startswith(inside) for name in unrecognised)
        notes.append(f"layer {layer} predicts further tokens, outside the stack; its {count} tensors are unrecognised")
    return notes


def _extras(found: Found, unrecognised: Collection[str]) -> list[str]:
    notes = []
    for label, starts in found.family.extra.items():
        full = tuple(above + start for above in ancestors(found.prefix) for start in starts)
        count = sum(name.startswith(full) for name in unrecognised)
        if count:
            notes.append(f"{label}: {count} tensors, recognised but outside the transformer")
    return notes


def _scales(unrecognised: Iterable[str]) -> list[str]:
    count = sum(name.endswith(_SCALES) for name in unrecognised)
    return [f"{count} quantisation scales are stored beside the tensors and are not applied"] if count else []


def _turned_away(draft: Draft) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in sorted(draft.unfit.items()):
        reasons.setdefault(reason, []).append(shown(name))
    for part, (name, reason) in draft.rejected.items():
        reasons.setdefault(reason, []).append(f"{part} ({shown(name)})")
    notes = [f"not used: {_some(places)}: {reason}" for reason, places in reasons.items()]
    rest = len(notes) - _LISTED
    return [*notes[:_LISTED], f"not used for {rest} further reasons: other parts"] if rest > 0 else notes


def _some(items: Sequence[object]) -> str:
    more = f" and {len(items) - 3} more" if len(items) > 3 else ""
    return ", ".join(map(str, items[:3])) + more
