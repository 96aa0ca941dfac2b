"""The recovered names of a renamed model, in words and rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from forebear.report.plain import number

Renaming = Mapping[str, Any]

FEW = 5
"""Rows shown where there is no room for all."""


def renaming_text(renaming: Renaming | None) -> str:
    """How many tensors bear another name, and what told which is which; empty where none does.

    Args:
        renaming: the comparison's ``renaming``.
    """
    rows = renaming_rows(renaming)
    if renaming is None or not rows:
        return ""
    tensors = len({row["model"] for row in rows})
    unchanged = renaming.get("unchanged")
    kept = f"; {unchanged} bear the reference's name" if unchanged else ""
    told = f"{tensors} tensors of the model bear another name than what they correspond to in the reference{kept}."
    return " ".join(part for part in (told, _ground(renaming, rows), _contradicted(renaming)) if part)


def renaming_rows(renaming: Renaming | None) -> Sequence[Renaming]:
    """One row a part: ``model``, ``reference``, ``part``, ``confidence`` and ``how``."""
    found = None if renaming is None else renaming.get("names")
    return [row for row in found if isinstance(row, dict) and "model" in row] if isinstance(found, list) else []


def contradicted(renaming: Renaming | None) -> list[str]:
    """Names that claim to be one part while the values are another's, a line each."""
    found = None if renaming is None else renaming.get("contradicted")
    return [
        f"{each.get('name')}: named as {_listed(each.get('claims'))}, its values are {_listed(each.get('is'))}"
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def _ground(renaming: Renaming, rows: Sequence[Renaming]) -> str:
    if not renaming.get("by_content"):
        return "Which is which was taken from names and shapes; that is a layout, not evidence."
    content = [row for row in rows if row.get("how") == "content"]
    sure = [row["confidence"] for row in content if isinstance(row.get("confidence"), int | float)]
    least = f", with a confidence of at least {number(min(sure))}" if sure else ""
    others = len(rows) - len(content)
    rest = f"; the other {others} follow from names, shapes or what stands beside them" if others else ""
    return f"Which is which was read off the values for {len(content)} of {len(rows)}{least} (1 is certain){rest}."


def _contradicted(renaming: Renaming) -> str:
    lines = contradicted(renaming)
    if not lines:
        return ""
    noun = "name claims" if len(lines) == 1 else "names claim"
    return f"{len(lines)} {noun} to be a part whose values are another's."


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
