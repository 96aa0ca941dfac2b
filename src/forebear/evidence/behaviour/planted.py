"""Power of next-token agreement: the reference's replies are put in the place of the model's, and the test is run."""

from __future__ import annotations

from math import ceil, sqrt

import numpy as np

from forebear.evidence.behaviour.closest import Closeness
from forebear.statistics.agreement import Codes, beyond_habit, log_shares

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


def prompts_needed(close: Closeness, share: float, level: float) -> int | None:
    """About how many prompts like these would let a planted share be found; None where no number would.

    What planting does to every pair's agreement is known on average; such a share can be found only where it lifts the
    two beyond the closest strangers, and how soon depends on the spread of the difference over prompts.

    Args:
        close: the model and the reference among controls.
        share: planted.
        level: log10 of the p-value asked for.
    """
    planted = close.counts / close.prompts
    planted[0] = (1.0 - share) * planted[0] + share * planted[1]
    planted[:, 0] = planted[0]
    figures = beyond_habit(log_shares(np.rint(planted * close.prompts).astype(np.int64), close.prompts))
    gap = float(figures[0, 1] - figures[close.pairs].max())
    if gap <= 0.0:
        return None
    # The spread of a share's logarithm over prompts, of the two and of the strangers that are closest.
    rival = planted[close.pairs][int(np.argmax(figures[close.pairs]))]
    spread = sum((1.0 - float(each)) / max(float(each), 1.0 / close.prompts) for each in (planted[0, 1], rival))
    reach = _Z + _Z * sqrt(level / -2.0)
    needed: float = spread * (reach / gap) ** 2
    return 100 * ceil(needed / 100.0)
