"""The same-model test in the terminal: each reference, and which mixture would have been found."""

from __future__ import annotations

from typing import Any, TextIO

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.report.plain import number, visible, within
from forebear.report.terminal import STYLES, bare_table, console, listed

_HEADINGS = ("reference", "outcome", "prompts", "replies", "squared MMD", "p", "corrected")


def show(live: dict[str, Any], stream: TextIO) -> None:
    """Print a claim.

    Args:
        live: the claim of ``same-model`` as plain values.
        stream: where to.
    """
    out = console(stream)
    if live["verdict"] is not None:
        out.print(Text.assemble(("Verdict on sameness: ", "bold"), (live["verdict"], STYLES[live["verdict"]])))
    out.print(Text(visible(live["because"])))
    pairs = live["pairs"]
    out.print(Padding(_pairs(pairs), (1, 0, 1, 2)))
    if any(pair["kind"] == "sampled" for pair in pairs):
        told = (
            "Squared MMD: how far the distributions of replies lie apart; estimates scatter about 0 for equal ones, "
            "with a 95 % interval over prompts. p: of so much, did both draw from one; different at "
            f"{live['level']:g} after correction."
        )
        out.print(Text(told, "dim"))
    listed(out, "Power", [_power(pair) for pair in pairs])
    out.print(Text(f"Innocent explanation: {visible(live['innocent_explanation'])}"))
    listed(out, "Limits", live["limits"])


def _pairs(pairs: list[dict[str, Any]]) -> Table:
    table = bare_table()
    for heading in _HEADINGS:
        table.add_column(heading, justify="left" if heading in ("reference", "outcome") else "right", overflow="fold")
    for pair in pairs:
        replies = " and ".join(f"{count:,}" for count in dict.fromkeys(pair["replies"]))
        table.add_row(
            Text(visible(pair["b"])),
            pair["outcome"] or "not compared",
            number(pair["prompts"]),
            replies,
            _discrepancy(pair),
            number(pair["p"], 2),
            number(pair["p_adjusted"], 2),
        )
    return table


def _discrepancy(pair: dict[str, Any]) -> str:
    if pair["identical"] is not None:
        return f"{pair['identical']:,} equal"
    if pair["interval"] is None:
        return number(pair["mmd_squared"])
    return within(pair["mmd_squared"], *pair["interval"])


def _power(pair: dict[str, Any]) -> str:
    power = pair["power"]
    if power is None:
        return ""
    source = "replies of the controls" if power["planted"] == "controls" else "the most typical reply to the prompt"
    told = (
        f"{pair['b']}: where {power['stated_share']:.0%} of replies were replaced by {source}, "
        f"found in {power['detected']} of {power['draws']} draws"
    )
    if power["smallest_share"] is None:
        return f"{told}; no share was found in {power['wanted']:.0%} of them"
    return f"{told}; the smallest share found in {power['wanted']:.0%} of them is {power['smallest_share']:.0%}"
