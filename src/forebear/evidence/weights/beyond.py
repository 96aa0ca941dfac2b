"""What a model and a reference share beyond declared common bases, part by part.

The base fixes every label, so no test here has an exact null: what is measured is judged against siblings, which
descend from one base and not from each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import sqrt

import numpy as np

from forebear.alignment.sampled import in_range
from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.mixtures import Mixture
from forebear.statistics.arrays import Floats, unit_rows
from forebear.statistics.deltas import Change, Geometry, change_of, geometry_of
from forebear.statistics.labels import Block
from forebear.statistics.mixture import edge_ratio
from forebear.statistics.rounding import rounding_energy

RELATED_Z = 5.0
"""z of label agreement with the base above which a part descends from it or shares its start."""

MOSTLY = 0.5
"""Share of parts in which a base must show for it to explain a side."""

AT_ROUNDING = 4.0
"""Difference from the base, in multiples of what rounding leaves, that still counts as unchanged."""

NOISE_EDGE, NOISE_KURTOSIS, NOISE_SPREAD = 1.1, 0.3, 0.02
NOISE_ERRORS, NOISE_LEVEL = 3.0, 0.01
"""The coefficient of a change under added noise is one, within so many standard errors and this much."""

LEAST_COPIED = 1024
"""Values that a part must hold for its equality to mean that it was copied."""

_MOST_ROWS = 256
_OUTSIDE = (Role.EMBEDDING, Role.OUTPUT)


@dataclass(frozen=True)
class BeyondPart:
    """One matrix.

    Attributes:
        part: which.
        base: which of the bases explains both sides best here.
        related: whether model and reference agree with that base in their labels.
        changed: whether model and reference differ from it by more than rounding.
        equal: model and reference hold equal values, other than the base's.
        change: the two changes; None where a side has none.
        sigma, relative: deviation of model minus reference, and that over the deviation of the reference.
        edge, kurtosis: of model minus reference: top singular value over the edge of noise, and excess kurtosis.
        size: number of values.
    """

    part: Part
    base: int
    related: tuple[bool, bool]
    changed: tuple[bool, bool]
    equal: bool
    change: Change | None
    sigma: float
    relative: float
    edge: float
    kurtosis: float
    size: int


@dataclass(frozen=True)
class Beyond:
    """What lies beyond the bases.

    Attributes:
        parts: every matrix that model, reference and a base hold.
        geometry: of the changes; None where no matrix inside a layer changed on both sides.
    """

    parts: tuple[BeyondPart, ...]
    geometry: Geometry | None

    @property
    def related(self) -> tuple[float, float]:
        """Share of parts in which the base shows, in model and in reference."""
        return _shares([one.related for one in self.parts])

    @property
    def changed(self) -> tuple[float, float]:
        """Share of parts that differ from the base, in model and in reference."""
        return _shares([one.changed for one in self.parts])

    @property
    def lost(self) -> float:
        """Share of parts that the would-be parent changed and that hold the base's own values in the other side.

        Training does not give them back, so that where there are any the would-be parent is none.
        """
        if self.geometry is None:
            return 0.0
        given_back = (self.geometry.order == 1, self.geometry.order == 0)
        return sum(one.changed == given_back for one in self.parts) / len(self.parts)

    @property
    def copied(self) -> tuple[Part, ...]:
        """Parts that are equal though neither is the base's."""
        return tuple(one.part for one in self.parts if one.equal and one.size >= LEAST_COPIED)

    @property
    def bases(self) -> dict[int, float]:
        """Share of parts that each base explains best."""
        counts = Counter(one.base for one in self.parts)
        return {base: count / len(self.parts) for base, count in sorted(counts.items())}

    @cached_property
    def noise(self) -> tuple[float, int] | None:
        """Sigma of the noise by which the sides differ, and the side that is its base: 0 reference, 1 model.

        None unless the difference is white, of one scalar, and the base's whole change lies in the other's.
        """
        differing = [one for one in self.parts if one.sigma > 0.0 and one.change is not None]
        if not differing or not _white(differing):
            return None
        for side in (0, 1):
            level, error = self._level(differing, side)
            if abs(level - 1.0) <= NOISE_ERRORS * error + NOISE_LEVEL and error <= 0.1:
                return float(np.median([one.sigma for one in differing])), side
        return None

    @property
    def unsure(self) -> float:
        """Standard error of the less sure of the two coefficients, if all that lies between the sides were noise."""
        differing = [one for one in self.parts if one.change is not None]
        return max(self._level(differing, side)[1] for side in (0, 1)) if differing else 0.0

    def _level(self, parts: Sequence[BeyondPart], side: int) -> tuple[float, float]:
        """Coefficient of a side's change in the other's over all parts, with its standard error under white noise."""
        changes = [(one.change, one.sigma) for one in parts if one.change is not None]
        lengths = [(change.reference, change.model)[side] for change, _ in changes]
        whole = sum(lengths)
        error = sqrt(sum(sigma**2 * length for (_, sigma), length in zip(changes, lengths, strict=True))) / whole
        return sum(change.product for change, _ in changes) / whole, error

    def by_layer(self, layers: int) -> tuple[list[float | None], list[float | None]]:
        """Median coefficient of the reference's change in the model's, and of the model's in the reference's."""
        found: list[tuple[float, float] | None] = []
        for layer in range(layers):
            inside = [one.change.coefficients for one in self.parts if one.part.layer == layer and one.change]
            middle = np.median(inside, axis=0) if inside else None
            found.append(None if middle is None else (float(middle[0]), float(middle[1])))
        return [one and one[0] for one in found], [one and one[1] for one in found]


def measure_beyond(mixtures: Iterable[Mixture], rng: np.random.Generator) -> Beyond | None:
    """Measure what model and reference share beyond the bases.

    Args:
        mixtures: parts of the model; the first "parent" is the reference, the others are the bases.
        rng: source of the bootstrap.

    Returns:
        None where no matrix is held by model, reference and a base. Towers that no base explains show as parts that
        are not ``related``.
    """
    parts = tuple(found for mixture in mixtures if (found := _part(mixture)) is not None)
    if not parts:
        return None
    changed = [(one.part, one.change) for one in parts if one.change is not None and all(one.changed)]
    inside = [change for part, change in changed if part.role not in _OUTSIDE]
    outside = [change for part, change in changed if part.role in _OUTSIDE]
    return Beyond(parts, geometry_of(inside, outside, rng) if inside else None)


def _part(mixture: Mixture) -> BeyondPart | None:
    reference = mixture.parents[0]
    if mixture.model.ndim != 2 or reference is None:
        return None
    found = _best_base(mixture.model, reference, mixture.parents[1:])
    if found is None:
        return None
    index, base = found
    sides = (mixture.model, reference)
    changed = tuple(_changed(side, base, mixture.storage) for side in sides)
    related = tuple(_related(side, base) for side in sides)
    difference = mixture.model.astype(np.float64) - reference
    sigma, deviation = float(difference.std()), float(reference.std())
    return BeyondPart(
        mixture.part,
        index,
        (related[0], related[1]),
        (changed[0], changed[1]),
        all(changed) and np.array_equal(mixture.model, reference),
        change_of(mixture.model, reference, base) if all(changed) else None,
        sigma,
        sigma / deviation if deviation > 0.0 else 0.0,
        edge_ratio(difference[:_MOST_ROWS]),
        float(np.mean(((difference - difference.mean()) / sigma) ** 4)) - 3.0 if sigma > 0.0 else 0.0,
        mixture.model.size,
    )


def _best_base(model: Floats, reference: Floats, bases: Sequence[Floats | None]) -> tuple[int, Floats] | None:
    """The base nearer to whichever side it explains less."""
    usable = [
        (index, base)
        for index, base in enumerate(bases)
        if base is not None and base.min() != base.max() and in_range(model, base)
    ]
    if not usable or not in_range(reference):
        return None
    return min(usable, key=lambda found: max(_distance(model, found[1]), _distance(reference, found[1])))


def _distance(values: Floats, base: Floats) -> float:
    return float(np.square(values.astype(np.float64) - base).sum())


def _changed(values: Floats, base: Floats, storage: str) -> bool:
    return _distance(values, base) > AT_ROUNDING * rounding_energy(base, storage)


def _related(values: Floats, base: Floats) -> bool:
    if np.array_equal(values, base):
        return True
    z = Block.of(unit_rows(values[:_MOST_ROWS]), unit_rows(base[:_MOST_ROWS])).z
    return z is not None and z > RELATED_Z


def _white(parts: Sequence[BeyondPart]) -> bool:
    """Whether the differences look like noise of one scalar, absolute or relative to each tensor."""
    spread = min(_spread([one.sigma for one in parts]), _spread([one.relative for one in parts]))
    edge = float(np.median([one.edge for one in parts]))
    kurtosis = float(np.median([abs(one.kurtosis) for one in parts]))
    return spread <= NOISE_SPREAD and edge <= NOISE_EDGE and kurtosis <= NOISE_KURTOSIS


def _spread(values: Sequence[float]) -> float:
    """Median absolute deviation, as a standard deviation, over the median."""
    middle = float(np.median(values))
    return 1.4826 * float(np.median(np.abs(np.asarray(values) - middle))) / middle if middle > 0.0 else float("inf")


def _shares(flags: Sequence[tuple[bool, bool]]) -> tuple[float, float]:
    mine, yours = np.mean(flags, axis=0)
    return float(mine), float(yours)
