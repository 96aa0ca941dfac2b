"""How far descent is still seen along training, share of neurons kept, and noise: tables, charts and their page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.options import Options
from benchmarks.accuracy.parallel import in_order
from benchmarks.accuracy.svg import Chart, Line, write_chart
from benchmarks.accuracy.sweeps.page import COMMAND, write_page
from benchmarks.accuracy.sweeps.points import Said, points, said_at
from benchmarks.accuracy.tables import Table, share_interval
from forebear.errors import UsageError

SWEEPS = {
    "continued": ("Continued training", "steps, in units of the parent's"),
    "share": ("Share of neurons kept", "share of the neurons of every layer; the rest is a stranger's"),
    "noise": ("Noise", "deviations of each tensor"),
}
FOUND = ("same", "derived", "related", "shared start")
LOWEST = -300.0
_DOCS = Path(__file__).parents[3] / "docs"


def tables(options: Options) -> list[Table]:
    """One table a sweep; charts and page too where asked for.

    Raises:
        UsageError: no sweep of this name.
    """
    wanted = options.kinds or tuple(SWEEPS)
    unknown = [name for name in wanted if name not in SWEEPS]
    if unknown:
        raise UsageError(f"no sweep {unknown[0]!r}", remedy=f"There are {', '.join(SWEEPS)}.")
    families = [family for family in ("gated", "plain") if options.family in (None, family)]
    chosen = [point for point in points(quick=options.quick, families=families) if point.sweep in wanted]
    said = in_order(said_at, chosen, options.jobs)
    found = {name: [one for one in said if one.point.sweep == name] for name in wanted}
    result = {name: _table(name, each) for name, each in found.items()}
    if options.write and set(wanted) == set(SWEEPS):
        charts = {name: _charts(name, each) for name, each in found.items()}
        for drawn in charts.values():
            for file, chart in drawn.items():
                write_chart(_DOCS / "sweeps" / file, chart)
        command = COMMAND.replace("sweeps", "sweeps --quick") if options.quick else COMMAND
        write_page(_DOCS / "sweeps.md", command, result, {name: list(drawn.items()) for name, drawn in charts.items()})
    return list(result.values())


def _table(name: str, said: Sequence[Said]) -> Table:
    title, unit = SWEEPS[name]
    keys = dict.fromkeys((one.point.family, one.point.how, one.point.at) for one in said)
    rows = [_row(key, [one for one in said if _key(one) == key]) for key in keys]
    return Table(
        f"Sweep: {title.lower()}",
        (
            "family",
            "model",
            "at",
            "found",
            "of",
            "95% interval",
            "verdicts",
            "direction",
            "basis",
            "log10 p median",
            "from",
            "to",
        ),
        rows,
        (f"At: {unit}. Found: any verdict but independent and undetermined. log10 p is corrected, capped at -300.",),
    )


def _key(one: Said) -> tuple[str, str, float]:
    return one.point.family, one.point.how, one.point.at


def _row(key: tuple[str, str, float], said: Sequence[Said]) -> list[Any]:
    known = [one for one in said if not one.missing]
    if not known:
        return [*key, None, 0, None, f"{said[0].missing} is not built", *[None] * 5]
    count = sum(one.verdict in FOUND for one in known)
    scores = [0.0 if one.log10_p is None else one.log10_p for one in known]
    return [
        *key,
        count,
        len(known),
        share_interval(count, len(known)),
        _counted([one.verdict for one in known]),
        _counted([one.direction or "not told" for one in known]),
        _counted([one.basis or "none" for one in known]),
        float(np.median(scores)),
        min(scores),
        max(scores),
    ]


def _counted(words: Sequence[str]) -> str:
    counts = Counter(words).most_common()
    return counts[0][0] if len(counts) == 1 else ", ".join(f"{word} {count}" for word, count in counts)


def _charts(name: str, said: Sequence[Said]) -> dict[str, Chart]:
    """A chart a family of log10 p, by file name; and of the share found where there are draws."""
    title, unit = SWEEPS[name]
    charts = {}
    for family in dict.fromkeys(one.point.family for one in said):
        mine = [one for one in said if one.point.family == family and not one.missing]
        places = sorted({one.point.at for one in mine}, reverse=name == "share")
        lines = [
            Line(how, [_median(mine, how, at) for at in places]) for how in dict.fromkeys(one.point.how for one in mine)
        ]
        charts[f"{name}-{family}.svg"] = Chart(
            f"{title}, family {family}",
            unit,
            "log10 p",
            [f"{at:.0%}" if name == "share" else f"{at:.3g}" for at in places],
            lines,
            (LOWEST, 0.0),
            (0, -100, -200, -300),
            (-6.0, "fires below"),
        )
    return charts


def _median(said: Sequence[Said], how: str, at: float) -> float | None:
    scores = [one.log10_p for one in said if one.point.how == how and one.point.at == at and one.log10_p is not None]
    return float(np.median(scores)) if scores else None
