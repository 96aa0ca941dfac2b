"""Other names, another order, other tensors around the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Changed, Config, Tensors
from forebear.zoo.surgery.layers import LAYER

_FUSIONS = (
    (re.compile(r"(.*\.)q_proj\.(weight|bias)"), ("q_proj", "k_proj", "v_proj"), "qkv_proj"),
    (re.compile(r"(.*\.)gate_proj\.(weight|bias)"), ("gate_proj", "up_proj"), "gate_up_proj"),
)
_CONV = re.compile(r"(.*\.attn\.)c_attn\.(weight|bias)")


def rename(tensors: Tensors, prefixes: Mapping[str, str]) -> Arrays:
    """Replaces the first prefix that a name starts with; other names stay.

    Raises:
        UsageError: two tensors would have one name.
    """
    out: Arrays = {}
    for name, tensor in tensors.items():
        old = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        _put(out, prefixes.get(old, "") + name.removeprefix(old), tensor, name)
    return out


def prefix_names(tensors: Tensors, prefix: str) -> Arrays:
    """Puts a prefix, e.g. ``"module."``, before every name."""
    return {prefix + name: tensor for name, tensor in tensors.items()}


def reorder(tensors: Tensors, *, seed: int = 0) -> Arrays:
    """The same tensors in another order, hence in another place of the file."""
    names = list(tensors)
    return {names[place]: tensors[names[place]] for place in np.random.default_rng(seed).permutation(len(names))}


def scramble_names(tensors: Tensors, config: Config, *, seed: int = 0, numbered: bool = False) -> Changed:
    """Renames every tensor to an arbitrary unique name and puts them in another order.

    Args:
        tensors: the model.
        config: content of its config.json, which stays.
        seed: of names, numbers and order.
        numbered: names keep some structure: tensors of one layer share a number, another one than before, and those
            at the same place of different layers share a word; else nothing in a name tells anything.

    Returns:
        The model; truth: ``names``, old name of each new one; ``layer_map``, old layer of each new number if numbered.
    """
    rng = np.random.default_rng(seed)
    matches = {name: LAYER.fullmatch(name) for name in tensors}
    layers = 1 + max((int(match[2]) for match in matches.values() if match), default=-1)
    order = rng.permutation(layers)
    places = np.argsort(order)
    keys = {name: f"{match[1]}|{match[3]}" if match and numbered else name for name, match in matches.items()}
    words = dict(zip(dict.fromkeys(keys.values()), _words(len(set(keys.values())), rng), strict=True))
    names: dict[str, str] = {}
    for name, match in matches.items():
        word = words[keys[name]]
        names[f"b.{places[int(match[2])]}.{word}" if match and numbered else word] = name
    mixed = [list(names)[place] for place in rng.permutation(len(names))]
    truth: dict[str, Any] = {"names": names}
    if numbered:
        truth["layer_map"] = order.tolist()
    return Changed({name: tensors[names[name]] for name in mixed}, dict(config), truth)


def regroup_layers(tensors: Tensors, config: Config, *, size: int = 2) -> Changed:
    """Numbers layers in two steps: layer N becomes ``blocks.{N // size}.layers.{N % size}``. Truth: ``names``.

    Raises:
        UsageError: a size below 1.
    """
    if size < 1:
        raise UsageError(f"blocks of 1 layer or more are needed, found {size}", where="regroup layers")
    names = {}
    for name in tensors:
        match = LAYER.fullmatch(name)
        new = name
        if match:
            stem = re.sub(r"(layers|layer|h)\.$", "", match[1])
            new = f"{stem}blocks.{int(match[2]) // size}.layers.{int(match[2]) % size}{match[3]}"
        names[new] = name
    return Changed({new: tensors[old] for new, old in names.items()}, dict(config), {"names": names})


def fuse(tensors: Tensors) -> Arrays:
    """Stores q, k and v as one ``qkv_proj`` and gate and up as one ``gate_up_proj``, rows one below the other.

    Raises:
        UsageError: there is nothing to fuse.
    """
    out: Arrays = {}
    gone: set[str] = set()
    for name, tensor in tensors.items():
        for pattern, parts, whole in _FUSIONS:
            match = pattern.fullmatch(name)
            if match:
                pieces = [f"{match[1]}{part}.{match[2]}" for part in parts]
                if all(piece in tensors for piece in pieces):
                    gone.update(pieces)
                    out[f"{match[1]}{whole}.{match[2]}"] = np.concatenate([tensors[piece] for piece in pieces])
        out[name] = tensor
    if not gone:
        raise UsageError("there is nothing to fuse", remedy="Names like self_attn.q_proj and mlp.gate_proj are known")
    return {name: tensor for name, tensor in out.items() if name not in gone}


def split(tensors: Tensors) -> Arrays:
    """Stores each ``c_attn`` of GPT-2 as ``q_proj``, ``k_proj`` and ``v_proj``, still ``(in, out)``.

    Raises:
        UsageError: there is nothing to split.
    """
    out: Arrays = {}
    for name, tensor in tensors.items():
        match = _CONV.fullmatch(name)
        if match is None:
            out[name] = tensor
            continue
        for word, piece in zip("qkv", np.split(tensor, 3, axis=-1), strict=True):
            out[f"{match[1]}{word}_proj.{match[2]}"] = np.ascontiguousarray(piece)
    if len(out) == len(tensors):
        raise UsageError("there is nothing to split", remedy="Names like attn.c_attn.weight are known")
    return out


def _words(count: int, rng: np.random.Generator) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found["t" + "".join(rng.choice(list("abcdefghijklmnopqrstuvwxyz0123456789"), 8))] = None
    return list(found)


def _put(out: dict[str, NDArray[Any]], name: str, tensor: NDArray[Any], old: str) -> None:
    if name in out:
        raise UsageError(f"two tensors would be called {name!r}", where=old)
    out[name] = tensor
