"""Order, sign and scale of FFN neurons, in dense layers and in every expert."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Tensors

_Named = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class _Layout:
    """Tensors of an FFN by suffix, each with the axis along which its neurons lie; biases may be missing."""

    down: tuple[str, int]
    up: _Named
    gate: _Named = ()


@dataclass(frozen=True, slots=True)
class _Ffn:
    """One FFN that was found: the tensors it has, and how many neurons lie along their axes."""

    prefix: str
    neurons: int
    down: tuple[str, int]
    up: _Named
    gate: _Named


def _gated(gate: str, up: str, down: str) -> _Layout:
    return _Layout(
        (f".{down}.weight", 1),
        ((f".{up}.weight", 0), (f".{up}.bias", 0)),
        ((f".{gate}.weight", 0), (f".{gate}.bias", 0)),
    )


_LAYOUTS = (
    _gated("gate_proj", "up_proj", "down_proj"),
    _gated("w1", "w3", "w2"),
    _Layout((".mlp.c_proj.weight", 0), ((".mlp.c_fc.weight", 1), (".mlp.c_fc.bias", 0))),
    _Layout((".output.dense.weight", 1), ((".intermediate.dense.weight", 0), (".intermediate.dense.bias", 0))),
)


def permute_neurons(tensors: Tensors, *, seed: int = 0) -> Arrays:
    """Orders each layer's FFN neurons anew, gate, up and down alike: another file, the same function.

    Raises:
        UsageError: no FFN is recognised.
    """
    rng = np.random.default_rng(seed)

    def permute(ffn: _Ffn) -> _Changes:
        order = rng.permutation(ffn.neurons)
        return [(suffix, partial(np.take, indices=order, axis=axis)) for suffix, axis in (*ffn.gate, *ffn.up, ffn.down)]

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
            if prefix != name and prefix + layout.up[0][0] in tensors:
                up, gate = (
                    tuple(item for item in side if prefix + item[0] in tensors) for side in (layout.up, layout.gate)
                )
                yield _Ffn(prefix, tensor.shape[axis], layout.down, up, gate)


def _scaled(ffn: _Ffn, factors: NDArray[np.float64], done: str) -> _Changes:
    if not ffn.gate:
        rule = f"an ungated FFN cannot be {done} without changing the function"
        raise UsageError(rule, where=ffn.prefix, remedy="Only gated FFNs (gate, up, down) can.")
    changes: _Changes = []
    for (suffix, axis), by in (*((item, factors) for item in ffn.up), (ffn.down, 1 / factors)):
        changes.append((suffix, partial(_times, factors=by, axis=axis)))
    return changes


def _times(array: NDArray[Any], factors: NDArray[np.float64], axis: int) -> NDArray[Any]:
    column = factors[:, None] if axis == 0 and array.ndim > 1 else factors
    return (array.astype(np.float64) * column).astype(array.dtype)
