"""Whether two models err on the same items more often than chance, equally hard items and unequally hard ones.

Source of the error consistency: Geirhos, Meding, Wichmann, Beyond accuracy: quantifying trial-by-trial behaviour of
CNNs and humans by measuring error consistency (2020), arXiv 2006.16736, equation 2.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log10

import numpy as np
from scipy.special import gammaln, logsumexp

from forebear.errors import UsageError
from forebear.statistics.arrays import Floats
from forebear.statistics.tails import LOG10_FLOOR, capped

RESAMPLES = 9_999
MOST_ITEMS = 10**9
"""Counts beyond it are refused: logarithms of factorials grow too coarse to be told apart."""
_SMALLEST = 1e-320


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Two models' errors on the same items.

    Attributes:
        items: how many both answered.
        first: errors of the one.
        second: errors of the other.
        shared: items both get wrong.

    Raises:
        UsageError: counts that no two models can have.
    """

    items: int
    first: int
    second: int
    shared: int

    def __post_init__(self) -> None:
        least, most = max(0, self.first + self.second - self.items), min(self.first, self.second)
        if self.items < 1 or not (0 <= self.first <= self.items and 0 <= self.second <= self.items):
            raise UsageError(
                f"{self.first} and {self.second} errors in {self.items} items",
                where="counts",
                remedy="Errors lie between 0 and the number of items, which is 1 or more",
            )
        if self.items > MOST_ITEMS:
            raise UsageError(
                f"{self.items:,} items", where="counts", remedy=f"Give counts of {MOST_ITEMS:,} items at most"
            )
        if not least <= self.shared <= most:
            raise UsageError(
                f"{self.shared} shared errors of {self.first} and {self.second} in {self.items} items",
                where="counts",
                remedy=f"They lie between {least} and {most}",
            )

    @property
    def expected(self) -> float:
        """Shared errors that independence at equal difficulty gives on average."""
        return self.first * self.second / self.items

    @property
    def cells(self) -> tuple[int, int, int, int]:
        """Items with both wrong, the one alone, the other alone, neither."""
        alone = self.first - self.shared, self.second - self.shared
        return self.shared, *alone, self.items - self.shared - sum(alone)


def error_consistency(counts: ErrorCounts) -> float | None:
    """Cohen's kappa of right and wrong: 1 all errors shared, 0 as chance has it; None where neither can differ.

    Source: Geirhos, Meding, Wichmann (2020), equation 2.
    """
    found = float(_kappas(np.array([counts.cells], dtype=np.float64))[0])
    return None if np.isnan(found) else found


def error_consistency_interval(counts: ErrorCounts, seed: int = 0) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the error consistency, items drawn with replacement.

    Args:
        counts: of the two models.
        seed: of the draws.

    Returns:
        Lower and upper end; None where more than one draw in twenty has no kappa.

    Assumptions: items are independent draws from the population of items meant.
    """
    shares = np.array(counts.cells) / counts.items
    drawn = np.random.default_rng(seed).multinomial(counts.items, shares, size=RESAMPLES)
    kappas = _kappas(drawn.astype(np.float64))
    kappas = kappas[~np.isnan(kappas)]
    if kappas.size < 0.95 * RESAMPLES:
        return None
    low, high = np.quantile(kappas, [0.025, 0.975])
    return float(low), float(high)


def _kappas(cells: Floats) -> Floats:
    """Kappa of each row of `ErrorCounts.cells`; NaN where both are all right or both all wrong."""
    items = cells.sum(axis=1)
    first, second = (cells[:, 0] + cells[:, 1]) / items, (cells[:, 0] + cells[:, 2]) / items
    agreed = (cells[:, 0] + cells[:, 3]) / items
    chance = first * second + (1 - first) * (1 - second)
    found: Floats = np.divide(agreed - chance, 1 - chance, out=np.full(items.shape, np.nan), where=chance < 1)
    return found


@dataclass(frozen=True, slots=True)
class SharedErrors:
    """Shared errors beside their null.

    Attributes:
        observed: shared errors.
        expected: their mean under the null.
        deviation: their standard deviation under the null; 0 where the margins leave no choice.
        log10_p: of at least as many.
    """

    observed: int
    expected: float
    deviation: float
    log10_p: float


def shared_errors(strata: Iterable[ErrorCounts]) -> SharedErrors:
    """Whether two models share more errors than chance gives, stratum by stratum.

    The law of the sum is exact: strata are convolved, none is drawn.

    Args:
        strata: the two models' errors on items of like difficulty, a stratum each.

    Null: given how many errors each model makes in a stratum, which items they fall on is independent between the two.
    A single stratum is Fisher's exact test, one-sided: all items equally hard.
    Source: N. Mantel, W. Haenszel, Statistical aspects of the analysis of data from retrospective studies of disease
    (1959), for strata; the sum of the strata's hypergeometric laws is their exact test.
    """
    least, chances, observed = 0, np.ones(1), 0
    for each in strata:
        start, of_stratum = _hypergeometric(each)
        chances = np.convolve(chances, of_stratum)
        kept = np.flatnonzero(chances > _SMALLEST)
        least += start + int(kept[0])
        chances = chances[kept[0] : kept[-1] + 1]
        observed += each.shared
    shared = least + np.arange(chances.size)
    total = float(chances.sum())
    expected = float(shared @ chances) / total
    variance = float((shared - expected) ** 2 @ chances) / total
    tail = float(chances[shared >= observed].sum())
    log10_p = 0.0 if observed <= least else capped(log10(tail)) if tail > 0.0 else LOG10_FLOOR
    return SharedErrors(observed, expected, variance**0.5, log10_p)


def _hypergeometric(counts: ErrorCounts) -> tuple[int, Floats]:
    """The smallest number of shared errors with a chance, and the chances from there on.

    Beyond 40 standard deviations and 500 errors from the mean no chance exceeds `_SMALLEST`, by Bernstein's inequality.
    Source: W. Hoeffding, Probability inequalities for sums of bounded random variables (1963), section 6, that bounds
    for draws with replacement hold for draws without.
    """
    least, most = max(0, counts.first + counts.second - counts.items), min(counts.first, counts.second)
    reach = 40.0 * (counts.expected * (1.0 - max(counts.first, counts.second) / counts.items)) ** 0.5
    least = max(least, int(counts.expected - reach - 500.0))
    most = min(most, int(counts.expected + reach + 500.0))
    shared = np.arange(least, most + 1)
    logs = (
        -gammaln(shared + 1)
        - gammaln(counts.first - shared + 1)
        - gammaln(counts.second - shared + 1)
        - gammaln(counts.items - counts.first - counts.second + shared + 1)
    )
    chances = np.exp(logs - logsumexp(logs))
    kept = np.flatnonzero(chances > _SMALLEST)
    return least + int(kept[0]), chances[kept[0] : kept[-1] + 1]


def items_needed(excess: float, wanted: float, items: int) -> int | None:
    """Items at which an excess would reach what is wanted, if it grows as a sum over items does.

    Args:
        excess: mean of the figure at ``items``, in standard deviations.
        wanted: what it must come to, in standard deviations.
        items: at hand.

    Returns:
        The number, 10^9 at most; None where there is no excess.
    """
    return None if excess <= 0.0 else int(min(1e9, np.ceil(items * (wanted / excess) ** 2)))
