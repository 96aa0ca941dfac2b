"""Merges of sparsified changes: TIES and DARE, by what survived of each parent's change over the base."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from forebear.evidence.weights.mixtures import Mixture, fused
from forebear.statistics.mixture import Numbers
from forebear.statistics.rounding import steps
from forebear.statistics.sparsity import Entries, Sparse, dropped, entries_of, trimmed

UNTOUCHED = 0.02
"""Least share of clearly changed entries in which the model holds the base's own value."""

CLEAR = 16.0
"""Steps of the storage type that a parent's change must span for its absence in the model to mean something."""

MISPLACED = 0.02
"""Largest share of entries whose survival magnitudes predict wrongly, for changes to count as trimmed."""

TOLERATED = 0.05
"""Largest share of the change that a sparse merge may leave; what rounding hides of small entries comes to 0.01."""

UNUSED = 1e-3
"""Weight times density at or below which a candidate does not contribute."""

GROUPS = 5
ENTRIES = 8_000


@dataclass(frozen=True)
class Found:
    """A sparse merge.

    Attributes:
        method: which.
        used: candidates that contribute.
        weights, errors: of these, with standard errors.
        densities, density_errors: share of each one's change that was kept.
        scale: factor on averaged changes.
        residual: share of the energy of model minus base that is left.
    """

    method: Literal["ties", "dare"]
    used: tuple[int, ...]
    weights: list[float]
    errors: list[float]
    densities: list[float]
    density_errors: list[float]
    scale: float
    residual: float


def best_sparse(
    mixtures: Sequence[Mixture], used: Sequence[int], weights: Numbers, rng: np.random.Generator
) -> Found | None:
    """The sparse merge that explains the model, if the base's values survive in it and one does.

    Args:
        mixtures: each with a base.
        used: candidates that contribute.
        weights: their least-squares weights.
        rng: source of the entries sampled.
    """
    parts = [_entries(one, used, rng) for one in mixtures]
    entries = Entries.joined(parts)
    clear = np.abs(entries.changes).max(axis=0) > CLEAR * 2.0 * entries.blur
    if not clear.any() or float(np.mean(~entries.survived[clear])) < UNTOUCHED:
        return None
    for stored in (parts, [_entries(one, used, rng) for one in fused(mixtures)]):
        cut = trimmed(Entries.joined(stored))
        if cut.misplaced <= MISPLACED and cut.residual <= TOLERATED:
            return _found("ties", used, cut, [trimmed(group) for group in _groups(stored)])
    lost = dropped(entries, weights)
    if lost.residual <= TOLERATED:
        return _found("dare", used, lost, [dropped(group, weights) for group in _groups(parts)])
    return None


def _groups(parts: Sequence[Entries]) -> list[Entries]:
    return [Entries.joined(parts[first::GROUPS]) for first in range(min(GROUPS, len(parts)))]


def _entries(mixture: Mixture, used: Sequence[int], rng: np.random.Generator) -> Entries:
    base = np.asarray(mixture.base, dtype=np.float64)
    model = np.asarray(mixture.model, dtype=np.float64)
    parents = [np.asarray(mixture.parents[index], dtype=np.float64) for index in used]
    return entries_of(model, base, parents, steps(base, mixture.storage), rng=rng, most=ENTRIES)


def _found(method: Literal["ties", "dare"], used: Sequence[int], whole: Sparse, groups: Sequence[Sparse]) -> Found:
    """The candidates that contribute, with errors from the spread over groups of tensors."""
    chosen = np.abs(whole.weights * whole.densities) > UNUSED
    weights = np.stack([group.weights for group in groups])[:, chosen]
    densities = np.stack([group.densities for group in groups])[:, chosen]
    return Found(
        method,
        tuple(np.asarray(used)[chosen].tolist()),
        whole.weights[chosen].tolist(),
        _errors(weights),
        whole.densities[chosen].tolist(),
        _errors(densities),
        whole.scale,
        whole.residual,
    )


def _errors(by_group: Numbers) -> list[float]:
    count = by_group.shape[0]
    errors: list[float] = (by_group.std(axis=0) / np.sqrt(max(count - 1, 1))).tolist()
    return errors
