"""Changes of the values themselves: noise, types, rounding, zeros, small updates. None of them keeps the function."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from forebear.errors import UsageError
from forebear.zoo.folder import DTYPES, Arrays
from forebear.zoo.surgery.changed import Tensors, is_float


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
