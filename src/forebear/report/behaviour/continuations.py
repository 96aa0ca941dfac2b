"""The distance over continuations in the terminal: references, the nearest strangers, and the tree."""

from __future__ import annotations

from typing import Any, TextIO

from rich.console import Console
from rich.padding import Padding
from rich.text import Text
from rich.tree import Tree

from forebear.report.plain import number, visible
from forebear.report.terminal import STYLES, bare_table, console, listed

_NEAREST = 3


def show(live: dict[str, Any], stream: TextIO) -> None:
    """Print a claim.

    Args:
        live: the claim of ``continuations`` as plain values.
        stream: where to.
    """
    out = console(stream)
    verdict = live["verdict"]
    said = ("none, findings alone", "bold") if verdict is None else (verdict, STYLES[verdict])
    out.print(Text.assemble(("Verdict on continuations: ", "bold"), said))
    out.print(Text(visible(live["because"])))
    asked = f"{live['prompts']:,} prompts, {live['controls']} controls"
    out.print(Text(f"Compared: the first {live['letters']} characters of each continuation; {asked}.", "dim"))
    _show_pairs(out, live)
    _show_tree(out, live)
    if live["innocent_explanation"]:
        out.print(Text(f"Innocent explanation: {visible(live['innocent_explanation'])}"))
    listed(out, "No distance", [f"{each['a']} and {each['b']}: {each['reason']}" for each in _without(live)][:12])
    listed(out, "Left out", live["left_out"])
    listed(out, "Limits", live["limits"])


def _show_pairs(out: Console, live: dict[str, Any]) -> None:
    table = bare_table()
    for heading in ("model", "and", "distance", "95 % interval", "rank p", ""):
        table.add_column(heading, justify="left" if heading in ("model", "and", "") else "right", overflow="fold")
    names, references = live["models"], len(live["models"]) - 1 - live["controls"]
    own = [each for each in live["pairs"] if each["a"] == names[0] and each["b"] in names[1 : 1 + references]]
    controls = set(names[1 + references :])
    strangers = [each for each in live["pairs"] if controls & {each["a"], each["b"]} and each["distance"] is not None]
    for each in _nearest(own):
        table.add_row(*_row(each), "")
    for each in _nearest(strangers)[:_NEAREST]:
        table.add_row(*_row(each), "strangers")
    out.print(Padding(table, (1, 0, 1, 2)))


def _nearest(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(pairs, key=lambda each: (each["distance"] is None, each["distance"] or 0.0))


def _row(each: dict[str, Any]) -> tuple[Text, Text, str, str, str]:
    interval = each["interval"]
    told = "—" if interval is None else f"{number(interval[0])} to {number(interval[1])}"
    return Text(visible(each["a"])), Text(visible(each["b"])), number(each["distance"]), told, number(each["p"], 2)


def _without(live: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in live["pairs"] if each["distance"] is None]


def _show_tree(out: Console, live: dict[str, Any]) -> None:
    if live["tree"]:
        out.print(Text("Tree by neighbour joining, without root or direction; branch lengths in front:", "bold"))
        out.print(Padding(_tree(live), (0, 0, 1, 2)))
    if live["tree_reason"]:
        out.print(Text(f"Not in the tree: {visible(live['tree_reason'])}."))


def _tree(live: dict[str, Any]) -> Tree:
    """The last join is drawn at the left; a stack, since a tree may be as deep as it has leaves."""
    leaves, joins = live["leaves"], live["tree"]
    root = Tree(Text("·"))
    waiting = [(root, len(leaves) + len(joins) - 1)]
    while waiting:
        branch, node = waiting.pop()
        join = joins[node - len(leaves)]
        for child, length in ((join["left"], join["left_length"]), (join["right"], join["right_length"])):
            name = visible(leaves[child]) if child < len(leaves) else ""
            below = branch.add(Text(f"{length:.3f} {name}".rstrip()))
            if child >= len(leaves):
                waiting.append((below, child))
    return root
