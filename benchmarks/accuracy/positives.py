"""Descendants: trained ones of the zoo, and copies changed on the fly."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy.known import ZOO, compared, in_parallel, truth, zoo
from benchmarks.accuracy.retention import related_pairs
from benchmarks.accuracy.surgeries import Change, changed, noised, only, stacked
from benchmarks.accuracy.tables import Table, counted
from forebear.zoo import surgery

SIGMAS = (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0)
_HIDE = {"model.": "body.", "transformer.": "body."}


def tables() -> list[Table]:
    """Trained children, then surgeries."""
    return [_trained(), _surgeries()]


def _trained() -> Table:
    pairs = [pair for pair in related_pairs() if truth(*pair) in ("reference to model", "model to reference")]
    found = in_parallel(compared, [(model.folder, reference.folder) for model, reference in pairs])
    rows = []
    for (model, reference), each in zip(pairs, found, strict=True):
        step = each["recipe"][-1] if each["recipe"] else {}
        amounts = ", ".join(f"{key} {value:.3g}" for key, value in step.items() if isinstance(value, float))
        rows.append([
            model.family, model.name, reference.name, truth(model, reference), each["verdict"], each["direction"],
            each["log10_p"], " ".join(each["steps"]), amounts,
        ])  # fmt: skip
    return Table(
        "Positives: trained descendants of the zoo against their ancestors",
        ("family", "model", "reference", "truth", "verdict", "direction", "log10 p", "steps", "last step"),
        rows,
    )


@dataclass(frozen=True)
class Copy:
    """A change of a model and what must be said of it.

    Attributes:
        name: of the change.
        folder: the model.
        verdicts: words that are right.
        direction: what must be said; None where there is none to say.
        other: an unrelated model that lends parts.
    """

    name: str
    folder: Path
    verdicts: tuple[str, ...]
    direction: str | None
    other: Path


def _changes(copy: Copy) -> tuple[Change, dict[str, Any]]:
    options: dict[str, Any] = {"shards": 3} if copy.name in ("resharded", "everything stacked") else {}
    ffn, attention = ("mlp", "attn")
    table: dict[str, Change] = {
        "permuted": surgery.permute_neurons,
        "permuted, noise 0.1": stacked(surgery.permute_neurons, noised(0.1)),
        "permuted, noise 0.5": stacked(surgery.permute_neurons, noised(0.5)),
        "signs flipped": surgery.flip_signs,
        "rescaled": surgery.rescale_neurons,
        "renamed": lambda tensors: surgery.rename(tensors, _HIDE),
        "reordered": surgery.reorder,
        "resharded": dict,
        "cast F16": lambda tensors: surgery.cast(tensors, "F16"),
        "cast F32": lambda tensors: surgery.cast(tensors, "F32"),
        "cast F8_E4M3": lambda tensors: surgery.cast(tensors, "F8_E4M3"),
        "permuted, flipped, rescaled": stacked(surgery.permute_neurons, surgery.flip_signs, surgery.rescale_neurons),
        "everything stacked": stacked(
            surgery.permute_neurons, noised(0.1), surgery.reorder, lambda tensors: surgery.rename(tensors, _HIDE)
        ),
        "FFN only": only(ffn, copy.other),
        "attention only": only(attention, copy.other),
        "random start": surgery.redraw,
    }
    table |= {f"noise {sigma:g}": noised(sigma) for sigma in SIGMAS}
    return table[copy.name], options


_DESCENT = ("derived",)
_SAME = ("same",)
_EITHER = ("derived", "same")
_CASES: dict[str, tuple[tuple[str, ...], str | None]] = {
    **{f"noise {sigma:g}": (_DESCENT, "reference to model") for sigma in SIGMAS},
    "permuted": (_SAME, None),
    "permuted, noise 0.1": (_DESCENT, "reference to model"),
    "permuted, noise 0.5": (_DESCENT, "reference to model"),
    "signs flipped": (_SAME, None),
    "rescaled": (_EITHER, None),
    "permuted, flipped, rescaled": (_EITHER, None),
    "renamed": (_SAME, None),
    "reordered": (_SAME, None),
    "resharded": (_SAME, None),
    "cast F16": (_SAME, None),
    "cast F32": (_SAME, None),
    "cast F8_E4M3": (_EITHER, None),
    "everything stacked": (_DESCENT, "reference to model"),
    "FFN only": (_DESCENT, None),
    "attention only": (_DESCENT, None),
    "random start": (("independent",), None),
}
_GATED_ONLY = ("signs flipped", "rescaled", "permuted, flipped, rescaled")
_PLACES = (("gated", "g02"), ("gated", "g03"), ("plain", "p02"), ("plain", "p03"))


def _copies(name: str) -> list[Copy]:
    verdicts, direction = _CASES[name]
    found = []
    for family, model in _PLACES:
        if (ZOO / family / model).is_dir() and not (name in _GATED_ONLY and family != "gated"):
            others = [
                one.folder for one in zoo(family) if one.kind == "stranger" and one.name not in (model, "g00", "p00")
            ]
            found.append(Copy(name, ZOO / family / model, verdicts, direction, others[-1]))
    return found


def _compare_copy(copy: Copy) -> dict[str, Any]:
    change, options = _changes(copy)
    with changed(copy.folder, change, **options) as made:
        return compared((made, copy.folder))


def _surgeries() -> Table:
    copies = [copy for name in _CASES for copy in _copies(name)]
    found = in_parallel(_compare_copy, copies)
    by_name: dict[str, list[tuple[Copy, dict[str, Any]]]] = {}
    for copy, each in zip(copies, found, strict=True):
        by_name.setdefault(copy.name, []).append((copy, each))
    return Table(
        "Positives: copies changed on the fly, four parents (two of either family)",
        (
            "change",
            "expected",
            "right",
            "copies",
            "share",
            "95% interval",
            "right direction",
            "wrong direction",
            "verdicts",
            "log10 p from",
            "to",
            "steps",
        ),
        [_surgery_row(name, each) for name, each in by_name.items()],
        (
            "Noise in standard deviations of each tensor. Copies of one parent under different changes are not "
            "independent; copies of one change are. 'random start' is the control: nothing of the parent is left.",
        ),
    )


def _surgery_row(name: str, found: list[tuple[Copy, dict[str, Any]]]) -> list[Any]:
    expected, direction = _CASES[name]
    right = sum(each["verdict"] in expected for _, each in found)
    directed = sum(direction is not None and each["direction"] == direction for _, each in found)
    wrong = sum(each["direction"] not in (None, "reference to model") for _, each in found)
    verdicts = Counter(each["verdict"] for _, each in found)
    scores = [each["log10_p"] or 0.0 for _, each in found]
    shown = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items())
    steps = Counter(" ".join(each["steps"]) for _, each in found).most_common(1)[0][0]
    said = directed if direction else None
    return [
        name,
        " or ".join(expected),
        *counted(right, len(found)),
        said,
        wrong,
        shown,
        min(scores),
        max(scores),
        steps,
    ]
