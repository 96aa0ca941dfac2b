"""Which norm's gain multiplies what each part reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from forebear.anatomy.parts import Part, Role

_FFN_READERS = (Role.GATE, Role.UP, Role.ROUTER, Role.SHARED_GATE, Role.SHARED_UP, Role.SHARED_ROUTER)
_ATTENTION_READERS = (Role.Q, Role.K, Role.V, Role.Q_A, Role.KV_A, Role.K_ROTARY)
_LATENT_NORMS = {Role.Q_A: Role.Q_A_NORM, Role.KV_A: Role.KV_A_NORM}


def readings(block: str, parts: Collection[Part], inputs: Mapping[Part, Role]) -> dict[Part, Part]:
    """Each part that reads through a gain, and the norm that carries it.

    Args:
        block: where norms stand (``BLOCKS`` of the tables).
        parts: all parts found.
        inputs: parts that read another part's rows instead of the residual stream, and that part's role.

    Returns:
        Only pairs of which both exist.
    """
    pairs = {}
    for part in parts:
        source = inputs.get(part)
        norm = _norm(block, part) if source is None else Part(_LATENT_NORMS[source], part.layer)
        if norm is not None and norm in parts:
            pairs[part] = norm
    return pairs


def _norm(block: str, part: Part) -> Part | None:
    if part.role is Role.OUTPUT:
        return None if block == "residual" else Part(Role.FINAL_NORM)
    attention, ffn = part.role in _ATTENTION_READERS, part.role in _FFN_READERS
    if not (attention or ffn) or block == "output" or part.layer is None:
        return None
    if block == "pre":
        return Part(Role.ATTENTION_NORM if attention else Role.FFN_NORM, part.layer)
    if ffn:
        return Part(Role.ATTENTION_POST_NORM, part.layer)
    return Part(Role.FFN_POST_NORM, part.layer - 1) if part.layer else Part(Role.EMBEDDING_NORM)
