"""Infers heads and the other sizes of a settled draft, and says where each part lies."""

from __future__ import annotations

from dataclasses import dataclass

from forebear.anatomy.claims import Claims, head_width
from forebear.anatomy.parts import Geometry, Part, Role, View
from forebear.anatomy.shapes import Draft, Held
from forebear.anatomy.tables import NORM_GAINS

_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Heads:
    """Attention heads; None where neither shapes nor configuration determine them.

    ``plain`` is the width of a head's key without its rotary share, in latent attention only.
    """

    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    value_dim: int | None = None
    plain: int | None = None


def infer_heads(draft: Draft, claims: Claims) -> Heads:
    """Heads of a draft: from shapes where those determine them, else from the configuration where shapes allow it.

    Args:
        draft: settled.
        claims: the configuration.
    """
    modes = draft.modes()
    query, key, value, rotary, norm = (
        modes.get((role, False), (0,))[0] for role in (Role.Q, Role.K, Role.V, Role.K_ROTARY, Role.Q_NORM)
    )
    if _latent(draft):
        # Each query head is a plain share, as wide as the key's, and a rotary one.
        heads = (query - key) // rotary if rotary and query > key and not (query - key) % rotary else 0
        if not heads or key % heads or value % heads or query % heads:
            return Heads()
        return Heads(heads, heads, query // heads, value // heads, key // heads)
    if not query or not key:
        return Heads()
    width = head_width(claims, draft.family, (query, key), norm if norm and draft.family.qk_norm == "head" else None)
    return Heads() if width is None else Heads(query // width, key // width, width, width)


def _latent(draft: Draft) -> bool:
    return any(held.match.entry.split == "latent_heads" for held in draft.held.values())


def place(draft: Draft, heads: Heads) -> dict[Part, View]:
    """Where each part lies, ordered by layer, role and expert; parts that cannot be located are turned away.

    Args:
        draft: settled; changed where heads are needed and unknown.
        heads: as inferred.
    """
    views = {}
    for part in sorted(draft.held, key=lambda part: (_number(part.layer), _ORDER[part.role], _number(part.expert))):
        held = draft.held[part]
        spans = _spans(part, held, heads)
        if isinstance(spans, str):
            draft.reject(part, spans)
            continue
        offset = draft.family.gain_offset if part.role in NORM_GAINS else 0.0
        views[part] = View(held.match.name, held.shape, spans, held.match.entry.transposed, held.index, offset)
    return views


def _number(value: int | None) -> int:
    return -1 if value is None else value


def _spans(part: Part, held: Held, heads: Heads) -> tuple[tuple[int, int], ...] | str:
    entry, size = held.match.entry, held.shape[0]
    if entry.split not in ("interleaved", "latent_heads"):
        return ((held.start, held.start + size),)
    if entry.split == "interleaved":
        widths = [heads.head_dim or 0] * len(entry.parts)
    else:
        widths = [heads.plain or 0, heads.value_dim or 0]
    if not all(widths):
        return "its heads alternate with others', and neither shapes nor config.json tell their number"
    own = entry.parts.index(part.role)
    step, before = sum(widths), sum(widths[:own])
    if size % widths[own]:
        return f"{size} rows are no whole number of heads {widths[own]} wide"
    return tuple((start, start + widths[own]) for start in range(before, before + size // widths[own] * step, step))


def infer_sizes(draft: Draft, heads: Heads) -> dict[str, int | None]:
    """Every size a table may have a claim about, by quantity; None where the tensors do not determine it."""
    modes = draft.modes()

    def rows(role: Role, *, expert: bool = False) -> int | None:
        shape = modes.get((role, expert))
        return None if shape is None else shape[0]

    return {
        "hidden": draft.hidden,
        "layers": max((part.layer for part in draft.held if part.layer is not None), default=-1) + 1,
        "vocabulary": rows(Role.EMBEDDING) or rows(Role.OUTPUT),
        "heads": heads.heads,
        "kv_heads": heads.kv_heads,
        "head_dim": heads.head_dim,
        "value_dim": heads.value_dim,
        "neurons": rows(Role.UP),
        "expert_neurons": rows(Role.UP, expert=True),
        "shared_neurons": rows(Role.SHARED_UP),
        "experts": max((part.expert for part in draft.held if part.expert is not None), default=-1) + 1 or None,
        "positions": rows(Role.POSITION_EMBEDDING),
        "query_rank": rows(Role.Q_A),
        "latent_rank": rows(Role.KV_A),
        "rotary_dim": rows(Role.K_ROTARY),
        "plain_dim": heads.plain,
    }


def geometry(draft: Draft, sizes: dict[str, int | None]) -> Geometry:
    """The geometry of a draft with its inferred sizes."""
    roles = {part.role for part in draft.held}
    return Geometry(
        hidden=draft.hidden,
        layers=sizes["layers"] or 0,
        vocabulary=sizes["vocabulary"],
        heads=sizes["heads"],
        kv_heads=sizes["kv_heads"],
        head_dim=sizes["head_dim"],
        value_dim=sizes["value_dim"],
        neurons=sizes["neurons"] or sizes["expert_neurons"],
        experts=sizes["experts"],
        gated=Role.GATE in roles,
        tied=Role.OUTPUT not in draft.claimed,
        norm=draft.family.norm,
    )
