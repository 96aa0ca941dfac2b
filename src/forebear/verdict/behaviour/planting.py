"""What would have been found, as the contract says it."""

from __future__ import annotations

from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.planted import power
from forebear.evidence.behaviour.strength import FEWEST_CONTROLS
from forebear.verdict.behaviour.contract import BehaviourPower


def power_told(
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
    controls = len(panel.names) - 2
    if why_not is None and controls < FEWEST_CONTROLS:
        why_not = f"{FEWEST_CONTROLS} controls are needed, {controls} were given"
    if why_not is not None:
        return BehaviourPower(stated_share=share, wanted=wanted, reason=why_not)
    found = power(panel, share=share, wanted=wanted, references=references, seed=seed)
    return BehaviourPower(
        stated_share=share,
        detected=found.detected,
        draws=found.draws,
        items_needed=found.items_needed,
        wanted=wanted,
        reason="so much copying leaves nothing beyond chance here" if found.items_needed is None else None,
    )
