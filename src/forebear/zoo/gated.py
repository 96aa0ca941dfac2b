"""The gated family: Qwen2 in little, as a function of a dictionary of tensors under their published names.

With ``num_experts`` in the config it is Qwen2-MoE; without the biases of attention, Llama.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CONFIG: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "hidden_act": "silu",
    "hidden_size": 72,
    "initializer_range": 0.02,
    "intermediate_size": 144,
    "max_position_embeddings": 128,
    "max_window_layers": 5,
    "model_type": "qwen2",
    "num_attention_heads": 6,
    "num_hidden_layers": 5,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 1024,
}


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor, in the order in which they are written."""
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    head = _head(config)
    wide, narrow = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        found[f"{at}.input_layernorm.weight"] = (hidden,)
        for name, width in (("q", wide), ("k", narrow), ("v", narrow)):
            found[f"{at}.self_attn.{name}_proj.weight"] = (width, hidden)
            if _has_bias(config):
                found[f"{at}.self_attn.{name}_proj.bias"] = (width,)
        found[f"{at}.self_attn.o_proj.weight"] = (hidden, wide)
        found[f"{at}.post_attention_layernorm.weight"] = (hidden,)
        found |= _mixture_shapes(f"{at}.mlp", config) if config.get("num_experts") else _ffn_shapes(f"{at}.mlp", config)
    found["model.norm.weight"] = (hidden,)
    found["lm_head.weight"] = (vocabulary, hidden)
    return found


def logits(tensors: dict[str, Tensor], tokens: Tensor, config: dict[str, Any]) -> Tensor:
    """Next-token logits.

    Args:
        tensors: float tensors under their published names.
        tokens: ``(batch, length)`` token numbers.
        config: keys of a Qwen2, Qwen2-MoE or Llama config.json.

    Returns:
        ``(batch, length, vocabulary)``.
    """
    eps = config["rms_norm_eps"]
    turns = _rotary(tokens.shape[1], config)
    ffn = _mixture if config.get("num_experts") else _ffn
    x = functional.embedding(tokens, tensors["model.embed_tokens.weight"])
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        y = functional.rms_norm(x, x.shape[-1:], tensors[f"{at}.input_layernorm.weight"], eps)
        x = x + _attention(tensors, f"{at}.self_attn", y, turns, config)
        y = functional.rms_norm(x, x.shape[-1:], tensors[f"{at}.post_attention_layernorm.weight"], eps)
        x = x + ffn(tensors, f"{at}.mlp", y, config)
    x = functional.rms_norm(x, x.shape[-1:], tensors["model.norm.weight"], eps)
    return functional.linear(x, tensors["lm_head.weight"])


def _head(config: dict[str, Any]) -> int:
    width: int = config.get("head_dim", config["hidden_size"] // config["num_attention_heads"])
    return width


def _has_bias(config: dict[str, Any]) -> bool:
    return bool(config.get("attention_bias", config.get("qkv_bias", True)))


def _ffn_shapes(at: str, config: dict[str, Any], key: str = "intermediate_size") -> dict[str, tuple[int, ...]]:
    hidden, neurons = config["hidden_size"], config[key]
    return {
        f"{at}.gate_proj.weight": (neurons, hidden),
        f"{at}.up_proj.weight": (neurons, hidden),
        f"{at}.down_proj.weight": (hidden, neurons),
    }


def _mixture_shapes(at: str, config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    hidden = config["hidden_size"]
    found: dict[str, tuple[int, ...]] = {f"{at}.gate.weight": (config["num_experts"], hidden)}
    for expert in range(config["num_experts"]):
        found |= _ffn_shapes(f"{at}.experts.{expert}", config, "moe_intermediate_size")
    if config["shared_expert_intermediate_size"]:
        found |= _ffn_shapes(f"{at}.shared_expert", config, "shared_expert_intermediate_size")
        found[f"{at}.shared_expert_gate.weight"] = (1, hidden)
    return found


def _ffn(tensors: dict[str, Tensor], at: str, x: Tensor, _: dict[str, Any]) -> Tensor:
    gate = functional.silu(functional.linear(x, tensors[f"{at}.gate_proj.weight"]))
    up = functional.linear(x, tensors[f"{at}.up_proj.weight"])
    return functional.linear(gate * up, tensors[f"{at}.down_proj.weight"])


def _mixture(tensors: dict[str, Tensor], at: str, x: Tensor, config: dict[str, Any]) -> Tensor:
    """All experts are computed and those not chosen weighted zero: at this size cheaper than gathering."""
    shares = functional.linear(x, tensors[f"{at}.gate.weight"]).softmax(-1)
    chosen, places = shares.topk(config["num_experts_per_tok"], dim=-1)
    if config["norm_topk_prob"]:
        chosen = chosen / chosen.sum(-1, keepdim=True)
    weights = torch.zeros_like(shares).scatter(-1, places, chosen)
    gate, up, down = (
        [tensors[f"{at}.experts.{expert}.{name}_proj.weight"] for expert in range(config["num_experts"])]
        for name in ("gate", "up", "down")
    )
    inner = functional.silu(functional.linear(x, torch.cat(gate))) * functional.linear(x, torch.cat(up))
    weighted = inner.view(*shares.shape, -1) * weights.unsqueeze(-1)
    y = functional.linear(weighted.flatten(-2), torch.cat(down, dim=1))
    if not config["shared_expert_intermediate_size"]:
        return y
    opened = functional.linear(x, tensors[f"{at}.shared_expert_gate.weight"]).sigmoid()
    return y + opened * _ffn(tensors, f"{at}.shared_expert", x, config)


def _rotary(length: int, config: dict[str, Any]) -> tuple[Tensor, Tensor]:
    head = _head(config)
    frequencies = config["rope_theta"] ** (-torch.arange(0, head, 2, dtype=torch.float32) / head)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _turn(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = turns
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def _attention(
    tensors: dict[str, Tensor], at: str, x: Tensor, turns: tuple[Tensor, Tensor], config: dict[str, Any]
) -> Tensor:
    batch, length, _ = x.shape
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]

    def split(name: str, count: int) -> Tensor:
        y = functional.linear(x, tensors[f"{at}.{name}_proj.weight"], tensors.get(f"{at}.{name}_proj.bias"))
        return y.view(batch, length, count, -1).transpose(1, 2)

    q, k, v = _turn(split("q", heads), turns), _turn(split("k", shared), turns), split("v", shared)
    k, v = k.repeat_interleave(heads // shared, 1), v.repeat_interleave(heads // shared, 1)
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return functional.linear(y.transpose(1, 2).reshape(batch, length, -1), tensors[f"{at}.o_proj.weight"])
