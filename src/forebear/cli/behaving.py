"""``forebear behaviour``: call, render."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forebear.cli.progress import progress
from forebear.errors import UsageError

if TYPE_CHECKING:
    from forebear.verdict.behaviour.contract import Behaviour

ERRORS = "errors"


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare: files of answers or transcripts, the model's first, or counts alone; and by which test."""

    files: Sequence[str] = ()
    counts: tuple[int, int, int, int] | None = None
    test: str = ERRORS
    controls: Sequence[str] = ()
    gold: Path | None = None
    reconstructed: Path | None = None
    share: float = 0.2
    power: float = 0.99
    seed: int = 0


def run(request: Request, as_json: bool) -> None:
    """Carry the request out and print the result.

    Raises:
        ForebearError: a request that cannot be carried out, or a file that is refused.
    """
    _check(request)
    result = call(request)
    from forebear.report import json  # only once there is a result
    from forebear.report.behaviour import terminal

    if as_json:
        sys.stdout.write(json.encode(result))
    else:
        terminal.show_behaviour(result, sys.stdout)


def call(request: Request) -> Behaviour:
    """The result of a request."""
    import forebear  # loads numpy

    if request.counts is not None:
        return forebear.behaviour_from_counts(*request.counts, seed=request.seed)
    model, *references = request.files
    with progress() as report:
        if request.test != ERRORS:
            return forebear.listen(
                request.test, model, references, controls=request.controls, seed=request.seed, progress=report
            )
        return forebear.behaviour(
            model,
            references,
            controls=request.controls,
            gold=request.gold,
            reconstructed=request.reconstructed,
            share=request.share,
            power=request.power,
            seed=request.seed,
            progress=report,
        )


def _check(request: Request) -> None:
    if request.counts is not None:
        if request.files or request.controls or request.gold or request.reconstructed or request.test != ERRORS:
            raise UsageError("takes neither files nor another test", where="--counts", remedy="Give counts or files")
        return
    if not request.files:
        remedy = "Name the files of both models' answers, or give --counts"
        if request.controls:
            remedy = "Name the files of both models' answers before --controls, which takes every file after it"
        raise UsageError("no file was named", where="MODEL", remedy=remedy)
    if request.test != ERRORS and (request.gold or request.reconstructed):
        raise UsageError("belongs to the test of errors", where="--gold, --reconstructed", remedy="Leave it out")
