"""What two relatives kept of each other, pair by pair, and whether the verdict says what the history says."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import Any

from benchmarks.accuracy.known import FAMILIES, Known, compared, in_parallel, truth, zoo
from benchmarks.accuracy.tables import Table, counted

TUNED_ON = "g00"
"""Root whose family chose the levels of `forebear.verdict.decide`; scored apart."""

TRUTHS = ("reference to model", "model to reference", "related", "shared start")


def tables() -> list[Table]:
    """One row a pair, then counts."""
    pairs = related_pairs()
    found = in_parallel(compared, [(model.folder, reference.folder) for model, reference in pairs])
    rows = [_row(model, reference, each) for (model, reference), each in zip(pairs, found, strict=True)]
    rows.sort(key=lambda row: (row[0] != "tuned", TRUTHS.index(row[3]), row[1]))
    return [_listing(rows), _counts(rows)]


def related_pairs() -> list[tuple[Known, Known]]:
    """Pairs (model, reference) that share a random start, the model later in the alphabet."""
    return [
        (model, reference)
        for family in FAMILIES
        for reference, model in combinations(zoo(family), 2)
        if model.start == reference.start
    ]


def judged(expected: str, verdict: str, direction: str | None) -> str:
    """Whether a verdict agrees with the history: right, no direction, as parent, undetermined or wrong."""
    if verdict == "undetermined":
        return verdict
    if expected in TRUTHS[:2]:
        if verdict not in ("derived", "same"):
            return "wrong"
        return "right" if direction == expected else "no direction" if direction is None else "wrong"
    if verdict == expected:
        return "right"
    return "as parent" if expected == "related" and verdict == "derived" else "wrong"


def _row(model: Known, reference: Known, found: dict[str, Any]) -> list[Any]:
    inside = "reference in model"
    outside = "model in reference"
    deviation = [found["deviation"].get(name) for name in (inside, outside)]
    rises = [found["rise"].get(name) for name in (inside, outside)]
    ratio = min(deviation) / max(deviation) if None not in deviation and max(deviation) > 0 else None
    expected = truth(model, reference)
    verdict, direction = found["verdict"], found["direction"]
    part = "tuned" if model.start == TUNED_ON else "held out"
    judgement = judged(expected, verdict, direction)
    names = [part, model.name, reference.name, expected]
    return [*names, *deviation, ratio, *rises, verdict, direction, judgement, found["log10_p"]]


def _listing(rows: list[list[Any]]) -> Table:
    return Table(
        "Retention: every pair of the zoo that shares a random start",
        (
            "part",
            "model",
            "reference",
            "truth",
            "dev(ref in model)",
            "dev(model in ref)",
            "ratio",
            "rise(ref in model)",
            "rise(model in ref)",
            "verdict",
            "direction",
            "judged",
            "log10 p",
        ),
        rows,
        (
            "'tuned': relatives of g00, on which the levels of verdict/decide.py were chosen; 'held out': the others.",
            "'rise': last bin minus the mean of the three middle ones. 'as parent': a sibling read as parent or child.",
        ),
    )


def _counts(rows: list[list[Any]]) -> Table:
    lines = []
    for part in ("tuned", "held out"):
        for expected in TRUTHS:
            outcomes = Counter(row[11] for row in rows if row[0] == part and row[3] == expected)
            whole = sum(outcomes.values())
            if whole:
                shown = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
                lines.append([part, expected, *counted(outcomes["right"], whole), shown])
    return Table(
        "Retention: verdicts against history",
        ("part", "truth", "right", "pairs", "share", "95% interval", "outcomes"),
        lines,
        ("Pairs share models and roots: the intervals take them for independent and are too narrow.",),
    )
