"""Answers that are numbers or boxes: not only whether two models err together, but whether they err alike."""

from __future__ import annotations

from math import isclose

import msgspec
import numpy as np
from numpy.typing import NDArray

from forebear.responses.answers import Value
from forebear.statistics.arrays import Floats
from forebear.statistics.error_vectors import (
    LARGEST,
    alike,
    are_boxes,
    clipped_rms,
    correlation_interval,
    dealt,
    overlap,
    vector_correlation,
)
from forebear.statistics.poisson_binomial import log10_upper_tail
from forebear.statistics.tails import capped

SAME_NUMBER = 1e-6
"""Relative: numbers nearer than this are the same, written with fewer digits."""
SAME_BOX = 0.5
"""Intersection over union from which a box counts as right, the threshold of the PASCAL VOC challenge."""
SAME_ERROR = 0.1
"""Two errors agree where they are no farther apart than this share of the longer one."""
OUTLIER_SHARE = 0.05
"""An error is an outlier beyond what all but this share of all models' errors stay within."""
FEWEST_CONTROLS = 2
FEWEST_ITEMS = 10
_BESIDE_CONTROLS = ("correlation_beyond", "correlation_beyond_interval", "log10_p", "outliers")


class SharedOutliers(msgspec.Struct, frozen=True, kw_only=True):
    """Items on which a model is far off, compared with its other answers and with the other models.

    Attributes:
        first: how many of the one model.
        second: of the other.
        shared: items on which both are far off.
        agreeing: shared ones on which both are off in the same way: boxes that overlap by half or more, numbers whose
            errors are within a tenth of the larger one.
        expected: agreeing ones expected where each item's errors are dealt to models at random.
        log10_p: of at least as many agreeing ones, exact; None without controls.
        reason: why something here is null.
    """

    first: int
    second: int
    shared: int
    agreeing: int
    expected: float | None = None
    log10_p: float | None = None
    reason: str | None = None


class NumericAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """Two models' error vectors.

    Attributes:
        items: answered by all.
        dimensions: numbers of one answer.
        controls: strangers beside the two.
        correlation: of the error vectors as they are, long errors cut, -1 to 1; shared bias of all models is in it.
        correlation_interval: 95 % bootstrap interval over items.
        correlation_beyond: the same of what is left when what all models share is taken out; None without controls.
        correlation_beyond_interval: likewise.
        log10_p: of products as large where each item's errors are dealt to models at random; None without controls.
        tail: ``"counted"`` where ``log10_p`` counts random deals, ``"bound"`` where none came so far and it is
            Chernoff's bound.
        draws: random deals.
        z: the sum of products in standard deviations from its mean under that null.
        outliers: items on which both are far off.
        mean_overlap: mean intersection over union of the two models' boxes; None where answers are not boxes.
        reasons: for each figure that is null, why.
    """

    items: int
    dimensions: int
    controls: int
    correlation: float | None = None
    correlation_interval: tuple[float, float] | None = None
    correlation_beyond: float | None = None
    correlation_beyond_interval: tuple[float, float] | None = None
    log10_p: float | None = None
    tail: str | None = None
    draws: int = 0
    z: float | None = None
    outliers: SharedOutliers | None = None
    mean_overlap: float | None = None
    reasons: dict[str, str] = {}


def wrong_of(answer: Value, gold: Value, tolerance: float = SAME_NUMBER) -> bool:
    """Whether an answer is wrong.

    Text is right where it is the same. A box (left, top, right, bottom) is right where it and the right one overlap by
    half or more. Other numbers are right where each is within ``tolerance`` of the right one.

    Args:
        answer: of the model.
        gold: the right answer.
        tolerance: relative to the larger of two numbers; the default takes numbers as exact.
    """
    if isinstance(answer, str) or isinstance(gold, str):
        return answer != gold
    if len(answer) != len(gold):
        return True
    if all(isclose(one, other, rel_tol=tolerance) for one, other in zip(answer, gold, strict=True)):
        return False
    if not (_is_box(answer) and _is_box(gold)):
        return True
    return float(overlap(np.array(answer), np.array(gold))) < SAME_BOX


def numeric_agreement(
    errors: Floats, a: int, b: int, *, boxes: Floats | None = None, seed: int = 0
) -> NumericAgreement:
    """Ask whether two models err in the same direction and by as much, more than strangers do.

    Null: within each item, once what all models share is taken out and models are scaled to one spread, every
    assignment of the errors to models is equally likely; items are independent. It assumes that strangers' errors
    differ in spread alone: a group of strangers with a bias of its own (one school of data, one prompt) makes its
    members alike as descent does, so a small p is no descent before the pair stands out among pairs of strangers too.
    Where both models are some four times as accurate as every control, 300 items leave their spreads so uncertain that
    one pair of strangers in ten reaches 0.05 (``python -m benchmarks.behaviour numeric``): choose controls as good.

    Args:
        errors: ``(items, models, dimensions)`` answer minus right answer.
        a: index of the one model.
        b: index of the other; every further one is a stranger.
        boxes: ``(items, models, 4)`` the answers themselves as (left, top, right, bottom); None where they are not,
            and taken as None where one of them has no area.
        seed: of the bootstrap and the random deals.

    Raises:
        ValueError: a number that is not finite.
    """
    if not np.isfinite(errors).all():
        raise ValueError("errors must be finite")
    items, models, dimensions = errors.shape
    boxes = boxes if boxes is not None and are_boxes(boxes) else None
    alike_boxes = None if boxes is None else float(overlap(boxes[:, a], boxes[:, b]).mean())
    known = NumericAgreement(items=items, dimensions=dimensions, controls=models - 2, mean_overlap=alike_boxes)
    why = _unfit(errors, a, b)
    if why is not None:
        missing = ("correlation", "correlation_interval", *_BESIDE_CONTROLS)
        return msgspec.structs.replace(known, reasons=dict.fromkeys(missing, why))
    rng = np.random.default_rng([seed, 0x6E756D])
    cut = _cut(errors[:, [a, b]])
    found, reasons = _correlated("correlation", cut[:, 0], cut[:, 1], rng)
    if models - 2 < FEWEST_CONTROLS:
        why = f"needs {FEWEST_CONTROLS} controls or more, there are {models - 2}"
        return msgspec.structs.replace(known, **found, reasons=reasons | dict.fromkeys(_BESIDE_CONTROLS, why))
    beside, further = _beside(errors, a, b, boxes, rng)
    return msgspec.structs.replace(known, **found, **beside, reasons=reasons | further)


def _unfit(errors: Floats, a: int, b: int) -> str | None:
    if len(errors) < FEWEST_ITEMS:
        return f"fewer than {FEWEST_ITEMS} items"
    still = any(bool((errors[:, side] == errors[:1, side]).all()) for side in (a, b))
    return "a model errs by the same on every item" if still else None


def _beside(
    errors: Floats, a: int, b: int, boxes: Floats | None, rng: np.random.Generator
) -> tuple[dict[str, object], dict[str, str]]:
    """What controls make sayable, and the reasons for what is null."""
    vectors = alike(errors, (a, b))
    beyond, reasons = _correlated("correlation_beyond", vectors[:, a], vectors[:, b], rng)
    sums = dealt(vectors, a, b, rng)
    beside: dict[str, object] = {
        "log10_p": sums.log10_p,
        "tail": "bound" if sums.bounded else "counted",
        "draws": sums.draws,
        "z": (sums.value - sums.expected) / sums.spread if sums.spread > 0.0 else 0.0,
        "outliers": _outliers(errors, vectors, a, b, boxes),
    }
    return beyond | beside, reasons


def _correlated(
    name: str, first: Floats, second: Floats, rng: np.random.Generator
) -> tuple[dict[str, object], dict[str, str]]:
    value = float(vector_correlation(first, second)[0])
    if np.isnan(value):
        return {}, dict.fromkeys((name, f"{name}_interval"), "a model's errors are all alike")
    interval = correlation_interval(first, second, rng)
    missing = {f"{name}_interval": "too few items on which a model errs differently"} if interval is None else {}
    return {name: value, f"{name}_interval": interval}, missing


def _cut(errors: Floats) -> Floats:
    """Error vectors in units of each model's spread, long ones cut, nothing taken out."""
    units = clipped_rms(np.abs(errors).reshape(-1, errors.shape[2]))
    scaled = errors / np.where(units > 0.0, units, 1.0)
    spreads = clipped_rms(np.linalg.norm(scaled, axis=2))
    scaled /= np.where(spreads > 0.0, spreads, 1.0)[:, None]
    lengths = np.linalg.norm(scaled, axis=2, keepdims=True)
    short: Floats = scaled * np.minimum(1.0, LARGEST / np.maximum(lengths, 1e-300))
    return short


def _outliers(errors: Floats, vectors: Floats, a: int, b: int, boxes: Floats | None) -> SharedOutliers:
    lengths = np.linalg.norm(vectors, axis=2)
    far = lengths > np.quantile(lengths, 1.0 - OUTLIER_SHARE)
    chances = np.zeros(len(errors))
    models = errors.shape[1]
    agreeing = 0
    for first in range(models):
        for second in range(first + 1, models):
            both = np.flatnonzero(far[:, first] & far[:, second])
            alike_there = both[_agree(errors, boxes, both, first, second)]
            chances[alike_there] += 2.0 / (models * (models - 1))
            if {first, second} == {a, b}:
                agreeing = len(alike_there)
    chances = np.minimum(chances, 1.0)
    return SharedOutliers(
        first=int(far[:, a].sum()),
        second=int(far[:, b].sum()),
        shared=int((far[:, a] & far[:, b]).sum()),
        agreeing=agreeing,
        expected=float(chances.sum()),
        log10_p=capped(log10_upper_tail(agreeing, chances)),
    )


def _agree(errors: Floats, boxes: Floats | None, at: NDArray[np.intp], first: int, second: int) -> NDArray[np.bool_]:
    if boxes is not None:
        same: NDArray[np.bool_] = overlap(boxes[at, first], boxes[at, second]) >= SAME_BOX
        return same
    one, other = errors[at, first], errors[at, second]
    longer = np.maximum(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1))
    near: NDArray[np.bool_] = np.linalg.norm(one - other, axis=1) <= SAME_ERROR * longer
    return near


def _is_box(values: tuple[float, ...]) -> bool:
    return len(values) == 4 and values[2] > values[0] and values[3] > values[1]
