"""Which vector of a model is which norm or bias of a reference, once its matrices are placed.

A bias is known by its values in the order of its matrix's rows, each row at its nearest of the reference; a norm by
its gains in the model's coordinates, or by what its readers' columns lost or gained against the reference's.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    """How often the model has a layer of the reference: as often as the commonest of its matrices."""
    if layer is None:
        return 1
    counts = Counter(each.part for match in matches for each in match.segments if each.part.layer == layer)
    return max(counts.values(), default=0)


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
        mine = _column_energy(content.read(match.slot)[1])
        yours = np.mean([_column_energy(content.carried(each.part)) ** 2 for each in match.segments], axis=0)
        found[norm].append(np.sqrt(yours) / np.maximum(mine, _TINY))
    return {norm: np.mean(each, axis=0) for norm, each in found.items()}


def _column_energy(values: NDArray[np.float32]) -> Floats:
    return np.asarray(np.sqrt(np.mean(values.astype(np.float64) ** 2, axis=0)))


def _rows(content: Content, matches: Sequence[Match]) -> Iterator[_Target]:
    """Biases of matrices that read the stream, in the order of their rows."""
    store, anatomy = content.reference
    for match in matches:
        single: list[tuple[Segment, Index, Floats]] = []
        read, values = content.read(match.slot)
        vectors = scaled(values)
        for segment in match.segments:
            bias = _bias_of(segment.part)
            if bias is None or bias not in anatomy.parts or anatomy.parts[bias].shape[0] != len(segment.rows):
                continue
            inside = np.isin(read, segment.rows)
            cosines = vectors[inside] @ content.vectors_of(segment.part).T
            nearest = np.abs(cosines).argmax(axis=1)
            drawn = content.sample.vectors(content.count(segment.part))[nearest]
            signs = np.sign(cosines[np.arange(len(nearest)), nearest])
            single.append(
                (Segment(bias, segment.rows), read[inside], read_part(store, anatomy.parts[bias])[drawn] * signs)
            )
        if single and len(single) == len(match.segments):
            entries, expected = (
                np.concatenate(each) for each in zip(*((one[1], one[2]) for one in single), strict=True)
            )
            segments = tuple(one[0] for one in single)
            yield _Target(segments, match.slot.vectors, ((entries, expected),), match.slot.tensor)
        for segment, entries, expected in single if len(match.segments) > 1 else []:
            place = np.searchsorted(segment.rows, entries)
            size = len(segment.rows)
            yield _Target((_whole(segment.part, size),), size, ((place.astype(np.int64), expected),), match.slot.tensor)


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
    for number in range(max(len(target.guesses) for target in targets)):
        guesses = [target.guesses[min(number, len(target.guesses) - 1)] for target in targets]
        level = max(
            *(abs(_mean(each)) for each in values.values()), *(abs(_mean(expected)) for _, expected in guesses), _TINY
        )
        cost = fixed + np.array(
            [[_distance(values[name][at], expected, level) for at, expected in guesses] for name in names]
        )
        rows, columns = linear_sum_assignment(cost)
        dealt.append((float(cost[rows, columns].sum()), cost, dict(zip(rows.tolist(), columns.tolist(), strict=True))))
    # Gains as they are, or as their readers imply where a gain may lie in either: whichever explains more.
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


def _distance(values: Floats, expected: Floats, level: float) -> float:
    """How far a vector is from what is expected, by its course and by its mean; training moves the mean of gains.

    Returns:
        About 0 for the same vector, 1 where nothing is shared or one of them is constant, at most 2 apart from the
        difference of means in units of ``level``.
    """
    finite = np.isfinite(values) & np.isfinite(expected)
    if not finite.any():
        return 1.0
    first, second = values[finite], expected[finite]
    means = float(first.mean()), float(second.mean())
    first, second = first - means[0], second - means[1]
    energy = float((first**2).sum() + (second**2).sum())
    course = float(((first - second) ** 2).sum()) / energy if energy > _TINY * len(first) else 0.0
    return course + ((means[0] - means[1]) / level) ** 2


def _confidence(costs: Floats, chosen: int) -> float:
    """How much nearer the chosen target is than the next: 0 where another is as near."""
    rest = np.delete(costs, chosen)
    next_best = float(rest.min()) if rest.size else 1.0
    return max(0.0, 1.0 - float(costs[chosen]) / next_best) if next_best > 10 * _NAMED else 0.0
