"""Tiny instances of every family: names and shapes as released checkpoints have them, and the parts they hold.

Hidden 16, two layers, vocabulary 50, FFN 24; four heads over two KV heads unless a family cannot.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from forebear.anatomy.parts import Part, Role

H, V, N, LAYERS = 16, 50, 24, 2
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Case:
    """An instance: stored shapes, configuration, and the logical shape of every part in it."""

    family: str
    prefix: str
    tensors: Shapes
    config: dict[str, Any]
    parts: dict[Part, tuple[int, ...]]


def outside(parts: Shapes) -> dict[Part, tuple[int, ...]]:
    return {Part(Role(role)): shape for role, shape in parts.items()}


def inside(
    parts: Shapes, only: Iterable[int] = range(LAYERS), experts: int | None = None
) -> dict[Part, tuple[int, ...]]:
    numbers = (None,) if experts is None else range(experts)
    return {
        Part(Role(role), layer, expert): shape for layer in only for expert in numbers for role, shape in parts.items()
    }


def layers(prefix: str, build: Callable[[int], Shapes]) -> Shapes:
    return {f"{prefix}{layer}.{name}": shape for layer in range(LAYERS) for name, shape in build(layer).items()}


def attention(q: int, k: int, kind: str = "weight") -> Shapes:
    if kind == "bias":
        return {"self_attn.q_proj.bias": (q,), "self_attn.k_proj.bias": (k,), "self_attn.v_proj.bias": (k,)}
    return {
        "self_attn.q_proj.weight": (q, H),
        "self_attn.k_proj.weight": (k, H),
        "self_attn.v_proj.weight": (k, H),
        "self_attn.o_proj.weight": (H, q),
    }


def ffn(prefix: str = "mlp.", width: int = N) -> Shapes:
    return {
        f"{prefix}gate_proj.weight": (width, H),
        f"{prefix}up_proj.weight": (width, H),
        f"{prefix}down_proj.weight": (H, width),
    }


def norms(*names: str) -> Shapes:
    return {f"{name}.weight": (H,) for name in names}


PRE = norms("input_layernorm", "post_attention_layernorm")
FOUR = PRE | norms("pre_feedforward_layernorm", "post_feedforward_layernorm")
HEAD_NORMS = {"self_attn.q_norm.weight": (8,), "self_attn.k_norm.weight": (8,)}
OUTSIDE = {"embedding": (V, H), "final_norm": (H,)}
UNTIED = OUTSIDE | {"output": (V, H)}
GATED = {"gate": (N, H), "up": (N, H), "down": (H, N)}
PRE_PARTS = {"attention_norm": (H,), "ffn_norm": (H,)}
FOUR_PARTS = PRE_PARTS | {"attention_post_norm": (H,), "ffn_post_norm": (H,)}


def attention_parts(q: int, k: int) -> dict[str, tuple[int, ...]]:
    return {"q": (q, H), "k": (k, H), "v": (k, H), "o": (H, q)}


def config(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "model_type": kind,
        "hidden_size": H,
        "num_hidden_layers": LAYERS,
        "vocab_size": V,
        "intermediate_size": N,
        "num_attention_heads": 4,
    } | more


def decoder(kind: str, layer: Shapes, parts: Shapes, **more: Any) -> Case:
    """A Llama-like decoder."""
    tied = more.pop("tied", False)
    family, prefix = more.pop("family", kind), more.pop("prefix", "model.")
    head = more.pop("head", "lm_head.weight")
    tensors = {f"{prefix}embed_tokens.weight": (V, H), f"{prefix}norm.weight": (H,)}
    tensors |= {} if tied else {head: (V, H)}
    tensors |= layers(f"{prefix}layers.", lambda _: layer)
    claims = config(kind, num_key_value_heads=2) | more
    return Case(family, prefix, tensors, claims, outside(OUTSIDE if tied else UNTIED) | inside(parts))


def llama_like() -> dict[str, Case]:
    plain = attention(16, 8) | ffn() | PRE
    parts = attention_parts(16, 8) | GATED | PRE_PARTS
    wide = attention(32, 16) | ffn()
    wide_parts = attention_parts(32, 16) | GATED
    biases = {"q_bias": (16,), "k_bias": (8,), "v_bias": (8,)}
    whole = {"self_attn.q_norm.weight": (16,), "self_attn.k_norm.weight": (8,)}
    behind = norms("post_attention_layernorm", "post_feedforward_layernorm")
    heads = {"q_norm": (8,), "k_norm": (8,)}
    olmo = attention_parts(16, 8) | GATED | {"attention_post_norm": (H,), "ffn_post_norm": (H,)}
    return {
        "llama": decoder("llama", plain, parts),
        "mistral": decoder("mistral", plain, parts, head_dim=None),
        "qwen2": decoder("qwen2", plain | attention(16, 8, "bias"), parts | biases),
        "qwen3": decoder("qwen3", wide | PRE | HEAD_NORMS, wide_parts | PRE_PARTS | heads, head_dim=8),
        "gemma": decoder("gemma", wide | PRE, wide_parts | PRE_PARTS, head_dim=8, tied=True),
        "gemma2": decoder("gemma2", wide | FOUR, wide_parts | FOUR_PARTS, head_dim=8, tied=True),
        "gemma3_text": decoder(
            "gemma3_text",
            wide | FOUR | HEAD_NORMS,
            wide_parts | FOUR_PARTS | heads,
            family="gemma3",
            head_dim=8,
            tied=True,
        ),
        "olmo2": decoder("olmo2", attention(16, 8) | ffn() | behind | whole, olmo | {"q_norm": (16,), "k_norm": (8,)}),
        "phi3": decoder("phi3", phi3_layer(), parts),
    }


def phi3_layer() -> Shapes:
    return PRE | {
        "self_attn.qkv_proj.weight": (32, H),
        "self_attn.o_proj.weight": (H, 16),
        "mlp.gate_up_proj.weight": (2 * N, H),
        "mlp.down_proj.weight": (H, N),
    }


def gpt2() -> Case:
    layer = {f"{norm}.{kind}": (H,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")}
    layer |= {"attn.c_attn.weight": (H, 3 * H), "attn.c_attn.bias": (3 * H,), "attn.c_proj.weight": (H, H)}
    layer |= {"attn.c_proj.bias": (H,), "mlp.c_fc.weight": (H, 64), "mlp.c_fc.bias": (64,)}
    layer |= {"mlp.c_proj.weight": (64, H), "mlp.c_proj.bias": (H,)}
    tensors = {"wte.weight": (V, H), "wpe.weight": (20, H), "ln_f.weight": (H,), "ln_f.bias": (H,)}
    tensors |= layers("h.", lambda _: layer)
    sizes = {"n_embd": H, "n_layer": LAYERS, "vocab_size": V, "n_head": 4, "n_positions": 20, "n_inner": None}
    parts = outside(OUTSIDE | {"position_embedding": (20, H), "final_norm_bias": (H,)}) | inside(ungated(64))
    prefixed = {f"transformer.{name}": shape for name, shape in tensors.items()}
    return Case("gpt2", "transformer.", prefixed, {"model_type": "gpt2"} | sizes, parts)


def ungated(width: int) -> dict[str, tuple[int, ...]]:
    parts = attention_parts(H, H) | {"up": (width, H), "down": (H, width), "up_bias": (width,), "down_bias": (H,)}
    parts |= {f"{role}_bias": (H,) for role in "qkvo"}
    return parts | PRE_PARTS | {"attention_norm_bias": (H,), "ffn_norm_bias": (H,)}


def gpt_neox() -> Case:
    pairs = {"attention.query_key_value": (3 * H, H), "attention.dense": (H, H)}
    pairs |= {"mlp.dense_h_to_4h": (N, H), "mlp.dense_4h_to_h": (H, N)}
    layer = {f"{name}.weight": shape for name, shape in pairs.items()}
    layer |= {f"{name}.bias": shape[:1] for name, shape in pairs.items()}
    layer |= {
        f"{name}.{k}": (H,) for name in ("input_layernorm", "post_attention_layernorm") for k in ("weight", "bias")
    }
    tensors = {"gpt_neox.embed_in.weight": (V, H), "embed_out.weight": (V, H)}
    tensors |= {"gpt_neox.final_layer_norm.weight": (H,), "gpt_neox.final_layer_norm.bias": (H,)}
    tensors |= layers("gpt_neox.layers.", lambda _: layer)
    parts = outside(UNTIED | {"final_norm_bias": (H,)}) | inside(ungated(N))
    return Case("gpt_neox", "gpt_neox.", tensors, config("gpt_neox"), parts)


def bert(prefix: str = "bert.", kind: str = "bert", vectors: tuple[str, str] = ("weight", "bias")) -> Case:
    pairs = {f"attention.self.{name}": (H, H) for name in ("query", "key", "value")}
    pairs |= {"attention.output.dense": (H, H), "intermediate.dense": (N, H), "output.dense": (H, N)}
    layer = {f"{name}.weight": shape for name, shape in pairs.items()}
    layer |= {f"{name}.bias": shape[:1] for name, shape in pairs.items()}
    layer |= {f"{name}.LayerNorm.{k}": (H,) for name in ("attention.output", "output") for k in vectors}
    tensors = {f"embeddings.{name}_embeddings.weight": (rows, H) for name, rows in SIZES.items()}
    tensors |= {f"embeddings.LayerNorm.{k}": (H,) for k in vectors}
    tensors |= layers("encoder.layer.", lambda _: layer)
    around = {"embedding": (V, H), "position_embedding": (20, H), "type_embedding": (2, H)}
    around |= {"embedding_norm": (H,), "embedding_norm_bias": (H,)}
    parts = {role: shape for role, shape in ungated(N).items() if "norm" not in role}
    parts |= {f"{block}_post_norm{end}": (H,) for block in ("attention", "ffn") for end in ("", "_bias")}
    claims = config(kind, max_position_embeddings=20)
    named = {f"{prefix}{name}": shape for name, shape in tensors.items()}
    return Case("bert", prefix, named, claims, outside(around) | inside(parts))


SIZES = {"word": V, "position": 20, "token_type": 2}
