"""What a storage type does to values: how far apart its numbers lie, and what rounding to it leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.rounding import TYPES

Doubles = NDArray[np.float64]

_SIGNIFICAND = {"F8_E5M2": 3, "F8_E4M3": 4, "BF16": 8, "F16": 11, "F32": 24}
_SMALLEST = {"F8_E5M2": -16, "F8_E4M3": -9, "BF16": -133, "F16": -24, "F32": -149}
EIGHT_BITS = ("F8_E5M2", "F8_E4M3")
NARROW = ("F8_E4M3", "F8_E5M2", "BF16", "F16")

_SCREENED = 4096
_DIFFERENT = 16
"""Fewer distinct values than this lie on many grids by chance, so they tell nothing about a storage type."""


def spacing(values: Doubles, dtype: str) -> Doubles:
    """Distance between neighbouring numbers of a storage type, at each value.

    Args:
        values: any shape, finite.
        dtype: safetensors spelling; a type that is not known here counts as F32, the type values are read in.
    """
    name = dtype if dtype in _SIGNIFICAND else "F32"
    exponent = np.frexp(np.abs(values))[1] - _SIGNIFICAND[name]
    exponent = np.where(values == 0.0, _SMALLEST[name], np.maximum(exponent, _SMALLEST[name]))
    return np.asarray(np.ldexp(1.0, exponent), dtype=np.float64)


def rounded(values: Doubles, dtype: str) -> Doubles:
    """Values cast to a storage type and back."""
    with np.errstate(over="ignore"):
        cast = values.astype(np.float32).astype(TYPES.get(dtype, TYPES["F32"]))
    return np.asarray(cast.astype(np.float64), dtype=np.float64)


def narrowest(values: Doubles, dtype: str) -> str:
    """The narrowest type that holds every value, at most as wide as the declared one.

    A model kept in a wide type after it was rounded to a narrow one still lies on the narrow grid.
    """
    sample = values.ravel()[:_SCREENED]
    if np.unique(sample).size < _DIFFERENT:
        return dtype
    for name, bits in _SIGNIFICAND.items():
        if bits >= _SIGNIFICAND.get(dtype, 24):
            break
        if np.array_equal(rounded(sample, name), sample) and np.array_equal(rounded(values, name), values):
            return name
    return dtype
