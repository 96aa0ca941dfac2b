"""Models under other names, and what each tensor truly is: helpers for the tests of renaming."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
_LAYER = re.compile(r"((?:^|.*\.)(?:layers|h)\.)([0-9]+)(\..*)")


def word(text: str, seed: int = 0) -> str:
    digest = hashlib.sha256(f"{seed}|{text}".encode()).hexdigest()
    return "w" + "".join(chr(97 + int(digit, 16)) for digit in digest[:12])


def scrambled(tensors: Mapping[str, NDArray[Any]], seed: int = 0) -> tuple[Arrays, dict[str, str]]:
    """Every name a word without meaning or number, in another order; and the old names."""
    truth = {word(name, seed): name for name in tensors}
    return {name: tensors[truth[name]] for name in sorted(truth)}, truth


def shuffled(tensors: Mapping[str, NDArray[Any]], seed: int = 0) -> tuple[Arrays, tuple[int, ...]]:
    """Layers under shuffled numbers, and for each new number the old one."""
    found = {name: _LAYER.fullmatch(name) for name in tensors}
    layers = 1 + max(int(match[2]) for match in found.values() if match)
    order = np.random.default_rng(seed).permutation(layers)
    place = {int(old): new for new, old in enumerate(order)}
    moved = {
        f"{match[1]}{place[int(match[2])]}{match[3]}" if match else name: tensors[name] for name, match in found.items()
    }
    return moved, tuple(int(old) for old in order)


def fused(tensors: Mapping[str, NDArray[Any]], old: tuple[str, ...], new: str, groups: int = 1) -> Arrays:
    """In every layer the tensors of ``old`` in one, ``groups`` stretches of each in turn."""
    out: Arrays = {}
    for name, tensor in tensors.items():
        end = next((each for each in old if name.endswith(each)), None)
        if end is None:
            out[name] = tensor
        elif end == old[0]:
            stem = name.removesuffix(end)
            pieces = [np.array_split(tensors[stem + each], groups) for each in old]
            out[stem + new] = np.concatenate([piece for group in zip(*pieces, strict=True) for piece in group])
    return out


def split(tensors: Mapping[str, NDArray[Any]], old: str, new: tuple[str, ...]) -> Arrays:
    """In every layer the tensor ``old`` in equal parts along its last axis."""
    out: Arrays = {}
    for name, tensor in tensors.items():
        if name.endswith(old):
            for each, piece in zip(new, np.split(tensor, len(new), axis=-1), strict=True):
                out[name.removesuffix(old) + each] = piece
        else:
            out[name] = tensor
    return out


def turned(tensors: Mapping[str, NDArray[Any]], ends: tuple[str, ...]) -> Arrays:
    """Matrices with these endings stored the other way round."""
    return {name: tensor.T.copy() if name.endswith(ends) else tensor for name, tensor in tensors.items()}
