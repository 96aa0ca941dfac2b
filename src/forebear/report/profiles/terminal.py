"""Published fingerprints in the terminal: each figure beside what strangers score."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor, log10
from statistics import median
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from forebear.report.plain import number, visible
from forebear.report.profiles.groups import RARE, drawing, groups, has_null, ordered, pairs_of
from forebear.report.terminal import bare_table, console, listed
from forebear.verdict.profiled import CurveLine, NullLine, PairLine, Profiled, ProfileLine

IN_WORDS = 3
"""Pairs up to which each is also told in words."""
LONGEST_NAME = 30
"""Letters of a name where it heads a row of a matrix or tree; tables of pairs give it whole."""
DRAWN = 24
_CELL = 7
_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 32


def show_profiled(result: Profiled, stream: TextIO, *, matrix: bool = False) -> None:
    """Print profiles of some models.

    Args:
        result: what was measured.
        stream: where to.
        matrix: also print every pair's figure in one matrix, and the tree.
    """
    out = console(stream)
    out.print(_models(result))
    names = [model.name for model in result.models if not model.control]
    for line in result.profiles:
        out.print()
        _show_profile(out, line, names, matrix=matrix)
    notes = [f"{model.name}: {note}" for model in result.models for note in model.notes]
    for title, lines in (("Notes", notes), ("Limits", result.limits)):
        if lines:
            out.print()
            listed(out, title, lines)


def _models(result: Profiled) -> Table:
    table = bare_table()
    for heading in ("#", "model", "kind", "layers", "FFN"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("#", "layers") else "left")
    for place, model in enumerate(result.models, start=1):
        kind = f"{model.kind}, control" if model.control else model.kind
        table.add_row(str(place), _text(model.name), kind, number(model.depth), model.architecture or "not told")
    return table


def _show_profile(out: Console, line: ProfileLine, names: Sequence[str], *, matrix: bool) -> None:
    out.print(Text.assemble((f"{line.name}: ", "bold"), (visible(line.title), "bold")))
    if len(names) < 2:
        _show_curves(out, line)
        return
    out.print(_text(f"Figure: {line.score}. {line.note}".strip()))
    for told in _strangers(line):
        out.print(_text(told))
    out.print()
    if matrix:
        _show_matrix(out, line, names)
    _show_pairs(out, line)


def _strangers(line: ProfileLine) -> list[str]:
    """What strangers score, once for each null that figures stand beside."""
    nulls = {(null.population, null.roots): null for pair in line.pairs if (null := pair.null) is not None}
    return [_null_told(null) for null in nulls.values()] or ["Strangers: what they score is not known here."]


def _null_told(null: NullLine) -> str:
    kind = f"{null.population}, {null.described}" if null.described else null.population
    told = (
        f"Strangers ({kind}): {null.pairs} pairs of {null.roots} independent roots, "
        f"half of them above {number(null.median)}, the highest {number(null.highest)}"
    )
    if null.p_reason is not None:
        return f"{told}; no p-value: {null.p_reason}."
    return f"{told}; p cannot fall below {number(null.p_floor, 2)}."


def _show_pairs(out: Console, line: ProfileLine) -> None:
    shown = sorted(line.pairs, key=lambda pair: (pair.value is None, -(pair.value or 0.0)))
    scored = [pair for pair in shown if pair.value is not None]
    if scored:
        out.print(_pairs(scored))
        if has_null(line):
            out.print(_text("Quantile: share of pairs of strangers that score lower."))
    told = [f"{_named(pair)}: {pair.says}{_parts(pair)}" for pair in scored]
    if len(told) <= IN_WORDS:
        listed(out, "In words", told)
    else:
        listed(out, "In words", [*told[:1], f"and {len(told) - 1} more; --json has them all"])
    without: dict[str, list[str]] = {}
    for pair in shown:
        if pair.reason is not None:
            without.setdefault(pair.reason, []).append(_named(pair))
    listed(out, "No figure", [f"{_some(pairs)}: {reason}" for reason, pairs in without.items()])


def _pairs(pairs: Sequence[PairLine]) -> Table:
    further = list(dict.fromkeys(name for pair in pairs for name in pair.also))
    table = bare_table()
    table.add_column("model", overflow="fold")
    table.add_column("and", overflow="fold")
    for heading in ("figure", "quantile", "p", *further):
        table.add_column(visible(heading), justify="right", no_wrap=True)
    for pair in pairs:
        null = pair.null
        table.add_row(
            _text(pair.a),
            _text(pair.b),
            number(pair.value),
            "—" if null is None else percent(null.quantile),
            number(None if null is None else null.p, 2),
            *(number(pair.also.get(name)) for name in further),
        )
    return table


def _parts(pair: PairLine) -> str:
    if len(pair.parts) < 2:
        return ""
    return f" By part: {', '.join(f'{name} {number(value)}' for name, value in pair.parts.items())}."


def _show_matrix(out: Console, line: ProfileLine, names: Sequence[str]) -> None:
    order = ordered(line, names)
    width = min(LONGEST_NAME, max(len(visible(name)) for name in order))
    fits = max(1, (out.width - width - 6) // _CELL)
    for start in range(0, len(order), fits):
        out.print(_matrix(line, order, range(start, min(start + fits, len(order)))))
    if has_null(line):
        out.print(_text("Above: the figure. Below it: its quantile."))
    out.print()
    if line.tree:
        _show_tree(out, line, width)
        out.print()


def _matrix(line: ProfileLine, order: Sequence[str], columns: range) -> Table:
    pairs = pairs_of(line)
    table = bare_table()
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(str(column + 1), justify="right", no_wrap=True, min_width=_CELL - 2)
    for place, name in enumerate(order):
        others = [None if column == place else pairs.get(frozenset((name, order[column]))) for column in columns]
        above = ["" if column == place else "—" for column in columns]
        below = ["" for _ in columns]
        for index, pair in enumerate(others):
            if pair is not None and pair.value is not None:
                above[index] = f"{pair.value:.3f}"
                below[index] = "" if pair.null is None else percent(pair.null.quantile)
        table.add_row(str(place + 1), shortened(name), *above)
        if any(below):
            table.add_row("", "", *below, style="dim")
    return table


def _show_tree(out: Console, line: ProfileLine, width: int) -> None:
    farthest = max(step.distance for step in line.tree)
    out.print(Text(f"Tree by average linkage; distance is 1 less the figure, {number(farthest)} at the right:", "bold"))
    for name, strokes in zip(line.leaves, drawing(line, DRAWN), strict=True):
        out.print(Text(f"  {shortened(name):<{width}} {strokes}"), no_wrap=True, overflow="crop")
    if not has_null(line):
        out.print(_text("No groups are formed: what strangers score is not known here."))
        return
    found = groups(line)
    rule = f"every two reach a figure that at most {percent(RARE)} of pairs of strangers reach"
    told = [", ".join(group) for group in found] or ["none"]
    listed(out, f"Alike by this figure alone ({rule}); not by itself a sign of descent", told)


def _show_curves(out: Console, line: ProfileLine) -> None:
    """Curves of each model, a line a series."""
    table = bare_table()
    for heading in ("model", "curve", "layers", "median", "lowest", "highest", "over depth"):
        table.add_column(heading, justify="right" if heading in ("layers", "median", "lowest", "highest") else "left",
                         overflow="fold")  # fmt: skip
    for each in line.curves:
        for name, curve in each.series.items():
            values = flat(curve)
            ends = (median(values), min(values), max(values))
            bars = sparkline(values) if len(values) == len(curve.layers) else ""
            table.add_row(_text(each.model), _text(name), str(len(curve.layers)), *map(number, ends), bars)
    if table.row_count:
        out.print(table)
    without = [f"{each.model}: {each.reason}" for each in line.curves if each.reason is not None]
    listed(out, "No curve", without or ([] if line.curves else ["needs two models"]))


def flat(curve: CurveLine) -> list[float]:
    """All values of a curve, layer by layer."""
    return [value for each in curve.values for value in (each if isinstance(each, list) else (each,))]


def sparkline(values: Sequence[float]) -> str:
    """Values as bars of one line, at most 32; by their logarithm where they span two orders of magnitude."""
    few = [values[index * len(values) // _COLUMNS] for index in range(_COLUMNS)] if len(values) > _COLUMNS else values
    scaled = [log10(value) for value in few] if spans_orders(few) else list(few)
    low, high = min(scaled), max(scaled)
    step = (high - low) / (len(_BARS) - 1)
    return "".join(_BARS[round((value - low) / step) if step > 0.0 else 0] for value in scaled)


def spans_orders(values: Sequence[float]) -> bool:
    """Whether values are all above 0 and the largest is at least a hundred times the smallest."""
    return min(values) > 0.0 and max(values) >= 100.0 * min(values)


def percent(share: float) -> str:
    """A share in percent that says 0% and 100% of nothing and all alone."""
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}%"
    hundredth = 100 * share
    if hundredth < 1.0:
        return f"{hundredth:.1g}%"
    return f"{floor(hundredth)}%" if hundredth > 50.0 else f"{ceil(hundredth)}%"


def shortened(name: str) -> str:
    """A name that cannot disturb the terminal, cut to `LONGEST_NAME`."""
    shown = visible(name)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[: LONGEST_NAME - 1]}…"


def _named(pair: PairLine) -> str:
    return f"{pair.a} and {pair.b}"


def _some(pairs: Sequence[str]) -> str:
    return "; ".join(pairs[:3]) + (f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else "")


def _text(text: str) -> Text:
    return Text(visible(text))
