"""Recipe steps read off differences: which steps are named, with which amounts, and what they account for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.known import in_parallel, truth, zoo
from benchmarks.accuracy.memory import MemoryStore
from benchmarks.accuracy.recipe_cases import CASES, CHILD_CASES, COPY_CASES, Case
from benchmarks.accuracy.tables import Table, counted
from forebear.anatomy.reading import read_part
from forebear.anatomy.recognise import recognise
from forebear.evidence.weights.identity import StoredPair
from forebear.evidence.weights.residual import Residual, reconstruct, residual_of
from forebear.verdict.steps import changed_steps
from forebear.zoo.folder import Arrays, read_config, read_tensors

TUNED = ("g00", "g01", "p00", "p01")


def pairs(model: Arrays, reference: Arrays, config: dict[str, Any]) -> Iterator[StoredPair]:
    """Parts of equal shape, no alignment between."""
    mine, yours = MemoryStore(model), MemoryStore(reference)
    first, second = recognise(mine, config), recognise(yours, config)
    for part, view in first.parts.items():
        other = second.parts.get(part)
        if other is not None and other.shape == view.shape:
            types = mine.info(view.tensor).dtype, yours.info(other.tensor).dtype
            yield StoredPair(part, read_part(mine, view), read_part(yours, other), types)


@dataclass(frozen=True)
class Job:
    """One case, by name so that it travels to another process, on one model held against another."""

    case: str
    model: Path
    reference: Path


def run(job: Job) -> dict[str, Any]:
    """Steps, their amounts and what they account for."""
    reference = read_tensors(job.reference)
    start = read_tensors(job.model) if job.model != job.reference else reference
    residual = residual_of(pairs(CASES[job.case].change(start), reference, read_config(job.reference)))
    steps = changed_steps(residual)
    made = reconstruct(residual)
    return {
        "steps": steps,
        "names": [step["step"] for step in steps if step["step"] != "frozen"],
        "remaining": made.remaining,
        "spread": _spread(residual),
        "edge": float(np.median([one.edge for one in residual.tensors])) if residual.tensors else None,
    }


def _spread(residual: Residual) -> float | None:
    """Relative spread of sigma over matrices, absolute or relative, whichever is less."""
    found = []
    for values in ([one.sigma for one in residual.tensors], [one.relative for one in residual.tensors]):
        middle = float(np.median(values)) if values else 0.0
        if middle > 0.0:
            found.append(float(np.median(np.abs(np.array(values) - middle))) * 1.4826 / middle)
    return min(found) if found else None


def tables() -> Iterator[Table]:
    """Copies changed on the fly, held out and tuned on; children, alone and changed."""
    models = [one for family in ("gated", "plain") for one in zoo(family) if one.kind == "stranger"]
    tuned = [one.folder for one in models if one.name in TUNED]
    held = [
        folder
        for family in ("gated", "plain")
        for folder in [one.folder for one in models if one.family == family and one.name not in TUNED][:2]
    ]
    yield _table("Recipe: copies changed on the fly, held out", COPY_CASES, [(folder, folder) for folder in held])
    yield _table("Recipe: the same, models tuned on", COPY_CASES, [(folder, folder) for folder in tuned])
    yield _table("Recipe: trained children, alone and changed after, models tuned on", CHILD_CASES, _children(True))
    yield _table("Recipe: trained children of models held out", CHILD_CASES, _children(False))


def _children(tuned: bool) -> list[tuple[Path, Path]]:
    found = []
    for family in ("gated", "plain"):
        models = zoo(family)
        for model in models:
            parent = next((one for one in models if one.name == model.parent), None)
            if parent and truth(model, parent) == "reference to model" and (model.name[:3] in TUNED) == tuned:
                found.append((model.folder, parent.folder))
    return found


def _table(title: str, cases: Sequence[Case], places: Sequence[tuple[Path, Path]]) -> Table:
    jobs = [Job(case.name, *place) for case in cases for place in places if case.fits(place[0])]
    found = in_parallel(run, jobs)
    rows, right, exact = [], 0, 0
    for case in cases:
        each = [result for job, result in zip(jobs, found, strict=True) if job.case == case.name]
        if each:
            main = sum(case.main_right(result["names"]) for result in each)
            whole = sum(case.all_right(result["names"]) for result in each)
            right, exact = right + main, exact + whole
            rows.append(_row(case, each, main, whole))
    rows.append(["all", "", *counted(right, len(jobs)), exact, None, None, None, None, ""])
    return Table(title, _HEADER, rows, _NOTES)


_HEADER = (
    "case", "expected", "main right", "of", "share", "95% interval", "all right", "largest error", "remaining",
    "spread", "edge", "steps otherwise named",
)  # fmt: skip
_NOTES = (
    "'Main right': the expected steps are all named; 'all right': and no other. 'Largest error' is of the amount "
    "(sigma, rank, share or bits), relative. 'Remaining' is the largest share of the distance the steps leave. "
    "Copies of one model are not independent.",
)


def _row(case: Case, found: Sequence[dict[str, Any]], main: int, whole: int) -> list[Any]:
    errors = [error for each in found if (error := case.error(each["steps"])) is not None]
    wrong = sorted({" ".join(each["names"]) for each in found if not case.all_right(each["names"])})
    spreads = [each["spread"] for each in found if each["spread"] is not None]
    edges = [each["edge"] for each in found if each["edge"] is not None]
    return [
        case.name, " ".join(case.expected), *counted(main, len(found)), whole, max(errors, default=None),
        max(each["remaining"] for each in found), float(np.median(spreads)) if spreads else None,
        float(np.median(edges)) if edges else None, "; ".join(wrong),
    ]  # fmt: skip
