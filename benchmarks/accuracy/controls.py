"""Effects of the calibrated test on strangers fitted as if related, and whether its levels hold on other lineages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from math import inf
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.accuracy.known import ZOO
from benchmarks.accuracy.memory import Held
from benchmarks.accuracy.options import Options
from benchmarks.accuracy.parallel import in_order
from benchmarks.accuracy.paths import closest
from benchmarks.accuracy.strangers import Two, fitted, founders, frame_of, held, laid, pruned, upcycled
from benchmarks.accuracy.tables import Table, share_interval
from forebear.alignment.residual import Kind
from forebear.checkpoint.writer import write_aside
from forebear.evidence import weights
from forebear.evidence.weights.consistency import CALIBRATED_EFFECT, CALIBRATED_Z, Controls, consistency
from forebear.evidence.weights.pair import Pair
from forebear.zoo.manifest import folder_of
from forebear.zoo.recipes import RECIPES, TUNED_ON

COMMAND = "python -m benchmarks.accuracy controls --write"
TUNED, SPARE, OTHERS = "tuned-on", "spare founders", "held-out"
SHIPPED = (TUNED, SPARE)
SPARE_FROM = 5
"""Founders from this number on have no children in the cases of descent."""

WAYS: tuple[tuple[str, Kind, bool], ...] = (
    ("signed permutation fitted", "signed permutation", False),
    ("rotation fitted", "rotation", False),
    ("rotation fitted, layers matched", "rotation", True),
)
SHAPES = {"FFN pruned 50%": pruned, "upcycled": upcycled}


@dataclass(frozen=True)
class Task:
    """One pair of strangers, from one group of lineages."""

    group: str
    two: Two


@dataclass(frozen=True)
class Effect:
    """What one pair reaches in one way of fitting it."""

    task: Task
    way: str
    z: float
    effect: float


def tables(options: Options) -> list[Table]:
    """Quantiles by group and way; writes the shipped effects where asked."""
    tasks = [
        task for family in ("gated", "plain", "deep") if options.family in (None, family) for task in _tasks(family)
    ]
    if options.quick:
        tasks = tasks[:: max(1, len(tasks) // 12)]
    found = [effect for effects in in_order(effects_of, tasks, options.jobs) for effect in effects]
    shipped = sorted(_largest(one for one in found if one.task.group in SHIPPED).values())
    if options.write and not (options.quick or options.family):
        _write(shipped)
    return [_quantiles(found), _levels(found), _shipped(shipped)]


def _tasks(family: str) -> Iterator[Task]:
    tuned = {name: _lineage(family, name) for name in sorted(TUNED_ON) if name[0] == family[0]}
    for first, second in combinations(tuned, 2):
        yield from (Task(TUNED, Two(family, *names)) for names in product(tuned[first], tuned[second]))
    every = founders(family)
    for first, second in combinations(every, 2):
        if not {first, second} <= TUNED_ON:
            spare = family != "deep" and min(int(first[1:]), int(second[1:])) >= SPARE_FROM
            yield Task(SPARE if spare else OTHERS, Two(family, first, second))


def _lineage(family: str, founder: str) -> list[str]:
    """The founder and its children that are there; a distilled student is no child, but as much a stranger."""
    mine = [one for one in RECIPES if one.family == family and one.founder == founder]
    return [one.name for one in mine if (folder_of(ZOO, one) / "model.safetensors").is_file() and not one.growth]


def effects_of(task: Task) -> list[Effect]:
    """One pair in every way."""
    two = task.two
    mine, yours = (held(two.family, name) for name in two.names)
    found = [_effect(task, way, mine, yours, kind, matched=matched) for way, kind, matched in WAYS]
    for name, change in SHAPES.items() if two.family == "gated" and task.group != TUNED else ():
        changed = held(two.family, two.model, change, seed=int(two.model[1:3]))
        found.append(_effect(task, f"{name}, rotation fitted", changed, yours, "rotation", matched=False))
    return found


def _effect(task: Task, way: str, mine: Held, yours: Held, kind: Kind, *, matched: bool) -> Effect:
    residual = fitted(mine, yours, kind)
    depth = mine.anatomy.geometry.layers
    source = closest(mine, yours, residual) if matched else tuple(range(depth))
    frame = frame_of(mine, yours, residual, source)
    finding = consistency(Pair.of(laid(mine, yours, frame, f"{task.two} {way}")))
    effect = finding.effect.get("effect")
    if finding.value is None or effect is None:
        return Effect(task, way, 0.0, 0.0)
    return Effect(task, way, finding.value, effect)


def _largest(found: Iterator[Effect]) -> dict[Two, float]:
    """The largest effect of each pair over the ways of fitting it, since the pipeline chooses."""
    largest: dict[Two, float] = {}
    for one in found:
        largest[one.task.two] = max(one.effect, largest.get(one.task.two, -inf))
    return largest


def _write(effects: list[float]) -> None:
    pairs = (
        "models of g00 against those of g01, p00 against p01, and founders g05 to g11 and p05 to p07 among themselves; "
        "of each pair the largest over all ways of fitting it"
    )
    content = Controls(COMMAND, [round(effect, 5) for effect in effects], pairs)
    path = Path(weights.__file__).with_name("controls.json")
    write_aside(path, [msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"])


def _reach(one: Effect) -> bool:
    return one.z >= CALIBRATED_Z and one.effect >= CALIBRATED_EFFECT


def _quantiles(found: list[Effect]) -> Table:
    rows = []
    for group, family, way in dict.fromkeys((one.task.group, one.task.two.family, one.way) for one in found):
        mine = [one for one in found if (one.task.group, one.task.two.family, one.way) == (group, family, way)]
        z, effect = (np.array([getattr(one, name) for one in mine]) for name in ("z", "effect"))
        cells = [float(value) for each in (z, effect) for value in np.quantile(each, (0.5, 0.9, 0.99, 1.0))]
        rows.append([group, family, way, len(mine), *cells, sum(map(_reach, mine))])
    names = [f"{name} {point}" for name in ("z", "effect") for point in ("median", "90%", "99%", "largest")]
    return Table(
        "Controls: strangers fitted as if related",
        ("lineages", "family", "way", "pairs", *names, "reach both levels"),
        rows,
        (
            f"Levels: z {CALIBRATED_Z:g} and effect {CALIBRATED_EFFECT:g}, set on tuned-on lineages.",
            "tuned-on: every model of g00 against every one of g01, p00 against p01 (relatives, so far from "
            "independent). Spare founders have no children in the cases of descent; held-out: every other pair of "
            "founders. The family deep is of another geometry. Pairs share models.",
        ),
    )


def _levels(found: list[Effect]) -> Table:
    rows = []
    for group in dict.fromkeys(one.task.group for one in found):
        for family in dict.fromkeys(one.task.two.family for one in found if one.task.group == group):
            mine = [one for one in found if (one.task.group, one.task.two.family) == (group, family)]
            pairs = {one.task.two for one in mine}
            fired = len({one.task.two for one in mine if _reach(one)})
            largest = max(one.effect for one in mine), max(one.z for one in mine)
            rows.append([group, family, fired, len(pairs), share_interval(fired, len(pairs)), *largest])
    return Table(
        "Controls: pairs of strangers that reach both levels in any way of fitting them",
        ("lineages", "family", "pairs that reach", "pairs", "95% interval", "largest effect", "largest z"),
        rows,
    )


def _shipped(effects: list[float]) -> Table:
    points = (0.0, 0.5, 0.9, 0.99, 1.0)
    cells = [float(value) for value in np.quantile(effects, points)] if effects else [None] * len(points)
    return Table(
        "Controls: effects that are shipped, one a pair",
        ("pairs", "least", "median", "90%", "99%", "largest"),
        [[len(effects), *cells]],
        (f"`{COMMAND}` writes them.",),
    )
