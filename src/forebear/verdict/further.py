"""Claims beside that of the weights: what lies beyond declared bases, and how a merge was made."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

BeyondVerdict = Literal["explained by base", "derived beyond base", "undetermined"]
BASIS = "calibrated, not exact"


class Calibration(msgspec.Struct, frozen=True):
    """What siblings score.

    Attributes:
        basis: always "calibrated, not exact": the base fixes every label, so nothing here has an exact null.
        siblings: pairs of siblings scored.
        reached: how many of them score at least as high as this pair.
        p: ``(1 + reached) / (siblings + 1)``, the conformal p-value; None where no score was computed.
        highest: largest score of a sibling pair.
        command: the command that made the table.
    """

    siblings: int
    reached: int | None
    p: float | None
    highest: float
    command: str
    basis: str = BASIS


class BeyondBase(msgspec.Struct, frozen=True):
    """What model and reference share beyond the declared bases.

    Attributes:
        verdict: "explained by base", "derived beyond base" or "undetermined".
        because: one plain sentence of reasons.
        direction: which side the other descends from beyond the base, or None where the pair cannot tell.
        score: how much the two changes look like a chain of descent (at most 1); None where not computable.
        effect: named effect sizes.
        by_layer: coefficient of one side's change in the other's, for each layer of the model.
        calibration: what siblings score.
        bases: share of the compared parts that each declared base explains best.
        limits: sentences a judge can read.
    """

    verdict: BeyondVerdict
    because: str
    direction: Literal["reference to model", "model to reference"] | None = None
    score: float | None = None
    effect: dict[str, float | None] = {}
    by_layer: dict[str, list[float | None]] = {}
    calibration: Calibration | None = None
    bases: dict[str, float] = {}
    limits: list[str] = []


class LayerOrigin(msgspec.Struct, frozen=True):
    """Where a layer was taken from: whose, and which of its layers (zero-based)."""

    source: str
    layer: int | None


class MergeClaim(msgspec.Struct, frozen=True):
    """Whether and how the model was merged from the candidates.

    Attributes:
        merged: whether a mixture of the candidates explains the model.
        because: one plain sentence of reasons.
        method: linear, task arithmetic, slerp, ties, dare or frankenmerge.
        weights: by source; 0 for a candidate that was not used.
        intervals: 95% intervals of the weights, by source.
        densities: TIES and DARE: share of each candidate's change that was kept, with its 95% interval, by source.
        places: SLERP: for each layer the place between first and second used source (0-1) with its 95% interval.
        origins: frankenmerge: origin of each layer.
        residual: share of the model's energy that the mixture leaves, and what rounding alone leaves.
        missing_parent: whether a structure is left that no candidate holds.
        alternatives: other histories that leave the same mark.
        details: scale of averaged changes and the like.
    """

    merged: bool
    because: str
    method: str | None = None
    weights: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    densities: dict[str, tuple[float, float, float]] = {}
    places: dict[int, tuple[float, float, float]] = {}
    origins: dict[int, LayerOrigin] = {}
    residual: dict[str, float] = {}
    missing_parent: bool = False
    alternatives: list[str] = []
    details: dict[str, Any] = {}
