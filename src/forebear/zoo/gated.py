"""The gated family: Qwen2 in little, as a function of a dictionary of tensors under their published names."""

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
    hidden, neurons, vocabulary = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    narrow = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        found[f"{at}.input_layernorm.weight"] = (hidden,)
        for name, width in (("q", hidden), ("k", narrow), ("v", narrow)):
            found[f"{at}.self_attn.{name}_proj.weight"] = (width, hidden)
            found[f"{at}.self_attn.{name}_proj.bias"] = (width,)
        found[f"{at}.self_attn.o_proj.weight"] = (hidden, hidden)
        found[f"{at}.post_attention_layernorm.weight"] = (hidden,)
        found[f"{at}.mlp.gate_proj.weight"] = (neurons, hidden)
        found[f"{at}.mlp.up_proj.weight"] = (neurons, hidden)
        found[f"{at}.mlp.down_proj.weight"] = (hidden, neurons)
    found["model.norm.weight"] = (hidden,)
    found["lm_head.weight"] = (vocabulary, hidden)
    return found


def logits(tensors: dict[str, Tensor], tokens: Tensor, config: dict[str, Any]) -> Tensor:
    """Next-token logits.

    Args:
        tensors: float tensors under their published names.
        tokens: ``(batch, length)`` token numbers.
        config: keys of a Qwen2 config.json.

    Returns:
        ``(batch, length, vocabulary)``.
    """
    eps = config["rms_norm_eps"]
    turns = _rotary(tokens.shape[1], config)
    x = functional.embedding(tokens, tensors["model.embed_tokens.weight"])
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        y = functional.rms_norm(x, x.shape[-1:], tensors[f"{at}.input_layernorm.weight"], eps)
        x = x + _attention(tensors, f"{at}.self_attn", y, turns, config)
        y = functional.rms_norm(x, x.shape[-1:], tensors[f"{at}.post_attention_layernorm.weight"], eps)
        gate = functional.silu(functional.linear(y, tensors[f"{at}.mlp.gate_proj.weight"]))
        up = functional.linear(y, tensors[f"{at}.mlp.up_proj.weight"])
        x = x + functional.linear(gate * up, tensors[f"{at}.mlp.down_proj.weight"])
    x = functional.rms_norm(x, x.shape[-1:], tensors["model.norm.weight"], eps)
    return functional.linear(x, tensors["lm_head.weight"])


def _rotary(length: int, config: dict[str, Any]) -> tuple[Tensor, Tensor]:
    head = config["hidden_size"] // config["num_attention_heads"]
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
    batch, length, hidden = x.shape
    heads, shared = config["num_attention_heads"], config["num_key_value_heads"]

    def split(name: str, count: int) -> Tensor:
        y = functional.linear(x, tensors[f"{at}.{name}_proj.weight"], tensors[f"{at}.{name}_proj.bias"])
        return y.view(batch, length, count, hidden // heads).transpose(1, 2)

    q, k, v = _turn(split("q", heads), turns), _turn(split("k", shared), turns), split("v", shared)
    k, v = k.repeat_interleave(heads // shared, 1), v.repeat_interleave(heads // shared, 1)
    y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    return functional.linear(y.transpose(1, 2).reshape(batch, length, hidden), tensors[f"{at}.o_proj.weight"])
