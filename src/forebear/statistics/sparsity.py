"""How sparsified changes were merged: the density each change was cut to, and the weights they were added with.

Two ways of cutting a change (model minus base) are in use. *Trimming* keeps the entries of largest magnitude and,
where several changes meet, those of the sign that wins the sum (TIES: Yadav et al. 2023). *Dropping* keeps entries at
random and divides them by the share kept (DARE: Yu et al. 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

_ROUNDS = 20
_LEAST = 1e-12
_LEAST_DENSITY = 1e-3
_LOST = 0.005
_CLEAR = 0.1
"""Rounding at most this share of the smallest change, for an entry to show which changes it kept."""


@dataclass(frozen=True)
class Entries:
    """Entries of one tensor's changes, or a sample of them.

    Attributes:
        merged: ``(n,)`` model minus base.
        changes: ``(k, n)`` each parent minus base.
        ranks: ``(k, n)`` share of the tensor's entries whose change is larger in magnitude, 0-1.
        blur: ``(n,)`` largest error of ``merged`` by storage rounding.
    """

    merged: Numbers
    changes: Numbers
    ranks: Numbers
    blur: Numbers

    @property
    def survived(self) -> Flags:
        """Entries in which the model differs from the base beyond rounding."""
        return np.abs(self.merged) > self.blur

    @staticmethod
    def joined(parts: Sequence[Entries]) -> Entries:
        """Entries of several tensors in one."""
        return Entries(
            np.concatenate([part.merged for part in parts]),
            np.concatenate([part.changes for part in parts], axis=1),
            np.concatenate([part.ranks for part in parts], axis=1),
            np.concatenate([part.blur for part in parts]),
        )


@dataclass(frozen=True)
class Sparse:
    """One way in which sparsified changes may have been merged.

    Attributes:
        densities: ``(k,)`` share of each change that was kept.
        weights: ``(k,)``.
        residual: share of the square norm of model minus base that is left unexplained.
        normalised: kept entries were averaged (weights then say how, adding up to one) instead of added.
        scale: factor of the average; 1 where entries were added.
        misplaced: share of entries whose survival the densities predict wrongly.
    """

    densities: Numbers
    weights: Numbers
    residual: float
    normalised: bool = False
    scale: float = 1.0
    misplaced: float = 0.0


def entries_of(
    model: Numbers, base: Numbers, parents: Sequence[Numbers], ulp: Numbers, *, rng: np.random.Generator, most: int
) -> Entries:
    """Up to ``most`` entries of one tensor, drawn at random; ranks come from the whole tensor.

    Args:
        model, base: values of one tensor.
        parents: the same tensor of each parent.
        ulp: step of the model's storage type at each value.
        rng: source of the draw.
        most: entries kept.
    """
    size = model.size
    drawn = np.sort(rng.choice(size, most, replace=False)) if size > most else np.arange(size)
    start = base.ravel().astype(np.float64)
    changes = np.stack([parent.ravel().astype(np.float64) - start for parent in parents])
    ranks = np.stack([_rank(np.abs(change))[drawn] for change in changes])
    merged = model.ravel()[drawn].astype(np.float64) - start[drawn]
    return Entries(merged, changes[:, drawn], ranks, ulp.ravel()[drawn].astype(np.float64) / 2.0)


def trimmed(entries: Entries) -> Sparse:
    """Densities, weights and fit as if changes were trimmed by magnitude and signs elected."""
    densities = _densities(entries.ranks, entries.survived)
    kept = entries.ranks < densities[:, None]
    misplaced = float(np.mean(kept.any(axis=0) != entries.survived))
    usable = kept.any(axis=0) == entries.survived
    merged, changes = entries.merged[usable], np.where(kept, entries.changes, 0.0)[:, usable]
    fits = [_elected(merged, changes, normalised) for normalised in (True, False)]
    weights, scale, left, normalised = min(fits, key=lambda found: found[2])
    return Sparse(densities, weights, left, normalised, scale, misplaced)


def dropped(entries: Entries, weights: Numbers) -> Sparse:
    """Densities, weights and fit as if entries were dropped at random and the rest rescaled.

    Args:
        entries: of all tensors.
        weights: ``(k,)`` least-squares weights of the changes, which dropping leaves unbiased.

    Returns:
        The fit, over entries in which every change is well above rounding, so that each entry shows which of the
        changes it kept.
    """
    clear = entries.blur < _CLEAR * np.abs(weights[:, None] * entries.changes).min(axis=0)
    merged, changes = entries.merged[clear], entries.changes[:, clear]
    count = changes.shape[0]
    if merged.size == 0:
        return Sparse(np.ones(count), weights, 1.0)
    gone = float(np.mean(~entries.survived[clear]))
    factors = weights / max(1.0 - gone ** (1.0 / count), _LEAST_DENSITY)
    supports = np.array(list(product((0.0, 1.0), repeat=count)))
    kept, left = np.ones_like(changes), merged
    for _ in range(_ROUNDS):
        guesses = (supports * factors) @ changes
        kept = supports[np.argmin(np.abs(guesses - merged), axis=0)].T
        updated = np.asarray(np.linalg.lstsq((kept * changes).T, merged, rcond=None)[0], dtype=np.float64)
        left = merged - updated @ (kept * changes)
        if np.allclose(updated, factors, rtol=1e-6):
            break
        factors = updated
    densities = kept.mean(axis=1)
    return Sparse(densities, factors * densities, _share(left, merged))


def _rank(magnitudes: Numbers) -> Numbers:
    """Share of entries that are larger, for each entry; one where nothing changed, since nothing can be kept there."""
    ranks = np.empty(magnitudes.size)
    ranks[np.argsort(-magnitudes, kind="stable")] = np.arange(magnitudes.size)
    return np.where(magnitudes > 0.0, ranks / magnitudes.size, 1.0)


def _densities(ranks: Numbers, survived: Flags) -> Numbers:
    """Densities whose union predicts best which entries survived, each in turn given the others."""
    if survived.all():
        return np.ones(ranks.shape[0])
    # An entry that did not survive was outside every density; a few are kept ones that rounding lost.
    densities: Numbers = np.quantile(ranks[:, ~survived], _LOST, axis=1)
    for _ in range(_ROUNDS):
        before = densities.copy()
        for index in range(ranks.shape[0]):
            others = np.delete(ranks < densities[:, None], index, axis=0).any(axis=0)
            densities[index] = _threshold(ranks[index][~others], survived[~others])
        if np.array_equal(before, densities):
            break
    return densities


def _threshold(ranks: Numbers, survived: Flags) -> float:
    """Rank below which entries survive, with the fewest exceptions."""
    if ranks.size == 0:
        return 0.0
    order = np.argsort(ranks)
    gain = np.concatenate([[0], np.cumsum(np.where(survived[order], 1, -1))])
    best = int(np.argmax(gain))
    bounds = np.concatenate([[0.0], ranks[order], [1.0]])
    return float(bounds[best] + bounds[best + 1]) / 2.0 if 0 < best < ranks.size else float(bounds[best])


def _elected(merged: Numbers, changes: Numbers, normalised: bool) -> tuple[Numbers, float, float, bool]:
    """Weights, scale and residual share. Weights come from entries whose changes agree in sign, whoever is elected."""
    agreed = np.abs(np.sign(changes).sum(axis=0)) == (changes != 0.0).sum(axis=0)
    fitted = _averaged if normalised else _added
    weights, scale = fitted(merged[agreed], changes[:, agreed])
    elected = np.where(weights @ changes >= 0.0, 1.0, -1.0)
    agreeing = np.where(np.sign(weights[:, None] * changes) == elected, changes, 0.0)
    shares = weights @ (agreeing != 0.0) if normalised else np.ones_like(merged)
    predicted = scale * (weights @ agreeing) / np.where(np.abs(shares) > _LEAST, shares, 1.0)
    return weights, scale, _share(merged - predicted, merged), normalised


def _added(merged: Numbers, agreeing: Numbers) -> tuple[Numbers, float]:
    weights = np.linalg.lstsq(agreeing.T, merged, rcond=None)[0]
    return np.asarray(weights, dtype=np.float64), 1.0


def _averaged(merged: Numbers, agreeing: Numbers) -> tuple[Numbers, float]:
    """Weights (adding up to one) and scale of a weighted mean over the changes that agree in sign."""
    present = agreeing != 0.0
    alone = present.sum(axis=0) == 1
    single = agreeing[:, alone].sum(axis=0)
    energy = float(single @ single)
    scale = float(single @ merged[alone]) / energy if energy > 0.0 else 1.0
    # In a mean with weights w of changes d, the weighted sum of (scale * d - mean) over those present is zero.
    moments = np.where(present, scale * agreeing - merged, 0.0)[:, ~alone]
    weights = np.abs(np.linalg.eigh(moments @ moments.T)[1][:, 0])
    weights = weights / weights.sum()
    # Rounding biases that start; with the mean's own divisor known, least squares are not biased.
    together, means = agreeing[:, ~alone], merged[~alone] / scale if scale else merged[~alone]
    for _ in range(_ROUNDS if together.size else 0):
        divisors = weights @ (together != 0.0)
        weights = np.abs(np.linalg.lstsq(together.T, means * divisors, rcond=None)[0])
        weights = weights / max(float(weights.sum()), _LEAST)
    return weights, scale


def _share(left: Numbers, whole: Numbers) -> float:
    energy = float(whole @ whole)
    return float(left @ left) / energy if energy > 0.0 else 0.0
