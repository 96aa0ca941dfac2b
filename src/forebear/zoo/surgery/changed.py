"""What a surgery returns when it changes a model's geometry as well as its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import DTYPES, Arrays

Tensors = Mapping[str, NDArray[Any]]
Config = Mapping[str, Any]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Changed:
    """A model after surgery.

    Attributes:
        tensors: by name, in their stored types.
        config: content of config.json, brought up to date.
        truth: what was done, under the names that the surgery documents (layer_map, kept, origins, names, ...).
    """

    tensors: Arrays
    config: dict[str, Any]
    truth: dict[str, Any] = field(default_factory=dict)


def is_float(tensor: NDArray[Any]) -> bool:
    """Whether values are real numbers; bfloat16 and the eight-bit floats are of kind ``"V"`` to numpy."""
    return tensor.dtype.kind in "fV"


def stored_as(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Values in a storage type, those already in it as they are."""
    return values if values.dtype == dtype else values.astype(dtype)


def share_of(share: float, where: str) -> float:
    """A share checked to lie from 0 to 1."""
    if not 0 <= share <= 1:
        raise UsageError(f"a share lies from 0 to 1, found {share:g}", where=where)
    return share


def config_key(config: Config, *keys: str) -> str:
    """The first of several spellings that a config.json uses.

    Raises:
        UsageError: it uses none of them.
    """
    found = next((key for key in keys if config.get(key) is not None), None)
    if found is None:
        raise UsageError("missing", where="config.json", field=" or ".join(keys), remedy="Give the model's own config")
    return found


def count_in(config: Config, *keys: str) -> int:
    """A positive whole number under the first of several keys that is there.

    Raises:
        UsageError: no such key, or another value.
    """
    key = config_key(config, *keys)
    value = config[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"a positive whole number is needed, found {value!r}", where="config.json", field=key)
    return value


def like_first(tensors: Tensors) -> np.dtype[Any]:
    """Storage type for tensors that are new: that of the first floating matrix."""
    found = next((array.dtype for array in tensors.values() if array.ndim > 1 and is_float(array)), None)
    return DTYPES["F32"] if found is None else found
