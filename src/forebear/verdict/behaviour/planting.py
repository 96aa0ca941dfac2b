"""What would have been found: a share of one model's answers is put in the place of the other's, and tested again."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.strength import FEWEST_CONTROLS, LEVEL, strength
from forebear.statistics.shared_errors import items_needed
from forebear.verdict.behaviour.contract import BehaviourPower

DRAWS = 100

Value = TypeVar("Value", bound=np.generic)


def power(
    panel: Panel, *, share: float, wanted: float, references: int, seed: int, why_not: str | None = None
) -> BehaviourPower:
    """How often so much copying between the first two models of a panel would have been found.

    Args:
        panel: of the two and the controls; the first model's answers are planted over.
        share: of the items on which the one's answer is the other's, 0-1.
        wanted: share of draws for which items are counted.
        references: p-values are corrected for them.
        seed: of which items are drawn.
        why_not: why nothing can be planted on strangers; None where it can.
    """
    if why_not is not None:
        return BehaviourPower(stated_share=share, wanted=wanted, reason=why_not)
    controls = len(panel.names) - 2
    if controls < FEWEST_CONTROLS:
        reason = f"{FEWEST_CONTROLS} controls are needed, {controls} were given"
        return BehaviourPower(stated_share=share, wanted=wanted, reason=reason)
    draw = np.random.default_rng(seed)
    found = [strength(planted(panel, share, draw)) for _ in range(DRAWS)]
    mean = float(np.mean([0.0 if each.place is None else each.place.value for each in found]))
    needed = items_needed(mean, 1.0, panel.items, LEVEL - float(np.log10(references)), wanted)
    return BehaviourPower(
        stated_share=share,
        detected=sum(each.fires(references) for each in found),
        draws=DRAWS,
        items_needed=needed,
        wanted=wanted,
        reason="so much copying leaves nothing beyond chance here" if needed is None else None,
    )


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
