"""Which vector of a model is which norm or bias of a reference, once its matrices are placed.

A bias is known by its values in the order of its matrix's rows, each row at its nearest of the reference; a norm by
its gains in the model's coordinates, or by what its readers' columns lost or gained against the reference's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from forebear.alignment.attribution import Match
from forebear.alignment.content import WRITERS, Content, Index, scaled
from forebear.alignment.segments import Segment, Segments
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.reading import read_part

Floats = NDArray[np.float64]
Place = Callable[[str, Part], bool]
"""Whether a vector may be a part, by the layer its name counts."""

_ATTENTION = frozenset((Role.Q, Role.K, Role.V, Role.O))
_TINY = 1e-12
_ELSEWHERE = 1e6
_NAMED = 1e-9


@dataclass(frozen=True)
class VectorMatch:
    """What a vector is taken for; ``confidence`` 0 to 1, 0 where values leave it open."""

    tensor: str
    segments: Segments
    confidence: float


@dataclass(frozen=True)
class _Target:
    """Parts a vector may be and the values expected (several guesses, each at the entries known)."""

    segments: Segments
    length: int
    guesses: tuple[tuple[Index, Floats], ...]
    slot: str | None = None


def attach(
    content: Content, matches: Sequence[Match], vectors: Mapping[str, int], allowed: Place, claims: Mapping[str, Part]
) -> list[VectorMatch]:
    """Finds what each vector is.

    Args:
        content: the reference's parts and how its coordinates map.
        matches: the matrices, placed.
        vectors: the model's vectors and their lengths.
        allowed: rules out places that contradict numbers in names; also asked of the matrix a bias goes with.
        claims: what names say, which decides among equal values only.

    Returns:
        One match a vector for which the reference has parts of its length.
    """
    hidden = content.residual.to_model(np.zeros((1, content.reference[1].geometry.hidden), np.float32)).shape[1]
    targets = [*_stream(content, matches, hidden), *_rows(content, matches), *_plain(content, matches)]
    by_length: dict[int, list[_Target]] = defaultdict(list)
    for target in targets:
        by_length[target.length].append(target)
    found: list[VectorMatch] = []
    for length in sorted(set(vectors.values()), reverse=True):
        names = [name for name, own in vectors.items() if own == length]
        # Biases of a fused matrix are one vector or several, not both.
        taken = {segment.part for match in found for segment in match.segments}
        left = [target for target in by_length[length] if target.segments[0].part not in taken or target.slot is None]
        if left:
            found += _assign(content, names, left, allowed, claims)
    return found


def _stream(content: Content, matches: Sequence[Match], hidden: int) -> Iterator[_Target]:
    """Norms and biases over the residual stream."""
    store, anatomy = content.reference
    implied = _implied_gains(content, matches)
    entries = np.arange(hidden, dtype=np.int64) if content.sample.mine is None else content.sample.mine
    for part, view in anatomy.parts.items():
        if view.shape != (anatomy.geometry.hidden,) or not _over_stream(part):
            continue
        values = read_part(store, view)
        if part.role.value.endswith("norm"):
            expected = _gain_in_model(content, values)
        else:
            expected = content.residual.to_model(values[None])[0].astype(np.float64)
        guesses = [(entries, expected[entries])]
        if part in implied:
            guesses.append((entries, implied[part]))
        for _ in range(_copies(matches, part.layer)):
            yield _Target((_whole(part, hidden),), hidden, tuple(guesses))


def _copies(matches: Sequence[Match], layer: int | None) -> int:
    """How often the model has a layer of the reference: as often as its attention, since FFNs may be experts."""
    if layer is None:
        return 1
    held = [each.part for match in matches for each in match.segments if each.part.layer == layer]
    counts = Counter(part for part in held if part.role in _ATTENTION)
    return max(counts.values(), default=int(bool(held)))


def _over_stream(part: Part) -> bool:
    """Norms apart from those of heads and compressed streams; biases of norms and of what writes the stream."""
    name = part.role.value
    if part.role in (Role.Q_NORM, Role.K_NORM, Role.Q_A_NORM, Role.KV_A_NORM):
        return False
    return name.endswith(("norm", "norm_bias")) or part.role in (Role.O_BIAS, Role.DOWN_BIAS)


def _whole(part: Part, length: int) -> Segment:
    return Segment(part, np.arange(length, dtype=np.int64))


def _gain_in_model(content: Content, gain: NDArray[np.float32]) -> Floats:
    """Gains at the model's coordinates; their mean everywhere under a rotation, for which they must be equal."""
    source = content.residual.source
    if source is None:
        size = content.residual.to_model(np.zeros((1, gain.size), np.float32)).shape[1]
        return np.full(size, float(gain.mean()))
    return np.where(source >= 0, gain[source], 1.0).astype(np.float64)


def _implied_gains(content: Content, matches: Sequence[Match]) -> dict[Part, Floats]:
    """Gains that would make up for the columns of the model's readers, by the reference's norm."""
    found: dict[Part, list[Floats]] = defaultdict(list)
    for match in matches:
        norm = content.reference[1].norm_of(match.segments[0].part)
        if norm is None or match.segments[0].part.role in WRITERS:
            continue
        mine = _column_energy(content.read(match.slot, widely=True)[1])
        yours = np.mean([_column_energy(content.carried(each.part)) ** 2 for each in match.segments], axis=0)
        found[norm].append(np.sqrt(yours) / np.maximum(mine, _TINY))
    return {norm: np.mean(each, axis=0) for norm, each in found.items()}


def _column_energy(values: NDArray[np.float32]) -> Floats:
    return np.asarray(np.sqrt(np.mean(values.astype(np.float64) ** 2, axis=0)))


def _rows(content: Content, matches: Sequence[Match]) -> Iterator[_Target]:
    """Biases of matrices that read the stream, in the order of their rows."""
    for match in matches:
        found = [_bias_rows(content, match, segment) for segment in match.segments]
        known = [each for each in found if each is not None]
        if known and len(known) == len(found):
            segments = tuple(segment for segment, _, _ in known)
            entries = np.concatenate([each for _, each, _ in known])
            guesses = [(entries, np.concatenate([one[2][number] for one in known])) for number in (0, 1)]
            yield _Target(segments, match.slot.vectors, tuple(guesses), match.slot.tensor)
        for segment, entries, expected in known if len(match.segments) > 1 else []:
            size = len(segment.rows)
            place = np.searchsorted(segment.rows, entries).astype(np.int64)
            apart = tuple((place, values) for values in expected)
            yield _Target((_whole(segment.part, size),), size, apart, match.slot.tensor)


def _bias_rows(content: Content, match: Match, segment: Segment) -> tuple[Segment, Index, tuple[Floats, Floats]] | None:
    """A matrix's bias at the rows read: of each row's nearest, and of what its rows are mixed of."""
    store, anatomy = content.reference
    bias = _bias_of(segment.part)
    if bias is None or bias not in anatomy.parts:
        return None
    read, values = content.read(match.slot)
    inside = np.isin(read, segment.rows)
    cosines = scaled(values)[inside] @ content.vectors_of(segment.part).T
    nearest = np.abs(cosines).argmax(axis=1)
    drawn = content.sample.vectors(content.count(segment.part))
    reference = read_part(store, anatomy.parts[bias])[drawn].astype(np.float64)
    alike = reference[nearest] * np.sign(cosines[np.arange(len(nearest)), nearest])
    mixed = _mixed(values[inside], content.carried(segment.part), reference)
    return Segment(bias, segment.rows), read[inside], (alike, alike if mixed is None else mixed)


def _mixed(mine: NDArray[np.float32], yours: NDArray[np.float32], bias: Floats) -> Floats | None:
    """The reference's bias taken through the mixture that turns its rows into the model's.

    Heads may be mixed inside by any invertible matrix. None where the rows are too many to tell the mixture.
    """
    if 2 * len(yours) > yours.shape[1] or not (np.isfinite(mine).all() and np.isfinite(yours).all()):
        return None
    energy = [np.maximum(_column_energy(side), _TINY) for side in (mine, yours)]
    mixture = np.linalg.lstsq((yours / energy[1]).T, (mine / energy[0]).T, rcond=None)[0].T
    return np.asarray(mixture @ bias * (energy[0].mean() / energy[1].mean()), dtype=np.float64)


def _bias_of(part: Part) -> Part | None:
    name = f"{part.role.value}_bias"
    role = next((each for each in Role if each.value == name), None)
    return None if role is None or part.role in WRITERS else Part(role, part.layer, part.expert)


def _plain(content: Content, matches: Sequence[Match]) -> Iterator[_Target]:
    """Norms of heads and of compressed streams, and the bias of the output: compared as they are."""
    store, anatomy = content.reference
    roles = (Role.Q_NORM, Role.K_NORM, Role.Q_A_NORM, Role.KV_A_NORM, Role.OUTPUT_BIAS)
    for part, view in anatomy.parts.items():
        if part.role in roles:
            values = read_part(store, view).astype(np.float64)
            for _ in range(_copies(matches, part.layer)):
                yield _Target((_whole(part, values.size),), values.size, ((np.arange(values.size), values),))


def _assign(
    content: Content, names: Sequence[str], targets: Sequence[_Target], allowed: Place, claims: Mapping[str, Part]
) -> list[VectorMatch]:
    """Vectors of one length dealt out to targets; those left over take their nearest."""
    values = {name: content.model.read(name).astype(np.float64).ravel() for name in names}
    fixed = np.array(
        [[_unlikely(name, target.segments[0].part, allowed, claims) for target in targets] for name in names]
    )
    dealt = []
    for choice in product((0, 1), repeat=2):
        # Norms as they are or as their readers imply; biases row by row or through a mixture of rows.
        guesses = [target.guesses[min(choice[target.slot is None], len(target.guesses) - 1)] for target in targets]
        level = max(_TINY, *(abs(_mean(expected)) for _, expected in guesses), *map(abs, map(_mean, values.values())))
        cost = fixed + np.array(
            [
                [
                    _distance(values[name][at], expected, level if target.slot is None else None)
                    for target, (at, expected) in zip(targets, guesses, strict=True)
                ]
                for name in names
            ]
        )
        rows, columns = linear_sum_assignment(cost)
        dealt.append((float(cost[rows, columns].sum()), cost, dict(zip(rows.tolist(), columns.tolist(), strict=True))))
    _, cost, chosen = min(dealt, key=lambda one: one[0])
    found = []
    for row, name in enumerate(names):
        column = chosen.get(row, int(cost[row].argmin()))
        if cost[row, column] < _ELSEWHERE:
            found.append(VectorMatch(name, targets[column].segments, _confidence(cost[row], column)))
    return found


def _unlikely(name: str, part: Part, allowed: Place, claims: Mapping[str, Part]) -> float:
    return (0.0 if allowed(name, part) else _ELSEWHERE) + (0.0 if claims.get(name) == part else _NAMED)


def _mean(values: Floats) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else 0.0


def _distance(values: Floats, expected: Floats, level: float | None) -> float:
    """How far a vector is from what is expected: about 0 for the same, 1 where nothing is shared, at most 2.

    Args:
        values, expected: of equal length.
        level: over the residual stream, where training moves the mean of gains, vectors are compared by their course,
            and the difference of means counts in units of this; None compares as they are.
    """
    finite = np.isfinite(values) & np.isfinite(expected)
    if not finite.any():
        return 1.0
    first, second = values[finite], expected[finite]
    apart = 0.0
    if level is not None:
        means = float(first.mean()), float(second.mean())
        first, second, apart = first - means[0], second - means[1], ((means[0] - means[1]) / level) ** 2
    energy = float((first**2).sum() + (second**2).sum())
    course = float(((first - second) ** 2).sum()) / energy if energy > _TINY * len(first) else 0.0
    return course + apart


def _confidence(costs: Floats, chosen: int) -> float:
    """How much nearer the chosen target is than the next: 0 where another is as near."""
    rest = np.delete(costs, chosen)
    next_best = float(rest.min()) if rest.size else 1.0
    return max(0.0, 1.0 - float(costs[chosen]) / next_best) if next_best > 10 * _NAMED else 0.0
