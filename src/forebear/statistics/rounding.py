"""What rounding to a storage type does to values."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

TYPES: dict[str, np.dtype] = {
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F16": np.dtype(np.float16),
    "F32": np.dtype(np.float32),
}
"""Storage types that values may have been rounded to, in the spelling of safetensors."""

_BITS = {"F64": 52, "F32": 23, "F16": 10, "BF16": 7, "F8_E4M3": 3, "F8_E5M2": 2}
"""Bits of the fraction that are stored."""


def steps(values: Floats, storage: str) -> NDArray[np.float64]:
    """Distance to the next value of a storage type, for each value; subnormal numbers are not allowed for.

    Args:
        values: any shape.
        storage: type in the spelling of safetensors; F32 is taken where it is not a floating type known here.
    """
    exponents = np.frexp(np.asarray(values, dtype=np.float64))[1]
    spacing: NDArray[np.float64] = np.ldexp(1.0, exponents - 1 - _BITS.get(storage, _BITS["F32"]))
    return spacing


def rounding_energy(values: Floats, storage: str) -> float:
    """Expected square norm of the error that rounding to a storage type makes: a twelfth of each squared step."""
    return float(np.square(steps(values, storage)).sum()) / 12.0
