"""What can be moved at no cost, put back: the reference carried into the model's own order, scale and mixture.

Norm gains, heads and neurons of the reference are brought where the model has them, layer by layer, so that what
then still differs is what was done to the values. Stretches of the model that have no source (new neurons) and of
the reference that have no copy are left out on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.alignment.frame import Frame
from forebear.alignment.heads import Attention, HeadMap, pair_heads
from forebear.alignment.laying import NORMS, READS, STREAM_BIASES, WRITES, lay
from forebear.alignment.neuron_sources import RESCALED, NeuronSource, neuron_source
from forebear.alignment.overlay import Computed, Overlay, Side, computed_tensor, whole
from forebear.alignment.sampled import Ffn, Place, in_range
from forebear.anatomy.parts import Part, Role
from forebear.statistics.arrays import Floats, unit_rows

Step = dict[str, Any]

LEFT_BY_GAIN = 0.9
"""Share of the spread of what became of a norm's readers, column by column, that its own change must leave at most to
be read as moved into them. Long-trained children of the tuned-on families leave 0.99 and more, and 0.84 and less
where half an octave was moved."""

_PLAIN = (Role.GATE, Role.UP, Role.DOWN)
_SHARED = (Role.SHARED_GATE, Role.SHARED_UP, Role.SHARED_DOWN)
_BIASES = {Role.GATE: Role.GATE_BIAS, Role.UP: Role.UP_BIAS}


@dataclass(frozen=True)
class Undone:
    """Both sides after the reference was carried into the model's form.

    Attributes:
        model: the model, cut to what has a source.
        reference: the reference as the model would hold it.
        neurons: by FFN of the model; FFNs without a source are absent.
        heads: by layer, where heads were moved or mixed.
        norms: norms whose gain was moved into what reads them.
    """

    model: Side
    reference: Side
    neurons: dict[Place, NeuronSource]
    heads: dict[int, HeadMap]
    norms: tuple[Part, ...]


def undo(model: Side, reference: Side, frame: Frame) -> Undone:
    """Carry the reference into the model's form.

    A rotation, fitted on embeddings alone for the sake of the tests, is fitted once more on everything that was paired.

    Args:
        model, reference: tensors and what they are; every byte of them is read.
        frame: what goes where.
    """
    found = _undone(model, reference, frame)
    if frame.residual.matrix is None:
        return found
    turn = _remaining_turn(found)
    if turn is None:
        return found
    residual = replace(frame.residual, matrix=(frame.residual.matrix @ turn).astype(np.float32))
    return _undone(model, reference, replace(frame, residual=residual))


def _remaining_turn(found: Undone) -> NDArray[np.float64] | None:
    """Rotation that brings the rows of the reference, laid over the model, still closer to the model's."""
    work = _Work(found.model, found.reference)
    hidden = work.mine[1].geometry.hidden
    products = np.zeros((hidden, hidden))
    for part, view in work.mine[1].parts.items():
        matrix = len(view.shape) == 2 and part.role in READS | WRITES
        computed = computed_tensor(work.yours[0], work.yours[1].parts[part].tensor) if work.has(part) else None
        if not matrix or computed is None or computed.fitted:
            continue
        mine, yours = (
            work.values(index, part).T if part.role in WRITES else work.values(index, part) * work.gain(0, part)
            for index in (0, 1)
        )
        if mine.shape == yours.shape and mine.shape[1] == hidden and in_range(mine, yours):
            products += unit_rows(yours).T.astype(np.float64) @ unit_rows(mine)
    if not products.any():
        return None
    left, _, right = np.linalg.svd(products)
    turn: NDArray[np.float64] = left @ right
    return turn


def _undone(model: Side, reference: Side, frame: Frame) -> Undone:
    work = _Work(*_cut_stream(*lay(model, reference, frame), frame))
    norms = tuple(_norms(work)) if frame.residual.matrix is None else ()
    heads = dict(_heads(work))
    neurons = dict(_neurons(work, frame))
    _route(work, frame)
    model_side, reference_side = work.sides()
    return Undone(model_side, reference_side, neurons, heads, norms)


class _Work:
    """Both sides while parts of them are replaced."""

    def __init__(self, mine: Side, yours: Side) -> None:
        self.mine = mine
        self.yours = yours
        self.replaced: tuple[dict[Part, Computed], dict[Part, Computed]] = ({}, {})
        self.dropped: set[Part] = set()

    def has(self, *parts: Part) -> bool:
        return all(part in self.mine[1].parts and part in self.yours[1].parts for part in parts)

    def values(self, index: int, part: Part) -> Floats:
        """Present values of a part: 0 the model's, 1 the reference's."""
        found = self.replaced[index].get(part)
        side = (self.mine, self.yours)[index]
        return found.values() if found is not None else whole(side, side[1].parts[part])

    def gain(self, index: int, part: Part) -> Floats:
        """Gain of the norm a part reads through; ones where there is none."""
        norm = self.mine[1].norm_of(part)
        width = self.mine[1].parts[part].shape[1]
        if norm is None or not self.has(norm) or self.mine[1].parts[norm].shape != (width,):
            return np.ones(width, np.float32)
        return self.values(index, norm)

    def replace(
        self,
        index: int,
        part: Part,
        values: Floats,
        *,
        rounded: bool = False,
        own: bool = False,
        fitted: bool = False,
    ) -> None:
        store, anatomy = (self.mine, self.yours)[index]
        tensor = anatomy.parts[part].tensor
        before = self.replaced[index].get(part) or computed_tensor(store, tensor)
        rounded = rounded or (before is not None and before.rounded)
        held = np.asarray(values, dtype=np.float32)
        self.replaced[index][part] = Computed(
            held.shape, store.info(tensor).dtype, partial(_itself, held), rounded, own, fitted
        )

    def sides(self) -> tuple[Side, Side]:
        mine, yours = (
            _replaced(side, found, self.dropped)
            for side, found in zip((self.mine, self.yours), self.replaced, strict=True)
        )
        return mine, yours


def _replaced(side: Side, found: dict[Part, Computed], dropped: set[Part]) -> Side:
    store, anatomy = side
    parts = {part: view for part, view in anatomy.parts.items() if part not in dropped}
    computed = {}
    for part, one in found.items():
        name = f"{part} put back"
        computed[name] = one
        parts[part] = one.view(name)
    reads = {part: norm for part, norm in anatomy.reads.items() if part in parts and norm in parts}
    return Overlay(store, computed), replace(anatomy, parts=parts, reads=reads)


def _cut_stream(mine: Side, yours: Side, frame: Frame) -> tuple[Side, Side]:
    """Leaves out residual coordinates of the model that the reference has not."""
    kept = frame.residual.kept
    size = mine[1].geometry.hidden
    if kept.size == size:
        return mine, yours
    work = _Work(mine, yours)
    for part, view in work.mine[1].parts.items():
        if not work.has(part):
            continue
        axis = len(view.shape) - 1 if part.role in READS else 0
        if view.shape[axis] == size and part.role in (READS | WRITES | STREAM_BIASES | NORMS.keys()):
            for index in (0, 1):
                work.replace(index, part, np.take(work.values(index, part), kept, axis=axis))
    cut, laid = work.sides()
    return (_narrowed(cut, kept.size), _narrowed(laid, kept.size))


def _narrowed(side: Side, hidden: int) -> Side:
    store, anatomy = side
    return store, replace(anatomy, geometry=replace(anatomy.geometry, hidden=hidden))


def _norms(work: _Work) -> Iterator[Part]:
    """Moves gains: where columns of the readers shrank by what the gain grew, the reference's are changed alike."""
    readers: dict[Part, list[Part]] = {}
    for part, norm in work.mine[1].reads.items():
        if work.has(part, norm):
            readers.setdefault(norm, []).append(part)
    for norm, parts in readers.items():
        gains = work.values(0, norm), work.values(1, norm)
        if any(work.mine[1].parts[part].shape[1:] != gains[0].shape for part in parts):
            continue
        if np.any(gains[0] == 0.0) or np.any(gains[1] == 0.0) or not in_range(*gains):
            continue
        if not _moved_into(work, parts, gains):
            continue
        factor = gains[1] / gains[0]
        for part in parts:
            work.replace(1, part, work.values(1, part) * factor, rounded=True)
        work.replace(1, norm, gains[0], own=True)
        bias = Part(NORMS[norm.role], norm.layer) if norm.role in NORMS else None
        if bias is not None and work.has(bias):
            work.replace(1, bias, work.values(1, bias) / factor, rounded=True)
        yield norm


def _moved_into(work: _Work, parts: list[Part], gains: tuple[Floats, Floats]) -> bool:
    """Whether the gain's change explains that of the columns that read it."""
    readers = [[work.values(index, part) for part in parts] for index in (0, 1)]
    if not in_range(*readers[0], *readers[1]):
        return False
    columns = [sum(np.square(values).sum(axis=0) for values in side) for side in readers]
    if any(np.any(energy == 0.0) for energy in columns):
        return False
    gain = np.log2(np.abs(gains[1] / gains[0]))
    column = np.log2(columns[0] / columns[1]) / 2.0
    return float(np.std(gain)) > RESCALED and float(np.std(column - gain)) < LEFT_BY_GAIN * float(np.std(column))


def _heads(work: _Work) -> Iterator[tuple[int, HeadMap]]:
    geometry = work.mine[1].geometry
    # Learned or absolute positions leave queries and keys free to mix; a norm on them ties them down.
    rotary = Part(Role.POSITION_EMBEDDING) not in work.mine[1].parts
    for layer in range(geometry.layers):
        found = [_attention(work, index, layer) for index in (0, 1)]
        if found[0] is None or found[1] is None:
            continue
        pairing = pair_heads(found[0], found[1], rotary=rotary)
        if pairing is None:
            continue
        if work.has(Part(Role.Q_NORM, layer)) or work.has(Part(Role.K_NORM, layer)):
            pairing = replace(pairing, queries=None)
        alike = found[0].query.shape[0] == found[1].query.shape[0]
        if alike and pairing.in_place and pairing.values is None and pairing.queries is None:
            continue
        _move_heads(work, layer, pairing, found[1])
        yield layer, pairing


def _attention(work: _Work, index: int, layer: int) -> Attention | None:
    parts = [Part(role, layer) for role in (Role.Q, Role.K, Role.V, Role.O)]
    geometry = (work.mine, work.yours)[index][1].geometry
    if not work.has(*parts) or not (geometry.heads and geometry.kv_heads and geometry.head_dim and geometry.value_dim):
        return None
    arrays = []
    for part, bias in zip(parts[:3], (Role.Q_BIAS, Role.K_BIAS, Role.V_BIAS), strict=True):
        values: Floats = work.values(index, part) * work.gain(index, part)
        if work.has(Part(bias, layer)):
            values = np.concatenate([values, work.values(index, Part(bias, layer))[:, None]], axis=1)
        arrays.append(values)
    output: Floats = work.values(index, parts[3]).T
    sizes = (geometry.head_dim, geometry.head_dim, geometry.value_dim, geometry.value_dim)
    counts = (geometry.heads, geometry.kv_heads, geometry.kv_heads, geometry.heads)
    split = []
    for values, count, size in zip((*arrays, output), counts, sizes, strict=True):
        if values.shape[0] != count * size or not in_range(values):
            return None
        split.append(values.reshape(count, size, -1))
    return Attention(*split)


def _move_heads(work: _Work, layer: int, pairing: HeadMap, theirs: Attention) -> None:
    group = theirs.group
    sizes = {Role.Q: theirs.query, Role.K: theirs.key, Role.V: theirs.value, Role.O: theirs.output}
    by_head = np.repeat(np.arange(pairing.groups.size), group)
    plans = {
        Role.Q: (pairing.heads, None if pairing.queries is None else pairing.queries[by_head]),
        Role.K: (pairing.groups, None if pairing.queries is None else _dual(pairing.queries)),
        Role.V: (pairing.groups, pairing.values),
        Role.O: (pairing.heads, None if pairing.values is None else _dual(pairing.values)[by_head]),
    }
    biases = {Role.Q: Role.Q_BIAS, Role.K: Role.K_BIAS, Role.V: Role.V_BIAS}
    for role, (order, matrices) in plans.items():
        size = sizes[role].shape[1]
        part = Part(role, layer)
        values = work.values(1, part)
        rows = _reordered(values.T if role is Role.O else values, order, matrices, size)
        moved = rows.T if role is Role.O else rows
        work.replace(1, part, moved, rounded=not _exact(matrices), fitted=not _exact(matrices))
        bias = Part(biases[role], layer) if role in biases else None
        if bias is not None and work.has(bias):
            shifted = _reordered(work.values(1, bias)[:, None], order, matrices, size)[:, 0]
            work.replace(1, bias, shifted, rounded=not _exact(matrices))


def _exact(matrices: Floats | None) -> bool:
    """Whether a mixture moves and doubles values without rounding any."""
    if matrices is None:
        return True
    factors = np.abs(matrices[matrices != 0.0])
    one_each = bool(np.all(np.count_nonzero(matrices, axis=-1) == 1))
    return one_each and bool(np.all(np.log2(factors) == np.round(np.log2(factors))))


def _dual(matrices: Floats) -> Floats:
    return np.stack([np.linalg.pinv(matrix).T for matrix in matrices])


def _reordered(rows: Floats, order: np.ndarray, matrices: Floats | None, size: int) -> Floats:
    heads = rows.reshape(-1, size, rows.shape[1])[order]
    mixed = heads if matrices is None else matrices @ heads
    return np.asarray(mixed.reshape(-1, rows.shape[1]), dtype=np.float32)


def _neurons(work: _Work, frame: Frame) -> Iterator[tuple[Place, NeuronSource]]:
    sources = list(frame.places.values())
    for place, source in frame.places.items():
        roles = _SHARED if place.shared else _PLAIN
        parts = [Part(role, place.layer, place.expert) for role in roles]
        parts = [part for part in parts if part in work.mine[1].parts]
        # The way up, the way down, and the gate where the model has one.
        if not work.has(*parts) or parts[-2:] != [Part(role, place.layer, place.expert) for role in roles[1:]]:
            continue
        ffns = _ffn(work, 0, parts), _ffn(work, 1, parts)
        if ffns[0] is None or ffns[1] is None:
            if work.mine[1].parts[parts[0]].shape != work.yours[1].parts[parts[0]].shape:
                work.dropped |= set(parts)
            continue
        found = neuron_source(ffns[0], ffns[1], copied=sources.count(source) > 1)
        if found is not None:
            _move_neurons(work, parts, found)
            yield place, found
        elif ffns[0].width != ffns[1].width:
            work.dropped |= set(parts)


def _ffn(work: _Work, index: int, parts: list[Part]) -> Ffn | None:
    """An FFN whole, gains folded; None where values cannot be squared and summed."""
    gated = len(parts) == 3
    up, down = parts[-2], parts[-1]
    reading = _single(work.values(index, up) * work.gain(index, up))
    writing = _single(work.values(index, down).T)
    gate = _single(work.values(index, parts[0]) * work.gain(index, parts[0])) if gated else None
    if not in_range(reading, writing, *([gate] if gate is not None else [])):
        return None
    every = np.arange(reading.shape[0], dtype=np.int64)
    read, written = (np.arange(values.shape[1], dtype=np.int64) for values in (reading, writing))
    return Ffn(gate, reading, writing, every, every.size, read, written)


def _single(values: Floats) -> NDArray[np.float32]:
    return np.asarray(values, dtype=np.float32)


def _route(work: _Work, frame: Frame) -> None:
    """Rows of routers follow their experts; a router of other experts than the model's is left out."""
    for layer in range(work.mine[1].geometry.layers):
        experts = work.mine[1].experts(layer)
        sources = [frame.places.get(Place(layer, expert)) for expert in experts]
        order = [place.expert for place in sources if place is not None and place.expert is not None]
        for role in (Role.ROUTER, Role.ROUTER_BIAS):
            part = Part(role, layer)
            if not work.has(part):
                continue
            values = work.values(1, part)
            if not order or len(order) != len(experts) or len(values) <= max(order, default=-1):
                work.dropped.add(part)
            elif order != list(range(len(values))):
                work.replace(1, part, values[np.asarray(order)])


def _move_neurons(work: _Work, parts: list[Part], found: NeuronSource) -> None:
    if found.whole and not found.moved and np.all(found.factor == 1.0):
        return
    plain = np.ones_like(found.factor)
    for part in parts:
        written = part.role in (Role.DOWN, Role.SHARED_DOWN)
        factor = found.factor if part.role in (Role.UP, Role.SHARED_UP) else plain
        factor = found.split / found.factor if written else factor
        bias = Part(_BIASES[part.role], part.layer, part.expert) if part.role in _BIASES else None
        for index, chosen, scale in ((0, found.model, plain), (1, found.reference, factor)):
            values = work.values(index, part)
            taken = values[:, chosen] * scale if written else values[chosen] * scale[:, None]
            work.replace(index, part, taken)
            if bias is not None and work.has(bias):
                work.replace(index, bias, work.values(index, bias)[chosen] * scale)


def _itself(values: Floats) -> Floats:
    return values
