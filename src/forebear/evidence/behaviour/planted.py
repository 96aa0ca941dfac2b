"""What would have been found: a share of the reference's answers is put in the model's place, and tested again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import sqrt
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import nctdtrinc, stdtrit

from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.strength import LEVEL, Strength, strength
from forebear.statistics.shared_errors import items_needed

DRAWS = 100
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of items among which `smallest_share` looks."""
_MISSED = 1
"""Draws that may be missed: 99 of 100 are found."""

Value = TypeVar("Value", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Power:
    """What planting one share gave.

    Attributes:
        detected: draws in which it was found.
        draws: draws made.
        items_needed: items at which it would be found in the share of draws wanted; None where no number would do.
    """

    detected: int
    draws: int
    items_needed: int | None


def power(panel: Panel, *, share: float, wanted: float, references: int, seed: int) -> Power:
    """How often so much copying between the first two models of a panel would have been found.

    Args:
        panel: of the two and the controls; the first model's answers are planted over.
        share: of the items on which the one's answer is the other's, 0-1.
        wanted: share of draws for which items are counted.
        references: p-values are corrected for them.
        seed: of which items are drawn.
    """
    found = list(_replanted(panel, share, np.random.default_rng(seed)))
    planted_mean = float(np.mean([each.places[0].value if each.places else 0.0 for each in found]))
    own = strength(panel).places
    # What the pair shows by chance lies on the items that nothing was planted on.
    excess = planted_mean - (1.0 - share) * (own[0].value if own else 0.0)
    needed = items_needed(excess, wanted_excess(len(panel.names) - 2, references, wanted), panel.items)
    return Power(sum(each.fires(references) for each in found), DRAWS, needed)


def wanted_excess(controls: int, references: int, wanted: float) -> float:
    """Mean standard deviations beyond strangers at which a pair is found in a share ``wanted`` of draws.

    The figure is held against so many strangers' by Student's t, so that its law is the noncentral t.
    """
    level = 10.0**LEVEL / references
    critical = float(stdtrit(controls - 1, 1.0 - level))
    return float(nctdtrinc(controls - 1, 1.0 - wanted, critical)) * sqrt(1.0 + 1.0 / controls)


def smallest_share(panel: Panel, *, references: int, seed: int) -> float | None:
    """Smallest of `SHARES` that is found in 99 of 100 draws; None where none is.

    Args:
        panel: of the two and the controls.
        references: p-values are corrected for them.
        seed: of which items are drawn.

    Assumptions: power grows with the share, so that bisection finds where it begins to suffice.
    """
    low, high = 0, len(SHARES)
    while low < high:
        middle = (low + high) // 2
        if _found(panel, SHARES[middle], references, np.random.default_rng([seed, middle])):
            high = middle
        else:
            low = middle + 1
    return SHARES[low] if low < len(SHARES) else None


def planted(panel: Panel, share: float, draw: np.random.Generator) -> Panel:
    """A panel in which the second model's answer stands in the first's place on a random share of the items."""
    copied = draw.random(panel.items) < share

    def laid_over(given: NDArray[Value]) -> NDArray[Value]:
        changed = given.copy()
        changed[copied, 0] = given[copied, 1]
        return changed

    answers = panel.answers
    if answers:
        taken = zip(*answers[:2], copied.tolist(), strict=True)
        answers = (tuple(yours if over else own for own, yours, over in taken), *answers[1:])
    return replace(
        panel,
        answers=answers,
        codes=laid_over(panel.codes),
        wrong=None if panel.wrong is None else laid_over(panel.wrong),
        blank=None if panel.blank is None else laid_over(panel.blank),
    )


def _replanted(panel: Panel, share: float, draw: np.random.Generator) -> Iterator[Strength]:
    for _ in range(DRAWS):
        yield strength(planted(panel, share, draw))


def _found(panel: Panel, share: float, references: int, draw: np.random.Generator) -> bool:
    missed = 0
    for each in _replanted(panel, share, draw):
        missed += not each.fires(references)
        if missed > _MISSED:
            return False
    return True
