"""The result of a comparison, in the shape of the JSON contract ``forebear.comparison/1``."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from forebear.evidence.finding import Finding
from forebear.verdict.further import BeyondBase, MergeClaim

SCHEMA = "forebear.comparison/1"
RANKING_SCHEMA = "forebear.ranking/1"

Verdict = Literal["same", "derived", "related", "shared start", "independent", "undetermined"]
VERDICTS: tuple[Verdict, ...] = ("same", "derived", "related", "shared start", "independent", "undetermined")
Direction = Literal["reference to model", "model to reference"]


class Side(msgspec.Struct, frozen=True):
    """What was opened on one side.

    Attributes:
        source: as the user named it.
        sample_digest: sha256 over the header table and the bytes the fixed draw read; None without tensors.
        digest: sha256 over all tensor contents, names excluded; None unless every byte was read.
        digest_reason: why ``digest`` is null.
        parameters: number of values in all tensors; None without tensors.
        family: family table that recognised it; None where none did.
        storage: storage types with their number of values.
        bytes_total: bytes of all tensors.
        bytes_read: bytes of tensor data this comparison read.
        geometry: sizes inferred from shapes.
        oddities: what was noticed (config that contradicts shapes, tensors not recognised ...).
    """

    source: str
    sample_digest: str | None = None
    digest: str | None = None
    digest_reason: str | None = None
    parameters: int | None = None
    family: str | None = None
    storage: dict[str, int] = {}
    bytes_total: int | None = None
    bytes_read: int = 0
    geometry: dict[str, int | bool | str | None] = {}
    oddities: list[str] = []


class Inherited(msgspec.Struct, frozen=True):
    """Fractions (0-1) of the model that the reference accounts for; None where not computable."""

    layers: float | None = None
    neurons: float | None = None
    tensors: float | None = None


class Retention(msgspec.Struct, frozen=True):
    """How much of one side's structure lies in the other, by shape.

    Attributes:
        deviation: energy-weighted rms of the eight relative overlaps minus one; None if not computable.
        interval: 95% bootstrap interval over layers.
        curve: relative overlap in eight bins of equal energy, leading directions first.
        curve_by_layer: the same, one list a layer.
    """

    deviation: float | None = None
    interval: tuple[float, float] | None = None
    curve: list[float] = []
    curve_by_layer: list[list[float]] = []


class PowerPoint(msgspec.Struct, frozen=True):
    """Smallest cosine at which a share of inherited neurons was found in every draw; None: not even at 1."""

    share: float
    cosine: float | None


class ClassPower(msgspec.Struct, frozen=True):
    """Power against one disguise class.

    Attributes:
        tests: tests that remain exact for this class and were run.
        detected: draws of the stated inheritance in which the pipeline fired.
        draws: draws made; ``detected == draws == 299`` means power 0.99 at 95% confidence.
        curve: smallest inheritance found in every draw, for several shares of neurons.
        reason: why there is none.
    """

    tests: list[str] = []
    detected: int | None = None
    draws: int | None = None
    curve: list[PowerPoint] = []
    reason: str | None = None


class Power(msgspec.Struct, frozen=True):
    """What would have been found: ``stated`` inheritance and, by disguise class, the curve."""

    stated_share: float
    stated_cosine: float
    classes: dict[str, ClassPower]


class WeightsClaim(msgspec.Struct, frozen=True):
    """What the weights say.

    Attributes:
        verdict: one of ``VERDICTS``.
        because: one plain sentence of reasons.
        basis: ``"exact"`` where a test with an exact null fired, ``"calibrated, not exact"`` where only an effect
            size was left that strangers do not reach; None where nothing fired.
        log10_p: Holm-corrected, over the tests of this pair; None where nothing was computable.
        direction: which side the other descends from, or None where the pair cannot tell.
        direction_reason: why null.
        inherited: fractions of the model.
        layer_map: for each layer of the model the layer of the reference it was compared with, or None.
        laid_out: how the two were laid side by side (residual stream, layers, vocabulary) and how many p-values the
            correction pays for.
        recipe: steps that turn the reference into the model, ``{"step": ..., amounts}``.
        reconstruction: how much of the distance the recipe accounts for: ``distance``, ``by_step``, ``remaining`` (0 to
            1) and ``remaining_sigma``; None where nothing was inherited.
        retention: ``"reference in model"`` and ``"model in reference"``.
        power: what would have been detected; None when nothing was testable.
        limits: sentences a judge can read.
        not_compared: what was left out, each with its reason.
        findings: every test, computable or not.
    """

    verdict: Verdict
    because: str
    basis: Literal["exact", "calibrated, not exact"] | None = None
    log10_p: float | None = None
    direction: Direction | None = None
    direction_reason: str | None = None
    inherited: Inherited = Inherited()
    layer_map: list[int | None] = []
    laid_out: dict[str, Any] = {}
    recipe: list[dict[str, Any]] = []
    reconstruction: dict[str, Any] | None = None
    retention: dict[str, Retention] = {}
    power: Power | None = None
    limits: list[str] = []
    not_compared: list[str] = []
    findings: list[Finding] = []


class Comparison(msgspec.Struct, frozen=True):
    """One model against one reference.

    Attributes:
        tool: name and version of what computed it.
        model: the side in question.
        reference: the side it may descend from.
        verdict: that of ``weights``; ``"undetermined"`` where there is none.
        weights: what the language towers say, or the largest tower both have; None where a side has no tensors.
        weights_reason: why ``weights`` is null.
        towers: the claims of the towers beside it, by name.
        beyond_base: what lies beyond declared bases; None where none was declared.
        merge: how the model was merged from the candidates; None where no further one was given.
        renaming: tensors whose names differ from the reference's: ``names`` (``model``, ``reference``, ``part``,
            ``confidence`` 0 to 1, ``how`` it was found), ``unchanged`` (how many bear the reference's name),
            ``by_content``, ``contradicted`` (``name``, ``claims``, ``is``) and ``layer_order``; None where none differs
            or names were taken at their word.
        strands: further strands of evidence, by name.
        computation: what a replay needs: seed, budget, options, further models.
        schema: version of this contract.
    """

    tool: dict[str, str]
    model: Side
    reference: Side
    verdict: Verdict
    weights: WeightsClaim | None
    weights_reason: str | None = None
    towers: dict[str, WeightsClaim] = {}
    beyond_base: BeyondBase | None = None
    merge: MergeClaim | None = None
    renaming: dict[str, Any] | None = None
    strands: dict[str, Any] = {}
    computation: dict[str, Any] = {}
    schema: str = SCHEMA


class Ranking(msgspec.Struct, frozen=True):
    """Several references for one model, strongest evidence first; p-values corrected over the references."""

    tool: dict[str, str]
    comparisons: list[Comparison]
    schema: str = RANKING_SCHEMA
