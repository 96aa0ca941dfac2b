"""A Llama-shaped model of random values, written matrix by matrix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import ml_dtypes
import numpy as np

HIDDEN, NEURONS, VOCABULARY, HEADS, KV_HEADS = 1536, 4096, 32_000, 12, 4


def matrices(layers: int) -> Iterator[tuple[str, int, int]]:
    """Name, rows and columns of every matrix."""
    yield "model.embed_tokens.weight", VOCABULARY, HIDDEN
    narrow = HIDDEN // HEADS * KV_HEADS
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name, width in (("q", HIDDEN), ("k", narrow), ("v", narrow), ("o", HIDDEN)):
            yield f"{at}.self_attn.{name}_proj.weight", width, HIDDEN
        for name in ("gate", "up"):
            yield f"{at}.mlp.{name}_proj.weight", NEURONS, HIDDEN
        yield f"{at}.mlp.down_proj.weight", HIDDEN, NEURONS
    yield "lm_head.weight", VOCABULARY, HIDDEN


def write(folder: Path, layers: int, seed: int) -> None:
    """One model, written matrix by matrix so that memory stays small."""
    folder.mkdir()
    gains = [f"model.layers.{layer}.{norm}_layernorm.weight" for layer in range(layers)
             for norm in ("input", "post_attention")] + ["model.norm.weight"]  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {name: (rows, columns) for name, rows, columns in matrices(layers)}
    shapes |= dict.fromkeys(gains, (HIDDEN,))
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(seed)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            values = np.ones(shape, np.float32) if len(shape) == 1 else rng.standard_normal(shape, np.float32) * 0.02
            file.write(values.astype(ml_dtypes.bfloat16).tobytes())
    config = {
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": NEURONS, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCABULARY,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
