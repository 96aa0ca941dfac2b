"""The plain family: GPT-2 in little, as a function of a dictionary of tensors under their published names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

CONFIG: dict[str, Any] = {
    "activation_function": "gelu_new",
    "architectures": ["GPT2LMHeadModel"],
    "attn_pdrop": 0.0,
    "bos_token_id": 0,
    "embd_pdrop": 0.0,
    "eos_token_id": 0,
    "initializer_range": 0.02,
    "layer_norm_epsilon": 1e-05,
    "model_type": "gpt2",
    "n_ctx": 96,
    "n_embd": 60,
    "n_head": 4,
    "n_inner": None,
    "n_layer": 4,
    "n_positions": 96,
    "resid_pdrop": 0.0,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 1024,
}


def shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor, in the order in which they are written; matrices of layers are stored ``(in, out)``."""
    hidden = config["n_embd"]
    neurons = config["n_inner"] or 4 * hidden
    found: dict[str, tuple[int, ...]] = {
        "transformer.wte.weight": (config["vocab_size"], hidden),
        "transformer.wpe.weight": (config["n_positions"], hidden),
    }
    wide = (("attn.c_attn", hidden, 3 * hidden), ("attn.c_proj", hidden, hidden))
    deep = (("mlp.c_fc", hidden, neurons), ("mlp.c_proj", neurons, hidden))
    for layer in range(config["n_layer"]):
        at = f"transformer.h.{layer}"
        for norm, matrices in (("ln_1", wide), ("ln_2", deep)):
            found[f"{at}.{norm}.weight"] = found[f"{at}.{norm}.bias"] = (hidden,)
            for name, width_in, width_out in matrices:
                found[f"{at}.{name}.weight"] = (width_in, width_out)
                found[f"{at}.{name}.bias"] = (width_out,)
    found["transformer.ln_f.weight"] = found["transformer.ln_f.bias"] = (hidden,)
    return found


def logits(tensors: dict[str, Tensor], tokens: Tensor, config: dict[str, Any]) -> Tensor:
    """Next-token logits.

    Args:
        tensors: float tensors under their published names.
        tokens: ``(batch, length)`` token numbers, length at most ``n_positions``.
        config: keys of a GPT-2 config.json.

    Returns:
        ``(batch, length, vocabulary)``.
    """
    eps = config["layer_norm_epsilon"]

    def norm(x: Tensor, at: str) -> Tensor:
        return functional.layer_norm(x, x.shape[-1:], tensors[f"{at}.weight"], tensors[f"{at}.bias"], eps)

    def conv(x: Tensor, at: str) -> Tensor:
        return torch.matmul(x, tensors[f"{at}.weight"]) + tensors[f"{at}.bias"]

    embedding = tensors["transformer.wte.weight"]
    batch, length = tokens.shape
    x = functional.embedding(tokens, embedding) + tensors["transformer.wpe.weight"][:length]
    for layer in range(config["n_layer"]):
        at = f"transformer.h.{layer}"
        fused = conv(norm(x, f"{at}.ln_1"), f"{at}.attn.c_attn")
        q, k, v = (part.view(batch, length, config["n_head"], -1).transpose(1, 2) for part in fused.chunk(3, dim=-1))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + conv(y, f"{at}.attn.c_proj")
        y = functional.gelu(conv(norm(x, f"{at}.ln_2"), f"{at}.mlp.c_fc"), approximate="tanh")
        x = x + conv(y, f"{at}.mlp.c_proj")
    return functional.linear(norm(x, "transformer.ln_f"), embedding)
