"""Power of next-token agreement: the reference's replies are put in the place of the model's, and the test is run."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from forebear.evidence.behaviour.closest import Closeness
from forebear.statistics.agreement import Codes

SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Shares of prompts on which a reply is planted."""
DRAWS = 100
_MISSED = 1
"""Draws that may be missed: 99 of 100 are found."""
_Z = 2.326
"""Standard deviations that leave 1 % beyond them."""


def smallest_share(codes: Codes, level: float, seed: int) -> float | None:
    """Smallest of `SHARES` at which 99 of 100 draws make the reference stand out; None where none does.

    A planted share h makes the model reply as the reference where it would have replied otherwise: it is the share of
    the model's own choices that descend from the reference, not the agreement, which chance and habit raise further.

    Args:
        codes: ``(prompts, models)`` the model, the reference, controls.
        level: log10 of the p-value asked for.
        seed: of the prompts drawn.

    Assumptions: power grows with the share, so that bisection finds where it begins to suffice.
    """
    low, high = 0, len(SHARES)
    while low < high:
        middle = (low + high) // 2
        if _found(codes, SHARES[middle], level, np.random.default_rng([seed, middle])):
            high = middle
        else:
            low = middle + 1
    return SHARES[low] if low < len(SHARES) else None


def _found(codes: Codes, share: float, level: float, rng: np.random.Generator) -> bool:
    missed = 0
    for _ in range(DRAWS):
        planted = codes.copy()
        taken = rng.random(len(codes)) < share
        planted[taken, 0] = codes[taken, 1]
        missed += not Closeness(planted).stands_out(level)
        if missed > _MISSED:
            return False
    return True


def prompts_needed(closeness: Closeness, share: float, level: float) -> int | None:
    """About how many prompts like these would let a planted share be found; None where no number would.

    From the normal law of the difference between the planted agreement and that of the closest strangers; such a share
    can be found only where it lifts agreement above theirs.

    Args:
        closeness: of the model and the reference.
        share: planted.
        level: log10 of the p-value asked for.
    """
    raised = closeness.agreement.value * (1.0 - share) + share
    highest = float(closeness.agreement.strangers.max())
    gap = raised - highest
    if gap <= 0.0:
        return None
    spread = raised * (1.0 - highest) + highest * (1.0 - raised)
    reach = _Z + _Z * sqrt(level / -2.0)
    return 100 * ceil(spread * (reach / gap) ** 2 / 100.0)
