"""How one model agrees with another, beside how it agrees with models that could stand in the other's place.

One principle throughout: item by item, given how many of the other model and its stand-ins err, and which answers they
gave, which of them gave which is arbitrary. Nothing about the first model is assumed, and nothing about difficulty is
estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from forebear.evidence.behaviour.panel import Panel, Wrong
from forebear.statistics.arrays import Floats
from forebear.statistics.poisson_binomial import log10_upper_tail
from forebear.statistics.shared_errors import ErrorCounts, SharedErrors, shared_errors
from forebear.statistics.tails import capped


@dataclass(frozen=True, slots=True)
class Agreed:
    """Equal answers beside their null.

    Attributes:
        among: items looked at.
        same: how many have equal answers.
        expected: their mean under the null.
        log10_p: of at least as many.
    """

    among: int
    same: int
    expected: float
    log10_p: float


@dataclass(frozen=True)
class Bench:
    """One model, and those of which each could stand in another's place beside it.

    Attributes:
        panel: of all models.
        fixed: number of the model that all others are held against.
        pool: numbers of the others: the one in question first, then its stand-ins.
    """

    panel: Panel
    fixed: int
    pool: tuple[int, ...]

    def shared(self) -> SharedErrors:
        """Shared errors of the fixed model and the one in question, by difficulty.

        Strata are items of one given stratum on which equally many of the pool err.

        Null: given the item, errors of the pool are independent of the fixed model's, and follow Rasch's law (the odds
        of an error are a product of the item's difficulty and the model's weakness) or are exchangeable over the pool.
        Under that law, given how many of the pool err, which of them do no longer depends on the item.
        Source: G. Rasch, Probabilistic models for some intelligence and attainment tests (1960), on conditioning;
        P. Holland, D. Thayer, Differential item performance and the Mantel-Haenszel procedure (1988), on strata of
        totals that count the one in question.
        """
        numbers, count = self._strata()
        mine, yours = self._wrong(self.fixed), self._wrong(self.pool[0])
        columns = (np.ones(self.panel.items), mine, yours, mine & yours)
        counted = [np.bincount(numbers, weights=each, minlength=count).astype(int).tolist() for each in columns]
        return shared_errors(ErrorCounts(*four) for four in zip(*counted, strict=True))

    def same(self) -> Agreed:
        """Equal answers of the fixed model and the one in question, blanks aside.

        Where right answers are known, among the items both get wrong; otherwise among all.

        Null: the answers of the pool that count are dealt to those who gave them at random, item by item.
        """
        both, equal, chances = self._equal()
        expected = chances[both[:, 0]]
        same = int(equal[:, 0].sum())
        tail = capped(log10_upper_tail(same, expected))
        return Agreed(int(both[:, 0].sum()), same, float(expected.sum()), tail)

    def figures(self, *, shared_too: bool = True) -> Floats:
        """``(pool,)`` how far each of the pool agrees with the fixed model beyond chance, in standard deviations.

        Args:
            shared_too: let shared errors and equal wrong answers count alike; otherwise the latter alone.

        Null: as `shared` and `same`; the figures are then exchangeable.
        """
        both, equal, chances = self._equal()
        expected = chances @ both
        same = _deviates(equal.sum(axis=0), expected, (chances * (1 - chances)) @ both)
        if self.panel.wrong is None or not shared_too:
            return same
        return (self._shared_deviates() + same) / sqrt(2.0)

    def _shared_deviates(self) -> Floats:
        numbers, count = self._strata()
        assert self.panel.wrong is not None
        mine, yours = self.panel.wrong[:, self.fixed], self.panel.wrong[:, self.pool]
        items = np.bincount(numbers, minlength=count).astype(float)[:, None]
        first = np.bincount(numbers, weights=mine, minlength=count)[:, None]
        second = np.stack([np.bincount(numbers, weights=each, minlength=count) for each in yours.T], axis=1)
        spread = first * second * (items - first) * (items - second) / (items**2 * np.maximum(items - 1, 1))
        observed = (mine[:, None] & yours).sum(axis=0)
        return _deviates(observed, (first * second / items).sum(axis=0), spread.sum(axis=0))

    def _strata(self) -> tuple[NDArray[np.int64], int]:
        assert self.panel.wrong is not None, "a panel without right answers has no errors"
        totals = self.panel.wrong[:, self.pool].sum(axis=1)
        keys, numbers = np.unique(self.panel.strata * (len(self.pool) + 1) + totals, return_inverse=True)
        return numbers.reshape(-1), keys.size

    def _equal(self) -> tuple[Wrong, Wrong, Floats]:
        """Which answers count on both sides, which of these are equal, and the chance of it item by item."""
        counts = self.panel.given if self.panel.wrong is None else self.panel.given & self.panel.wrong
        pool = counts[:, self.pool]
        both = pool & counts[:, [self.fixed]]
        equal = both & (self.panel.codes[:, self.pool] == self.panel.codes[:, [self.fixed]])
        many = pool.sum(axis=1)
        return both, equal, np.divide(equal.sum(axis=1), many, out=np.zeros(self.panel.items), where=many > 0)

    def _wrong(self, model: int) -> Wrong:
        assert self.panel.wrong is not None, "a panel without right answers has no errors"
        return self.panel.wrong[:, model]


def _deviates(observed: NDArray[np.int64], expected: Floats, variance: Floats) -> Floats:
    beyond = observed - expected
    return np.divide(beyond, np.sqrt(variance), out=np.zeros_like(beyond), where=variance > 1e-9)
