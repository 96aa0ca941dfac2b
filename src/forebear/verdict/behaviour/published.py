"""What strangers were seen to score elsewhere, as far as a pair of answer files has the same figure."""

from __future__ import annotations

import msgspec

from forebear.evidence.behaviour.published import published_figures
from forebear.verdict.behaviour.contract import Published

FIGURES = ("same_wrong", "error_consistency")


def published() -> list[Published]:
    """Rows of the shipped table whose figure a pair of answer files has."""
    return [Published(**msgspec.to_builtins(each)) for each in published_figures() if each.figure in FIGURES]
