"""``forebear compare``: call, render, and decide the exit code."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from forebear.cli.progress import progress
from forebear.report import json, terminal
from forebear.report.files import check_writable
from forebear.verdict.comparison import Comparison, Ranking

FAILED = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare and how; ``budget`` in bytes per model."""

    model: str
    references: tuple[str, ...]
    budget: int
    full: bool
    seed: int


def run(request: Request, as_json: bool, html: Path | None, fail_on: Collection[str]) -> int:
    """Compare, print, and return the exit code."""
    if html is not None:
        check_writable(html)
    result = call(request)
    if html is not None:
        from forebear.report.html import write  # jinja2 only where a page is asked for

        write(result, html)
    if as_json:
        sys.stdout.write(json.encode(result))
    elif isinstance(result, Ranking):
        terminal.show_ranking(result, sys.stdout)
    else:
        terminal.show_comparison(result, sys.stdout)
    return FAILED if any(meets(each, fail_on) for each in comparisons(result)) else 0


def call(request: Request) -> Comparison | Ranking:
    """Carry the request out: one reference gives a comparison, several a ranking."""
    import forebear  # loads numpy

    with progress() as report:
        if len(request.references) == 1:
            return forebear.compare(
                request.model,
                request.references[0],
                budget=request.budget,
                full=request.full,
                seed=request.seed,
                progress=report,
            )
        return forebear.rank(
            request.model,
            request.references,
            budget=request.budget,
            full=request.full,
            seed=request.seed,
            progress=report,
        )


def comparisons(result: Comparison | Ranking) -> list[Comparison]:
    """The comparisons of a result."""
    return result.comparisons if isinstance(result, Ranking) else [result]


def meets(comparison: Comparison, verdicts: Collection[str]) -> bool:
    """Whether a comparison is one of the verdicts asked for.

    A reference that descends from the model is no reason for the model to fail: *derived* does not count there.
    """
    if comparison.verdict not in verdicts:
        return False
    claim = comparison.weights
    return not (comparison.verdict == "derived" and claim is not None and claim.direction == "model to reference")
