"""A comparison in the terminal: the answer, one paragraph, a table of the tests and what limits them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.evidence.finding import Finding
from forebear.report import strands
from forebear.report.names import FEW, contradicted, renaming_rows, renaming_text
from forebear.report.plain import number, visible, volume
from forebear.report.steps import reconstruction_text, runs, step_told
from forebear.report.wording import (
    FITTED,
    basis_told,
    basis_word,
    further_told,
    headline,
    paragraph,
    power_lines,
    ranking_headline,
    towers_told,
)
from forebear.verdict.comparison import Comparison, Ranking, Retention, Side, Verdict, WeightsClaim

STYLES: dict[Verdict, str] = {
    "same": "bold blue",
    "derived": "bold blue",
    "related": "bold cyan",
    "shared start": "bold yellow",
    "independent": "bold green",
    "undetermined": "bold magenta",
}
PIPED_WIDTH = 100
MOST_LEFT_OUT = 12
"""Lines shown of what was not compared."""


def console(stream: TextIO) -> Console:
    """A console on a stream: the terminal's own width, or 100 columns without colour where it is a pipe."""
    return Console(file=stream, width=None if stream.isatty() else PIPED_WIDTH, highlight=False, soft_wrap=False)


def show_comparison(comparison: Comparison, stream: TextIO) -> None:
    """Print one comparison."""
    out = console(stream)
    out.print(_sides(comparison))
    out.print()
    out.print(Text.assemble(("Verdict: ", "bold"), (comparison.verdict, STYLES[comparison.verdict])))
    out.print(Text(visible(paragraph(comparison))))
    if comparison.weights is not None:
        _show_weights(out, comparison, comparison.weights)
    _show_strands(out, comparison)


def _show_weights(out: Console, comparison: Comparison, claim: WeightsClaim) -> None:
    """Everything that is told of the weights after the answer."""
    out.print()
    if comparison.towers:
        out.print(_towers(comparison, claim))
        out.print()
    _show_findings(out, claim)
    for line in _facts(claim):
        out.print(Text(visible(line)))
    _show_recipe(out, claim)
    _show_names(out, comparison.renaming)
    for heading, told in further_told(comparison).items():
        out.print(Text(visible(f"{heading}: {told}")))
    if claim.power is not None and claim.verdict in ("independent", "undetermined"):
        listed(out, "What would have been found, by way of hiding", power_lines(claim.power))
    listed(out, "Limits", claim.limits)
    listed(out, "Not compared", claim.not_compared, MOST_LEFT_OUT)


def _show_strands(out: Console, comparison: Comparison) -> None:
    """What travels beside the weights: a line a strand, and its strongest traces."""
    found = strands.told(comparison.strands)
    if not found:
        return
    out.print()
    out.print(Text(f"{strands.HEADING}:", "bold"))
    for each in found:
        out.print(Text.assemble(f"{each.name}: ", (each.verdict, "bold"), f". {visible(each.because)}"))
        listed(out, "", [f"for: {line}" for line in each.agreements], strands.MOST)
        listed(out, "", [f"against: {line}" for line in each.contradictions], strands.MOST)
        if each.innocent:
            out.print(Padding(Text(visible(f"Innocent reading: {each.innocent}")), (0, 0, 0, 2)))


def show_ranking(ranking: Ranking, stream: TextIO) -> None:
    """Print a ranking: one line a reference, strongest evidence first."""
    out = console(stream)
    out.print(Text(ranking_headline(ranking), "bold"))
    table = bare_table()
    for heading in ("#", "reference", "verdict", "log10 p", "direction", "what it means"):
        table.add_column(heading, overflow="fold")
    for place, each in enumerate(ranking.comparisons, start=1):
        claim = each.weights
        table.add_row(
            str(place),
            Text(visible(each.reference.source)),
            Text(each.verdict, STYLES[each.verdict]),
            number(claim.log10_p if claim else None),
            (claim.direction if claim else None) or "—",
            Text(headline(each)),
        )
    out.print(table)


def retention_text(retention: Retention) -> str:
    """A deviation with its interval, or why there is none."""
    if retention.deviation is None:
        return "not computable"
    if retention.interval is None:
        return number(retention.deviation)
    low, high = retention.interval
    return f"{number(retention.deviation)} (95 % interval {number(low)} to {number(high)})"


def finding_outcome(finding: Finding) -> str:
    """What a finding says beside its value: its assumptions, or why it is not computable."""
    if finding.reason:
        return f"not computable: {finding.reason}"
    if finding.effect.get("controls"):
        return f"held against {number(finding.effect['controls'])} pairs of unrelated models"
    failed = [each.name for each in finding.assumptions if not each.holds]
    if failed:
        return f"assumption fails: {'; '.join(failed)}"
    return f"{len(finding.assumptions)} assumptions hold" if finding.assumptions else ""


def _sides(comparison: Comparison) -> Table:
    table = Table(show_header=False, show_edge=False, pad_edge=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, side in (("model", comparison.model), ("reference", comparison.reference)):
        table.add_row(name, Text(visible(f"{side.source}  {_described(side)}")))
    return table


def _described(side: Side) -> str:
    if side.parameters is None:
        return "(no tensors)"
    family = side.family or "family not recognised"
    read = f"{volume(side.bytes_read)} of {volume(side.bytes_total)} read"
    return f"({family}, {side.parameters:,} parameters, {read})"


def _towers(comparison: Comparison, claim: WeightsClaim) -> Table:
    """One line a tower, the one that speaks for the whole first."""
    table = bare_table()
    table.add_column("tower", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("log10 p", justify="right")
    table.add_column("basis", no_wrap=True)
    table.add_column("because", overflow="fold")
    for name, each in towers_told(comparison, claim).items():
        verdict = Text(each.verdict, STYLES[each.verdict])
        because = Text(visible(each.because))
        table.add_row(Text(visible(name)), verdict, number(each.log10_p), basis_word(each), because)
    return table


def _show_findings(out: Console, claim: WeightsClaim) -> None:
    """The tests; those run again once parts were laid out by content stand apart."""
    fixed = [each for each in claim.findings if each.frame != FITTED]
    fitted = [each for each in claim.findings if each.frame == FITTED]
    if not fitted:
        out.print(_findings(claim.findings))
        return
    groups = (("Parts of the same number side by side", fixed), ("Parts laid out by content first", fitted))
    for heading, findings in groups:
        if findings:
            out.print(Text(f"{heading}:", "bold"))
            out.print(_findings(findings))


def _findings(findings: list[Finding]) -> Table:
    table = bare_table()
    table.add_column("test", no_wrap=True)
    table.add_column("question", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("log10 p", justify="right")
    table.add_column("outcome", overflow="fold")
    for each in findings:
        outcome = Text(visible(finding_outcome(each)))
        table.add_row(each.test, Text(visible(each.title)), number(each.value), number(each.log10_p), outcome)
    return table


def _facts(claim: WeightsClaim) -> list[str]:
    lines = [f"Basis: {basis_told(claim)}"] if basis_told(claim) else []
    lines += [f"Retention, {name}: deviation {retention_text(each)}" for name, each in claim.retention.items()]
    depth = max((each for each in claim.layer_map if each is not None), default=-1) + 1
    if claim.layer_map != list(range(depth)):
        lines.append(f"Layer by layer of the model, the reference's: {runs(claim.layer_map)}")
    return lines


def _show_recipe(out: Console, claim: WeightsClaim) -> None:
    listed(out, "Steps from reference to model", [step_told(step) for step in claim.recipe])
    told = reconstruction_text(claim.recipe, claim.reconstruction)
    if told:
        out.print(Padding(Text(visible(told)), (0, 0, 0, 2)))


def _show_names(out: Console, renaming: dict[str, Any] | None) -> None:
    """How many names differ and a few of them; the rest stands in JSON and HTML."""
    rows = renaming_rows(renaming)
    if not rows:
        return
    out.print(Text.assemble(("Names: ", "bold"), visible(renaming_text(renaming))))
    lines = [f"{row.get('model')} is {row.get('reference')} ({row.get('part')})" for row in rows]
    listed(out, "", [*contradicted(renaming), *lines], FEW)


def listed(out: Console, title: str, lines: Iterable[str], most: int | None = None) -> None:
    """Lines under a title; nothing where there are none.

    Args:
        out: where to.
        title: of the list; empty for none.
        lines: may hold a stranger's strings; empty ones are left out.
        most: lines shown where there are more; None for all.
    """
    told = [line for line in lines if line]
    if told and title:
        out.print(Text(f"{title}:", "bold"))
    more = [] if most is None or len(told) <= most else [f"and {len(told) - most} more; --json and --html list them"]
    for line in [*told[:most], *more]:
        out.print(Padding(Text(f"- {visible(line)}"), (0, 0, 0, 2)))


def bare_table(*headings: str, left: Collection[str] = ()) -> Table:
    """A table without lines, its headings bold.

    Args:
        headings: of columns to begin with.
        left: headings of those columns that are words; the others are numbers and stand at the right.
    """
    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", overflow="fold")
    return table
