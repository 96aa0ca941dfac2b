"""The options of ``forebear ask``; what it does lies in `forebear.cli.asking`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """Which interface of an endpoint is asked."""

    chat = "chat"
    completions = "completions"


Temperature = Annotated[float, typer.Option(metavar="T", min=0.0, max=100.0, help="0 is greedy; above, replies vary.")]
Samples = Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Replies to each prompt.")]
MaxTokens = Annotated[int, typer.Option(metavar="N", min=1, max=1_000_000, help="Longest reply.")]
TopP = Annotated[float, typer.Option(metavar="P", min=1e-6, max=1.0, help="Nucleus of sampling.")]
Seed = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=2**53, help="Seed of sampling, given to endpoints that take one."),
]
KeyEnv = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Environment variable that holds the key. Else OPENAI_API_KEY where it is set, over https, and not to "
        "this machine.",
    ),
]
Concurrency = Annotated[int, typer.Option(metavar="N", min=1, max=256, help="Requests at once.")]
PerMinute = Annotated[
    float | None, typer.Option(metavar="N", min=0.01, max=1e6, help="The most requests that begin in a minute.")
]
Timeout = Annotated[
    float,
    typer.Option(metavar="SECONDS", min=0.1, max=3600.0, help="Longest wait for an answer before it is asked anew."),
]
MaxRequests = Annotated[
    int | None, typer.Option(metavar="N", min=1, help="The most requests of this run, repeated ones included.")
]
Price = Annotated[float | None, typer.Option(metavar="PRICE", min=0.0, help="Of a million tokens, for the estimate.")]


Model = Annotated[
    str,
    typer.Argument(metavar="MODEL", help="What the endpoint calls the model; without --base-url a local checkpoint."),
]
PromptSource = Annotated[
    str, typer.Argument(metavar="PROMPTS", help="A file of prompts, or the name of a set that comes with Forebear.")
]
Transcript = Annotated[
    Path, typer.Option(metavar="FILE", help="Where replies are kept; an interrupted run goes on from it.")
]
BaseUrl = Annotated[
    str | None, typer.Option(metavar="URL", help="Endpoint in the manner of OpenAI's, such as https://host/v1.")
]
Interface = Annotated[
    Kind | None,
    typer.Option(
        help="Which interface of the endpoint; chat where none is named. A local checkpoint continues plain text, "
        "and with chat what its chat template makes of each prompt."
    ),
]
System = Annotated[
    str | None, typer.Option(metavar="TEXT", help="System message for prompts that have none of their own.")
]
Tokenizer = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The tokenizer.json of a local checkpoint that brings none.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what it would cost, and ask nothing.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of text.")]


def ask(
    model: Model,
    prompts: PromptSource,
    *,
    transcript: Transcript,
    base_url: BaseUrl = None,
    kind: Interface = None,
    key_env: KeyEnv = None,
    temperature: Temperature = 0.0,
    samples: Samples = 1,
    max_tokens: MaxTokens = 256,
    top_p: TopP = 1.0,
    seed: Seed = None,
    system: System = None,
    concurrency: Concurrency = 4,
    per_minute: PerMinute = None,
    timeout: Timeout = 120.0,
    max_requests: MaxRequests = None,
    price_in: Price = None,
    price_out: Price = None,
    tokenizer: Tokenizer = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Ask a model prompts and keep its replies in a transcript, from which every test runs without the network.

    The cost is estimated first. The same command goes on where an interrupted run stopped.
    """
    from forebear.cli import asking

    manner = asking.Manner(None if kind is None else kind.value, temperature, samples, max_tokens, top_p, seed, system)
    bounds = asking.Bounds(concurrency, per_minute, timeout, max_requests, (price_in, price_out), dry_run)
    request = asking.Request(model, prompts, transcript, manner, bounds, base_url, key_env, tokenizer)
    raise typer.Exit(asking.run(request, as_json))
