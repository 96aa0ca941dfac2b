"""Whether controls are of a model's kind, so that they can stand in its place."""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.special import stdtrit

from forebear.evidence.behaviour.panel import Panel
from forebear.statistics.arrays import Floats

RARE = 0.02
"""How often one of the controls' own kind is taken for something else, by each of two measures."""


def overlap(panel: Panel) -> Floats:
    """``(models, models)`` share of equal answers."""
    return np.array([(panel.codes == panel.codes[:, [each]]).mean(axis=0) for each in range(len(panel.names))])


def of_their_kind(panel: Panel, model: int) -> bool | None:
    """Whether a model answers like the controls as often as they do, and finds the same items hard as they do.

    Two models of one kind among controls of another would agree with each other more than with any control, though
    strangers. Such a kind shows in both: its models agree with controls less, or more, than these do among themselves,
    and err less, or more, where many controls err.

    Args:
        panel: the pair first, then the controls.
        model: number of the one in question, 0 or 1.

    Returns:
        None below three controls, which have no spread.

    Assumptions: each measure follows a normal law over controls; the interval is that of one more draw, 98 %.
    """
    shares = overlap(panel)
    alike = _beyond(panel, float(shares[model, 2:].mean()), _among(shares))
    if alike is None or panel.wrong is None:
        return None if alike is None else abs(alike) <= 1.0
    hard = _beyond(panel, *_hard(panel, model))
    # Sharper than the controls is a lesser fault, which `steadier` deals with.
    return abs(alike) <= 1.0 and hard is not None and hard >= -1.0


def steadier(panel: Panel, model: int) -> bool:
    """Whether a model parts hard items from easy ones more sharply than controls do.

    The totals that strata are made of then hold less about difficulty than its own errors do, and even strangers share
    more of these than their strata explain. Only where right answers are known.
    """
    if panel.wrong is None:
        return False
    hard = _beyond(panel, *_hard(panel, model))
    return hard is not None and hard > 1.0


def _hard(panel: Panel, model: int) -> tuple[float, Floats]:
    """Correlation of errors with how many controls err: of one of the pair, and of each control with the others."""
    assert panel.wrong is not None
    wrong = panel.wrong[:, 2:].astype(np.float64)
    rest = wrong.sum(axis=1)
    mine = panel.wrong[:, model].astype(np.float64)
    # One control is left out of the total, as each leaves itself out of its own.
    own = np.mean([_correlation(mine, rest - each) for each in wrong.T])
    return float(own), np.array([_correlation(each, rest - each) for each in wrong.T])


def _among(shares: Floats) -> Floats:
    """Mean overlap of each control with the others."""
    some = shares[2:, 2:]
    found: Floats = (some.sum(axis=1) - 1.0) / max(len(some) - 1, 1)
    return found


def _beyond(panel: Panel, value: float, of_controls: Floats) -> float | None:
    """How far a value lies from the controls', in half widths of the interval of one more draw; None below three."""
    many = of_controls.size
    if many < 3:
        return None
    spread = max(float(np.std(of_controls, ddof=1)), 0.5 / sqrt(panel.items) / many)
    deviate = (value - float(np.mean(of_controls))) / (spread * sqrt(1.0 + 1.0 / many))
    return deviate / float(stdtrit(many - 1, 1.0 - RARE / 2))


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's correlation; 0 of what does not vary."""
    if first.std() == 0.0 or second.std() == 0.0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
