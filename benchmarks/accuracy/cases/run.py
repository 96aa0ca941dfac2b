"""Makes cases, compares them, and holds what is said against the truth."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from math import inf
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from benchmarks.accuracy.cases.chosen import Case, kinds
from benchmarks.accuracy.cases.kind import Kind, NotBuiltError, Pair
from forebear.checkpoint import open_model, tensor_digests
from forebear.errors import ForebearError
from forebear.verdict.compare import compare
from forebear.verdict.comparison import WeightsClaim

RELATED = ("same", "derived", "related", "shared start")


@dataclass(frozen=True)
class Outcome:
    """What was said of one case, and whether it is right; None where there is nothing to judge.

    Attributes:
        case: which.
        verdict, because, basis, direction, log10_p: as the comparison says them.
        steps: of the recipe, with what they act on.
        right: whether the verdict is right.
        direction_right: of a direction that was named.
        step_right: whether the main step is in the recipe.
        layers_right: whether the layer map is exact.
        sigma_error: relative error of the noise; infinite where another amount is given.
        basis_right: whether what fired is what should have.
        names: how many names were recovered, and of how many; None where it is not asked for.
        seconds: of the comparison.
        missing: model of the zoo that is not there; nothing else is then known.
    """

    case: Case
    verdict: str = ""
    because: str = ""
    basis: str | None = None
    direction: str | None = None
    log10_p: float | None = None
    steps: tuple[str, ...] = ()
    layers: tuple[int | None, ...] = ()
    right: bool = False
    direction_right: bool | None = None
    step_right: bool | None = None
    layers_right: bool | None = None
    sigma_error: float | None = None
    basis_right: bool | None = None
    names: tuple[int, int] | None = None
    seconds: float = 0.0
    missing: str = ""

    @property
    def undetermined(self) -> bool:
        """Whether no word was found."""
        return self.verdict == "undetermined" and not self.right

    @property
    def faults(self) -> list[str]:
        """What is not right, in words."""
        found = [] if self.right else [self.verdict]
        found += [f"direction {self.direction}"] if self.direction_right is False else []
        found += [f"steps {', '.join(self.steps) or 'none'}"] if self.step_right is False else []
        found += [f"layers {_shown(self.layers)}"] if self.layers_right is False else []
        found += [f"basis {self.basis}"] if self.basis_right is False else []
        if self.sigma_error is not None and self.sigma_error > SIGMA_WITHIN:
            found.append(f"sigma off by {self.sigma_error:.1%}")
        if self.names is not None and self.names[0] < self.names[1]:
            found.append(f"{self.names[0]} of {self.names[1]} names recovered")
        return found


REFUSED = "refused"
"""Said where a comparison ends in an error: as wrong as a wrong verdict, since every case can be compared."""

SIGMA_WITHIN = 0.02
"""Largest relative error of a noise amount that still counts as right."""


def run_all(cases: Sequence[Case], jobs: int) -> list[Outcome]:
    """Outcomes in order; each is told on the error stream as it comes.

    Args:
        cases: what to run.
        jobs: processes; 1 runs them here.
    """
    found: dict[Case, Outcome] = {}
    for outcome in _outcomes(cases, jobs):
        found[outcome.case] = outcome
        print(_line(outcome, len(found), len(cases)), file=sys.stderr, flush=True)
    return [found[case] for case in cases]


def _outcomes(cases: Sequence[Case], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        with threadpool_limits(1):
            yield from map(run, cases)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for done in as_completed([pool.submit(run, case) for case in cases]):
            yield done.result()


def _one_thread() -> None:
    threadpool_limits(1)


def _line(outcome: Outcome, number: int, whole: int) -> str:
    said = f"not built: {outcome.missing}" if outcome.missing else "; ".join(outcome.faults) or "right"
    told = "" if outcome.missing or not outcome.faults else f" | {outcome.because}"
    return f"[{number}/{whole}] {outcome.case.name}: {said}{told} ({outcome.seconds:.1f} s)"


def run(case: Case) -> Outcome:
    """Makes one case in a temporary folder and compares its two sides, every byte of them."""
    kind = kinds()[case.kind]
    with TemporaryDirectory() as room:
        try:
            pair = kind.make(case.lineage, Path(room))
        except NotBuiltError as missing:
            return Outcome(case, missing=str(missing))
        started = time.monotonic()
        try:
            result = compare(pair.model, pair.reference, full=True)
        except ForebearError as error:
            return Outcome(case, REFUSED, error.line(), seconds=time.monotonic() - started)
        seconds = time.monotonic() - started
        values = {} if pair.names is None else _values_of(pair.model)
    claim = result.weights
    if claim is None:
        return Outcome(case, result.verdict, result.weights_reason or "", seconds=seconds)
    names = None if pair.names is None else recovered(result.renaming, pair.names, values)
    return replace(judged(case, kind, pair, claim), seconds=seconds, names=names)


def recovered(
    renaming: dict[str, Any] | None, names: Mapping[str, str], values: Mapping[str, str] | None = None
) -> tuple[int, int]:
    """How many tensors are known by the reference's name, and of how many; one not told of is taken at its word.

    Args:
        renaming: of the result.
        names: the true name of each tensor.
        values: digest of each tensor's values: tensors of equal values (gains folded to one) may change places.
    """
    told = {one["model"]: one["reference"] for one in (renaming or {}).get("names", [])}
    holder = {old: new for new, old in names.items()}

    def right(new: str, old: str) -> bool:
        said = told.get(new, new)
        other = holder.get(said)
        return said == old or (values is not None and other is not None and values[other] == values[new])

    return sum(right(new, old) for new, old in names.items()), len(names)


def _values_of(folder: Path) -> dict[str, str]:
    with open_model(folder) as model:
        return {} if model.tensors is None else tensor_digests(model.tensors)


def judged(case: Case, kind: Kind, pair: Pair, claim: WeightsClaim) -> Outcome:
    """What a claim is worth, held against the truth of its kind."""
    truth, found = kind.truth, tuple(_named(claim.recipe))
    related = claim.verdict in RELATED
    basis = kind.basis_of(case.lineage.family)
    return Outcome(
        case,
        claim.verdict,
        claim.because,
        claim.basis,
        claim.direction,
        claim.log10_p,
        found,
        tuple(claim.layer_map),
        right=claim.verdict in truth.verdicts,
        direction_right=None if claim.direction is None else claim.direction == truth.direction,
        step_right=_holds(found, truth.steps) if truth.steps and related else None,
        layers_right=tuple(claim.layer_map) == pair.layers if related and pair.layers is not None else None,
        sigma_error=_sigma_error(claim.recipe, pair.sigma) if related and pair.sigma else None,
        basis_right=claim.basis == basis if related and basis else None,
    )


def _named(recipe: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each step, with what it acts on where it says so."""
    for step in recipe:
        what = step.get("what")
        yield f"{step['step']}: {what}" if what else str(step["step"])


def _holds(found: Sequence[str], ways: Sequence[str]) -> bool:
    """Whether one of the ways to name the step is there; a bare one fits whatever the step acts on."""
    return any(way in (one, one.split(":")[0]) for way in ways for one in found)


def _sigma_error(recipe: Sequence[dict[str, Any]], sigma: tuple[str, float]) -> float:
    name, amount = sigma
    said = next((step[name] for step in recipe if step["step"] == "noise" and name in step), None)
    return inf if said is None else abs(said / amount - 1.0)


def _shown(layers: Sequence[int | None]) -> str:
    return " ".join("new" if layer is None else str(layer) for layer in layers)
