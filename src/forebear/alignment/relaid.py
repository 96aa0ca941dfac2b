"""A model's tensors in a reference's layout: its names, fusions and orientations, values untouched to the bit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forebear.alignment.renaming import Renaming
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, View
from forebear.checkpoint.store import TensorStore
from forebear.errors import UsageError

Bytes = NDArray[np.uint8]
_NUMBER = re.compile(r"(?<![0-9])[0-9]+(?![0-9A-Za-z])")


@dataclass(frozen=True)
class Piece:
    """A part of the model, and where the reference holds it in the tensor to be written."""

    source: View
    target: View


@dataclass(frozen=True)
class Relaid:
    """A tensor to be written.

    Attributes:
        name: in the reference's way.
        pieces: what it is made of.
        dtype: storage type, the model's own.
        shape: stored shape.
    """

    name: str
    pieces: tuple[Piece, ...]
    dtype: str
    shape: tuple[int, ...]

    def data(self, store: TensorStore) -> bytes:
        """Its bytes in C order."""
        stacks: dict[int | None, list[Piece]] = defaultdict(list)
        for piece in self.pieces:
            stacks[piece.target.index].append(piece)
        numbers: list[int | None] = [None] if None in stacks else list(range(len(stacks)))
        entries = [_entry(store, stacks[number]) for number in numbers]
        return entries[0].tobytes() if numbers == [None] else np.stack(entries).tobytes()


def relay(store: TensorStore, renaming: Renaming, reference: Anatomy) -> tuple[list[Relaid], tuple[str, ...]]:
    """Plans the model in the reference's layout.

    Args:
        store: tensors of the model.
        renaming: what they are.
        reference: whose layout.

    Returns:
        Tensors to write, in the order of the reference's parts, and tensors of the model that have no place there.
        Layers come in the reference's order where each occurs once; else in the model's, numbered through.

    Raises:
        UsageError: a tensor of the reference is fused of parts of which the model lacks some, stores some in another
            type, or has others than fit; or its name gives no place for a layer's number.
    """
    order = _order(renaming.layer_order, reference.geometry.layers)
    grouped: dict[str, list[tuple[Part, Piece]]] = defaultdict(list)
    for own, part in renaming.parts.items():
        target = reference.parts.get(part)
        if target is not None:
            place = None if own.layer is None else order[own.layer]
            name = _renumbered(target.tensor, part.layer, place)
            grouped[name].append((part, Piece(renaming.anatomy.parts[own], target)))
    wanted: dict[str, set[Part]] = defaultdict(set)
    for part, view in reference.parts.items():
        wanted[view.tensor].add(part)
    ranked = {part: number for number, part in enumerate(reference.parts)}
    planned = []
    for name, items in sorted(grouped.items(), key=lambda item: (min(ranked[part] for part, _ in item[1]), item[0])):
        lacking = wanted[items[0][1].target.tensor] - {part for part, _ in items}
        if lacking:
            raise UsageError(f"the model lacks {min(map(str, lacking))}, which the reference holds here", where=name)
        planned.append(_plan(store, name, [piece for _, piece in items]))
    used = {piece.source.tensor for each in planned for piece in each.pieces}
    return planned, tuple(name for name in sorted(store.names()) if name not in used)


def _order(source: Sequence[int | None], depth: int) -> dict[int, int]:
    """Number to write for each layer of the model."""
    if sorted(layer for layer in source if layer is not None) == list(range(depth)) and len(source) == depth:
        return {own: layer for own, layer in enumerate(source) if layer is not None}
    return {own: own for own in range(len(source))}


def _renumbered(name: str, layer: int | None, place: int | None) -> str:
    if layer is None or place is None or layer == place:
        return name
    for found in _NUMBER.finditer(name):
        if int(found[0]) == layer:
            return f"{name[: found.start()]}{place}{name[found.end() :]}"
    raise UsageError(f"has no number of layer {layer} that could become {place}", where=name)


def _plan(store: TensorStore, name: str, pieces: list[Piece]) -> Relaid:
    types = {store.info(piece.source.tensor).dtype for piece in pieces}
    if len(types) > 1:
        raise UsageError(f"would hold parts stored as {' and '.join(sorted(types))}", where=name)
    if any(piece.source.offset != piece.target.offset for piece in pieces):
        raise UsageError("gains are stored with another offset than the reference's", where=name)
    fitted = _fitted(name, pieces)
    first = fitted[0].target
    stacked = {piece.target.index for piece in fitted if piece.target.index is not None}
    rows = sum(piece.target.shape[0] for piece in fitted if piece.target.index == first.index)
    shape: tuple[int, ...] = (rows, *first.shape[1:])
    shape = shape[::-1] if first.transposed else shape
    return Relaid(name, tuple(fitted), types.pop(), (len(stacked), *shape) if stacked else shape)


def _fitted(name: str, pieces: list[Piece]) -> list[Piece]:
    """Pieces in places as wide as they are; where widths changed, one after the other in the reference's order."""
    if all(piece.source.shape == piece.target.shape for piece in pieces):
        return pieces
    if any(len(piece.target.spans) > 1 for piece in pieces):
        raise UsageError("alternates parts whose widths are not the reference's", where=name)
    ends: dict[int | None, int] = defaultdict(int)
    fitted = []
    for piece in sorted(pieces, key=lambda piece: piece.target.spans[0]):
        start = ends[piece.target.index]
        ends[piece.target.index] = stop = start + piece.source.shape[0]
        target = replace(piece.target, shape=piece.source.shape, spans=((start, stop),))
        fitted.append(Piece(piece.source, target))
    return fitted


def _entry(store: TensorStore, pieces: Sequence[Piece]) -> Bytes:
    """One stored matrix or vector, its values as bytes along the last axis."""
    first = pieces[0].target
    parts = [_raw(store, piece.source) for piece in pieces]
    rows = sum(len(part) for part in parts)
    out = np.empty((rows, *parts[0].shape[1:]), dtype=np.uint8)
    for piece, part in zip(pieces, parts, strict=True):
        out[_rows(piece.target)] = part
    return np.ascontiguousarray(out.swapaxes(0, 1) if first.transposed else out)


def _rows(view: View) -> NDArray[np.int64]:
    return np.concatenate([np.arange(start, stop, dtype=np.int64) for start, stop in view.spans])


def _raw(store: TensorStore, view: View) -> Bytes:
    """A part's stored values in logical orientation, each as its bytes."""
    info = store.info(view.tensor)
    item = info.nbytes // max(info.size, 1)
    if len(view.shape) == 1:
        return store.read_bytes(view.tensor, _rows(view)).reshape(len(_rows(view)), item)
    height, width = info.shape[-2:]
    start = 0 if view.index is None else view.index * height
    wanted = np.arange(height, dtype=np.int64) if view.transposed else _rows(view)
    values = store.read_bytes(view.tensor, wanted + start).reshape(len(wanted), width, item)
    return values.swapaxes(0, 1)[_rows(view)] if view.transposed else values


def changed_sizes(renaming: Renaming, reference: Anatomy) -> Mapping[str, int]:
    """Sizes in which the model differs from the reference, by the quantity a family's table claims."""
    mine, yours = renaming.anatomy.geometry, reference.geometry
    names = ("layers", "vocabulary", "heads", "kv_heads", "neurons", "experts", "hidden")
    found = {name: (getattr(mine, name), getattr(yours, name)) for name in names}
    return {name: own for name, (own, other) in found.items() if own is not None and own != other}
