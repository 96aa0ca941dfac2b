"""Which rows of a model are read: decided before reading, from a byte budget, and never from the pair.

A draw is a count for every kind of row; which rows these are follows from a keyed order of each axis, so that two
models of equal width show the same rows, and the smaller of two draws is part of the larger. All counts grow with
one scale, and the largest scale whose bytes fit the budget is taken.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role, View
from forebear.anatomy.reading import storage_rows
from forebear.checkpoint.store import TensorStore

Index = NDArray[np.int64]

DEFAULT_BUDGET = 64_000_000
"""Bytes of tensor data read per model."""

MOST_NEURONS = 1536
"""Neurons of one layer held at once: squares of this size are the largest arrays made."""

MOST_COORDINATES = 512
"""Residual coordinates read of matrices whose stored rows are residual coordinates."""

MOST_TOKENS = 1024
MOST_PROJECTION_ROWS = 256
DEEP_LAYERS = 4
"""Layers, evenly spaced, of which several times more neurons are drawn, since matching relabelled neurons
finds only those that both draws hold: the square of the share drawn."""

DEEP_FACTOR = 8.0
SHARDS = 8
"""Neurons are drawn in groups that lie an eighth of the width apart, so that shards drawn from one seed show."""


@dataclass(frozen=True)
class Counts:
    """Rows drawn in one layer (None: all of them).

    Attributes:
        neurons: FFN neurons.
        experts: experts of a sparse layer.
        coordinates: residual coordinates, of those matrices whose stored rows are residual coordinates.
        projection_rows: rows of Q and K.
        value_heads: key/value heads whose value rows are drawn.
    """

    neurons: int
    experts: int
    coordinates: int
    projection_rows: int
    value_heads: int

    def common(self, other: Counts) -> Counts:
        """What both draws hold."""
        return Counts(
            min(self.neurons, other.neurons),
            min(self.experts, other.experts),
            min(self.coordinates, other.coordinates),
            min(self.projection_rows, other.projection_rows),
            min(self.value_heads, other.value_heads),
        )


@dataclass(frozen=True)
class Draw:
    """Rows of one model to be read.

    Attributes:
        key: keys every order; the seed for the fixed draw, the digests of both sides for the second.
        scale: 1 when no count was limited by the budget.
        layers: counts by layer.
        tokens: vocabulary rows.
    """

    key: str
    scale: float
    layers: tuple[Counts, ...]
    tokens: int

    def common(self, other: Draw) -> Draw:
        """The draw both models can show, keyed alike, over the layers both have."""
        layers = tuple(mine.common(yours) for mine, yours in zip(self.layers, other.layers, strict=False))
        return Draw(self.key, min(self.scale, other.scale), layers, min(self.tokens, other.tokens))

    def order(self, axis: str, layer: int | None, width: int) -> Index:
        """Keyed order of an axis of ``width``; a draw of n takes its first n."""
        return _keyed_order(f"{self.key}|{axis}|{layer}|{width}", width)

    def neurons(self, layer: int, width: int) -> Index:
        """Neurons drawn of a layer, ascending; in groups of ``SHARDS`` that far apart where the width allows."""
        count = min(width, self.layers[layer].neurons)
        if width % SHARDS or count < SHARDS:
            return np.sort(self.order("neurons", layer, width)[:count])
        step = width // SHARDS
        base = self.order("neurons", layer, step)[: count // SHARDS]
        return np.sort((base[None, :] + step * np.arange(SHARDS)[:, None]).ravel())

    def coordinates(self, width: int, count: int) -> Index:
        """Residual coordinates drawn, ascending: the same in all layers, since they share their labels."""
        return np.sort(self.order("residual", None, width)[:count])

    def experts(self, layer: int, count: int) -> Index:
        """Experts drawn of a layer, ascending."""
        return np.sort(self.order("experts", layer, count)[: self.layers[layer].experts])

    def value_heads(self, layer: int, heads: int) -> Index:
        """Key/value heads drawn of a layer, ascending."""
        return np.sort(self.order("value heads", layer, heads)[: self.layers[layer].value_heads])

    def projection_rows(self, layer: int, role: Role, width: int) -> Index:
        """Rows drawn of a query or key projection, ascending."""
        return np.sort(self.order(role.value, layer, width)[: self.layers[layer].projection_rows])

    def token_rows(self, width: int) -> Index:
        """Vocabulary rows drawn, ascending: one order for embedding and output."""
        return np.sort(self.order("tokens", None, width)[: self.tokens])


@lru_cache(maxsize=256)
def _keyed_order(key: str, width: int) -> Index:
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "big")
    order = np.random.Generator(np.random.Philox(seed)).permutation(width).astype(np.int64)
    order.setflags(write=False)
    return order


@dataclass(frozen=True)
class Selection:
    """Logical rows and columns of one part that a draw reads (None: all)."""

    rows: Index | None
    columns: Index | None


class Planner:
    """Turns a byte budget into a draw for one model."""

    def __init__(self, store: TensorStore, anatomy: Anatomy) -> None:
        self.store = store
        self.anatomy = anatomy

    def plan(self, key: str, budget: int) -> Draw:
        """Largest draw whose bytes fit ``budget``; a draw of single rows where even that does not fit."""
        low, high = 0.0, 1.0
        if self.bytes_of(self.at_scale(key, 1.0)) <= budget:
            return self.at_scale(key, 1.0)
        for _ in range(10):
            middle = (low + high) / 2
            low, high = (middle, high) if self.bytes_of(self.at_scale(key, middle)) <= budget else (low, middle)
        return self.at_scale(key, low)

    def bytes_of_largest(self) -> int:
        """Bytes of the largest draw, which no budget exceeds."""
        return self.bytes_of(self.at_scale("", 1.0))

    def at_scale(self, key: str, scale: float) -> Draw:
        """The draw of a scale in 0-1."""
        return Draw(
            key=key,
            scale=scale,
            layers=tuple(self._counts(layer, scale) for layer in range(self.anatomy.geometry.layers)),
            tokens=_share(self.anatomy.geometry.vocabulary or 1, scale, MOST_TOKENS),
        )

    @cached_property
    def _deep(self) -> frozenset[int]:
        layers = self.anatomy.geometry.layers
        return frozenset(np.linspace(0, layers - 1, min(layers, DEEP_LAYERS)).round().astype(int).tolist())

    def _counts(self, layer: int, scale: float) -> Counts:
        hidden = self.anatomy.geometry.hidden
        experts = len(self.anatomy.experts(layer))
        width = _rows(self.anatomy.find(Role.UP, layer, 0 if experts else None))
        wider = min(1.0, scale * DEEP_FACTOR) if layer in self._deep else scale
        return Counts(
            neurons=max(SHARDS, _share(width, wider, MOST_NEURONS)),
            experts=_share(experts, max(scale, 8 / experts if experts else 0.0), experts),
            coordinates=max(16, _share(hidden, scale, MOST_COORDINATES)),
            projection_rows=_share(hidden, scale, MOST_PROJECTION_ROWS),
            value_heads=_share(self.anatomy.geometry.kv_heads or 1, scale, MOST_PROJECTION_ROWS),
        )

    def selections(self, draw: Draw) -> dict[Part, Selection]:
        """What the draw reads of every matrix part."""
        return {
            part: select(draw, part, view, self.anatomy)
            for part, view in self.anatomy.parts.items()
            if len(view.shape) == 2 and drawn(draw, part, self.anatomy)
        }

    def rows(self, draw: Draw) -> dict[str, Index | None]:
        """Stored rows the draw reads, ascending, by tensor (None: all); parts of one fused tensor are counted once."""
        touched: dict[str, list[Index] | None] = {}
        for part, chosen in self.selections(draw).items():
            view = self.anatomy.parts[part]
            stored = storage_rows(self.store, view, chosen.rows, chosen.columns)
            earlier = touched.get(view.tensor, [])
            touched[view.tensor] = None if stored is None or earlier is None else [*earlier, stored]
        for view in self.anatomy.parts.values():
            if len(view.shape) == 1:
                touched.setdefault(view.tensor, None)
        return {name: None if found is None else _union(found) for name, found in touched.items()}

    def bytes_of(self, *draws: Draw) -> int:
        """Distinct bytes of tensor data that the draws read together."""
        together = [self.rows(draw) for draw in draws]
        total = 0
        for name in {name for rows in together for name in rows}:
            found = [rows[name] for rows in together if name in rows]
            total += self._bytes(name, found)
        return total

    def _bytes(self, name: str, rows: list[Index | None]) -> int:
        info = self.store.info(name)
        some = [chosen for chosen in rows if chosen is not None]
        if len(some) < len(rows):
            return info.nbytes
        return info.nbytes * len(_union(some)) // max(info.matrix_shape[0], 1)


def _union(rows: list[Index]) -> Index:
    """Distinct rows, ascending."""
    return np.sort(rows[0]) if len(rows) == 1 else np.unique(np.concatenate(rows))


def drawn(draw: Draw, part: Part, anatomy: Anatomy) -> bool:
    """Whether the draw holds anything of a part (experts not drawn are skipped)."""
    if part.expert is None or part.layer is None:
        return True
    return part.expert in draw.experts(part.layer, len(anatomy.experts(part.layer)))


def select(draw: Draw, part: Part, view: View, anatomy: Anatomy) -> Selection:
    """Logical rows and columns of a part that the draw reads.

    The axis that lies along stored rows is the one that saves bytes; residual coordinates are drawn where they lie
    along stored rows, and read whole where they do not.
    """
    out_size, in_size = view.shape
    if part.layer is None:
        return Selection(draw.token_rows(out_size), None) if part.role in _VOCABULARY else Selection(None, None)
    coordinates = draw.layers[part.layer].coordinates
    if part.role in _WRITES:
        written = None if view.transposed else draw.coordinates(out_size, coordinates)
        inputs = output_columns if part.role is Role.O else _neuron_columns
        return Selection(written, inputs(draw, part.layer, in_size, anatomy))
    along = draw.coordinates(in_size, coordinates) if view.transposed else None
    return Selection(_rows_read(draw, part, out_size, anatomy), along)


def _rows_read(draw: Draw, part: Part, width: int, anatomy: Anatomy) -> Index:
    """Rows of a part that reads the residual stream."""
    layer = part.layer or 0
    match part.role:
        case Role.UP | Role.GATE | Role.SHARED_UP | Role.SHARED_GATE:
            return draw.neurons(layer, width)
        case Role.V:
            return value_rows(draw, layer, width, anatomy)
        case Role.Q | Role.K:
            return draw.projection_rows(layer, part.role, width)
        case _:
            return np.arange(min(width, MOST_PROJECTION_ROWS), dtype=np.int64)


_WRITES = (Role.DOWN, Role.SHARED_DOWN, Role.O)
_VOCABULARY = (Role.EMBEDDING, Role.OUTPUT)


def value_rows(draw: Draw, layer: int, width: int, anatomy: Anatomy) -> Index:
    """Rows of V of the key/value heads drawn; all of them where the split into heads is not known."""
    size = anatomy.geometry.value_dim
    if not size or width % size:
        return np.arange(width, dtype=np.int64)
    return _blocks(draw.value_heads(layer, width // size), size)


def output_columns(draw: Draw, layer: int, width: int, anatomy: Anatomy) -> Index:
    """Columns of O fed by the key/value heads drawn, through every query head that shares them."""
    size, kv_heads = anatomy.geometry.value_dim, anatomy.geometry.kv_heads
    if not size or not kv_heads or width % (size * kv_heads):
        return np.arange(width, dtype=np.int64)
    return _blocks(draw.value_heads(layer, kv_heads), width // kv_heads)


def _neuron_columns(draw: Draw, layer: int, width: int, _anatomy: Anatomy) -> Index:
    return draw.neurons(layer, width)


def _blocks(heads: Index, size: int) -> Index:
    return (heads[:, None] * size + np.arange(size)[None, :]).ravel()


def _rows(view: View | None) -> int:
    return view.shape[0] if view is not None else 1


def _share(whole: int, scale: float, most: int) -> int:
    return min(most, max(1, ceil(whole * scale))) if whole else 0
