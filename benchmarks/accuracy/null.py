"""What strangers get: uniformity of p-values, false positives, verdicts; from the zoo and from simulated models."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.accuracy.known import (
    FAMILIES,
    Known,
    compared,
    in_parallel,
    unrelated_pairs,
    zoo,
)
from benchmarks.accuracy.layers import BY_LAYER, INVARIANTS, RELABELLINGS, RESIDUAL, Score, pair_scores
from benchmarks.accuracy.tables import JOINT_HEADER, UNIFORMITY_HEADER, Table, counted, joint_cells, uniformity
from forebear.statistics.tails import holm, probability

SIMULATED_MODELS = {("gated", "SGD"): 1400, ("gated", "AdamW"): 1400, ("gated", "Muon"): 1400} | {
    ("plain", name): 400 for name in ("SGD", "AdamW", "Muon")
}
SIMULATED_BATCH = 50
SIMULATED_STEPS = 120

STRANGERS = ("stranger",)


@dataclass(frozen=True)
class Scored:
    """One test between two models of the zoo.

    Attributes:
        test: which test.
        models: the two models.
        layers: layer of either side; None for tests of the whole model.
        score: what it gave.
    """

    test: str
    models: tuple[str, str]
    layers: tuple[int, int] | None
    score: Score


def tables() -> list[Table]:
    """Every table of the null."""
    found = [scored for pair in in_parallel(_score_pair, _all_pairs()) for scored in pair]
    result = [_of_strangers(found), _of_all(found), _of_disjoint(found), _of_verdicts()]
    if find_spec("torch") is None:
        print("torch is not installed: simulated strangers are left out (pip install 'forebear[zoo]')")
        return result
    return [*result, *simulated_tables()]


def _all_pairs() -> list[tuple[Known, Known]]:
    return [pair for family in FAMILIES for pair in unrelated_pairs(family)]


def _score_pair(pair: tuple[Known, Known]) -> list[Scored]:
    mine, yours = pair
    seed = hashlib.sha256(f"{mine.folder.name}|{yours.folder.name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    return [
        Scored(test, (mine.name, yours.name), layers, score) for test, layers, score in pair_scores(mine, yours, rng)
    ]


def _rows(scored: list[Scored]) -> Iterator[list[Any]]:
    for test in (*BY_LAYER, RESIDUAL):
        found = [one.score for one in scored if one.test == test]
        z = np.array([score.z for score in found])
        relabelled = np.stack([score.relabelled for score in found])
        yield [*uniformity(test, [score.p for score in found]), *joint_cells(z, relabelled)]


_JOINT = (
    f"'joint' columns allow for every dependence: all random starts are relabelled (signs drawn anew) {RELABELLINGS} "
    "times, relatives following their start, and the share of relabellings at least as far from uniform is given."
)


def _of_strangers(scored: list[Scored]) -> Table:
    names = {one.name for family in FAMILIES for one in zoo(family) if one.kind in STRANGERS}
    chosen = [one for one in scored if names.issuperset(one.models)]
    return Table(
        f"Null, zoo strangers: every layer against every layer, {len({one.models for one in chosen})} pairs of models",
        JOINT_HEADER,
        list(_rows(chosen)),
        (
            "T1 neurons, T1 values, T2: every layer of every model has labels of its own, so any two tests are "
            "independent of one another, though not all jointly. T3, T1 residual: one relabelling for a whole model, "
            "so tests of one pair of models depend on one another. Columns before 'joint' take them for independent.",
            _JOINT,
        ),
    )


def _of_all(scored: list[Scored]) -> Table:
    pairs = len({one.models for one in scored})
    return Table(
        f"Null, whole zoo: every layer against every layer, {pairs} pairs of models with different random starts",
        JOINT_HEADER,
        list(_rows(scored)),
        (
            "Adds children, half-frozen models, models of one start and distilled students, held against models of "
            "other starts. Relatives repeat their parent's chance agreements: only the 'joint' columns allow for it.",
            _JOINT,
        ),
    )


def _of_disjoint(scored: list[Scored]) -> Table:
    """Each stranger in one pair, each layer in one test: mutually independent."""
    rows = []
    chosen = []
    for family in FAMILIES:
        names = [one.name for one in zoo(family) if one.kind in STRANGERS]
        disjoint = set(zip(names[::2], names[1::2], strict=False))
        chosen += [one for one in scored if one.models in disjoint]
    for test in (*BY_LAYER, RESIDUAL):
        first_only = test == INVARIANTS
        kept = [
            one.score.p
            for one in chosen
            if one.test == test and (one.layers is None or one.layers == (0, 0) or _same(one.layers, first_only))
        ]
        rows.append(uniformity(test, kept))
    return Table(
        "Null, zoo strangers, independent subset: each model in one pair, each layer in one test",
        UNIFORMITY_HEADER,
        rows,
        ("Mutually independent. T3 keeps layer 0 only, since its labels are shared by all layers of a model.",),
    )


def _same(layers: tuple[int, int], first_only: bool) -> bool:
    return layers[0] == layers[1] and not first_only


def _of_verdicts() -> Table:
    rows: list[list[Any]] = []
    for family in FAMILIES:
        for title, kinds in (("strangers", STRANGERS), ("distilled student against the rest", ("distilled",))):
            pairs = _verdict_pairs(family, kinds)
            if not pairs:
                continue
            found = in_parallel(compared, [(one.folder, other.folder) for one, other in pairs])
            fired = sum((each["log10_p"] or 0.0) <= -3.0 for each in found)
            independent = Counter(each["verdict"] for each in found)
            rows.append(
                [
                    family,
                    title,
                    *counted(independent["independent"], len(found)),
                    fired,
                    min(each["log10_p"] or 0.0 for each in found),
                    ", ".join(f"{verdict} {count}" for verdict, count in independent.most_common()),
                ]
            )
    return Table(
        "Null, zoo: verdicts of whole comparisons",
        (
            "family",
            "pairs",
            "independent",
            "of",
            "share",
            "95% interval",
            "p<=1e-3",
            "least log10 p",
            "verdicts",
        ),
        rows,
        (
            "Pairs share models, so they are not independent; 'p' is Holm-corrected over the tests of a pair.",
            "Strangers have one architecture, tokenizer, text and order of text; their random starts differ.",
        ),
    )


def _verdict_pairs(family: str, kinds: tuple[str, ...]) -> list[tuple[Known, Known]]:
    if kinds == STRANGERS:
        return unrelated_pairs(family, kinds)
    return [pair for pair in unrelated_pairs(family) if any(one.kind in kinds for one in pair)]


@dataclass(frozen=True)
class Task:
    """A batch of simulated strangers."""

    family: str
    optimiser: str
    models: int
    seed: int


@dataclass(frozen=True)
class Batch:
    """What a batch gave: p-values by test (one list over pairs), the checks' failures and the losses."""

    task: Task
    pairs: list[dict[str, float | None]]
    failures: Counter[str]
    losses: tuple[float, float]


def simulate_batch(task: Task) -> Batch:
    """Train a batch and test disjoint pairs of it by the whole pipeline."""
    import torch  # noqa: PLC0415

    from benchmarks.accuracy.memory import tested  # noqa: PLC0415
    from benchmarks.accuracy.simulate import Shape, train  # noqa: PLC0415

    torch.set_num_threads(1)
    shape = Shape(gated=task.family == "gated")
    trained = train(shape, task.models, task.optimiser, seed=task.seed, steps=SIMULATED_STEPS)
    held = trained.held()
    pairs, failures = [], Counter[str]()
    for first in range(0, task.models - 1, 2):
        pair, found = tested(held[first], held[first + 1], f"{task.family} {task.seed} {first}")
        pairs.append(found)
        for side in (pair.model, pair.reference):
            failures.update(check.name for check in side.all() if not check.holds)
    return Batch(task, pairs, failures, trained.losses)


def simulated_batches() -> list[Batch]:
    """All simulated strangers."""
    tasks = [
        Task(family, optimiser, min(SIMULATED_BATCH, models - first), 1000 * number + first)
        for number, ((family, optimiser), models) in enumerate(SIMULATED_MODELS.items(), start=1)
        for first in range(0, models, SIMULATED_BATCH)
    ]
    # Muon takes longest: first, so that the two workers end together.
    return in_parallel(simulate_batch, sorted(tasks, key=lambda task: task.optimiser != "Muon"))


def simulated_tables() -> list[Table]:
    """Uniformity, false positives, and how often the checks refuse."""
    batches = simulated_batches()
    return [_simulated_null(batches), _simulated_losses(batches)]


def _simulated_null(batches: list[Batch]) -> Table:
    rows = []
    for family in FAMILIES:
        groups = ("SGD", "AdamW", "Muon", "all")
        for group in groups:
            pairs = [
                pair
                for batch in batches
                if batch.task.family == family and group in ("all", batch.task.optimiser)
                for pair in batch.pairs
            ]
            for test in pairs[0]:
                p = [probability(pair[test]) for pair in pairs if pair[test] is not None]
                if p:
                    rows.append(uniformity(f"{family} {group} {test}", p))
            whole = uniformity(f"{family} {group} pair (Holm)", [_of_pair(pair) for pair in pairs])
            rows.append([*whole[:2], None, None, *whole[4:]])
    return Table(
        "Null, simulated strangers: whole tests, each model in one pair",
        UNIFORMITY_HEADER,
        rows,
        (
            "One layer, width 32, 64 neurons, 2 heads; one text and order, other starts. Given the text the models are "
            "independent and each is used once: p-values of one test are mutually independent.",
            "The pair's p is the least of all tests after Holm's correction: valid, not uniform. Least of all pairs: "
            f"{min(_of_pair(pair) for batch in batches for pair in batch.pairs):.2g}.",
        ),
    )


def _of_pair(pair: dict[str, float | None]) -> float:
    found = [log10_p for log10_p in pair.values() if log10_p is not None]
    return min(1.0, probability(min(holm(found))))


def _simulated_losses(batches: list[Batch]) -> Table:
    rows: list[list[Any]] = []
    for family, optimiser in SIMULATED_MODELS:
        mine = [one for one in batches if (one.task.family, one.task.optimiser) == (family, optimiser)]
        models = sum(2 * len(one.pairs) for one in mine)
        first, last = np.mean([one.losses for one in mine], axis=0)
        failures = sum((one.failures for one in mine), Counter[str]())
        rows.append([family, optimiser, models, float(first), float(last), *counted(sum(failures.values()), models)])
    return Table(
        "Simulated strangers: that they learned, and how often an assumption check refuses an honest one",
        ("family", "optimiser", "models", "first loss", "last loss", "refused", "of", "share", "95% interval"),
        rows,
        ("Loss in nats a token; ln 32 = 3.47 is chance. Models are independent given the text.",),
    )
