"""Tiny instances of the families with experts: three experts of width 10, stored apart or stacked."""

from typing import Any

from tests.anatomy.families import (
    GATED,
    HEAD_NORMS,
    PRE,
    PRE_PARTS,
    UNTIED,
    Case,
    H,
    Shapes,
    V,
    attention,
    attention_parts,
    config,
    ffn,
    inside,
    layers,
    outside,
)

E, W = 3, 10
EXPERT_PARTS = {"gate": (W, H), "up": (W, H), "down": (H, W)}
SHARED_PARTS = {"shared_gate": (20, H), "shared_up": (20, H), "shared_down": (H, 20)}


def experts(*, stacked: bool) -> Shapes:
    if stacked:
        return {"mlp.experts.gate_up_proj": (E, 2 * W, H), "mlp.experts.down_proj": (E, H, W)}
    return {name: shape for e in range(E) for name, shape in ffn(f"mlp.experts.{e}.", W).items()}


def mixtral_experts() -> Shapes:
    names = {"w1": (W, H), "w3": (W, H), "w2": (H, W)}
    return {f"block_sparse_moe.experts.{e}.{name}.weight": shape for e in range(E) for name, shape in names.items()}


def sparse(kind: str, layer: Shapes, parts: Shapes, **more: Any) -> Case:
    tensors = {"model.embed_tokens.weight": (V, H), "model.norm.weight": (H,), "lm_head.weight": (V, H)}
    tensors |= layers("model.layers.", lambda _: PRE | layer)
    claims = config(kind, num_key_value_heads=2, num_experts=E, moe_intermediate_size=W) | more
    found = outside(UNTIED) | inside(PRE_PARTS | parts) | inside(EXPERT_PARTS, experts=E)
    return Case(kind, "model.", tensors, claims, found)


def mixtral(*, stacked: bool) -> Case:
    store = experts(stacked=True) | {"mlp.gate.weight": (E, H)}
    apart = mixtral_experts() | {"block_sparse_moe.gate.weight": (E, H)}
    layer = attention(16, 8) | (store if stacked else apart)
    sizes = {"intermediate_size": W, "num_local_experts": E}
    return sparse("mixtral", layer, attention_parts(16, 8) | {"router": (E, H)}, **sizes)


def qwen2_moe(*, stacked: bool) -> Case:
    layer = attention(16, 8) | attention(16, 8, "bias") | experts(stacked=stacked) | ffn("mlp.shared_expert.", 20)
    layer |= {"mlp.gate.weight": (E, H), "mlp.shared_expert_gate.weight": (1, H)}
    parts = attention_parts(16, 8) | SHARED_PARTS | {"router": (E, H), "shared_router": (1, H)}
    parts |= {"q_bias": (16,), "k_bias": (8,), "v_bias": (8,)}
    return sparse("qwen2_moe", layer, parts, shared_expert_intermediate_size=20)


def qwen3_moe(*, stacked: bool) -> Case:
    layer = attention(32, 16) | HEAD_NORMS | experts(stacked=stacked) | {"mlp.gate.weight": (E, H)}
    parts = attention_parts(32, 16) | {"q_norm": (8,), "k_norm": (8,), "router": (E, H)}
    return sparse("qwen3_moe", layer, parts, head_dim=8)


def latent(query_rank: int | None) -> tuple[Shapes, Shapes]:
    """Four heads: 6 plain and 4 rotary query dimensions, 5 value dimensions, keys and values from 8 numbers."""
    low = {} if query_rank is None else {"self_attn.q_a_proj.weight": (query_rank, H)}
    low |= {} if query_rank is None else {"self_attn.q_a_layernorm.weight": (query_rank,)}
    queries = "self_attn.q_proj.weight" if query_rank is None else "self_attn.q_b_proj.weight"
    tensors = low | {
        queries: (40, query_rank or H),
        "self_attn.kv_a_proj_with_mqa.weight": (12, H),
        "self_attn.kv_a_layernorm.weight": (8,),
        "self_attn.kv_b_proj.weight": (44, 8),
        "self_attn.o_proj.weight": (H, 20),
    }
    parts = {"q": (40, query_rank or H), "kv_a": (8, H), "k_rotary": (4, H), "kv_a_norm": (8,)}
    parts |= {"k": (24, 8), "v": (20, 8), "o": (H, 20)}
    return tensors, parts | ({} if query_rank is None else {"q_a": (query_rank, H), "q_a_norm": (query_rank,)})


def deepseek(kind: str, *, query_rank: int | None, stacked: bool) -> Case:
    """The first layer dense, the second with experts and a shared one."""
    tensors, parts = latent(query_rank)
    sparse_ffn = experts(stacked=stacked) | ffn("mlp.shared_experts.", 20) | {"mlp.gate.weight": (E, H)}
    sparse_parts = SHARED_PARTS | {"router": (E, H)}
    if kind == "deepseek_v3":
        sparse_ffn |= {"mlp.gate.e_score_correction_bias": (E,)}
        sparse_parts |= {"router_bias": (E,)}
    dense = PRE | tensors | ffn()
    stored = {"model.embed_tokens.weight": (V, H), "model.norm.weight": (H,), "lm_head.weight": (V, H)}
    stored |= layers("model.layers.", lambda layer: PRE | tensors | sparse_ffn if layer else dense)
    ranks = {"q_lora_rank": query_rank, "kv_lora_rank": 8, "qk_rope_head_dim": 4, "qk_nope_head_dim": 6}
    claims = config(kind, n_routed_experts=E, moe_intermediate_size=W, v_head_dim=5, num_nextn_predict_layers=1)
    found = outside(UNTIED) | inside(PRE_PARTS | parts) | inside(GATED, only=(0,))
    found |= inside(sparse_parts, only=(1,)) | inside(EXPERT_PARTS, only=(1,), experts=E)
    return Case("deepseek_v3", "model.", stored, claims | ranks, found)


def all_sparse() -> dict[str, Case]:
    cases = {}
    for how, stacked in (("apart", False), ("stacked", True)):
        cases[f"mixtral {how}"] = mixtral(stacked=stacked)
        cases[f"qwen2_moe {how}"] = qwen2_moe(stacked=stacked)
        cases[f"qwen3_moe {how}"] = qwen3_moe(stacked=stacked)
        cases[f"deepseek_v3 {how}"] = deepseek("deepseek_v3", query_rank=12, stacked=stacked)
        cases[f"deepseek_v2 {how}"] = deepseek("deepseek_v2", query_rank=None, stacked=stacked)
    return cases
