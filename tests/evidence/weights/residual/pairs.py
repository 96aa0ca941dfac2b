"""Pairs of a small model's parts, changed one way or another."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.identity import StoredPair

Matrix = NDArray[np.float64]
ROLES = (Role.Q, Role.K, Role.V, Role.O, Role.UP, Role.DOWN)
LAYERS = 3
DTYPES = {"F32": np.dtype(np.float32), "BF16": np.dtype(ml_dtypes.bfloat16), "F16": np.dtype(np.float16)}


def stored(values: Matrix, dtype: str) -> NDArray[np.float32]:
    return values.astype(np.float32).astype(DTYPES[dtype]).astype(np.float32)


def parts(dtype: str = "BF16", seed: int = 0) -> dict[Part, NDArray[np.float32]]:
    """Matrices of different deviations with one strong direction each, and norms near one."""
    rng = np.random.default_rng(seed)
    found = {}
    for layer in range(LAYERS):
        for number, role in enumerate(ROLES):
            rows, columns = (96, 64) if role is not Role.DOWN else (64, 96)
            values = rng.standard_normal((rows, columns)) * 0.02 * (1 + number)
            values += 0.05 * np.outer(rng.standard_normal(rows), rng.standard_normal(columns))
            found[Part(role, layer)] = stored(values, dtype)
        found[Part(Role.FFN_NORM, layer)] = stored(1.0 + 0.1 * rng.standard_normal(64), dtype)
    return found


def changed(
    change: Callable[[Matrix], Matrix],
    *,
    dtype: str = "BF16",
    only: Callable[[Part], bool] = lambda part: part.role is not Role.FFN_NORM,
    reference: dict[Part, NDArray[np.float32]] | None = None,
) -> list[StoredPair]:
    """Pairs whose model side is the reference changed where ``only`` says so."""
    start = parts(dtype) if reference is None else reference
    pairs = []
    for part, values in start.items():
        model = stored(change(values.astype(np.float64)), dtype) if only(part) else values
        pairs.append(StoredPair(part, model, values, (dtype, dtype)))
    return pairs


def noise(sigma: float, seed: int = 9, *, relative: bool = False) -> Callable[[Matrix], Matrix]:
    rng = np.random.default_rng(seed)
    return lambda values: values + sigma * (values.std() if relative else 1.0) * rng.standard_normal(values.shape)


def update(rank: int, amount: float = 0.1, seed: int = 8) -> Callable[[Matrix], Matrix]:
    rng = np.random.default_rng(seed)

    def apply(values: Matrix) -> Matrix:
        change = rng.standard_normal((values.shape[0], rank)) @ rng.standard_normal((rank, values.shape[1]))
        return values + change * amount * values.std() / change.std()

    return apply


def on_lattice(bits: int, block: int) -> Callable[[Matrix], Matrix]:
    def apply(values: Matrix) -> Matrix:
        blocks = values.reshape(-1, block)
        step = np.abs(blocks).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
        return np.asarray((np.rint(blocks / step) * step).reshape(values.shape))

    return apply


def trained(seed: int = 7) -> Callable[[Matrix], Matrix]:
    """Directions of falling size, each tensor moved by an amount of its own."""
    rng = np.random.default_rng(seed)

    def apply(values: Matrix) -> Matrix:
        left, _, right = np.linalg.svd(rng.standard_normal(values.shape), full_matrices=False)
        sizes = 1.0 / np.arange(1.0, left.shape[1] + 1.0)
        change = (left * sizes) @ right
        return values + change * values.std() / change.std() * rng.uniform(0.1, 0.6)

    return apply


def among(pairs: Iterable[StoredPair], role: Role) -> list[StoredPair]:
    return [pair for pair in pairs if pair.part.role is role]
