"""From transcripts to a result: one test on live models, named, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from forebear import __version__
from forebear.errors import UsageError
from forebear.evidence.behaviour.live import Heard, live_tests
from forebear.responses.transcript import Transcript
from forebear.responses.transcript_file import read_transcript
from forebear.verdict.behaviour.contract import BehavedModel, Behaviour
from forebear.verdict.behaviour.naming import distinct
from forebear.verdict.sides import Progress

Source = str | Path


def listen(
    test: str,
    model: Source,
    references: Source | Sequence[Source] = (),
    *,
    controls: Sequence[Source] = (),
    seed: int = 0,
    progress: Progress | None = None,
) -> Behaviour:
    """Run a test on live models over transcripts, without a network.

    Args:
        test: its name, one of `forebear.evidence.behaviour.live.live_tests`.
        model: transcript of the model in question, as ``forebear ask`` writes it.
        references: transcripts of what it may descend from, or be.
        controls: transcripts of strangers.
        seed: of whatever the test draws.
        progress: told what is being done and how far it is, 0-1.

    Returns:
        What the test says, under ``live``.

    Raises:
        UsageError: no such test, or transcripts that it cannot hold beside one another.
        ForebearError: a file is refused.
    """
    known = live_tests()
    if test not in known:
        raise UsageError(
            f"there is no test {test!r}", where="--test", remedy=f"Choose from: {', '.join(('errors', *known))}"
        )
    told = progress or (lambda stage, fraction: None)
    named = [references] if isinstance(references, str | Path) else list(references)
    sources = [model, *named, *controls]
    names = distinct([Path(each) for each in sources])
    read = []
    for number, (source, name) in enumerate(zip(sources, names, strict=True)):
        told(f"reading {name}", number / (len(sources) + 1))
        read.append(replace(read_transcript(source), name=name))
    heard = Heard(read[0], tuple(read[1 : len(named) + 1]), tuple(read[len(named) + 1 :]), seed)
    claim = known[test].look(heard)
    roles = ["model", *["reference"] * len(named), *["control"] * len(controls)]
    return Behaviour(
        tool={"name": "forebear", "version": __version__},
        test=test,
        models=[_model(each, role) for each, role in zip(read, roles, strict=True)],
        live=msgspec.to_builtins(claim),
        computation={
            "test": test,
            "model": str(model),
            "references": [str(each) for each in named],
            "controls": [str(each) for each in controls],
            "seed": seed,
        },
    )


def _model(transcript: Transcript, role: str) -> BehavedModel:
    notes = [*transcript.notes, *(f"no reply: {each}" for each in transcript.missing)]
    return BehavedModel(
        name=transcript.name,
        role=role,
        source=transcript.source,
        form="transcript",
        digest=transcript.digest,
        items=len(transcript.replies),
        notes=notes,
    )
