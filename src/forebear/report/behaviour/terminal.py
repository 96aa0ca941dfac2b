"""What models' behaviour says, in the terminal: the answer first, then every figure with its null."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.evidence.behaviour.published import PublishedFigure
from forebear.report.plain import chance, number, visible, within
from forebear.report.terminal import STYLES, bare_table, console, listed
from forebear.verdict.behaviour.contract import BehavedModel, BehavedPair, Behaviour

MOST_NOTES = 12
"""Notes on files that are shown; JSON has all."""
_DIGESTS = ("weights: ", "tokenizer: ")
_MISSING = "no reply: "
LARGEST_MATRIX = 12
"""Models up to which the overlap of every two is shown; JSON has all."""


def show_behaviour(result: Behaviour, stream: TextIO) -> None:
    """Print a result.

    Args:
        result: what was computed.
        stream: where to.
    """
    out = console(stream)
    if result.live is not None:
        out.print(_models(result.models))
        listed(out, "Notes", _notes(result.models))
        out.print()
        import_module(f"forebear.report.behaviour.{result.test.replace('-', '_')}").show(result.live, stream)
        return
    if any(model.source for model in result.models):
        out.print(_models(result.models))
        listed(out, "Notes", _notes(result.models))
        out.print()
    for pair in result.pairs:
        _show_pair(out, pair)
    if result.reconstructed is not None:
        said = result.reconstructed.says
        out.print(Text(f"Reconstructed control {visible(result.reconstructed.name)}: {said}.\n"))
    if len(result.overlap) > 2:
        _show_overlap(out, result)
    if result.published:
        listed(
            out, "What strangers scored elsewhere (orientation, not a null for this pair)", map(_told, result.published)
        )


def _models(models: Sequence[BehavedModel]) -> Table:
    table = bare_table()
    for heading in ("#", "model", "role", "file", "items", "errors"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("#", "items", "errors") else "left")
    for place, each in enumerate(models, start=1):
        table.add_row(
            str(place), Text(visible(each.name)), each.role, each.form, f"{each.items:,}", number(each.errors)
        )
    return table


def _notes(models: Sequence[BehavedModel]) -> list[str]:
    """What is to be known of the files, such as replies that are missing; digests of local models are left to JSON."""
    told = [f"{each.name}: {note}" for each in models for note in _gathered(each.notes)]
    more = len(told) - MOST_NOTES
    return told if more <= 0 else [*told[:MOST_NOTES], f"{more:,} more, --json has all"]


def _gathered(notes: Sequence[str]) -> list[str]:
    """Without digests; of replies that are missing, the first and how many there are."""
    missing = [note for note in notes if note.startswith(_MISSING)]
    told = [note for note in notes if not note.startswith((*_DIGESTS, _MISSING))]
    more = f", and {len(missing) - 1:,} more" if len(missing) > 1 else ""
    return [*told, *(f"{note}{more}" for note in missing[:1])]


def _show_pair(out: Console, pair: BehavedPair) -> None:
    out.print(Text(f"{visible(pair.a)} and {visible(pair.b)}", "bold"))
    out.print(Text.assemble(("Verdict on behaviour: ", "bold"), (pair.verdict, STYLES[pair.verdict])))
    out.print(Text(f"{visible(pair.because[:1].upper() + pair.because[1:])}."))
    table = bare_table()
    for heading in ("figure", "seen", "by chance", "p"):
        table.add_column(heading, justify="left" if heading == "figure" else "right", overflow="fold")
    for row in _rows(pair):
        table.add_row(*row)
    out.print(Padding(table, (1, 0, 1, 2)))
    power = pair.power
    if power is not None and power.draws is not None:
        needed = "" if power.items_needed is None else f"; {power.items_needed:,} items give {power.wanted:.0%}"
        told = f"{power.detected} of {power.draws} draws with {power.stated_share:.0%} of the answers copied{needed}"
        out.print(Text(f"Would have been found: {told}."))
    if pair.innocent_explanation:
        out.print(Text(f"Innocent explanation: {pair.innocent_explanation}."))
    listed(out, "Warnings", pair.warnings)
    listed(out, "Not computed", _reasons(pair))
    out.print()


def _rows(pair: BehavedPair) -> list[tuple[str, str, str, str]]:
    """Figure, what was seen, what chance gives, p: only what could be computed."""
    rows = [("items both answered", f"{pair.items:,}", "", "")]
    if pair.overlap is not None:
        rows.append(("equal answers", f"{pair.overlap:.1%}", "", ""))
    if pair.shared_errors is not None:
        naive, errors = pair.log10_p_equal_difficulty, f"of {number(pair.errors_a)} and {number(pair.errors_b)}"
        seen = f"{pair.shared_errors:,} {errors}"
        rows.append(("shared errors, equal difficulty", seen, number(pair.expected_shared_errors), _p(naive)))
    if pair.log10_p_stratified is not None:
        expected = number(pair.expected_stratified)
        rows.append(("shared errors, by difficulty", number(pair.shared_errors), expected, _p(pair.log10_p_stratified)))
    for name, same in (("equal wrong answers", pair.same_wrong), ("equal answers, by popularity", pair.same_answer)):
        if same is not None:
            among = same.both_wrong if hasattr(same, "both_wrong") else same.items
            rows.append((name, f"{same.same:,} of {among:,}", number(same.expected), _p(same.log10_p)))
    if pair.kappa is not None:
        seen = number(pair.kappa) if pair.kappa_interval is None else within(pair.kappa, *pair.kappa_interval)
        rows.append(("error consistency (kappa)", seen, "0", ""))
    if pair.capa is not None:
        rows.append(("CAPA", number(pair.capa), "0", ""))
    place = pair.population
    if place is not None and place.value is not None:
        strangers = f"strangers {number(place.median)}, at most {number(place.highest)}"
        rows.append(("standard deviations beyond chance", number(place.value), strangers, _p(place.log10_p)))
    return rows


def _p(log10_p: float | None) -> str:
    return "" if log10_p is None else chance(log10_p)


def _reasons(pair: BehavedPair) -> list[str]:
    """What could not be computed, gathered by reason."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in pair.reasons.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def _show_overlap(out: Console, result: Behaviour) -> None:
    if len(result.models) > LARGEST_MATRIX:
        out.print(Text(f"Overlap of all {len(result.models)} models: --json has the matrix."))
        return
    table = bare_table()
    table.add_column("equal answers", overflow="fold")
    for column in range(len(result.models)):
        table.add_column(str(column + 1), justify="right", no_wrap=True)
    for place, (model, row) in enumerate(zip(result.models, result.overlap, strict=True), start=1):
        shown = ["—" if value is None else f"{value:.0%}" for value in row]
        table.add_row(Text(f"{place} {visible(model.name)}"), *shown)
    out.print(table)
    out.print()


def _told(line: PublishedFigure) -> str:
    named = ("mean", "median", "p95", "p99", "highest", "chance")
    shown = ", ".join(f"{name} {number(value)}" for name in named if (value := getattr(line, name)) is not None)
    arxiv = "" if line.arxiv is None else f", arXiv {line.arxiv}"
    return f"{line.figure.replace('_', ' ')}: {line.setting} ({line.models} models): {shown}. {line.source}{arxiv}"
