"""How often honest models fail an assumption check, and what the checks say of planted violations."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.known import FAMILIES, compared, in_parallel, sampled, unrelated_pairs, zoo
from benchmarks.accuracy.surgeries import Change, changed, correlated_gates, one_seed, repeated_shards
from benchmarks.accuracy.tables import Table, counted
from forebear.alignment.sampled import Missing
from forebear.evidence.weights.assumptions import (
    EXCHANGEABLE,
    EXCHANGEABLE_RESIDUAL,
    FAIR_COINS,
    INDEPENDENT_HEADS,
    INDEPENDENT_LAYERS,
    SelfChecks,
    check_alone,
)
from forebear.evidence.weights.labels import neuron_blocks
from forebear.evidence.weights.pair import Pair
from forebear.evidence.weights.signs import matched_coins
from forebear.statistics.labels import label_agreement
from forebear.statistics.signs import sign_agreement

CHECKS = (EXCHANGEABLE, EXCHANGEABLE_RESIDUAL, INDEPENDENT_LAYERS, INDEPENDENT_HEADS, FAIR_COINS)
VIOLATIONS = ("none", "2 equal shards", "4 equal shards", "8 equal shards", "one seed for all layers", "gate-up 0.2")
OPTIMISERS = ("SGD", "AdamW", "Muon")
MODELS = {"none": 100}
LAYERS, MODELS_PLANTED, STEPS = 4, 40, 100


def tables() -> list[Table]:
    """Honest zoo, planted violations trained and in the zoo's shape."""
    result = [_honest_zoo(), _verdicts()]
    if find_spec("torch") is None:
        print("torch is not installed: trained violations are left out (pip install 'forebear[zoo]')")
        return result
    return [*result, _trained()]


def _failures(checks: SelfChecks) -> Counter[str]:
    return Counter(check.name for check in checks.all() if not check.holds)


def _honest_zoo() -> Table:
    rows = []
    for family in FAMILIES:
        models = zoo(family)
        failed = sum((_failures(check_alone(sampled(one.folder))) for one in models), Counter[str]())
        rows += [[family, check, *counted(failed[check], len(models))] for check in CHECKS]
    return Table(
        "Checks on honest models: zoo",
        ("family", "check", "failed", "models", "share", "95% interval"),
        rows,
        ("Relatives are counted, so models are not all independent.",),
    )


@dataclass(frozen=True)
class Task:
    """Models of one violation under one optimiser."""

    violation: str
    optimiser: str


def _trained() -> Table:
    tasks = [Task(violation, optimiser) for optimiser in reversed(OPTIMISERS) for violation in VIOLATIONS]
    found = dict(zip(tasks, in_parallel(_simulate, tasks), strict=True))
    rows = [found[Task(violation, optimiser)] for violation in VIOLATIONS for optimiser in OPTIMISERS]
    return Table(
        f"Planted violations, trained: simulated gated models of {LAYERS} layers, strangers with other seeds",
        (
            "violation",
            "optimiser",
            "loss falls",
            "models",
            *(f"fails: {check}" for check in CHECKS),
            "pairs",
            "raw T1 p<=1e-2",
            "raw T2 p<=1e-2",
            "T1 refused",
            "T1 p<=1e-2",
            "T2 refused",
            "T2 p<=1e-2",
            "95% interval",
        ),
        rows,
        (
            "Each model is in one pair: pairs are independent given the text. 'raw' leaves the checks out and takes "
            "layers for independent. '95% interval': of the share of pairs on which the pipeline's T1 or T2 reaches "
            "1e-2 (nominal at most 0.02).",
        ),
    )


def plant(violation: str) -> Any:
    """A change of simulated starts; None where nothing is violated."""
    import torch  # noqa: PLC0415

    def shards(values: Any, shape: Any, _: Any) -> None:
        parts = int(violation[0])
        size = shape.neurons // parts
        for layer in range(shape.layers):
            for name in ("gate", "up"):
                values[f"{layer}.{name}"].copy_(values[f"{layer}.{name}"][:, :size].repeat(1, parts, 1))
            values[f"{layer}.down"].copy_(values[f"{layer}.down"][:, :, :size].repeat(1, 1, parts))

    def same(values: Any, shape: Any, _: Any) -> None:
        for layer in range(1, shape.layers):
            for name in shape.matrices:
                values[f"{layer}.{name}"].copy_(values[f"0.{name}"])

    def correlated(values: Any, shape: Any, _: Any) -> None:
        for layer in range(shape.layers):
            up, gate = values[f"{layer}.up"], values[f"{layer}.gate"]
            up.copy_(0.2 * gate + (1.0 - 0.2**2) ** 0.5 * up)

    torch.set_num_threads(1)
    if violation == "none":
        return None
    return shards if "shards" in violation else same if "seed" in violation else correlated


def _simulate(task: Task) -> list[Any]:
    from benchmarks.accuracy.memory import tested  # noqa: PLC0415
    from benchmarks.accuracy.simulate import Shape, train  # noqa: PLC0415

    models = MODELS.get(task.violation, MODELS_PLANTED)
    seed = 10_000 * (1 + VIOLATIONS.index(task.violation)) + OPTIMISERS.index(task.optimiser)
    start = plant(task.violation)
    trained = train(Shape(layers=LAYERS), models, task.optimiser, seed=seed, steps=STEPS, start=start)
    held = trained.held()
    failed, counts = Counter[str](), Counter[str]()
    for first in range(0, models, 2):
        pair, found = tested(held[first], held[first + 1], f"{seed} {first}")
        failed += _failures(pair.model) + _failures(pair.reference)
        counts.update(_outcome(pair, found))
    pairs = models // 2
    falls = f"{trained.losses[0]:.2f} to {trained.losses[1]:.2f}"
    names = ("raw T1", "raw T2", "T1 refused", "T1 fires", "T2 refused", "T2 fires")
    interval = counted(counts["either fires"], pairs)[-1]
    failures = [failed[check] for check in CHECKS]
    return [
        task.violation,
        task.optimiser,
        falls,
        models,
        *failures,
        pairs,
        *(counts[name] for name in names),
        interval,
    ]


def _outcome(pair: Pair, found: dict[str, float | None]) -> list[str]:
    raw = raw_log10_p(pair)
    outcome = [f"raw {name}" for name, log10_p in raw.items() if log10_p <= -2.0]
    fires = False
    for short, name in (("T1", "t1.neurons"), ("T2", "t2.signs")):
        log10_p = found[name]
        if log10_p is None:
            outcome.append(f"{short} refused")
        elif log10_p <= -2.0:
            outcome.append(f"{short} fires")
            fires = True
    return [*outcome, "either fires"] if fires else outcome


def raw_log10_p(pair: Pair) -> dict[str, float]:
    """T1 and T2 without their checks, layers taken for independent."""
    rng = np.random.default_rng(0)
    blocks, _ = neuron_blocks(pair.alignment)
    labels = label_agreement([block for layer in sorted(blocks) for block in blocks[layer]], rng)
    ffns = [pair.alignment.ffns(place) for place in pair.alignment.places()]
    coins = np.concatenate([matched_coins(*sides)[0] for sides in ffns if not isinstance(sides, Missing)])
    signs = sign_agreement(coins, rng)
    return {"T1": labels.log10_p if labels else 0.0, "T2": signs.log10_p if signs else 0.0}


@dataclass(frozen=True)
class Whole:
    """Two zoo strangers given the same violation under other seeds."""

    violation: str
    folders: tuple[Path, Path]


def _change(violation: str, seed: int) -> Change:
    if "shards" in violation:
        return lambda tensors: repeated_shards(tensors, int(violation[0]), seed)
    if "seed" in violation:
        return lambda tensors: one_seed(tensors, seed)
    if violation == "none":
        return lambda tensors: repeated_shards(tensors, 1, seed)
    return lambda tensors: correlated_gates(tensors, seed)


def _compare_violated(task: Whole) -> dict[str, Any]:
    mine, yours = task.folders
    with changed(mine, _change(task.violation, 1)) as first, changed(yours, _change(task.violation, 2)) as second:
        return compared((first, second))


def _verdicts() -> Table:
    pairs = unrelated_pairs("gated", ("stranger",))
    chosen = [(one.folder, other.folder) for one, other in pairs[:: max(1, len(pairs) // 6)][:6]]
    rows: list[list[Any]] = []
    for violation in VIOLATIONS:
        found = in_parallel(_compare_violated, [Whole(violation, folders) for folders in chosen])
        verdicts = Counter(each["verdict"] for each in found)
        accused = sum(verdicts[word] for word in ("same", "derived", "related", "shared start"))
        refused = Counter(test for each in found for test in each["reasons"])
        least = min(each["log10_p"] or 0.0 for each in found)
        shown = ", ".join(f"{verdict} {count}" for verdict, count in verdicts.items())
        tests = ", ".join(f"{test} {count}" for test, count in sorted(refused.items())) or "none"
        rows.append([violation, *counted(accused, len(found)), shown, least, tests])
    return Table(
        "Planted violations in the zoo's shape: whole comparisons of strangers whose FFN starts were redrawn",
        ("violation", "accused", "of", "share", "95% interval", "verdicts", "least log10 p", "tests refused"),
        rows,
        (
            "FFN rows are a start drawn as named plus half a deviation of a trained stranger's values. Pairs share "
            "models. 'accused': same, derived, related or shared start.",
        ),
    )
