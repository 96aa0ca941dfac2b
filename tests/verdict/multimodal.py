"""A vision-language model in miniature: trained towers of the zoo under the names of released ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.models import zoo_config, zoo_tensors

Tensors = dict[str, NDArray[np.float32]]

LANGUAGE, VISION, PROJECTOR = "language_model.", "vision_tower.vision_model.", "multi_modal_projector."
VISION_HIDDEN = 60
_CLIP = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.c_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def language(name: str) -> Tensors:
    """A gated model of the zoo as a language tower."""
    return {LANGUAGE + key: tensor for key, tensor in zoo_tensors(f"gated/{name}").items()}


def vision(name: str) -> Tensors:
    """The blocks of a plain model of the zoo under CLIP's names, with a random patch embedding of its own."""
    found: Tensors = {}
    for key, tensor in zoo_tensors(f"plain/{name}").items():
        _, _, inside = key.partition("transformer.h.")
        layer, _, rest = inside.partition(".")
        module, _, kind = rest.rpartition(".")
        stored = tensor.T if tensor.ndim == 2 else tensor
        start = f"{VISION}encoder.layers.{layer}."
        if module == "attn.c_attn":
            for role, part in zip("qkv", np.split(stored, 3), strict=True):
                found[f"{start}self_attn.{role}_proj.{kind}"] = np.ascontiguousarray(part)
        elif module in _CLIP:
            found[f"{start}{_CLIP[module]}.{kind}"] = np.ascontiguousarray(stored)
    rng = np.random.default_rng(int(name.strip("p")))
    found[f"{VISION}embeddings.position_embedding.weight"] = zoo_tensors(f"plain/{name}")["transformer.wpe.weight"]
    shape = (VISION_HIDDEN, 3, 4, 4)
    return found | {f"{VISION}embeddings.patch_embedding.weight": rng.normal(0, 0.02, shape).astype(np.float32)}


def projector(name: str) -> Tensors:
    """An FFN of a gated model, its gate left out, as two linear layers from the vision to the language tower."""
    tensors = zoo_tensors(f"gated/{name}")
    reads = tensors["model.layers.2.mlp.up_proj.weight"][:, :VISION_HIDDEN]
    writes = tensors["model.layers.2.mlp.down_proj.weight"]
    return {
        f"{PROJECTOR}linear_1.weight": np.ascontiguousarray(reads),
        f"{PROJECTOR}linear_1.bias": np.zeros(reads.shape[0], np.float32),
        f"{PROJECTOR}linear_2.weight": writes,
        f"{PROJECTOR}linear_2.bias": np.zeros(writes.shape[0], np.float32),
    }


def config() -> dict[str, Any]:
    plain = zoo_config("plain/p00")
    seen = {"hidden_size": plain["n_embd"], "num_hidden_layers": plain["n_layer"]}
    seen |= {"model_type": "clip_vision_model", "num_attention_heads": plain["n_head"]}
    return {"model_type": "llava", "text_config": zoo_config("gated/g02"), "vision_config": seen}
