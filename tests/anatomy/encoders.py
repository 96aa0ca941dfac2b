"""Tiny encoders of other senses, under the names of released ones: hidden 12, three layers, FFN 20, three heads."""

from typing import Any

from forebear.anatomy.parts import Part, Role
from tests.anatomy.families import Case, Shapes

H, N, LAYERS, HEADS = 12, 20, 3, 3

ATTENTION = {"q": (H, H), "k": (H, H), "v": (H, H), "o": (H, H)}
UNGATED = {"up": (N, H), "down": (H, N)}
GATED = UNGATED | {"gate": (N, H)}
NORMS = {"attention_norm": (H,), "ffn_norm": (H,)}
FUSED = {"attn.qkv": (3 * H, H), "attn.proj": (H, H)}
FC = {"mlp.fc1": (N, H), "mlp.fc2": (H, N)}


def _linear(shapes: Shapes, bias: bool = True) -> Shapes:
    found = {f"{name}.weight": shape for name, shape in shapes.items()}
    return found | ({f"{name}.bias": shape[:1] for name, shape in shapes.items()} if bias else {})


def _norms(*names: str, bias: bool = True) -> Shapes:
    return {f"{name}.{kind}": (H,) for name in names for kind in (("weight", "bias") if bias else ("weight",))}


def _parts(roles: Shapes, bias: bool = True) -> Shapes:
    return roles | ({f"{role}_bias": shape[:1] for role, shape in roles.items()} if bias else {})


def _case(
    family: str, start: str, layer: Shapes, parts: Shapes, around: Shapes, outside: Shapes, **claims: Any
) -> Case:
    tensors = {f"{start}{number}.{name}": shape for number in range(LAYERS) for name, shape in layer.items()}
    held = {Part(Role(role), number): shape for number in range(LAYERS) for role, shape in parts.items()}
    held |= {Part(Role(role)): shape for role, shape in outside.items()}
    return Case(family, "", tensors | around, claims, held)


def _claims(kind: str, **more: Any) -> dict[str, Any]:
    sizes = {"hidden_size": H, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "intermediate_size": N}
    return {"model_type": kind} | sizes | more


def _proj(names: str = "q_proj k_proj v_proj out_proj", block: str = "self_attn.") -> Shapes:
    return {f"{block}{name}": (H, H) for name in names.split()}


def _all(ffn: Shapes = UNGATED) -> Shapes:
    return _parts(ATTENTION | ffn) | _parts(NORMS)


def encoders() -> dict[str, Case]:
    """Every table of an encoder, by family."""
    return {case.family: case for case in (*_fused(), *_gated(), *_named_by_hugging_face())}


_FINAL: Shapes = {"final_norm": (H,), "final_norm_bias": (H,)}
_GATED_FFN: Shapes = {"mlp.gate_proj": (N, H), "mlp.up_proj": (N, H), "mlp.down_proj": (H, N)}


def _fused() -> list[Case]:
    """Attention in one tensor, plain FFN."""
    timm = _linear(FUSED | FC) | _norms("norm1", "norm2")
    patch = {"patch_embed.proj.weight": (H, 3, 2, 2)}
    qwen = {"embed_dim": H, "depth": LAYERS, "num_heads": HEADS, "hidden_size": 999}
    intern = {"embeddings.class_embedding": (1, 1, H), "embeddings.patch_embedding.weight": (H, 3, 2, 2)}
    timm_outside = patch | {"pos_embed": (1, 9, H)} | _norms("norm")
    return [
        _case("vit_timm", "blocks.", timm, _all(), timm_outside, _FINAL),
        _case("qwen2_vision", "blocks.", timm, _all(), patch, {}, model_type="qwen2_vl", **qwen),
        _case("vit_intern", "encoder.layers.", timm, _all(), intern, {}, **_claims("intern_vit_6b")),
    ]


def _gated() -> list[Case]:
    """Gated FFN, norms without biases."""
    pixtral = {name.replace("mlp", "feed_forward"): shape for name, shape in _GATED_FFN.items()}
    pixtral = _linear(_proj("q_proj k_proj v_proj o_proj", "attention.") | pixtral, bias=False)
    return [
        _case(
            "qwen2_5_vision",
            "blocks.",
            _linear(FUSED | _GATED_FFN) | _norms("norm1", "norm2", bias=False),
            _parts(ATTENTION | GATED) | NORMS,
            {"patch_embed.proj.weight": (H, 3, 2, 2)},
            {},
            **_claims("qwen2_5_vl", depth=LAYERS, num_heads=HEADS),
        ),
        _case(
            "pixtral_vision",
            "transformer.layers.",
            pixtral | _norms("attention_norm", "ffn_norm", bias=False),
            ATTENTION | GATED | NORMS,
            {"ln_pre.weight": (H,), "patch_conv.weight": (H, 3, 2, 2)},
            {"embedding_norm": (H,)},
            **_claims("pixtral"),
        ),
    ]


def _named_by_hugging_face() -> list[Case]:
    """A tensor for each of query, key and value, plain FFN."""
    positioned = _FINAL | {"position_embedding": (9, H)}
    seen = {"embeddings.position_embedding.weight": (9, H), "embeddings.patch_embedding.weight": (H, 3, 2, 2)}
    clip = _linear(_proj() | FC) | _norms("layer_norm1", "layer_norm2")
    hf = {f"attention.attention.{name}": (H, H) for name in ("query", "key", "value")}
    hf |= {"attention.output.dense": (H, H), "intermediate.dense": (N, H), "output.dense": (H, N)}
    vit = _linear(hf) | _norms("layernorm_before", "layernorm_after")
    heard = {"conv1.weight": (H, 8, 3), "embed_positions.weight": (9, H)} | _norms("layer_norm")
    whisper = _linear(_proj() | {"fc1": (N, H), "fc2": (H, N)}) | _norms("self_attn_layer_norm", "final_layer_norm")
    del whisper["self_attn.k_proj.bias"]
    without_key_bias = {role: shape for role, shape in _all().items() if role != "k_bias"}
    claims = {"d_model": H, "encoder_layers": LAYERS, "encoder_attention_heads": HEADS, "encoder_ffn_dim": N}
    return [
        _case(
            "vit_clip",
            "encoder.layers.",
            clip,
            _all(),
            seen | _norms("post_layernorm"),
            positioned,
            **_claims("siglip_vision_model"),
        ),
        _case(
            "vit",
            "encoder.layer.",
            vit,
            _all(),
            {"embeddings.cls_token": (1, 1, H)} | _norms("layernorm"),
            _FINAL,
            **_claims("vit"),
        ),
        _case(
            "whisper_encoder", "layers.", whisper, without_key_bias, heard, positioned, model_type="whisper", **claims
        ),
    ]
