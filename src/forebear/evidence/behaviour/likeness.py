"""Whether controls are of a model's kind, so that they can stand in its place."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import stdtrit

from forebear.evidence.behaviour.panel import Panel
from forebear.statistics.arrays import Floats

RARE = 0.01
"""How often a control's like is taken for something else."""


def overlap(panel: Panel) -> Floats:
    """``(models, models)`` share of equal answers."""
    return np.array([(panel.codes == panel.codes[:, [each]]).mean(axis=0) for each in range(len(panel.names))])


def of_their_kind(panel: Panel, model: int) -> bool | None:
    """Whether a model answers as the controls do as often as they do among one another, within what chance allows.

    Two models of one kind among controls of another would agree with each other more than with any control, though
    strangers. Such a kind shows: its models agree with controls less, or more, than these do among themselves.

    Args:
        panel: the pair first, then the controls.
        model: number of the one in question, 0 or 1.

    Returns:
        None below three controls, which have no spread.

    Assumptions: mean overlaps of controls follow a normal law; the interval is that of one more draw, 99 %.
    """
    shares = overlap(panel)
    return _within(panel, float(shares[model, 2:].mean()), _among(shares), two_sided=True)


def steadier(panel: Panel, model: int) -> bool:
    """Whether a model parts hard items from easy ones more sharply than controls do.

    The totals that strata are made of then hold less about difficulty than its own errors do, and even strangers share
    more of these than their strata explain. Only where right answers are known.
    """
    if panel.wrong is None:
        return False
    wrong = panel.wrong[:, 2:].astype(np.float64)
    rest = wrong.sum(axis=1)
    of_controls = np.array([_correlation(each, rest - each) for each in wrong.T])
    mine = _correlation(panel.wrong[:, model].astype(np.float64), rest)
    return _within(panel, mine, of_controls, two_sided=False) is False


def _among(shares: Floats) -> Floats:
    """Mean overlap of each control with the others."""
    some = shares[2:, 2:]
    found: Floats = (some.sum(axis=1) - 1.0) / max(len(some) - 1, 1)
    return found


def _within(panel: Panel, value: float, of_controls: Floats, *, two_sided: bool) -> bool | None:
    """Whether a value lies where one more control's would, but for a share `RARE` of all."""
    many = of_controls.size
    if many < 3:
        return None
    noise = 0.5 / sqrt(panel.items)
    spread = max(float(np.std(of_controls, ddof=1)), noise / many)
    beyond = (value - float(np.mean(of_controls))) / (spread * sqrt(1.0 + 1.0 / many))
    limit = float(stdtrit(many - 1, 1.0 - RARE / (2 if two_sided else 1)))
    return bool((abs(beyond) if two_sided else beyond) <= limit)


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's correlation; 0 of what does not vary."""
    if first.std() == 0.0 or second.std() == 0.0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
