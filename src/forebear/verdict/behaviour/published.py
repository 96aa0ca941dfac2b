"""What strangers were seen to score elsewhere, as far as a pair of answer files has the same figure."""

from __future__ import annotations

from forebear.evidence.behaviour.published import PublishedFigure, published_figures

FIGURES = ("same_wrong", "error_consistency")


def published() -> list[PublishedFigure]:
    """Rows of the shipped table whose figure a pair of answer files has."""
    return [each for each in published_figures() if each.figure in FIGURES]
