"""Lays the reference over the model: its parts under the model's numbers, in the model's residual coordinates.

What need not be computed is only looked up elsewhere, so a sample stays a sample; a rotated stream is computed from
whole matrices. Norm gains do not commute with a rotation: matrices are then carried with the reference's gain folded
in and the model's divided out, and the norms themselves say nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial

import numpy as np

from forebear.alignment.frame import Frame
from forebear.alignment.overlay import Computed, Overlay, Side, whole
from forebear.alignment.residual import ResidualMap
from forebear.alignment.sampled import Place
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role, View
from forebear.checkpoint.store import Floats

READS = frozenset(
    {
        Role.GATE,
        Role.UP,
        Role.SHARED_GATE,
        Role.SHARED_UP,
        Role.ROUTER,
        Role.SHARED_ROUTER,
        Role.Q,
        Role.K,
        Role.V,
        Role.Q_A,
        Role.KV_A,
        Role.K_ROTARY,
        Role.EMBEDDING,
        Role.POSITION_EMBEDDING,
        Role.TYPE_EMBEDDING,
        Role.OUTPUT,
    }
)
"""Matrices whose columns are residual coordinates."""

WRITES = frozenset({Role.O, Role.DOWN, Role.SHARED_DOWN})
"""Matrices whose rows are residual coordinates."""

STREAM_BIASES = frozenset(
    {
        Role.O_BIAS,
        Role.DOWN_BIAS,
        Role.EMBEDDING_NORM_BIAS,
        Role.FINAL_NORM_BIAS,
        Role.ATTENTION_NORM_BIAS,
        Role.ATTENTION_POST_NORM_BIAS,
        Role.FFN_NORM_BIAS,
        Role.FFN_POST_NORM_BIAS,
    }
)
"""Vectors over residual coordinates that change sign with them."""

NORMS = {
    Role.EMBEDDING_NORM: Role.EMBEDDING_NORM_BIAS,
    Role.FINAL_NORM: Role.FINAL_NORM_BIAS,
    Role.ATTENTION_NORM: Role.ATTENTION_NORM_BIAS,
    Role.ATTENTION_POST_NORM: Role.ATTENTION_POST_NORM_BIAS,
    Role.FFN_NORM: Role.FFN_NORM_BIAS,
    Role.FFN_POST_NORM: Role.FFN_POST_NORM_BIAS,
}
"""Gains over residual coordinates, each with its bias."""

READ_BIASES = {
    Role.Q: Role.Q_BIAS,
    Role.K: Role.K_BIAS,
    Role.V: Role.V_BIAS,
    Role.UP: Role.UP_BIAS,
    Role.GATE: Role.GATE_BIAS,
}
_PER_FFN = frozenset({Role.GATE, Role.UP, Role.DOWN, Role.GATE_BIAS, Role.UP_BIAS, Role.DOWN_BIAS})
_PER_SHARED = {Role.SHARED_GATE: Role.GATE, Role.SHARED_UP: Role.UP, Role.SHARED_DOWN: Role.DOWN}
_OF_SHARED = {plain: shared for shared, plain in _PER_SHARED.items()}


def lay(model: Side, reference: Side, frame: Frame, layers: Collection[int] | None = None) -> tuple[Side, Side]:
    """Both sides, the reference presented with the model's numbering of layers, experts and residual coordinates.

    Args:
        model, reference: tensors and what they are.
        frame: what goes where.
        layers: model layers to present; all by default.

    Returns:
        The model, its vocabulary cut to shared tokens where these are not all, and the reference so presented. Parts
        that the reference has no source for are left out; FFNs keep the reference's width.
    """
    return _cut_vocabulary(model, frame, 0), _Laying(model, reference, frame).presented(layers)


def source_of(part: Part, frame: Frame, reference: Anatomy) -> Part | None:
    """The reference's part that a part of the model comes from; None where there is none."""
    if part.layer is None:
        # A reference that ties its output to its embedding still has one.
        found = part if part.role is not Role.OUTPUT or part in reference.parts else Part(Role.EMBEDDING)
        return found if found in reference.parts else None
    layer = frame.layers.source[part.layer]
    if layer is None:
        return None
    shared = part.role in _PER_SHARED
    if part.role in _PER_FFN or shared:
        place = frame.places.get(Place(part.layer, part.expert, shared))
        if place is None:
            return None
        role = _PER_SHARED.get(part.role, part.role)
        if place.shared:
            role = (
                next(key for key, value in _PER_SHARED.items() if value is role)
                if role in _PER_SHARED.values()
                else role
            )
        found = Part(role, place.layer, place.expert)
    else:
        found = Part(part.role, layer, part.expert)
    return found if found in reference.parts else None


def _cut_vocabulary(side: Side, frame: Frame, index: int) -> Side:
    """A side whose embedding and output hold the shared tokens only, in the model's order."""
    tokens = frame.tokens
    rows = (tokens.model, tokens.reference)[index]
    store, anatomy = side
    if tokens.sizes[index] == rows.size and np.array_equal(rows, np.arange(rows.size)):
        return side
    parts = dict(anatomy.parts)
    for role in (Role.EMBEDDING, Role.OUTPUT):
        view = parts.get(Part(role))
        if view is not None and view.shape[0] == tokens.sizes[index] and not view.transposed:
            parts[Part(role)] = rows_of(view, rows)
    return store, replace(
        anatomy, parts=parts, reads={part: norm for part, norm in anatomy.reads.items() if part in parts}
    )


def rows_of(view: View, rows: np.ndarray) -> View:
    """A view of some rows of another, in the order given."""
    starts = np.concatenate([np.arange(start, stop) for start, stop in view.spans])[rows]
    breaks = np.flatnonzero(np.diff(starts) != 1) + 1
    runs = np.split(starts, breaks)
    spans = tuple((int(run[0]), int(run[-1]) + 1) for run in runs if run.size)
    return replace(view, shape=(len(rows), *view.shape[1:]), spans=spans)


class _Laying:
    def __init__(self, model: Side, reference: Side, frame: Frame) -> None:
        self.model = model
        self.reference = _cut_vocabulary(reference, frame, 1)
        self.frame = frame

    def presented(self, layers: Collection[int] | None) -> Side:
        mine, yours = self.model[1], self.reference[1]
        parts: dict[Part, View] = {}
        computed: dict[str, Computed] = {}
        for part in mine.parts:
            source = source_of(part, self.frame, yours)
            if source is None or (layers is not None and part.layer is not None and part.layer not in layers):
                continue
            if _of_the_stream(self.reference, source) and not _of_the_stream(self.model, part):
                continue
            values = self._values(part, source)
            if values is None:
                parts[part] = yours.parts[source]
                continue
            name = f"{part} laid over the model"
            stored = self.reference[0].info(yours.parts[source].tensor)
            rotated = self.frame.residual.matrix is not None
            own = rotated and (part.role in NORMS or part.role in NORMS.values())
            computed[name] = Computed(self._shape(part, source), stored.dtype, values, rotated, own)
            parts[part] = computed[name].view(name)
        reads = {part: norm for part, norm in mine.reads.items() if part in parts and norm in parts}
        geometry = replace(yours.geometry, hidden=mine.geometry.hidden, layers=mine.geometry.layers)
        anatomy = replace(yours, geometry=geometry, parts=parts, reads=reads)
        store = Overlay(self.reference[0], computed) if computed else self.reference[0]
        return store, anatomy

    def _shape(self, part: Part, source: Part) -> tuple[int, ...]:
        shape = self.reference[1].parts[source].shape
        hidden = self.model[1].geometry.hidden
        if part.role in READS:
            return shape[0], hidden
        if part.role in WRITES:
            return hidden, shape[1]
        if part.role in STREAM_BIASES or part.role in NORMS:
            return (hidden,)
        return shape

    def _values(self, part: Part, source: Part) -> Callable[[], Floats] | None:
        """How the part is computed; None where the reference's own tensor serves as it is."""
        residual = self.frame.residual
        if not residual.fitted or not _of_the_stream(self.reference, source):
            return None
        if part.role in WRITES:
            return partial(self._written, source)
        if part.role in NORMS.values() and residual.matrix is not None:
            return partial(whole, self.model, self.model[1].parts[part])
        if part.role in STREAM_BIASES:
            return partial(self._stream_bias, source)
        return self._rotated(part, source) if residual.matrix is not None else self._moved(part, source)

    def _moved(self, part: Part, source: Part) -> Callable[[], Floats] | None:
        if part.role in READS:
            return partial(self._read, source)
        return partial(self._gain, source) if part.role in NORMS else None

    def _rotated(self, part: Part, source: Part) -> Callable[[], Floats] | None:
        if part.role in NORMS:
            return partial(whole, self.model, self.model[1].parts[part])
        if part.role in READS:
            return partial(self._unfolded, part, source)
        return partial(self._bias, part, source) if part.role in READ_BIASES.values() else None

    def _read(self, source: Part) -> Floats:
        return self.frame.residual.to_model(whole(self.reference, self.reference[1].parts[source]))

    def _written(self, source: Part) -> Floats:
        written = whole(self.reference, self.reference[1].parts[source])
        carried: Floats = np.ascontiguousarray(self.frame.residual.to_model(written.T).T)
        return carried

    def _stream_bias(self, source: Part) -> Floats:
        values = whole(self.reference, self.reference[1].parts[source])
        carried: Floats = self.frame.residual.to_model(values[None, :])[0]
        return carried

    def _gain(self, source: Part) -> Floats:
        """A gain under a signed permutation; coordinates the reference does not reach have gain one."""
        moved = np.abs(self._stream_bias(source))
        signs = _without_signs(self.frame.residual)
        gain = signs.to_model(whole(self.reference, self.reference[1].parts[source])[None, :])[0]
        return np.asarray(np.where(moved > 0.0, gain, 1.0), dtype=np.float32)

    def _unfolded(self, part: Part, source: Part) -> Floats:
        """Reference's gain folded in, stream rotated, the model's gain divided out."""
        values = whole(self.reference, self.reference[1].parts[source]) * self._own_gain(
            self.reference, source, part.role
        )
        gain = self._own_gain(self.model, part, part.role)
        carried = self.frame.residual.to_model(values)
        unfolded: Floats = np.divide(carried, gain, out=np.zeros_like(carried), where=gain != 0.0)
        return unfolded

    def _own_gain(self, side: Side, part: Part, read_as: Role) -> Floats:
        norm = side[1].norm_of(part) if read_as is not Role.OUTPUT else Part(Role.FINAL_NORM)
        view = None if norm is None else side[1].parts.get(norm)
        width = side[1].parts[part].shape[1]
        return whole(side, view) if view is not None and view.shape == (width,) else np.ones(width, np.float32)

    def _bias(self, part: Part, source: Part) -> Floats:
        """A reading bias with what the reference's norm bias adds put in and what the model's adds taken out."""
        matrix = next(role for role, bias in READ_BIASES.items() if bias is part.role)
        bias = whole(self.reference, self.reference[1].parts[source])
        mine, yours = Part(matrix, part.layer, part.expert), Part(matrix, source.layer, source.expert)
        added = self._through(self.reference, yours, whole(self.reference, self.reference[1].parts[yours]))
        removed = self._through(self.model, mine, self._unfolded(mine, yours))
        return bias + added - removed

    def _through(self, side: Side, part: Part, matrix: Floats) -> Floats:
        """What the bias of the norm a part reads through adds to what it computes."""
        norm = side[1].norm_of(part)
        bias = None if norm is None else side[1].parts.get(Part(NORMS[norm.role], norm.layer))
        return matrix @ whole(side, bias) if bias is not None else np.zeros(matrix.shape[0], np.float32)


def _of_the_stream(side: Side, part: Part) -> bool:
    """Whether a part has the residual stream's width where its role says (some read a compressed stream)."""
    shape, hidden = side[1].parts[part].shape, side[1].geometry.hidden
    axis = -1 if part.role in READS else 0
    touches = READS | WRITES | STREAM_BIASES | NORMS.keys()
    return part.role not in touches or shape[axis] == hidden


def _without_signs(found: ResidualMap) -> ResidualMap:
    return found if found.signs is None else replace(found, signs=np.ones_like(found.signs))
