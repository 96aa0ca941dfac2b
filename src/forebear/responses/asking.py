"""Asking a model behind an endpoint for every reply that a transcript lacks, and what that will cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

import msgspec

from forebear.checkpoint.sources.retry import RetryPolicy
from forebear.responses.endpoints import Address, Client, Crowd, Key, Pace
from forebear.responses.endpoints.bodies import check_kind
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.responses.transcript_file import Asking
from forebear.responses.transcript_writer import open_transcript

BYTES_PER_TOKEN = 4
"""Of UTF-8: about what tokenizers of English text reach; other scripts take about as many bytes, or fewer."""
TOKENS_PER_MESSAGE = 4
Told = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an endpoint: where, what it is called there, and the key."""

    address: Address
    model: str
    key: Key = field(default_factory=Key)


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard an endpoint is asked.

    Attributes:
        concurrency: requests at once.
        per_minute: the most requests that begin in a minute; None for no limit.
        timeout: seconds without a byte, and for one answer to arrive.
        most_requests: in this run, repeated ones included; None for no limit.
    """

    concurrency: int = 4
    per_minute: float | None = None
    timeout: float = 120.0
    most_requests: int | None = None

    def policy(self) -> RetryPolicy:
        """When to wait, try again and give up; attempts bound a prompt, not the time that turns take."""
        return RetryPolicy(
            attempts=8,
            unreached=3,
            first_wait=1.0,
            longest_wait=30.0,
            longest_asked=300.0,
            connect=min(10.0, self.timeout),
            stall=self.timeout,
            total=86_400.0,
        )


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a run will cost, before it starts.

    Attributes:
        requests: to be made, should none fail.
        prompt_tokens: about how many are sent, judged by characters.
        reply_tokens: the most that may come back.
        cost: the most it may cost, in the currency of the prices; None without prices.
        basis: how tokens were judged.
    """

    requests: int
    prompt_tokens: int
    reply_tokens: int
    cost: float | None = None
    basis: str = f"about {BYTES_PER_TOKEN} bytes of text a token; replies as long as allowed"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run gave.

    Attributes:
        transcript: as it stands now.
        requests: made in this run, repeated ones included.
        spent: it ended because no more requests were allowed.
    """

    transcript: Transcript
    requests: int
    spent: bool


def estimated(
    lacking: Sequence[tuple[Prompt, int]],
    settings: Settings,
    most_requests: int | None = None,
    prices: tuple[float | None, float | None] = (None, None),
) -> Estimate:
    """What asking for replies will cost.

    Args:
        lacking: prompts and samples without a reply.
        settings: how they are asked.
        most_requests: in this run; None for no limit.
        prices: of a million tokens sent, and of a million received; None where unknown, which counts as nothing where
            the other is known.
    """
    asked = lacking[:most_requests]
    sent = sum(_tokens(prompt) for prompt, _ in asked)
    received = len(asked) * settings.max_tokens
    known = any(price is not None for price in prices)
    cost = (sent * (prices[0] or 0.0) + received * (prices[1] or 0.0)) / 1e6 if known else None
    return Estimate(requests=len(asked), prompt_tokens=sent, reply_tokens=received, cost=cost)


def _tokens(prompt: Prompt) -> int:
    texts = [prompt.text] if prompt.system is None else [prompt.system, prompt.text]
    return sum(ceil(len(text.encode("utf-8", "replace")) / BYTES_PER_TOKEN) + TOKENS_PER_MESSAGE for text in texts)


def asking_of(endpoint: Endpoint, prompts: Prompts, settings: Settings) -> Asking:
    """What the transcript's first line will say.

    Raises:
        UsageError: completions with a system message, or too many replies.
    """
    check_kind(settings, prompts.prompts)
    return Asking(endpoint.model, endpoint.address.base, settings, prompts)


def ask_endpoint(
    endpoint: Endpoint,
    prompts: Prompts,
    settings: Settings,
    path: str | Path,
    effort: Effort = Effort(),
    *,
    policy: RetryPolicy | None = None,
    progress: Told | None = None,
) -> Asked:
    """Ask for every reply that a transcript lacks, and keep each as it comes.

    Faults that may pass (429, 5xx, a stall, a cut connection, an answer cut short) are asked again; a prompt that gets
    no reply all the same is kept as missing, with the reason, unless the endpoint has answered nothing at all.

    Args:
        endpoint: whom.
        prompts: what.
        settings: how; ``kind`` is ``"chat"`` or ``"completions"``.
        path: the transcript; gone on with where it is there.
        effort: how hard.
        policy: replaces that of the effort, for tests.
        progress: called with a stage and the fraction done, 0 to 1.

    Raises:
        SourceUnreachableError: it cannot be reached, or stopped answering. What came is kept.
        UsageError: it refuses key, model or settings; or the file holds another run.
        KeyboardInterrupt: what came is kept.
    """
    chosen = policy or effort.policy()
    pace = Pace(chosen, effort.per_minute, effort.most_requests)
    with open_transcript(path, asking_of(endpoint, prompts, settings)) as writer:
        client = Client(endpoint.address, endpoint.model, endpoint.key, policy=chosen, pace=pace)
        crowd = Crowd(client, settings, writer.lacking(), effort.concurrency, writer.replies)
        client.told = crowd.note
        with crowd:
            try:
                for event in crowd:
                    writer.take(event)
                    if progress is not None and isinstance(event, Reply):
                        progress(f"asking {endpoint.model}", writer.replies / writer.wanted)
            finally:
                for late in crowd.received():
                    writer.take(late)
        client.close()
        writer.close_if_complete()
        return Asked(writer.transcript(), pace.made, pace.spent)
