"""``forebear compare``: call, render, and decide the exit code."""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebear.cli.progress import progress, warner
from forebear.errors import UsageError
from forebear.report import json, terminal
from forebear.report.files import check_writable
from forebear.verdict.comparison import Comparison, Ranking

FAILED = 3


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare and how; ``budget`` in bytes per model, ``memory`` in bytes; ``also`` and ``bases`` are further
    models, ``adapter_base`` is what an adapter is laid onto; ``only`` to ``scan_licences`` are asked of documents,
    ``behaviour`` are files of answers."""

    model: str
    references: tuple[str, ...]
    budget: int
    full: bool
    seed: int
    also: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    memory: int = 4_000_000_000
    adapter_base: str | None = None
    only: tuple[str, ...] = ()
    claimed_sources: tuple[str, ...] = ()
    base_code: tuple[str, ...] = ()
    redact_names: bool = False
    dates: str | None = None
    scan_licences: bool = False
    behaviour: tuple[str, ...] = ()

    @property
    def further(self) -> dict[str, Any]:
        """Further models, by the argument that takes them; only what was given."""
        given = {
            "also": self.also,
            "bases": self.bases,
            "adapter_base": self.adapter_base,
            "only": self.only,
            "claimed_sources": self.claimed_sources,
            "base_code": self.base_code,
            "redact_names": self.redact_names,
            "dates": self.dates,
            "scan_licences": self.scan_licences,
            "behaviour": self.behaviour,
        }
        return {name: value for name, value in given.items() if value} | {"memory": self.memory}


def run(
    request: Request, as_json: bool, html: Path | None, fail_on: Collection[str], renamed: Path | None = None
) -> int:
    """Compare, print, write what was asked for, and return the exit code."""
    if html is not None:
        check_writable(html)
    if renamed is not None:
        check_renamed(request, renamed)
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
    if renamed is not None:
        write_renamed(request, renamed)
    return FAILED if any(meets(each, fail_on) for each in comparisons(result)) else 0


def check_renamed(request: Request, folder: Path) -> None:
    """Refuse what cannot be written before the work begins.

    Raises:
        UsageError: several references, or a folder that is not empty.
    """
    from forebear.alignment.rewriting import check_empty  # loads numpy

    if len(request.references) > 1:
        raise UsageError(
            "names can be taken from one reference only", where="--write-renamed", remedy="Give a single reference"
        )
    check_empty(folder)


def write_renamed(request: Request, folder: Path) -> None:
    """Write the model under its reference's names, and say on stderr what was written."""
    from forebear.alignment.rewriting import rename_model

    written = rename_model(request.model, request.references[0], folder)
    left = f"; no place there for {', '.join(written.left_out)}" if written.left_out else ""
    sys.stderr.write(f"{written.tensors} tensors under the reference's names: {folder}{left}\n")


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
                warn=warner(),
                **request.further,
            )
        return forebear.rank(
            request.model,
            request.references,
            budget=request.budget,
            full=request.full,
            seed=request.seed,
            progress=report,
            warn=warner(),
            **request.further,
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
