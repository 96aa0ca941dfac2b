"""A comparison in the terminal: the answer, one paragraph, a table of the tests and what limits them."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.evidence.finding import Finding
from forebear.report.plain import number, visible, volume
from forebear.report.wording import further_told, headline, paragraph, ranking_headline, towers_told
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
    claim = comparison.weights
    if claim is None:
        return
    out.print()
    if comparison.towers:
        out.print(_towers(comparison, claim))
        out.print()
    out.print(_findings(claim))
    for line in _facts(claim):
        out.print(Text(visible(line)))
    for heading, told in further_told(comparison).items():
        out.print(Text(visible(f"{heading}: {told}")))
    _listed(out, "Limits", claim.limits)
    _listed(out, "Not compared", claim.not_compared)


def show_ranking(ranking: Ranking, stream: TextIO) -> None:
    """Print a ranking: one line a reference, strongest evidence first."""
    out = console(stream)
    out.print(Text(ranking_headline(ranking), "bold"))
    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
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


def step_text(step: dict[str, object]) -> str:
    """A recipe step in words: ``noise (sigma 0.005, tensors 32)``."""
    amounts = ", ".join(f"{key.replace('_', ' ')} {_amount(value)}" for key, value in step.items() if key != "step")
    return f"{step.get('step', 'unknown')} ({amounts})" if amounts else str(step.get("step", "unknown"))


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
    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
    table.add_column("tower", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("log10 p", justify="right")
    table.add_column("because", overflow="fold")
    for name, each in towers_told(comparison, claim).items():
        verdict = Text(each.verdict, STYLES[each.verdict])
        table.add_row(Text(visible(name)), verdict, number(each.log10_p), Text(visible(each.because)))
    return table


def _findings(claim: WeightsClaim) -> Table:
    table = Table(show_edge=False, pad_edge=False, box=None, header_style="bold")
    table.add_column("test", no_wrap=True)
    table.add_column("question", overflow="fold")
    table.add_column("value", justify="right")
    table.add_column("log10 p", justify="right")
    table.add_column("outcome", overflow="fold")
    for each in claim.findings:
        outcome = Text(visible(finding_outcome(each)))
        table.add_row(each.test, Text(visible(each.title)), number(each.value), number(each.log10_p), outcome)
    return table


def _facts(claim: WeightsClaim) -> list[str]:
    lines = [f"Retention, {name}: deviation {retention_text(each)}" for name, each in claim.retention.items()]
    if claim.recipe:
        lines.append("Recipe from reference to model: " + "; ".join(step_text(step) for step in claim.recipe))
    return lines


def _listed(out: Console, title: str, lines: list[str]) -> None:
    if lines:
        out.print(Text(f"{title}:", "bold"))
    for line in lines:
        out.print(Padding(Text(f"- {visible(line)}"), (0, 0, 0, 2)))


def _amount(value: object) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list):
        return " and ".join(_amount(each) for each in value)
    if isinstance(value, dict):
        return " ".join(f"{key} {_amount(each)}" for key, each in value.items())
    if value == "":
        return "nothing"
    return str(value)
