"""What would be found: the power curves, and whether planting into real files keeps their promise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy.known import FAMILIES, in_parallel, unrelated_pairs
from benchmarks.accuracy.memory import Held, aligned
from benchmarks.accuracy.surgeries import planted
from benchmarks.accuracy.tables import Table, counted
from forebear.evidence.registry import tests_of
from forebear.evidence.weights.pair import Pair
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Power
from forebear.verdict.decide import FIRES_AT, corrected
from forebear.zoo.folder import read_config, read_tensors

PLANTS = 40
SHARES = (0.5, 1.0)
OFFSETS = (-0.3, -0.2, -0.1, 0.0, 0.1)
CLASSES = ("labels kept", "relabelled")


def tables() -> list[Table]:
    """Promise, then delivery."""
    pairs = {family: unrelated_pairs(family, ("stranger",))[-1] for family in FAMILIES}
    folders = [(one.folder, other.folder) for one, other in pairs.values()]
    powers = dict(zip(pairs, in_parallel(_power, folders), strict=True))
    return [_curves(powers), _delivery(dict(zip(pairs, folders, strict=True)), powers)]


def _power(folders: tuple[Path, Path]) -> Power | None:
    claim = compare(*folders).weights
    return None if claim is None else claim.power


def _curves(powers: dict[str, Power | None]) -> Table:
    rows: list[list[Any]] = []
    for family, power in powers.items():
        for name, found in (power.classes if power else {}).items():
            points = {point.share: point.cosine for point in found.curve}
            detected = None if found.detected is None else f"{found.detected} of {found.draws}"
            rows.append(
                [family, name, ", ".join(found.tests), *(points.get(s) for s in (0.1, 0.25, 0.5, 1.0)), detected]
            )
    return Table(
        "Power curves of a stranger pair: smallest cosine found in 299 of 299 draws, by share of neurons inherited",
        ("family", "disguise", "test", "share 0.1", "share 0.25", "share 0.5", "share 1", "stated (0.5 at 0.8)"),
        rows,
        ("299 of 299: power at least 0.99 at 95% confidence. '-': not found even at cosine 1, or no test.",),
    )


@dataclass(frozen=True)
class Task:
    """Plants of one share and cosine into one file."""

    family: str
    folders: tuple[Path, Path]
    disguise: str
    share: float
    cosine: float
    promised: float
    exact: bool


def _delivery(folders: dict[str, tuple[Path, Path]], powers: dict[str, Power | None]) -> Table:
    tasks = []
    for family, power in powers.items():
        for disguise in CLASSES:
            points = {point.share: point.cosine for point in power.classes[disguise].curve} if power else {}
            for share in SHARES:
                promised = points.get(share)
                if promised is not None:
                    cosines = sorted({min(1.0, max(0.0, round(promised + offset, 2))) for offset in OFFSETS})
                    tasks += [
                        Task(family, folders[family], disguise, share, cosine, promised, exact)
                        for cosine in cosines
                        for exact in ((False, True) if cosine >= promised else (False,))
                    ]
    counts = in_parallel(_detected, tasks)
    return Table(
        f"Power delivered: neurons planted into a stranger's tensors, {PLANTS} plants each, all tests and corrections",
        (
            "family",
            "disguise",
            "share",
            "cosine",
            "cosine is",
            "against promise",
            "found",
            "plants",
            "rate",
            "95% interval",
        ),
        [
            [task.family, task.disguise, task.share, task.cosine, _kind(task), _against(task), *counted(count, PLANTS)]
            for task, count in zip(tasks, counts, strict=True)
        ],
        (
            f"'found': the corrected log10 p reaches {FIRES_AT:g}, as in a comparison. Plants into one file differ in "
            "which neurons; they share the file. The promise is made for cosines 'on average': the inherited part "
            "plus an independent part; 'of each': that part made orthogonal first, so that no neuron is luckier than "
            "the rest.",
        ),
    )


def _kind(task: Task) -> str:
    return "of each" if task.exact else "on average"


def _against(task: Task) -> str:
    return "at" if task.cosine == task.promised else "below" if task.cosine < task.promised else "above"


def _detected(task: Task) -> int:
    source, target = (read_tensors(folder) for folder in task.folders)
    config = read_config(task.folders[0])
    reference = Held.of(_floats(source), config)
    fired, relabel = 0, task.disguise == "relabelled"
    for plant in range(PLANTS):
        made = planted(target, source, task.share, task.cosine, seed=plant, relabel=relabel, exact=task.exact)
        model = Held.of(_floats(made), config, reference)
        pair = Pair.of(aligned(model, reference, f"plant {plant}"))
        log10_p = corrected([test.run(pair) for test in tests_of("weights")])
        fired += log10_p is not None and log10_p <= FIRES_AT
    return fired


def _floats(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: array.astype("float32") for name, array in tensors.items()}
