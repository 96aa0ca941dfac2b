"""Other names, another order, other tensors around the same values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Tensors


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
