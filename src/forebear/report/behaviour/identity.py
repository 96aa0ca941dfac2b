"""Identity probes in the terminal: what each model calls itself, overall and by language."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from forebear.report.plain import visible
from forebear.report.terminal import bare_table, console, listed

LANGUAGES = ("language", "no system message", "with one")

MOST_SHOWN = 8
"""Identities of each kind and model that are shown; the result has all."""


def show(live: dict[str, Any], stream: TextIO) -> None:
    """Print a claim.

    Args:
        live: the claim of ``identity`` as plain values.
        stream: where to.
    """
    out = console(stream)
    out.print(Text("No verdict: what a model calls itself is a lead, never evidence of descent.", "bold"))
    out.print(Text(visible(live["because"])))
    for model in live["models"]:
        out.print()
        _show_model(out, model)
    told = (
        "Rate: mean over prompts of the share of replies that claim the identity, with Wilson's 95 % interval, "
        f"prompts as trials. Names: table {live['table_version']}."
    )
    out.print(Text(told, "dim"))
    out.print(Text(f"Innocent explanation: {visible(live['innocent_explanation'])}"))
    listed(out, "Limits", live["limits"])


def _show_model(out: Console, model: dict[str, Any]) -> None:
    overall = model["overall"]
    out.print(Text.assemble((visible(model["name"]), "bold"), f" ({model['role']})"))
    told = (
        f"{overall['prompts']:,} prompts, {overall['replies']:,} replies; {overall['nameless']:,} name nobody, "
        f"{overall['several']:,} more than one family."
    )
    out.print(Text(told))
    if overall["rates"]:
        out.print(Padding(_rates(overall["rates"]), (0, 0, 0, 2)))
        out.print(Padding(_groups(model["groups"]), (1, 0, 0, 2)))


def _rates(rates: list[dict[str, Any]]) -> Table:
    table = bare_table("identity", "kind", "rate", "interval", "replies", left=("identity", "kind"))
    for kind in ("family", "maker"):
        for rate in [each for each in rates if each["kind"] == kind][:MOST_SHOWN]:
            low, high = rate["interval"]
            table.add_row(rate["identity"], kind, f"{rate['rate']:.0%}", f"{low:.0%} to {high:.0%}",
                          f"{rate['replies']:,}")  # fmt: skip
    return table


def _groups(groups: list[dict[str, Any]]) -> Table:
    """A line a language, without and with a system message: the family claimed most."""
    table = bare_table(*LANGUAGES, left=LANGUAGES)
    for language in dict.fromkeys(group["language"] for group in groups):
        found = {group["system"]: group for group in groups if group["language"] == language}
        table.add_row(Text(visible(language or "not told")), *(_most(found.get(system)) for system in (False, True)))
    return table


def _most(group: dict[str, Any] | None) -> str:
    if group is None:
        return "not asked"
    families = [each for each in group["rates"] if each["kind"] == "family"]
    if not families:
        return "nobody"
    low, high = families[0]["interval"]
    return f"{families[0]['identity']} {families[0]['rate']:.0%} ({low:.0%} to {high:.0%})"
