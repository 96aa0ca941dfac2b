"""Parts beside the language model: a vision branch, a head that predicts further tokens."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import Bench
from forebear.zoo.surgery.changed import Changed, Config, Tensors, like_first
from forebear.zoo.surgery.layers import LAYER
from forebear.zoo.surgery.values import redraw

Module = Literal["vision", "prediction"]
_DEVIATION = 0.02
_PATCH = 4


def add_module(
    tensors: Tensors,
    config: Config,
    kind: Module = "vision",
    *,
    width: int = 32,
    depth: int = 2,
    seed: int = 0,
) -> Changed:
    """Adds freshly drawn tensors beside the model; its own stay as they are.

    Args:
        tensors: the model.
        config: content of its config.json, which stays.
        kind: ``"vision"``, a small vision transformer and its projector, named as in Qwen2-VL; ``"prediction"``, one
            more layer that predicts a further token from embedding and hidden state, under ``mtp.``.
        width: hidden size of the vision transformer.
        depth: its number of layers.
        seed: of the draw.

    Returns:
        The model; truth: ``added``, the new names.

    Raises:
        UsageError: no such kind, or a tensor of unknown role.
    """
    if kind not in get_args(Module):
        raise UsageError(f"one of {', '.join(get_args(Module))} is needed, found {kind!r}", where="add module")
    bench = Bench(tensors)
    shapes = _vision(bench.hidden, width, depth) if kind == "vision" else _prediction(tensors, bench)
    dtype = like_first(tensors)
    added: Arrays = redraw(
        {name: np.zeros(shape, dtype) for name, shape in shapes.items()}, deviation=_DEVIATION, seed=seed
    )
    return Changed({**tensors, **added}, dict(config), {"added": list(added)})


def _vision(hidden: int, width: int, depth: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"visual.patch_embed.proj.weight": (width, 3, 2, _PATCH, _PATCH)}
    for layer in range(depth):
        at = f"visual.blocks.{layer}"
        matrices = {
            "attn.qkv": (3 * width, width),
            "attn.proj": (width, width),
            "mlp.fc1": (4 * width, width),
            "mlp.fc2": (width, 4 * width),
        }
        for name, shape in matrices.items():
            found[f"{at}.{name}.weight"], found[f"{at}.{name}.bias"] = shape, shape[:1]
        for name in ("norm1", "norm2"):
            found[f"{at}.{name}.weight"] = found[f"{at}.{name}.bias"] = (width,)
    found["visual.merger.ln_q.weight"] = found["visual.merger.ln_q.bias"] = (width,)
    for name, shape in (("mlp.0", (4 * width, 4 * width)), ("mlp.2", (hidden, 4 * width))):
        found[f"visual.merger.{name}.weight"], found[f"visual.merger.{name}.bias"] = shape, shape[:1]
    return found


def _prediction(tensors: Tensors, bench: Bench) -> dict[str, tuple[int, ...]]:
    hidden = bench[Part(Role.EMBEDDING)].shape[1]
    found: dict[str, tuple[int, ...]] = {"mtp.fc.weight": (hidden, 2 * hidden)}
    found |= {f"mtp.{name}.weight": (hidden,) for name in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden")}
    for name, array in tensors.items():
        match = LAYER.fullmatch(name)
        if match and match[2] == "0":
            found[f"mtp.layers.0{match[3]}"] = array.shape
    return found
