"""Next-token agreement in the terminal: each reference beside what strangers score."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.report.plain import chance, visible, within
from forebear.report.terminal import STYLES, bare_table, console, listed

WORDS = ("reference",)
FIGURES = (*WORDS, "agreement", "by chance", "controls", "beyond chance", "controls at most", "rank p")
CHANCES = (*WORDS, "against controls", "replies dealt", "far beyond controls", "corrected")


def show(live: dict[str, Any], stream: TextIO) -> None:
    """Print a claim.

    Args:
        live: the claim of ``next-token`` as plain values.
        stream: where to.
    """
    out = console(stream)
    verdict = live["verdict"]
    out.print(Text.assemble(("Verdict on next tokens: ", "bold"), (verdict, STYLES[verdict])))
    out.print(Text(visible(live["because"])))
    asked = f"{live['prompts']:,} prompts, {live['controls']} controls"
    out.print(Text(f"Compared: {visible(live['rule'])}; {asked}.", "dim"))
    if live["candidates"]:
        out.print(Padding(_candidates(live["candidates"]), (1, 0, 1, 2)))
        _show_tests(out, live["candidates"])
        listed(out, "Power", [_power(each, live["share_sought"]) for each in live["candidates"]])
    if live["innocent_explanation"]:
        out.print(Text(f"Innocent explanation: {visible(live['innocent_explanation'])}"))
    listed(out, "Left out", live["left_out"])
    listed(out, "Limits", live["limits"])


def _candidates(candidates: list[dict[str, Any]]) -> Table:
    table = bare_table(
        "reference",
        "agreement",
        "by chance",
        "controls",
        "beyond chance",
        "controls at most",
        "rank p",
        left=("reference",),
    )
    for each in candidates:
        among, strangers = each["among"], each["strangers"]
        table.add_row(
            Text(visible(each["name"]), "bold" if each["stands_out"] else ""),
            within(100 * each["agreement"], *(100 * end for end in each["interval"])) + " %",
            _percent(each["expected"]),
            "—" if strangers is None else f"{strangers[0]:.0%}, at most {strangers[1]:.0%}",
            "—" if among is None else f"{among['value']:.1f}",
            "—" if among is None else f"{among['highest']:.1f}",
            "—" if among is None else f"{among['p']:.2g}",
        )
    return table


def _tests(candidates: list[dict[str, Any]]) -> Table:
    table = bare_table(
        "reference", "against controls", "replies dealt", "far beyond controls", "corrected", left=("reference",)
    )
    for each in candidates:
        among = each["among"] or {}
        told = (each["log10_p_controls"], among.get("log10_p_dealt"), among.get("log10_p_beyond"), each["log10_p"])
        table.add_row(Text(visible(each["name"])), *map(_chance, told))
    return table


def _show_tests(out: Console, candidates: list[dict[str, Any]]) -> None:
    """The p-values, and what each is of; nothing without controls."""
    if candidates[0]["among"] is None:
        return
    out.print(Padding(_tests(candidates), (0, 0, 1, 2)))
    told = (
        "Chance of so much agreement, were the reference no closer to the model than the nearest control; were equal "
        "replies dealt at random to reference and controls; were it one more control. Corrected is the larger of the "
        "two last, for the number of references. Beyond chance is in standard deviations; rank p the place among "
        f"controls, {candidates[0]['among']['p_floor']:.2g} at least."
    )
    out.print(Text(told, "dim"))


def _power(each: dict[str, Any], sought: float) -> str:
    name = each["name"]
    if each["stands_out"] or each["among"] is None:
        return ""
    if each["share_found"] is not None:
        told = f"{name}: found where {each['share_found']:.0%} of the replies are kept from it"
        if each["share_found"] <= sought or each["prompts_needed"] is None:
            return told
        return f"{told}; for {sought:.0%}, about {each['prompts_needed']:,} prompts"
    return f"{name}: {each['reason']}" if each["reason"] else ""


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.0%}"


def _chance(log10_p: float | None) -> str:
    return "—" if log10_p is None else chance(log10_p)
