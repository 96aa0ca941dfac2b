"""Changes that keep, hide or blur what a model computes, as pure functions on a dictionary of arrays.

Each takes tensors by name and returns a new dictionary; untouched arrays are shared, types are kept. They know the
names of Llama-like models (``mlp.gate_proj``), GPT-2 (``mlp.c_fc``) and BERT-style encoders (``intermediate.dense``).
Splitting into shards is ``forebear.zoo.folder.write_folder(..., shards=n)``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import DTYPES, Arrays

Tensors = Mapping[str, NDArray[Any]]
_LAYER = re.compile(r"((?:^|.*\.)(?:layers|layer|h)\.)(\d+)(\..*)")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Tensors of an FFN by suffix, each with the axis along which its neurons lie."""

    down: tuple[str, int]
    up: tuple[tuple[str, int], ...]
    gate: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Ffn:
    prefix: str
    neurons: int
    layout: _Layout


_LAYOUTS = (
    _Layout((".mlp.down_proj.weight", 1), ((".mlp.up_proj.weight", 0),), ((".mlp.gate_proj.weight", 0),)),
    _Layout((".mlp.c_proj.weight", 0), ((".mlp.c_fc.weight", 1), (".mlp.c_fc.bias", 0))),
    _Layout((".output.dense.weight", 1), ((".intermediate.dense.weight", 0), (".intermediate.dense.bias", 0))),
)


def add_noise(
    tensors: Tensors, sigma: float, *, seed: int = 0, relative: bool = False, names: Collection[str] | None = None
) -> Arrays:
    """Adds independent normal noise to every value.

    Args:
        tensors: the model.
        sigma: standard deviation of the noise; in units of each tensor's own when ``relative``.
        seed: of the noise.
        relative: see ``sigma``. A constant tensor then stays as it is.
        names: tensors to change; all floating ones when None.
    """
    rng = np.random.default_rng(seed)
    out: Arrays = dict(tensors)
    for name, tensor in tensors.items():
        if (names is not None and name not in names) or not _is_float(tensor):
            continue
        values = tensor.astype(np.float32)
        scale = sigma * float(values.std()) if relative else sigma
        out[name] = (values + rng.standard_normal(tensor.shape, np.float32) * np.float32(scale)).astype(tensor.dtype)
    return out


def permute_neurons(tensors: Tensors, *, seed: int = 0) -> Arrays:
    """Orders each layer's FFN neurons anew, gate, up and down alike: another file, the same function.

    Raises:
        UsageError: no FFN is recognised.
    """
    rng = np.random.default_rng(seed)

    def permute(ffn: _Ffn) -> _Changes:
        order = rng.permutation(ffn.neurons)
        return [
            (suffix, partial(np.take, indices=order, axis=axis))
            for suffix, axis in (*ffn.layout.gate, *ffn.layout.up, ffn.layout.down)
        ]

    return _each_ffn(tensors, permute)


def flip_signs(tensors: Tensors, *, seed: int = 0) -> Arrays:
    """Negates up row and down column of about half the neurons: the same function, to the bit, where FFNs are gated.

    Raises:
        UsageError: no FFN is recognised, or they are not gated (flipping then changes the function).
    """
    rng = np.random.default_rng(seed)
    return _each_ffn(tensors, lambda ffn: _scaled(ffn, rng.choice([-1.0, 1.0], ffn.neurons), "flipped"))


def rescale_neurons(tensors: Tensors, *, octaves: int = 2, seed: int = 0) -> Arrays:
    """Multiplies up row and divides down column of each neuron by a random power of two, which rounds nothing.

    Args:
        tensors: the model.
        octaves: largest exponent either way.
        seed: of the exponents.

    Raises:
        UsageError: no FFN is recognised, or they are not gated (rescaling then changes the function).
    """
    rng = np.random.default_rng(seed)

    def rescale(ffn: _Ffn) -> _Changes:
        return _scaled(ffn, np.exp2(rng.integers(-octaves, octaves + 1, ffn.neurons)), "rescaled")

    return _each_ffn(tensors, rescale)


def redraw(tensors: Tensors, *, deviation: float = 0.02, seed: int = 0) -> Arrays:
    """A random start of the same shapes: matrices normal, biases 0, other vectors 1; nothing of the model is left."""
    rng = np.random.default_rng(seed)
    out: Arrays = dict(tensors)
    for name, tensor in tensors.items():
        if not _is_float(tensor):
            continue
        if tensor.ndim > 1:
            out[name] = (rng.standard_normal(tensor.shape) * deviation).astype(tensor.dtype)
        else:
            out[name] = np.full(tensor.shape, 0.0 if name.endswith("bias") else 1.0).astype(tensor.dtype)
    return out


def shift_layers(tensors: Tensors, by: int = 1) -> Arrays:
    """Gives each layer's tensors the number of the layer ``by`` further on, round the end."""
    found = [_LAYER.fullmatch(name) for name in tensors]
    layers = 1 + max((int(match[2]) for match in found if match), default=-1)
    if layers == 0:
        raise UsageError("no numbered layers among the tensors")
    return {
        f"{match[1]}{(int(match[2]) + by) % layers}{match[3]}" if match else name: tensor
        for (name, tensor), match in zip(tensors.items(), found, strict=True)
    }


def rename(tensors: Tensors, prefixes: Mapping[str, str]) -> Arrays:
    """Replaces the first prefix that a name starts with; other names stay.

    Raises:
        UsageError: two tensors would have one name.
    """
    out: Arrays = {}
    for name, tensor in tensors.items():
        old = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
        new = prefixes.get(old, "") + name.removeprefix(old)
        if new in out:
            raise UsageError(f"two tensors would be called {new!r}", where=name)
        out[new] = tensor
    return out


def reorder(tensors: Tensors, *, seed: int = 0) -> Arrays:
    """The same tensors in another order, hence in another place of the file."""
    names = list(tensors)
    return {names[place]: tensors[names[place]] for place in np.random.default_rng(seed).permutation(len(names))}


def cast(tensors: Tensors, dtype: str) -> Arrays:
    """Floating tensors in another type.

    Args:
        tensors: the model.
        dtype: safetensors spelling, e.g. ``"F16"``.

    Raises:
        UsageError: no such type.
    """
    if dtype not in DTYPES:
        raise UsageError(f"no storage type {dtype!r}", remedy=f"One of {', '.join(DTYPES)}.")
    return {name: array.astype(DTYPES[dtype]) if _is_float(array) else array for name, array in tensors.items()}


_Changes = list[tuple[str, Callable[[NDArray[Any]], NDArray[Any]]]]


def _each_ffn(tensors: Tensors, change: Callable[[_Ffn], _Changes]) -> Arrays:
    out: Arrays = dict(tensors)
    ffns = list(_ffns(tensors))
    if not ffns:
        raise UsageError("no FFN is recognised among the tensors")
    for ffn in ffns:
        for suffix, apply in change(ffn):
            name = ffn.prefix + suffix
            out[name] = apply(tensors[name])
    return out


def _ffns(tensors: Tensors) -> Iterator[_Ffn]:
    for name, tensor in tensors.items():
        for layout in _LAYOUTS:
            suffix, axis = layout.down
            prefix = name.removesuffix(suffix)
            # BERT's attention ends in output.dense too; only an FFN has the way up beside it.
            if prefix != name and all(prefix + up in tensors for up, _ in layout.up):
                yield _Ffn(prefix, tensor.shape[axis], layout)


def _scaled(ffn: _Ffn, factors: NDArray[np.float64], done: str) -> _Changes:
    if not ffn.layout.gate:
        rule = f"an ungated FFN cannot be {done} without changing the function"
        raise UsageError(rule, where=ffn.prefix, remedy="Only gated FFNs (gate, up, down) can.")
    changes: _Changes = []
    for (suffix, axis), by in ((ffn.layout.up[0], factors), (ffn.layout.down, 1 / factors)):
        column = by[:, None] if axis == 0 else by
        changes.append((suffix, partial(_times, factors=column)))
    return changes


def _times(array: NDArray[Any], factors: NDArray[np.float64]) -> NDArray[Any]:
    return (array.astype(np.float64) * factors).astype(array.dtype)


def _is_float(tensor: NDArray[Any]) -> bool:
    # bfloat16 and the eight-bit floats are of kind "V" to numpy.
    return tensor.dtype.kind in "fV"
