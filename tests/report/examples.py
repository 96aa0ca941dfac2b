"""Hand-made comparisons, one for each verdict, with the figures the tests of reports and commands stand on."""

from __future__ import annotations

from typing import Any

import msgspec

from forebear.evidence.finding import Assumption, Finding
from forebear.verdict.comparison import (
    VERDICTS,
    ClassPower,
    Comparison,
    Direction,
    Inherited,
    Power,
    PowerPoint,
    Ranking,
    Retention,
    Side,
    Verdict,
    WeightsClaim,
)

LAYERS = 6
TOOL = {"name": "forebear", "version": "0.1.0"}
COMPUTATION = {"seed": 0, "budget": 64_000_000, "full": False, "bytes_planned": 812_032}
FIRING = ("same", "derived", "related", "shared start")
FLAT = [1.01, 1.0, 1.0, 0.99, 1.0, 1.01, 0.99, 1.0]
FALLING = [0.62, 0.78, 0.9, 0.98, 1.05, 1.12, 1.2, 1.32]


def side(source: str, letter: str) -> Side:
    return Side(
        source=source,
        sample_digest=letter * 64,
        digest=None,
        digest_reason="not every byte was read; --full reads them all",
        parameters=402_784,
        family="qwen2",
        storage={"BF16": 402_784},
        bytes_total=805_568,
        bytes_read=401_408,
        geometry={"hidden": 80, "layers": LAYERS, "vocabulary": 1024, "heads": 4, "kv_heads": 2, "gated": True},
    )


def findings(fires: bool) -> list[Finding]:
    scores = [131.2, 128.4, 140.9, 122.7, 150.1, 119.3] if fires else [0.4, -1.2, 0.9, -0.3, 1.8, -0.7]
    checked = [
        Assumption("no duplicated neurons in model", True, "largest cosine 0.41, level 0.9"),
        Assumption("layers start independently", True, "largest |z| 1.9, level 4"),
    ]
    return [
        Finding("identity", "How many tensors are byte-identical?", 0.0, effect={"tensors": 0.0}),
        Finding(
            "t1.neurons",
            "Do neurons of the same index agree?",
            323.1 if fires else 0.37,
            -300.0 if fires else -0.45,
            answers="labels kept",
            effect={"mean cosine": 0.93 if fires else 0.0004},
            by_layer=[*scores],
            assumptions=checked,
        ),
        Finding(
            "t2.signs",
            "Do the free signs of matched neurons agree?",
            36.8 if fires else -0.8,
            -290.2 if fires else -0.1,
            answers="relabelled",
            effect={"share agreeing": 0.999 if fires else 0.496},
            by_layer=[value / 9 for value in scores],
            assumptions=checked[:1],
        ),
        Finding("t3.residual", "Do layer products agree?", reason="the residual widths differ"),
    ]


def power() -> Power:
    curve = [PowerPoint(0.05, 0.62), PowerPoint(0.1, 0.31), PowerPoint(0.3, 0.12), PowerPoint(1.0, 0.04)]
    return Power(
        stated_share=0.3,
        stated_cosine=0.5,
        classes={
            "labels kept": ClassPower(["t1.neurons"], 299, 299, curve),
            "relabelled": ClassPower(["t2.signs"], 299, 299, [PowerPoint(0.3, 0.44), PowerPoint(1.0, 0.23)]),
            "all": ClassPower(reason="no exact test remains for this class"),
        },
    )


def retention(first: list[float], second: list[float]) -> dict[str, Retention]:
    def one(curve: list[float]) -> Retention:
        bent = [[1 + (value - 1) * factor for value in curve] for factor in (0.7, 0.8, 0.9, 1.1, 1.2, 1.3)]
        deviation = max(abs(value - 1) for value in curve)
        return Retention(deviation, (0.8 * deviation, 1.2 * deviation), curve, bent)

    return {"reference in model": one(first), "model in reference": one(second)}


def claim(verdict: Verdict, direction: Direction | None = None) -> WeightsClaim:
    fires = verdict in FIRING
    curves = {"derived": (FLAT, FALLING), "related": (FALLING, FALLING), "shared start": (FALLING, FALLING)}
    return WeightsClaim(
        verdict=verdict,
        because="neurons of the same index agree in all layers" if fires else "no test fires",
        log10_p=-300.0 if fires else None if verdict == "undetermined" else -0.1,
        direction=direction,
        direction_reason=None if direction else "neither retention curve is flatter than the other",
        inherited=Inherited(1.0, 0.97, 0.0) if fires else Inherited(),
        layer_map=list(range(LAYERS)),
        recipe=[{"step": "renamed", "prefix": "backbone."}, {"step": "noise", "sigma": 0.005}] if fires else [],
        retention=retention(*curves[verdict]) if verdict in curves else {},
        power=None if verdict == "undetermined" else power(),
        limits=["The tests see the weights alone; a model distilled from another takes none."],
        not_compared=["lm_head.weight: vocabulary rows are not exchangeable"],
        findings=findings(fires),
    )


def comparison(verdict: Verdict, direction: Direction | None = None, reference: str = "models/parent") -> Comparison:
    return Comparison(
        tool=TOOL,
        model=side("models/child", "a"),
        reference=side(reference, "b"),
        verdict=verdict,
        weights=claim(verdict, direction),
        computation=COMPUTATION,
    )


def renaming() -> dict[str, Any]:
    rows = [
        {
            "model": f"t{index}",
            "reference": f"layers.{index}.q",
            "part": f"layer {index} q",
            "confidence": 0.9,
            "how": how,
        }
        for index, how in enumerate(["content"] * 6 + ["name"] * 2)
    ]
    odd = [{"name": "t3", "claims": ["layer 1 k"], "is": ["layer 3 q"]}]
    return {"by_content": True, "unchanged": 0, "names": rows, "contradicted": odd, "layer_order": [0, 1, 2, 3, 4, 5]}


def disguised() -> Comparison:
    """A child with everything changed that is free, noise on top; calibrated only."""
    effect: dict[str, float | None] = {"effect": 0.84, "controls": 93.0, "conformal_p": 1 / 94}
    calibrated = Finding("t4.consistency", "Do matched neurons agree?", 21.7, effect=effect, frame="fitted")
    again = msgspec.structs.replace(findings(False)[1], frame="fitted")
    steps: list[dict[str, Any]] = [
        {"step": "layers", "map": [0, 1, 2, None, 2, 5], "from": 6, "to": 6, "found_by": "matched gates"},
        {"step": "rotated", "what": "residual stream", "fit": 0.8, "tokens": 1024},
        {
            "step": "experts",
            "from": 0,
            "to": 2,
            "origins": [
                {"model": f"layer 0, expert {expert}", "reference": "layer 0", "neurons": 64, "inherited": 0.5}
                for expert in range(2)
            ],
        },
        {"step": "trained", "relative_change": 0.1, "alternatives": [{"step": "low-rank", "why": "it is steep"}]},
        {"step": "noise", "sigma": 0.005},
    ]
    left = {
        "distance": 4.0,
        "by_step": [{"step": "noise", "share": 0.992}],
        "remaining": 0.008,
        "remaining_sigma": 1e-5,
    }
    weights = msgspec.structs.replace(
        claim("derived", "reference to model"),
        basis="calibrated, not exact",
        log10_p=-0.1,
        findings=[*findings(False), again, calibrated],
        layer_map=[0, 1, 2, None, 2, 5],
        recipe=steps,
        reconstruction=left,
    )
    return msgspec.structs.replace(comparison("derived"), weights=weights, renaming=renaming())


def without_weights() -> Comparison:
    return Comparison(
        tool=TOOL,
        model=Side("models/child", digest_reason="there are no tensors"),
        reference=side("models/parent", "b"),
        verdict="undetermined",
        weights=None,
        weights_reason="the model holds no tensors, only a configuration",
        computation=COMPUTATION,
    )


def every_kind() -> list[Comparison]:
    kinds = [comparison(verdict) for verdict in VERDICTS]
    derived = [comparison("derived", direction) for direction in ("reference to model", "model to reference")]
    return [*kinds, *derived, disguised(), without_weights()]


def ranking() -> Ranking:
    return Ranking(
        TOOL,
        [comparison("derived", "reference to model", "models/parent"), comparison("independent", None, "models/other")],
    )
