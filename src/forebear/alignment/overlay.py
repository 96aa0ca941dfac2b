"""A store whose tensors are those of another beside computed ones, worked out when first read."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import View
from forebear.anatomy.reading import read_part
from forebear.checkpoint.store import Floats, Rows, TensorInfo, TensorStore

Side = tuple[TensorStore, Anatomy]
"""Tensors of a model and what they are."""

_KEPT_BYTES = 256_000_000


@dataclass(frozen=True)
class Computed:
    """A tensor that is worked out.

    Attributes:
        shape: logical ``(out, in)``, or ``(n,)``.
        dtype: storage type of the tensor it stands for, in safetensors spelling.
        values: works it out, as float32.
        rounded: it was rotated, mixed or rescaled, so that equal values come out equal within rounding only.
        fitted: its heads were mixed by a matrix fitted to the model, which may have taken up part of what was learned.
        own: it holds the other side's own values, since what it stands for was moved elsewhere; it says nothing.
    """

    shape: tuple[int, ...]
    dtype: str
    values: Callable[[], Floats]
    rounded: bool = False
    own: bool = False
    fitted: bool = False

    @property
    def view(self) -> Callable[[str], View]:
        """The view of the whole of it, given its name."""
        return lambda name: View(name, self.shape, ((0, self.shape[0]),))


class Overlay:
    """A store with some tensors computed; implements ``TensorStore``.

    Args:
        base: where all other tensors are.
        computed: by name; they hide tensors of the base of the same name.
    """

    def __init__(self, base: TensorStore, computed: Mapping[str, Computed]) -> None:
        self.base = base
        self.computed = dict(computed)
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    def names(self) -> Sequence[str]:
        """Names of all tensors, sorted."""
        return sorted({*self.base.names(), *self.computed})

    def info(self, name: str) -> TensorInfo:
        """Type and shape; the size in bytes is that of float32 for computed tensors."""
        found = self.computed.get(name)
        if found is None:
            return self.base.info(name)
        return TensorInfo(name, found.dtype, found.shape, 4 * prod(found.shape))

    def available_rows(self, name: str) -> Rows | None:
        """Rows that can be read; all of a computed tensor."""
        return None if name in self.computed else self.base.available_rows(name)

    def read(self, name: str, rows: Rows | None = None) -> Floats:
        """Values as float32, as ``TensorStore.read`` has them."""
        if name not in self.computed:
            return self.base.read(name, rows)
        values = self._values(name)
        return values if rows is None else values.reshape(self.info(name).matrix_shape)[rows]

    def read_bytes(self, name: str, rows: Rows) -> NDArray[np.uint8]:
        """Stored bytes; of a computed tensor those of its float32 values."""
        if name not in self.computed:
            return self.base.read_bytes(name, rows)
        return np.ascontiguousarray(self.read(name, rows)).view(np.uint8)

    def _values(self, name: str) -> Floats:
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        values = np.ascontiguousarray(self.computed[name].values(), dtype=np.float32)
        self._kept[name] = values
        while len(self._kept) > 1 and sum(array.nbytes for array in self._kept.values()) > _KEPT_BYTES:
            self._kept.popitem(last=False)
        return values


def computed_tensor(store: TensorStore, name: str) -> Computed | None:
    """How a tensor is computed; None where it is stored."""
    while isinstance(store, Overlay):
        if name in store.computed:
            return store.computed[name]
        store = store.base
    return None


def whole(side: Side, view: View) -> Floats:
    """All values of a part in logical orientation."""
    return read_part(side[0], view)
