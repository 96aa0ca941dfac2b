"""What tensors are by their content: vectors over the residual stream, held against those of a reference's parts.

Every matrix that touches the residual stream is a set of vectors over it, one a neuron or head dimension. How well the
vectors of one set find a near one in another (largest absolute cosine) does not change when neurons are relabelled or
flipped, when layers move, or when names do, and hardly when neurons are rescaled; columns are first scaled to equal
energy, so that norm gains may lie in the norm or in the matrix. Choosing by this score therefore leaves exact the
tests of labels and signs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from forebear.alignment.overlay import Side
from forebear.alignment.residual import ResidualMap, fit_residual
from forebear.anatomy.parts import Part, Role, View
from forebear.anatomy.reading import read_part
from forebear.checkpoint.store import TensorStore
from forebear.statistics.arrays import unit_rows

Floats = NDArray[np.float32]
Index = NDArray[np.int64]

WRITERS = frozenset((Role.O, Role.DOWN, Role.SHARED_DOWN))
TABLES = frozenset((Role.EMBEDDING, Role.OUTPUT))
MOST_TOKENS = 4096
MOST_PRODUCTS = 1e11
"""Products of two numbers that scoring may take: about ten seconds on one core."""

_FEWEST_COORDINATES = 48
_FEWEST_VECTORS = 24
_FEWEST_SCALED = 8
_CHUNK = 512
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Slot:
    """A matrix of the model whose role is in question.

    Attributes:
        tensor: its name.
        vectors: how many vectors over the residual stream it holds.
        turned: these lie along stored columns.
        index: entry of the leading axis where matrices are stacked; None otherwise.
    """

    tensor: str
    vectors: int
    turned: bool
    index: int | None = None


@dataclass(frozen=True)
class Scores:
    """Likeness of one slot to every part of the reference.

    Attributes:
        rows: which of its vectors were read.
        nearest: ``(rows, parts)`` largest absolute cosine of each vector with any of each part's.
    """

    rows: Index
    nearest: Floats


@dataclass(frozen=True)
class Sample:
    """What is read: all, or vectors of readers and coordinates of writers under a budget.

    Attributes:
        share: of the vectors of each matrix.
        mine: model coordinates compared; None for all.
        yours: the reference's coordinates that these are; None for all.
        held: most vectors of one of the model's matrices that are held against all of the reference's; None for all.
    """

    share: float = 1.0
    mine: Index | None = None
    yours: Index | None = None
    held: int | None = None

    def vectors(self, count: int, most: int | None = None) -> Index:
        """Vectors read of a matrix that has so many: of two draws the smaller is part of the larger."""
        wanted = min(count, max(_FEWEST_VECTORS, round(count * self.share)), count if most is None else most)
        return np.sort(np.random.default_rng(count).permutation(count)[:wanted]).astype(np.int64)


def slots_of(store: TensorStore, hidden: int, skip: Iterable[str] = ()) -> list[Slot]:
    """Every matrix, in every orientation in which it touches a residual stream of this width."""
    found = []
    left_out = set(skip)
    for name in store.names():
        shape = store.info(name).shape
        if len(shape) not in (2, 3) or 0 in shape or name in left_out:
            continue
        for index in range(shape[0]) if len(shape) == 3 else (None,):
            if shape[-1] == hidden:
                found.append(Slot(name, shape[-2], False, index))
            if shape[-2] == hidden:
                found.append(Slot(name, shape[-1], True, index))
    return found


def comparable(reference: Side) -> list[Part]:
    """Parts of the reference that are sets of vectors over its residual stream, embeddings apart."""
    anatomy = reference[1]
    hidden = anatomy.geometry.hidden
    return [
        part
        for part, view in anatomy.parts.items()
        if len(view.shape) == 2 and part.role not in TABLES and view.shape[0 if part.role in WRITERS else 1] == hidden
    ]


class Content:
    """The reference's parts as vectors over the model's residual stream.

    Args:
        model: tensors of the model.
        reference: tensors of the reference and what they are.
        residual: reference coordinates in the model's.
        budget: bytes to read of each side.
        parts: the parts in question; None for all that are comparable.
    """

    def __init__(
        self,
        model: TensorStore,
        reference: Side,
        residual: ResidualMap,
        *,
        budget: int,
        parts: Sequence[Part] | None = None,
    ) -> None:
        self.model = model
        self.reference = reference
        self.residual = residual
        self.parts = comparable(reference) if parts is None else list(parts)
        self.sample = _sample(reference, self.parts, residual, budget)
        if self.sample.mine is None and self.sample.share < 1.0:
            # Under a rotation the coordinates of a writer cannot be read apart, and all of them are too many.
            self.parts = [part for part in self.parts if part.role not in WRITERS]
        self._kept: dict[Part, Floats] = {}
        self.sizes = [self.vectors_of(part).shape[0] for part in self.parts]
        self.sample = replace(self.sample, held=_most_held(len(self.parts), sum(self.sizes), self._coordinates()))
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(np.int64)
        self._all = np.concatenate([self.vectors_of(part) for part in self.parts]) if self.parts else None

    def _coordinates(self) -> int:
        return self.vectors_of(self.parts[0]).shape[1] if self.parts else 1

    def count(self, part: Part) -> int:
        """Vectors a part has, read or not."""
        shape = self.reference[1].parts[part].shape
        return shape[1] if part.role in WRITERS else shape[0]

    def vectors_of(self, part: Part) -> Floats:
        """Unit vectors of a part in the model's coordinates."""
        if part not in self._kept:
            self._kept[part] = scaled(self.carried(part))
        return self._kept[part]

    def carried(self, part: Part) -> Floats:
        """Vectors of a part in the model's coordinates, norm gain folded."""
        store, anatomy = self.reference
        view = anatomy.parts[part]
        drawn = self.sample.vectors(self.count(part))
        if part.role in WRITERS:
            values = read_part(store, view, self.sample.yours, drawn).T
            if self.sample.yours is None:
                return self.residual.to_model(values)
        else:
            values = read_part(store, view, drawn)
            norm = anatomy.norm_of(part)
            if norm is not None:
                values = values * read_part(store, anatomy.parts[norm])
            if self.sample.yours is None:
                return self.residual.to_model(values)
            values = values[:, self.sample.yours]
        assert self.residual.signs is not None and self.sample.mine is not None
        return np.asarray(values * self.residual.signs[self.sample.mine], dtype=np.float32)

    def read(self, slot: Slot, *, widely: bool = False) -> tuple[Index, Floats]:
        """Vectors of a slot that are held against the reference's, or all that the budget allows; as stored."""
        rows = self.sample.vectors(slot.vectors, None if widely else self.sample.held)
        values = read_slot(self.model, slot, rows, self.sample.mine)
        return rows, values

    def score(self, slot: Slot) -> Scores:
        """Likeness of a slot to every part."""
        rows, values = self.read(slot)
        vectors = scaled(values)
        nearest = np.zeros((len(rows), len(self.parts)), dtype=np.float32)
        if self._all is None:
            return Scores(rows, nearest)
        for start in range(0, len(rows), _CHUNK):
            cosines = np.abs(vectors[start : start + _CHUNK] @ self._all.T)
            nearest[start : start + _CHUNK] = np.maximum.reduceat(cosines, self._starts, axis=1)
        return Scores(rows, nearest)


def read_slot(store: TensorStore, slot: Slot, rows: Index, coordinates: Index | None = None) -> Floats:
    """Some vectors of a slot.

    Args:
        store: tensors of the model.
        slot: the matrix.
        rows: which vectors.
        coordinates: which of their coordinates; None for all.

    Returns:
        ``(rows, coordinates)``.
    """
    shape = store.info(slot.tensor).shape[-2:]
    before = 0 if slot.index is None else slot.index * shape[0]
    if not slot.turned:
        values = store.read(slot.tensor, rows + before)
        return values if coordinates is None else values[:, coordinates]
    wanted = np.arange(shape[0], dtype=np.int64) if coordinates is None else coordinates
    return np.ascontiguousarray(store.read(slot.tensor, wanted + before)[:, rows].T)


def scaled(values: Floats) -> Floats:
    """Unit vectors after columns were scaled to equal energy; what is not finite counts as zero.

    Args:
        values: ``(n, coordinates)``; of fewer than 8 vectors columns are left as they are.
    """
    finite = np.where(np.isfinite(values), values, np.float32(0.0)).astype(np.float64)
    if len(values) < _FEWEST_SCALED:
        return unit_rows(finite).astype(np.float32)
    energy = np.sqrt(np.mean(finite**2, axis=0, keepdims=True))
    return unit_rows(finite / np.where(energy > _TINY, energy, 1.0)).astype(np.float32)


def _most_held(matrices: int, vectors: int, coordinates: int) -> int:
    """Vectors of each of so many matrices that can be held against all of the reference's in ``MOST_PRODUCTS``."""
    return max(_FEWEST_VECTORS, int(MOST_PRODUCTS / max(matrices * vectors * coordinates, 1)))


def _sample(reference: Side, parts: Iterable[Part], residual: ResidualMap, budget: int) -> Sample:
    """All of every matrix where the budget allows it; else equal shares of readers and of writers."""
    store, anatomy = reference
    bytes_of: dict[bool, int] = {True: 0, False: 0}
    for part in parts:
        view = anatomy.parts[part]
        info = store.info(view.tensor)
        bytes_of[part.role in WRITERS] += prod(view.shape) * info.nbytes // max(info.size, 1)
    if sum(bytes_of.values()) <= budget:
        return Sample()
    share = min(1.0, budget / 2 / max(bytes_of[False], 1))
    if residual.source is None:
        return Sample(share)
    reached = np.flatnonzero(residual.source >= 0)
    wanted = round(len(reached) * min(1.0, budget / 2 / max(bytes_of[True], 1)))
    count = min(len(reached), max(_FEWEST_COORDINATES, wanted))
    mine = np.sort(np.random.default_rng(len(reached)).permutation(reached)[:count]).astype(np.int64)
    return Sample(share, mine, residual.source[mine])


CLEARLY = 1.5
"""Factor by which a pairing of embedding and output must fit better than the one that names claim."""

_Pairing = tuple[str, bool, Part]
"""A tensor, whether tokens lie along its columns, and the reference's part."""


@dataclass(frozen=True)
class TablesFound:
    """The model's embedding and output, and the residual map they give.

    Attributes:
        residual: reference coordinates in the model's.
        places: the reference's part to the model's tensor and whether tokens lie along its columns.
        fits: by part.
    """

    residual: ResidualMap
    places: Mapping[Part, tuple[str, bool]]
    fits: Mapping[Part, float]


def find_tables(
    model: TensorStore,
    hidden: int,
    reference: Side,
    tokens: tuple[Index, Index] | None = None,
    claimed: Mapping[Part, View] | None = None,
) -> TablesFound | None:
    """Finds embedding and output by fitting the residual map on every pairing and keeping the best.

    Args:
        model: tensors of the model.
        hidden: width of its residual stream.
        reference: tensors of the reference and what they are.
        tokens: rows of the same tokens in the model's and the reference's vocabulary; None pairs equal numbers.
        claimed: what names say; a pairing that they claim is kept unless another fits clearly better, since embedding
            and output that were both replaced fit alike badly.

    Returns:
        None where either side has no embedding.
    """
    wanted = [part for part in (Part(Role.EMBEDDING), Part(Role.OUTPUT)) if part in reference[1].parts]
    fits: dict[_Pairing, ResidualMap] = {}
    likeness: dict[_Pairing, float] = {}
    named = {(view.tensor, part) for part, view in (claimed or {}).items()}
    likely = {name for name, part in named if part in wanted}
    sizes = {reference[1].parts[part].shape[0] for part in wanted}
    for name, turned, rows in _tall(model, hidden, likely, sizes):
        for part in wanted:
            mine, yours = _tokens_of(model, Slot(name, rows, turned), reference, part, tokens)
            if np.isfinite(mine).all() and np.isfinite(yours).all():
                found = fit_residual(mine, yours)
                fits[name, turned, part] = found
                likeness[name, turned, part] = _likeness(mine, found.to_model(yours))
    if not fits:
        return None
    chosen = _chosen({key: _fit(found) for key, found in fits.items()}, named)
    if Part(Role.OUTPUT) not in wanted:
        _untie(fits, likeness, chosen)
    best = max(chosen.values(), key=lambda key: _fit(fits[key]))
    places = {part: (name, turned) for part, (name, turned, _) in chosen.items()}
    return TablesFound(fits[best], places, {part: _fit(fits[key]) for part, key in chosen.items()})


def _chosen(fits: Mapping[_Pairing, float], named: Collection[tuple[str, Part]]) -> dict[Part, _Pairing]:
    """The pairings that fit best, each tensor and part once.

    What names claim to be another part is not taken merely because nothing better is there.
    """
    best = max(fits.values())
    elsewhere = {name for name, part in named if part.role not in TABLES}
    favour = {key: CLEARLY if (key[0], key[2]) in named else 1.0 for key in fits}
    chosen: dict[Part, _Pairing] = {}
    for key in sorted(fits, key=lambda key: -fits[key] * favour[key]):
        name, _, part = key
        poor = name in elsewhere and best > 0.0 and fits[key] < best / 2.0
        if not poor and part not in chosen and name not in {other for other, _, _ in chosen.values()}:
            chosen[part] = key
    return chosen


def _untie(
    fits: Mapping[_Pairing, ResidualMap], likeness: Mapping[_Pairing, float], chosen: dict[Part, _Pairing]
) -> None:
    """A second matrix like the embedding of a tied reference is an output that was parted from it.

    The fit does not see the final norm's gains, which such an output took up; the embedding itself is the liker one.
    """
    first = chosen[Part(Role.EMBEDDING)]
    others = [key for key in fits if key[0] != first[0] and 2 * _fit(fits[key]) > _fit(fits[first])]
    if others:
        second = max(others, key=lambda key: _fit(fits[key]))
        ordered = sorted((first, second), key=lambda key: -likeness[key])
        chosen[Part(Role.EMBEDDING)], chosen[Part(Role.OUTPUT)] = ordered


def _tokens_of(
    model: TensorStore, slot: Slot, reference: Side, part: Part, tokens: tuple[Index, Index] | None
) -> tuple[Floats, Floats]:
    """Rows of the same tokens, the reference's with the gain they are read through."""
    store, anatomy = reference
    first, second = _paired(slot.vectors, anatomy.parts[part].shape[0], tokens)
    yours = read_part(store, anatomy.parts[part], second)
    norm = anatomy.norm_of(part)
    if norm is not None:
        yours = yours * read_part(store, anatomy.parts[norm])
    return read_slot(model, slot, first), yours


def _likeness(mine: Floats, yours: Floats) -> float:
    mine, yours = mine.astype(np.float64), yours.astype(np.float64)
    lengths = float(np.linalg.norm(mine) * np.linalg.norm(yours))
    return float((mine * yours).sum()) / lengths if lengths > 0.0 else 0.0


def _fit(found: ResidualMap) -> float:
    return 0.0 if found.fit is None else found.fit


def _tall(
    store: TensorStore, hidden: int, likely: Collection[str] = (), sizes: Collection[int] = ()
) -> list[tuple[str, bool, int]]:
    """The tallest matrices over the residual stream, three at most: those half as tall as the tallest.

    Beside them those that names claim, and two as tall as the reference's vocabulary.
    """
    found = [
        (slot.tensor, slot.turned, slot.vectors)
        for slot in slots_of(store, hidden)
        if slot.index is None and slot.vectors > hidden
    ]
    tallest = max((rows for _, _, rows in found), default=0)
    near = [item for item in found if 2 * item[2] > tallest]
    alike = [item for item in found if item[2] in sizes][:2]
    chosen = sorted(near, key=lambda item: (-item[2], item[0]))[:3]
    return list(dict.fromkeys([*chosen, *alike, *(item for item in found if item[0] in likely)]))


def _paired(mine: int, yours: int, tokens: tuple[Index, Index] | None) -> tuple[Index, Index]:
    if tokens is None:
        both = np.arange(min(mine, yours), dtype=np.int64)
        first, second = both, both
    else:
        kept = (tokens[0] < mine) & (tokens[1] < yours)
        first, second = tokens[0][kept], tokens[1][kept]
    some = np.linspace(0, len(first) - 1, min(len(first), MOST_TOKENS)).astype(np.int64)
    return first[some], second[some]
