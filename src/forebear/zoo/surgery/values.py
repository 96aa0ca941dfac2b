"""Changes of the values themselves: noise, types, rounding, zeros, small updates. None of them keeps the function."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import DTYPES, Arrays
from forebear.zoo.surgery.bench import BIASES, Bench
from forebear.zoo.surgery.changed import Tensors, is_float, share_of


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
        if (names is not None and name not in names) or not is_float(tensor):
            continue
        values = tensor.astype(np.float32)
        scale = sigma * float(values.std()) if relative else sigma
        out[name] = (values + rng.standard_normal(tensor.shape, np.float32) * np.float32(scale)).astype(tensor.dtype)
    return out


def redraw(tensors: Tensors, *, deviation: float = 0.02, seed: int = 0) -> Arrays:
    """A random start of the same shapes: matrices normal, biases 0, other vectors 1; nothing of the model is left."""
    rng = np.random.default_rng(seed)
    out: Arrays = dict(tensors)
    for name, tensor in tensors.items():
        if not is_float(tensor):
            continue
        if tensor.ndim > 1:
            out[name] = (rng.standard_normal(tensor.shape) * deviation).astype(tensor.dtype)
        else:
            out[name] = np.full(tensor.shape, 0.0 if name.endswith("bias") else 1.0).astype(tensor.dtype)
    return out


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
    return {name: array.astype(DTYPES[dtype]) if is_float(array) else array for name, array in tensors.items()}


def low_rank(
    tensors: Tensors,
    rank: int,
    *,
    roles: Collection[str] = ("q", "v"),
    amount: float = 0.05,
    seed: int = 0,
) -> Arrays:
    """Adds a random update of low rank to some matrices of every layer, as a merged adapter does.

    Args:
        tensors: the model.
        rank: of the update, 1 or more.
        roles: values of ``forebear.anatomy.parts.Role``.
        amount: Frobenius norm of the update in units of the matrix's own.
        seed: of the updates.

    Raises:
        UsageError: a rank that no matrix has, an unknown role or one without a matrix, or a tensor of unknown role.
    """
    known = {role.value for role in BIASES}
    unknown = sorted(set(roles) - known)
    if unknown:
        raise UsageError(f"no matrix of role {unknown[0]!r}", remedy=f"Choose from: {', '.join(sorted(known))}")
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    chosen = [part for part in bench if part.role.value in roles]
    if not chosen:
        raise UsageError(f"the model has no matrix of the roles {', '.join(sorted(roles))}")
    for part in chosen:
        values = bench[part]
        if not 1 <= rank <= min(values.shape):
            rule = f"a rank from 1 to {min(values.shape)} is needed, found {rank}"
            raise UsageError(rule, where="low rank", field=str(part))
        update = rng.standard_normal((values.shape[0], rank)) @ rng.standard_normal((rank, values.shape[1]))
        bench[part] = values + update * (amount * np.linalg.norm(values) / np.linalg.norm(update))
    return bench.assemble()


def quantise(tensors: Tensors, bits: int, *, block: int | None = None, names: Collection[str] | None = None) -> Arrays:
    """Rounds matrices to a symmetric lattice of whole numbers and back, its step set by the largest magnitude.

    Args:
        tensors: the model.
        bits: 2 to 16; magnitudes are whole numbers up to 2^(bits - 1) - 1 times the step.
        block: values that share a step, along the last axis; None for a whole row.
        names: tensors to change; all floating matrices when None.

    Raises:
        UsageError: bits or block out of range.
    """
    if not 2 <= bits <= 16 or (block is not None and block < 1):
        raise UsageError(f"2 to 16 bits and blocks of 1 or more are needed, found {bits} and {block}", where="quantise")
    top = 2 ** (bits - 1) - 1
    out: Arrays = dict(tensors)
    for name, tensor in _matrices(tensors, names):
        width = tensor.shape[-1]
        size = width if block is None else min(block, width)
        rows = np.pad(tensor.astype(np.float64).reshape(-1, width), ((0, 0), (0, -width % size)))
        blocks = rows.reshape(len(rows), -1, size)
        step = np.abs(blocks).max(axis=-1, keepdims=True) / top
        rounded = np.round(np.divide(blocks, step, out=np.zeros_like(blocks), where=step > 0)) * step
        out[name] = rounded.reshape(rows.shape)[:, :width].reshape(tensor.shape).astype(tensor.dtype)
    return out


def prune_values(tensors: Tensors, share: float, *, names: Collection[str] | None = None) -> Arrays:
    """Sets the smallest values of each matrix to 0.

    Args:
        tensors: the model.
        share: of each matrix's values, 0 to 1.
        names: tensors to change; all floating matrices when None.

    Raises:
        UsageError: not a share.
    """
    share_of(share, "prune values")
    out: Arrays = dict(tensors)
    for name, tensor in _matrices(tensors, names):
        pruned = tensor.copy()
        count = round(share * tensor.size)
        smallest = np.argsort(np.abs(tensor.astype(np.float64)), axis=None, kind="stable")[:count]
        pruned.reshape(-1)[smallest] = 0
        out[name] = pruned
    return out


def _matrices(tensors: Tensors, names: Collection[str] | None) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, tensor in tensors.items():
        if is_float(tensor) and tensor.ndim > 1 and tensor.size and (names is None or name in names):
            yield name, tensor
