"""Forward passes in numpy for geometries that the zoo's own cannot take: experts, own head width, own output."""

from __future__ import annotations

from typing import Any

import numpy as np

from forebear.zoo.folder import Arrays

Values = np.ndarray[Any, np.dtype[np.float64]]
TOKENS = np.arange(0, 768, 8).reshape(2, 48)


def logits(tensors: Arrays, config: dict[str, Any], tokens: Values = TOKENS) -> Values:
    """Next-token logits in float64, ``(batch, length, vocabulary)``."""
    held = {name: array.astype(np.float64) for name, array in tensors.items()}
    return (_plain if "n_embd" in config else _gated)(held, config, tokens)


def _gated(held: dict[str, Values], config: dict[str, Any], tokens: Values) -> Values:
    x = held["model.embed_tokens.weight"][tokens]
    eps = config["rms_norm_eps"]

    def norm(x: Values, name: str) -> Values:
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * held[f"{name}.weight"]

    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        y = norm(x, f"{at}.input_layernorm")
        q, k, v = (
            y @ held[f"{at}.self_attn.{name}_proj.weight"].T + held.get(f"{at}.self_attn.{name}_proj.bias", 0.0)
            for name in "qkv"
        )
        x = x + _attention(q, k, v, config, rotary=True) @ held[f"{at}.self_attn.o_proj.weight"].T
        x = x + _ffn(held, f"{at}.mlp", norm(x, f"{at}.post_attention_layernorm"), config)
    return norm(x, "model.norm") @ held.get("lm_head.weight", held["model.embed_tokens.weight"]).T


def _ffn(held: dict[str, Values], at: str, y: Values, config: dict[str, Any]) -> Values:
    if f"{at}.gate.weight" not in held:
        return _swiglu(held, at, y)
    scores = _softmax(y @ held[f"{at}.gate.weight"].T)
    chosen = np.argsort(-scores, axis=-1)[..., : config["num_experts_per_tok"]]
    weights = np.zeros_like(scores)
    np.put_along_axis(weights, chosen, np.take_along_axis(scores, chosen, -1), -1)
    if config["norm_topk_prob"]:
        weights = weights / weights.sum(-1, keepdims=True)
    out = sum(weights[..., e : e + 1] * _swiglu(held, f"{at}.experts.{e}", y) for e in range(config["num_experts"]))
    if f"{at}.shared_expert_gate.weight" in held:
        share = 1 / (1 + np.exp(-y @ held[f"{at}.shared_expert_gate.weight"].T))
        out = out + share * _swiglu(held, f"{at}.shared_expert", y)
    return out


def _swiglu(held: dict[str, Values], at: str, y: Values) -> Values:
    gate = y @ held[f"{at}.gate_proj.weight"].T
    return (gate / (1 + np.exp(-gate)) * (y @ held[f"{at}.up_proj.weight"].T)) @ held[f"{at}.down_proj.weight"].T


def _plain(held: dict[str, Values], config: dict[str, Any], tokens: Values) -> Values:
    eps, embedding = config["layer_norm_epsilon"], held["transformer.wte.weight"]

    def norm(x: Values, name: str) -> Values:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
        return scaled * held[f"transformer.{name}.weight"] + held[f"transformer.{name}.bias"]

    def conv(x: Values, name: str) -> Values:
        return x @ held[f"transformer.{name}.weight"] + held[f"transformer.{name}.bias"]

    x = embedding[tokens] + held["transformer.wpe.weight"][: tokens.shape[1]]
    for layer in range(config["n_layer"]):
        q, k, v = np.split(conv(norm(x, f"h.{layer}.ln_1"), f"h.{layer}.attn.c_attn"), 3, axis=-1)
        x = x + conv(_attention(q, k, v, config, rotary=False), f"h.{layer}.attn.c_proj")
        y = conv(norm(x, f"h.{layer}.ln_2"), f"h.{layer}.mlp.c_fc")
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + conv(y, f"h.{layer}.mlp.c_proj")
    return norm(x, "ln_f") @ held.get("lm_head.weight", embedding).T


def _attention(q: Values, k: Values, v: Values, config: dict[str, Any], *, rotary: bool) -> Values:
    heads = config.get("num_attention_heads") or config["n_head"]
    groups = config.get("num_key_value_heads") or heads
    q, k, v = (_split(x, n) for x, n in ((q, heads), (k, groups), (v, groups)))
    if rotary:
        q, k = _turned(q, config["rope_theta"]), _turned(k, config["rope_theta"])
    k, v = (np.repeat(x, heads // groups, axis=1) for x in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -np.inf)
    out = np.swapaxes(_softmax(scores) @ v, 1, 2)
    return out.reshape(*out.shape[:2], -1)


def _split(x: Values, heads: int) -> Values:
    return np.swapaxes(x.reshape(*x.shape[:2], heads, -1), 1, 2)


def _turned(x: Values, theta: float) -> Values:
    half = x.shape[-1] // 2
    angles = np.outer(np.arange(x.shape[-2]), theta ** (-np.arange(half) / half))
    cos, sin, left, right = np.cos(angles), np.sin(angles), x[..., :half], x[..., half:]
    return np.concatenate([left * cos - right * sin, right * cos + left * sin], axis=-1)


def _softmax(x: Values) -> Values:
    raised = np.exp(x - x.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)
