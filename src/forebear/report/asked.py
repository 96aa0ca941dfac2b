"""What ``forebear ask`` tells: the cost before, and afterwards what is in the transcript."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

import msgspec

from forebear.report.plain import number, visible
from forebear.responses.asking import Asked, Estimate
from forebear.responses.endpoints.key import Key

SCHEMA = "forebear.asked/1"
_SHOWN = 3


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A run, or what one would cost.

    Attributes:
        asked: False where only the cost was wanted.
        estimate: before it started; None for a local model.
        transcript: file; None where nothing was asked.
        model: as it was asked for.
        endpoint: base URL; None for a local model.
        digest: of the transcript, by content.
        wanted: replies in a complete transcript.
        replies: replies there are.
        requests: made in this run, repeated ones included.
        prompt_tokens: of all replies that tell them; None where none does.
        reply_tokens: likewise.
        missing: prompts and samples without a reply, and why.
        notes: what a reader of the transcript should know.
        schema: version of this contract.
    """

    asked: bool
    estimate: Estimate | None
    transcript: str | None = None
    model: str | None = None
    endpoint: str | None = None
    digest: str | None = None
    wanted: int | None = None
    replies: int | None = None
    requests: int | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None
    missing: list[str] = []
    notes: list[str] = []
    schema: str = SCHEMA


def dry(estimate: Estimate) -> Outcome:
    """Of a run that asks nothing."""
    return Outcome(asked=False, estimate=estimate)


def outcome(done: Asked, path: str, estimate: Estimate | None) -> Outcome:
    """Of a run."""
    found = done.transcript
    return Outcome(
        asked=True,
        estimate=estimate,
        transcript=path,
        model=found.model,
        endpoint=found.endpoint,
        digest=found.digest,
        wanted=len(found.prompts.prompts) * found.settings.samples,
        replies=len(found.replies),
        requests=done.requests,
        prompt_tokens=_sum(each.prompt_tokens for each in found.replies),
        reply_tokens=_sum(each.reply_tokens for each in found.replies),
        missing=list(found.missing),
        notes=list(found.notes),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def estimate_line(estimate: Estimate, key: Key) -> str:
    """What a run will cost and whose key it uses, in one line for stderr."""
    used = f"; key from {key.variable}" if key.secret is not None else "; no key"
    return f"forebear: {_estimated(estimate)}{visible(used)}\n"


def show(found: Outcome, stream: TextIO) -> None:
    """Print an outcome for a reader."""
    if not found.asked and found.estimate is not None:
        stream.write(f"{_estimated(found.estimate)}. Nothing was asked.\n")
        return
    stream.write(f"{number(found.replies)} of {number(found.wanted)} replies of {visible(found.model or '')}")
    stream.write(f" in {visible(found.transcript or '')}\n")
    stream.write(f"digest {found.digest}\n")
    if found.requests:
        counts = found.prompt_tokens, found.reply_tokens
        told = "it does not say how many tokens"
        if any(count is not None for count in counts):
            told = f"{number(counts[0])} tokens sent and {number(counts[1])} received, as it counts them"
        stream.write(f"{number(found.requests)} requests in this run; {told}\n")
    for note in found.notes:
        stream.write(f"note: {visible(note)}\n")
    for missing in found.missing[:_SHOWN]:
        stream.write(f"missing: {visible(missing)}\n")
    if len(found.missing) > _SHOWN:
        stream.write(f"missing: {number(len(found.missing) - _SHOWN)} more, see the transcript\n")
    if found.missing and found.endpoint is not None:
        stream.write("The same command asks for what is missing.\n")


def _estimated(estimate: Estimate) -> str:
    tokens = (
        f"about {number(estimate.prompt_tokens)} tokens to send, at most {number(estimate.reply_tokens)} to receive"
    )
    cost = "" if estimate.cost is None else f", at most {estimate.cost:,.2f} by the prices given"
    return f"{number(estimate.requests)} requests, {tokens}{cost} (estimated: {estimate.basis})"
