"""Judging what two models share beyond declared common bases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from forebear.evidence.weights.beyond import MOSTLY, Beyond
from forebear.statistics.deltas import Geometry
from forebear.verdict.further import BeyondBase, Calibration
from forebear.verdict.siblings import COMMAND, SCORES

DERIVED = 0.75
"""Likeness from which descent beyond the base is named: well above what siblings score, below what their children do
unless trained on as long as base and parent together. `python -m benchmarks.accuracy beyond` prints both."""

SIBLING = 0.70
"""Likeness up to which a pair is called siblings, if its geometry is not that of a long chain."""

LONGER = 0.02
"""Least logarithm of the ratio of the two changes' lengths for a direction to be named."""

MOST_LOST = 0.05
"""Largest share of a parent's changed matrices that its child may hold as the base has them."""

LEAST_SURE = 0.15
"""Largest standard error of a coefficient, under whatever lies between the sides, that still tells anything."""

LIMITS = (
    "The base fixes every label, so this claim has no exact null: it is calibrated on siblings of small models.",
    "A model merged from the reference and other children of the base looks like a sibling; --also names the others.",
    "A parent whose own change is small beside what was trained on top of it looks like a sibling.",
    "Siblings trained on the same data in nearly the same way differ little; where their changes happen to lie like "
    "those of parent and child they look like them.",
)

_DIRECTIONS: tuple[Literal["reference to model"], Literal["model to reference"]] = (
    "reference to model",
    "model to reference",
)
_SIDES = ("model", "reference")


def judge_beyond(found: Beyond | None, bases: Sequence[str], layers: int) -> BeyondBase:
    """Say whether the bases explain what model and reference share.

    Args:
        found: what lies beyond the bases; None where no matrix is held by model, reference and a base.
        bases: names of the bases, in the order they were measured.
        layers: of the model.

    Returns:
        The claim: "explained by base" where a side is the base itself or the two changes share no more than siblings
        do; "derived beyond base" where one holds the other's change whole.
    """
    if found is None:
        return BeyondBase("undetermined", "no matrix is held by model, reference and a base", limits=list(LIMITS))
    common = _common(found, bases, layers)
    unexplained = [side for side, share in zip(_SIDES, found.related, strict=True) if share < MOSTLY]
    if unexplained:
        who = " and ".join(unexplained)
        return BeyondBase(
            "undetermined", f"the base explains nothing of the {who}; the ordinary claim stands", **common
        )
    return _named(found, common) or _scored(found, common)


def _named(found: Beyond, common: dict[str, Any]) -> BeyondBase | None:
    """What needs no score: no change at all, parts copied, noise added."""
    unchanged = [side for side, share in zip(_SIDES, found.changed, strict=True) if share == 0.0]
    if unchanged:
        return BeyondBase("explained by base", f"the {unchanged[0]} holds the base's own values", **common)
    if found.copied:
        because = f"{len(found.copied)} matrices that differ from the base are equal in model and reference"
        return BeyondBase("derived beyond base", because, direction=_direction(found.geometry), **common)
    if found.noise is not None:
        sigma, side = found.noise
        because = (
            f"model and reference differ by noise of sigma {sigma:.3g}, and the whole change of the "
            f"{'reference' if side == 0 else 'model'} over the base lies in the other"
        )
        return BeyondBase("derived beyond base", because, direction=_DIRECTIONS[side], **common)
    return None


def _scored(found: Beyond, common: dict[str, Any]) -> BeyondBase:
    geometry = found.geometry
    if geometry is None:
        return BeyondBase("undetermined", "no matrix inside a layer changed on both sides", **common)
    if found.unsure > LEAST_SURE:
        because = f"what lies between the sides leaves the coefficient uncertain by {found.unsure:.2g}"
        return BeyondBase("undetermined", because, **common)
    likeness = geometry.likeness
    if found.lost > MOST_LOST:
        because = (
            f"{found.lost:.0%} of the matrices hold the base's own values in one side and were changed in the other"
        )
        return BeyondBase("explained by base", because, **common)
    if likeness >= DERIVED:
        because = (
            f"the changes over the base lie like those of parent and child (likeness {likeness:.2f}, siblings at most "
            f"{_highest():.2f})"
        )
        return BeyondBase("derived beyond base", because, direction=_direction(geometry), **common)
    if likeness > SIBLING or geometry.chained:
        because = "the changes may be those of siblings, or of a parent and a child trained on for long"
        return BeyondBase("undetermined", because, **common)
    because = f"the changes share no more than those of siblings do (likeness {likeness:.2f})"
    return BeyondBase("explained by base", because, **common)


def _direction(geometry: Geometry | None) -> Literal["reference to model", "model to reference"] | None:
    """The side that went further from the base is the descendant, if it did so clearly."""
    if geometry is None:
        return None
    low, high = geometry.longer_interval
    if low > LONGER:
        return "reference to model"
    return "model to reference" if high < -LONGER else None


def _common(found: Beyond, bases: Sequence[str], layers: int) -> dict[str, Any]:
    geometry = found.geometry
    forwards, backwards = found.by_layer(layers)
    score = None if geometry is None else geometry.likeness
    reached = None if score is None else sum(sibling >= score for sibling in SCORES)
    return {
        "score": score,
        "effect": _effect(found),
        "by_layer": {"reference in model": forwards, "model in reference": backwards},
        "calibration": Calibration(
            siblings=len(SCORES),
            reached=reached,
            p=None if reached is None else (1 + reached) / (1 + len(SCORES)),
            highest=_highest(),
            command=COMMAND,
        ),
        "bases": {bases[index]: share for index, share in found.bases.items()},
        "limits": list(LIMITS),
    }


def _effect(found: Beyond) -> dict[str, float | None]:
    geometry = found.geometry
    shares = {
        "model agrees with base": found.related[0],
        "reference agrees with base": found.related[1],
        "model changed": found.changed[0],
        "reference changed": found.changed[1],
        "noise": found.noise[0] if found.noise else None,
    }
    if geometry is None:
        return shares
    return {
        **shares,
        "reference's change in model": geometry.coefficients[0],
        "model's change in reference": geometry.coefficients[1],
        "cosine": geometry.cosine,
        "turn": geometry.angle,
        "drift": geometry.drift,
        "tilt": geometry.tilted,
    }


def _highest() -> float:
    return max(SCORES, default=1.0)
