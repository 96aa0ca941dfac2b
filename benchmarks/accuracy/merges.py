"""Merges of siblings and of strangers: method, weights, densities, places, origins, and parents left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.accuracy.beyond import FOUNDERS, folder_of, prepared
from benchmarks.accuracy.known import in_parallel
from benchmarks.accuracy.tables import Table, counted
from forebear.verdict.declared import Further, declared_claims
from forebear.verdict.further import MergeClaim
from forebear.verdict.sides import Settings
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder
from forebear.zoo.recipes import HELD_OUT
from forebear.zoo.surgery import merge

PARENTS = ("continued", "sibling", "sibling-same-data", "frozen", "finetuned")
"""Children merged, the first three that were built."""

MOST = 3
PRECISE = 0.01
SETTINGS = Settings(budget=64_000_000, full=True, seed=0, references=1)


@dataclass(frozen=True)
class Case:
    """One merge.

    Attributes:
        method: expected.
        name: what was done.
        parents: folders of the parents merged, in order.
        listed: how many of them the user names (the rest is missing), and whether a fourth, unused one too.
        unused: a candidate that was not merged; None for none.
        base: common base; None where the user names none.
        weights: expected of the parents listed; None where the method has none to compare.
        density: expected of each parent; None elsewhere.
        places: SLERP: expected by layer; None elsewhere.
        origins: frankenmerge: (parent, layer) of each layer.
        siblings: whether the parents share a base.
    """

    method: str | None
    name: str
    parents: tuple[Path, ...]
    over: Path
    listed: int
    unused: Path | None = None
    base: Path | None = None
    weights: tuple[float, ...] | None = None
    density: float | None = None
    places: tuple[float, ...] | None = None
    origins: tuple[tuple[int, int], ...] | None = None
    siblings: bool = True

    @property
    def lineage(self) -> str:
        """Whose children are merged."""
        return "held out" if self.over.name in HELD_OUT else "tuned on"

    @property
    def missing(self) -> bool:
        """Whether a parent is not listed."""
        return self.listed < len(self.parents)


def tables() -> list[Table]:
    """Right and wrong by method."""
    cases = list(_cases())
    found = list(zip(cases, in_parallel(estimated, cases), strict=True))
    return [_summary(found), _wrong(found)]


def estimated(case: Case) -> dict[str, Any]:
    """What the pipeline says of a merge made on the fly."""
    with TemporaryDirectory() as room:
        made = Path(room) / "model"
        tensors, config = _made(case)
        write_folder(made, tensors, config)
        listed = [*case.parents[: case.listed], *([case.unused] if case.unused else [])]
        mine, first, *others = (prepared(folder) for folder in (made, *listed))
        bases = () if case.base is None else (prepared(case.base),)
        claim = declared_claims(mine, first, Further(tuple(others), bases), SETTINGS, lambda _doing, _done: None).merge
    return {"right": False, "because": "no claim"} if claim is None else _judged(case, claim, listed)


def _judged(case: Case, claim: MergeClaim, listed: Sequence[Path]) -> dict[str, Any]:
    sources = [str(folder) for folder in listed]
    errors = [abs(claim.weights.get(s, 0.0) - w) for s, w in zip(sources, case.weights or (), strict=False)]
    if case.unused is not None:
        errors.append(abs(claim.weights.get(sources[-1], 0.0)))
    kept = [density[0] for density in claim.densities.values()]
    densities = [abs(density - (case.density or 0.0)) for density in kept]
    places = [abs(claim.places[i][0] - t) for i, t in enumerate(case.places or ()) if i in claim.places]
    expected = {i: (sources[parent], layer) for i, (parent, layer) in enumerate(case.origins or ())}
    same = {i: (one.source, one.layer) for i, one in claim.origins.items()} == expected
    # What is missing biases the weights of the others, and says so.
    precise = case.missing or max([*errors, *places], default=0.0) <= PRECISE
    right = (
        claim.merged
        and claim.missing_parent == case.missing
        and (case.missing or claim.method == case.method)
        and precise
        and same
        and max(densities, default=0.0) <= PRECISE
        and len(places) == len(case.places or ())
    )
    return {
        "right": right,
        "error": max(errors, default=None),
        "density": max(densities, default=None),
        "place": max(places, default=None),
        "said": claim.method,
        "because": claim.because,
        "weights": [round(claim.weights.get(source, 0.0), 4) for source in sources],
    }


def _made(case: Case) -> tuple[Arrays, dict[str, Any]]:
    models = [_tensors(folder) for folder in case.parents]
    config = read_config(case.parents[0])
    base = _tensors(case.over)
    weights = case.weights or ()
    match case.method:
        case "linear":
            whole = (*weights, *([1.0 - sum(weights)] if case.missing else []))
            return merge.linear(models, whole), config
        case "task arithmetic":
            return merge.task_arithmetic(base, models, weights), config
        case "ties":
            return merge.ties(base, models, weights, case.density or 1.0), config
        case "dare":
            return merge.dare(base, models, weights, case.density or 1.0), config
        case "slerp":
            return merge.slerp(models[0], models[1], case.places or weights[1]), config
        case _:
            found = merge.franken(models, config, case.origins or ())
            return found.tensors, found.config


@lru_cache(maxsize=16)
def _tensors(folder: Path) -> Arrays:
    return read_tensors(folder)


def _cases() -> Iterator[Case]:
    for family, founders in FOUNDERS:
        for index, founder in enumerate(founders):
            base = folder_of(family, founder)
            siblings = [found for kind in PARENTS if (found := folder_of(family, f"{founder}-{kind}")) is not None]
            others = [folder_of(family, name) for name in (*founders[index + 1 :], *founders[:index])]
            strangers = [found for found in others if found is not None]
            if base is not None and len(siblings) >= MOST:
                yield from _lineage(base, siblings[:MOST], siblings=True)
            if base is not None and len(strangers) >= MOST:
                yield from _lineage(base, strangers[:MOST], siblings=False)


def _lineage(base: Path, parents: Sequence[Path], *, siblings: bool) -> Iterator[Case]:
    two, three = tuple(parents[:2]), tuple(parents[:3])
    case = partial(Case, over=base, siblings=siblings)
    layers = int(next(v for k, v in read_config(base).items() if k in ("num_hidden_layers", "n_layer")))
    for known in (None, base):
        yield case("linear", "linear, 0.6 and 0.4", two, listed=2, base=known, weights=(0.6, 0.4))
        yield case("linear", "linear of three", three, listed=3, base=known, weights=(0.5, 0.3, 0.2))
        yield case("linear", "linear, one unused", two, listed=2, unused=three[2], base=known, weights=(0.6, 0.4))
        yield case("linear", "linear, one missing", three, listed=2, base=known, weights=(0.5, 0.3))
        yield case("slerp", "SLERP at 0.3", two, listed=2, base=known, weights=(0.7, 0.3))
    along = tuple(np.linspace(0.1, 0.9, layers).tolist())
    yield case("slerp", "SLERP along depth", two, listed=2, places=along)
    if siblings:
        yield from _over_base(case, base, two)
    kept = tuple((layer % 2, layer) for layer in range(layers))
    yield case("frankenmerge", "frankenmerge, depth kept", two, listed=2, origins=kept)
    if not siblings:
        return  # layers of strangers do not share a residual stream, and no tool stacks them
    deeper = tuple((0, layer) for layer in range(layers)) + tuple((1, layer) for layer in range(1, layers))
    yield case("frankenmerge", "frankenmerge, deeper", two, listed=2, origins=deeper)


def _over_base(case: Callable[..., Case], base: Path, two: tuple[Path, ...]) -> Iterator[Case]:
    yield case("task arithmetic", "task arithmetic", two, listed=2, base=base, weights=(0.7, 0.5))
    for density in (0.2, 0.5, 0.8):
        for method in ("ties", "dare"):
            name = f"{method.upper()}, density {density:g}"
            yield case(method, name, two, listed=2, base=base, weights=(0.6, 0.4), density=density)


def _summary(found: list[tuple[Case, dict[str, Any]]]) -> Table:
    rows = []
    for key in dict.fromkeys((case.lineage, case.siblings, case.name) for case, _ in found):
        inside = [each for case, each in found if (case.lineage, case.siblings, case.name) == key]
        worst = [max((e for each in inside if (e := each.get(what)) is not None), default=None) for what in _AMOUNTS]
        right = sum(each["right"] for each in inside)
        rows.append([key[0], "siblings" if key[1] else "strangers", key[2], *counted(right, len(inside)), *worst])
    return Table(
        "Merges: method, amounts within 0.01 and origins right",
        ("lineages", "parents", "merge", "right", "merges", "share", "95% interval", "weight off", "density off",
         "place off"),
        rows,
        ("Each with and without the common base named, where the method needs none. Where a parent is missing, right "
         "is to say so; the weights of the others are then biased by what they share with it.",),
    )  # fmt: skip


_AMOUNTS = ("error", "density", "place")


def _wrong(found: list[tuple[Case, dict[str, Any]]]) -> Table:
    rows = [
        [case.over.name, "siblings" if case.siblings else "strangers", case.name, case.base is not None,
         each.get("said"), each.get("weights"), each.get("density"), each["because"]]
        for case, each in found
        if not each["right"]
    ]  # fmt: skip
    header = ("base", "parents", "merge", "base named", "said", "weights", "density off", "because")
    return Table("Merges not read as expected", header, rows)
