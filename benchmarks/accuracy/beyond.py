"""Siblings, their copies and their children under a declared base, and what siblings score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.known import ZOO, in_parallel
from benchmarks.accuracy.surgeries import Change, changed
from benchmarks.accuracy.tables import Table, counted
from forebear.checkpoint import open_model
from forebear.evidence.weights.beyond import measure_beyond
from forebear.evidence.weights.mixtures import mixtures_of
from forebear.verdict.beyond import judge_beyond
from forebear.verdict.candidates import laid_beside
from forebear.verdict.sides import Prepared, Settings, prepare
from forebear.zoo import surgery
from forebear.zoo.manifest import GROWN
from forebear.zoo.recipes import HELD_OUT

KINDS = ("finetuned", "continued", "frozen", "sibling", "sibling-same-data", "sibling-same-order")
FOUNDERS = (("gated", ("g00", "g01", "g02", "g03", "g04")), ("plain", ("p00", "p01", "p02", "p03", "p04")))
SIGMAS = (0.005, 0.02, 0.05)
EXPLAINED, DERIVED, UNDETERMINED = "explained by base", "derived beyond base", "undetermined"
_SETTINGS = Settings(budget=64_000_000, full=True, seed=0, references=1)


@dataclass(frozen=True)
class Case:
    """One model against one reference under one base.

    Attributes:
        name: of the kind of case.
        model, reference, base: folders.
        expected: verdict.
        direction: expected; None where there is none.
        noise: sigma added to the model on the fly.
    """

    name: str
    model: Path
    reference: Path
    base: Path
    expected: str
    direction: str | None = None
    noise: float = 0.0

    @property
    def held_out(self) -> bool:
        """Whether the lineage only tests."""
        return self.base.name in HELD_OUT


def tables() -> list[Table]:
    """Verdicts by case, the pairs that went wrong or undetermined, and the scores of siblings."""
    cases = list(_cases())
    found = list(zip(cases, in_parallel(judged, cases), strict=True))
    return [_verdicts(found), _doubtful(found), _scores(found)]


def judged(case: Case) -> dict[str, Any]:
    """The claim, as plain values."""
    with ExitStack() as stack:
        model = case.model
        if case.noise:
            model = stack.enter_context(changed(model, _noise(case.noise)))
        mine, reference, base = (prepared(folder) for folder in (model, case.reference, case.base))
        others = [laid_beside(mine, other, _SETTINGS).pairs for other in (reference, base)]
        beyond = measure_beyond(mixtures_of(others), np.random.default_rng(0))
        claim = judge_beyond(beyond, [case.base.name], mine.anatomy.geometry.layers)
    return {"verdict": claim.verdict, "direction": claim.direction, "score": claim.score, "because": claim.because}


def _noise(sigma: float) -> Change:
    return lambda tensors: surgery.add_noise(tensors, sigma)


def prepared(folder: Path) -> Prepared:
    """A model of the zoo, or one made on the fly, made ready."""
    model = open_model(folder)
    if model.tensors is None:
        raise FileNotFoundError(folder)
    return prepare(model, model.tensors, _SETTINGS, lambda _doing, _done: None)


def folder_of(family: str, name: str) -> Path | None:
    """Where a model of the zoo lies, shipped or grown; None where it was not built."""
    places = [home / family / name for home in (ZOO, ZOO / GROWN)]
    return next((place for place in places if (place / "model.safetensors").is_file()), None)


def _cases() -> Iterator[Case]:
    for family, founders in FOUNDERS:
        for founder in founders:
            base = folder_of(family, founder)
            if base is not None:
                yield from _lineage(base, lambda name, family=family: folder_of(family, name), founders)


def _lineage(base: Path, find: Callable[[str], Path | None], founders: tuple[str, ...]) -> Iterator[Case]:
    children = [found for kind in KINDS if (found := find(f"{base.name}-{kind}")) is not None]
    for model, reference in combinations(children, 2):
        yield Case("siblings", model, reference, base, EXPLAINED)
    for model, reference in permutations(children, 2):
        yield Case("noised copy of a sibling's sibling", model, reference, base, EXPLAINED, noise=SIGMAS[0])
    for model in children:
        for sigma in SIGMAS:
            yield Case(f"noised copy, sigma {sigma:g}", model, model, base, DERIVED, "reference to model", noise=sigma)
        yield Case("reference is the base", model, base, base, EXPLAINED)
    grandchild, parent = find(f"{base.name}-grandchild"), find(f"{base.name}-continued")
    if grandchild is not None and parent is not None:
        yield Case("child of a sibling", grandchild, parent, base, DERIVED, "reference to model")
        yield Case("child of a sibling, as reference", parent, grandchild, base, DERIVED, "model to reference")
        for reference in children:
            if reference != parent:
                yield Case("child of a sibling's sibling", grandchild, reference, base, EXPLAINED)
    stranger = find(founders[0] if base.name != founders[0] else founders[1])
    if stranger is not None and children:
        yield Case("base of neither side", children[0], children[-1], stranger, UNDETERMINED)


def _verdicts(found: list[tuple[Case, dict[str, Any]]]) -> Table:
    rows = []
    for held_out in (False, True):
        for name in dict.fromkeys(case.name for case, _ in found):
            inside = [(case, each) for case, each in found if case.name == name and case.held_out == held_out]
            if inside:
                right = sum(each["verdict"] == case.expected for case, each in inside)
                open_ = sum(each["verdict"] == UNDETERMINED != case.expected for case, each in inside)
                directed = sum(each["direction"] == case.direction for case, each in inside)
                rows.append([
                    "held out" if held_out else "tuned on", name, inside[0][0].expected, *counted(right, len(inside)),
                    open_, len(inside) - right - open_, directed,
                ])  # fmt: skip
    return Table(
        "Beyond a declared base: verdicts",
        ("lineages", "case", "expected", "right", "pairs", "share", "95% interval", "undetermined", "wrong",
         "right direction"),
        rows,
        ("Pairs of one lineage are not independent.",),
    )  # fmt: skip


def _doubtful(found: list[tuple[Case, dict[str, Any]]]) -> Table:
    rows = [
        [case.name, case.model.name, case.noise or None, case.reference.name, each["verdict"], each["score"],
         each["direction"], each["because"]]
        for case, each in found
        if each["verdict"] != case.expected or each["direction"] not in (None, case.direction)
    ]  # fmt: skip
    header = ("case", "model", "noise", "reference", "verdict", "score", "direction", "because")
    return Table("Beyond a declared base: pairs not judged as expected", header, rows)


def _scores(found: list[tuple[Case, dict[str, Any]]]) -> Table:
    scored = sorted(
        ((each["score"], case) for case, each in found if case.name == "siblings" and each["score"] is not None),
        key=lambda pair: -pair[0],
    )
    rows = []
    for held_out in (False, True):
        scores = [round(score, 3) for score, case in scored if case.held_out == held_out]
        rows.append(["held out" if held_out else "tuned on", len(scores), ", ".join(map(str, scores))])
    return Table(
        "Beyond a declared base: likeness of sibling pairs, highest first",
        ("lineages", "pairs", "scores"),
        rows,
        ("The row 'tuned on' is what forebear.verdict.siblings ships.",),
    )
