"""Chance-adjusted probabilistic agreement: how far two models agree beyond what their accuracies alone would give.

Zero means the agreement of two models that err independently, each spreading what it does not give the right answer
evenly over the wrong ones; one means the same certain answers. Real mistakes are not spread evenly, so strangers score
above zero: the figure is an effect size, to be held against what strangers score, and no test.

Source: S. Goel et al., Great Models Think Alike and this Undermines AI Oversight, 2025, arXiv 2502.04313, equations 2
(observed agreement), 3 (agreement by chance) and 4; appendix A.3 for free answers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np


def capa(
    first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], right: Sequence[int], options: Sequence[int]
) -> float | None:
    """CAPA from the probabilities that two models give each offered answer.

    Args:
        first: for each item, the one model's probability of every offered answer, in the item's order; sums to one.
        second: likewise, the other model's.
        right: position of each item's right answer.
        options: how many answers each item offers, at least 2.

    Returns:
        -1 to 1; None for no items, or where chance alone gives full agreement, so that nothing is left to measure.

    Raises:
        ValueError: lengths differ, an item offers fewer than two answers, or it offers no such right answer.
    """
    _refuse(right, first, second, options)
    for mine, yours, place, offered in zip(first, second, right, options, strict=True):
        if not len(mine) == len(yours) == offered or not 0 <= place < offered:
            raise ValueError("probabilities, right answer and number of options do not fit one another")
    if not right:
        return None
    observed = np.mean([np.dot(mine, yours) for mine, yours in zip(first, second, strict=True)])
    sure = [np.mean([item[place] for item, place in zip(side, right, strict=True)]) for side in (first, second)]
    return _beyond(float(observed), float(sure[0]), float(sure[1]), options)


def discrete_capa(
    first: Sequence[Hashable], second: Sequence[Hashable], right: Sequence[Hashable], options: Sequence[int | None]
) -> float | None:
    """CAPA where each model gives one answer: `capa` with all probability on it.

    Args:
        first: the one model's answers.
        second: the other model's.
        right: the right answers.
        options: how many answers each item offers, at least 2; None for a free answer, where two independent models
            never hit on the same wrong one.

    Returns:
        -1 to 1; None for no items, or where chance alone gives full agreement.

    Raises:
        ValueError: lengths differ, or an item offers fewer than two answers.
    """
    _refuse(right, first, second, options)
    if not right:
        return None
    observed, *sure = (
        np.mean([mine == yours for mine, yours in zip(one, other, strict=True)])
        for one, other in ((first, second), (first, right), (second, right))
    )
    return _beyond(float(observed), float(sure[0]), float(sure[1]), options)


def _refuse(right: Sequence[object], first: Sequence[object], second: Sequence[object],
            options: Sequence[int | None]) -> None:  # fmt: skip
    if not len(first) == len(second) == len(right) == len(options):
        raise ValueError("each item needs both answers, the right one and the number of options")
    if any(offered is not None and offered < 2 for offered in options):
        raise ValueError("an item offers two answers or more")


def _beyond(observed: float, first: float, second: float, options: Sequence[int | None]) -> float | None:
    """Equation 4, from the observed agreement and the mean probability that each model gives the right answer."""
    same_wrong = float(np.mean([0.0 if offered is None else 1.0 / (offered - 1) for offered in options]))
    chance = first * second + (1.0 - first) * (1.0 - second) * same_wrong
    if 1.0 - chance < 1e-12:
        return None
    return (observed - chance) / (1.0 - chance)
