"""An interval for a share.

Source: E. B. Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927, 209-212.
"""

from __future__ import annotations

from math import sqrt

_TWO_SIDED_95 = 1.959963984540054


def wilson(hits: float, trials: float, z: float = _TWO_SIDED_95) -> tuple[float, float]:
    """Score interval of a binomial share; assumes independent trials of one probability.

    Args:
        hits: 0 to ``trials``; fractions are taken where trials are groups of which each gives a share.
        trials: above 0.
        z: standard normal quantile; the default covers 95 %.

    Returns:
        Both ends, 0-1.

    Raises:
        ValueError: no trials, or hits outside of them.
    """
    if not 0 <= hits <= trials or trials <= 0:
        raise ValueError(f"{hits} of {trials}")
    share = hits / trials
    centre = share + z * z / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    width = 1 + z * z / trials
    return max(0.0, (centre - reach) / width), min(1.0, (centre + reach) / width)
