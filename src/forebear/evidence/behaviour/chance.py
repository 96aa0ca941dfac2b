"""Chance-adjusted probabilistic agreement of two models' answers."""

from __future__ import annotations

from forebear.evidence.behaviour.panel import Panel
from forebear.statistics.capa import capa, discrete_capa


def capa_of(panel: Panel, first: int = 0, second: int = 1) -> tuple[float | None, bool]:
    """CAPA of two models of a panel with right answers.

    Returns:
        The figure, None where chance alone gives full agreement; and whether it comes from probabilities: where both
        models give them for every item, the discrete one otherwise.
    """
    mine, yours = panel.answers[first], panel.answers[second]
    right = [each.right for each in mine]
    if all(each.probabilities for each in (*mine, *yours)) and all(
        a.right is not None and a.right == b.right and len(a.probabilities) == len(b.probabilities)
        for a, b in zip(mine, yours, strict=True)
    ):
        places = [place for place in right if place is not None]
        offered = [len(each.probabilities) for each in mine]
        return capa([a.probabilities for a in mine], [b.probabilities for b in yours], places, offered), True
    options = [int(each) or None for each in panel.options]
    values = [[each.value for each in side] for side in (mine, yours)]
    return discrete_capa(values[0], values[1], panel.golds, options), False
