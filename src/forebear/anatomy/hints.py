"""What words in a tensor's name hint at: a claim, asked only where shapes leave a choice open."""

from __future__ import annotations

import re
from collections.abc import Collection

from forebear.anatomy.parts import Role

_MATRICES: tuple[tuple[str, Role], ...] = (
    (r"shared.*(gate_proj|w1)", Role.SHARED_GATE),
    (r"shared.*(up_proj|w3)", Role.SHARED_UP),
    (r"shared.*(down_proj|w2)", Role.SHARED_DOWN),
    (r"router|block_sparse_moe.gate|mlp.gate(.weight)?$", Role.ROUTER),
    (r"gate|(^|[^a-z0-9])w1([^0-9]|$)", Role.GATE),
    (r"(^|[^a-z0-9])(up|fc1|c_fc|w3|fc_in|lin1|wi|h_to_4h|intermediate)([^0-9a-z]|_|$)", Role.UP),
    (r"down|4h_to_h|(^|[^a-z0-9])(fc2|w2|fc_out|lin2|wo_ffn)([^0-9]|$)", Role.DOWN),
    (r"(^|[^a-z0-9])(q|wq|query|queries)([^a-z0-9]|$)|q_?proj", Role.Q),
    (r"(^|[^a-z0-9])(k|wk|key|keys)([^a-z0-9]|$)|k_?proj", Role.K),
    (r"(^|[^a-z0-9])(v|wv|value|values)([^a-z0-9]|$)|v_?proj", Role.V),
    (r"(^|[^a-z0-9])(o|wo|out|output|dense)([^a-z0-9]|$)|o_?proj|out_?proj|attn.*c_proj", Role.O),
    (r"lm_?head|embed_?out|unembed|output|decoder", Role.OUTPUT),
    (r"pos", Role.POSITION_EMBEDDING),
    (r"type|segment", Role.TYPE_EMBEDDING),
    (r"emb|wte|tok", Role.EMBEDDING),
)
_NORM = re.compile(r"norm|(^|[^a-z0-9])ln|gamma|beta")
_SHIFT = re.compile(r"bias|beta|shift|(^|[^a-z0-9])b$")
_NORMS: tuple[tuple[str, Role], ...] = (
    (r"q_?norm|q_ln", Role.Q_NORM),
    (r"k_?norm|k_ln", Role.K_NORM),
    (r"post.*(attn|attention).*norm|attention.output", Role.ATTENTION_POST_NORM),
    (r"post.*(ffn|feedforward|mlp).*norm", Role.FFN_POST_NORM),
    (r"(pre|input).*(ffn|feedforward|mlp).*norm|ffn_?norm|mlp_?norm|ln_?2|norm_?2|ffn_ln", Role.FFN_NORM),
    (r"input|attn|attention|ln_?1|norm_?1|pre", Role.ATTENTION_NORM),
    (r"final|ln_?f|norm_?f|out", Role.FINAL_NORM),
    (r"emb", Role.EMBEDDING_NORM),
)
_MATRIX_HINTS = tuple((re.compile(pattern), role) for pattern, role in _MATRICES)
_NORM_HINTS = tuple((re.compile(pattern), role) for pattern, role in _NORMS)


def hinted(name: str, among: Collection[Role]) -> Role | None:
    """The role a name hints at.

    Args:
        name: of a tensor, or what is left of it without its numbers.
        among: roles that its shape allows.

    Returns:
        The first hinted role among them; None where the name says nothing, or nothing possible.
    """
    text = name.lower()
    norms = {role for role in among if role.value.endswith(("_norm", "_norm_bias"))}
    if norms and _NORM.search(text):
        end = "_bias" if _SHIFT.search(text) else ""
        for pattern, role in _NORM_HINTS:
            found = next((each for each in norms if each.value == f"{role.value}{end}"), None)
            if found is not None and pattern.search(text):
                return found
        return None
    shift = bool(_SHIFT.search(text))
    for pattern, role in _MATRIX_HINTS:
        wanted = f"{role.value}_bias" if shift else role.value
        found = next((each for each in among if each.value == wanted), None)
        if found is not None and pattern.search(text):
            return found
    return None
