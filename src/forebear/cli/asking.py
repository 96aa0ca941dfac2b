"""``forebear ask``: call, render, and decide the exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forebear.cli.progress import progress, warner
from forebear.errors import UsageError
from forebear.report.files import check_writable

if TYPE_CHECKING:
    from forebear.report.asked import Outcome
    from forebear.responses.asking import Asked, Endpoint, Estimate
    from forebear.responses.prompts import Prompts
    from forebear.responses.transcript import Settings

UNANSWERED = 4


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is asked; see `forebear.responses.transcript.Settings`."""

    kind: str | None = None
    temperature: float = 0.0
    samples: int = 1
    max_tokens: int = 256
    top_p: float = 1.0
    seed: int | None = None
    system: str | None = None

    def settings(self, *, local: bool) -> Settings:
        """For the transcript."""
        from forebear.responses.transcript import Settings

        kind = "local" if local and self.kind != "chat" else self.kind or "chat"
        return Settings(kind, self.temperature, self.samples, self.max_tokens, self.top_p, self.seed)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How hard an endpoint is asked and what that may cost; ``prices`` of a million tokens sent and received."""

    concurrency: int = 4
    per_minute: float | None = None
    timeout: float = 120.0
    max_requests: int | None = None
    prices: tuple[float | None, float | None] = (None, None)
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """Whom to ask what; ``tokenizer`` is that of a local checkpoint which brings none."""

    model: str
    prompts: str
    transcript: Path
    manner: Manner
    bounds: Bounds
    base_url: str | None = None
    key_env: str | None = None
    tokenizer: Path | None = None


def run(request: Request, as_json: bool) -> int:
    """Ask, print what came, and return the exit code.

    Raises:
        ForebearError: a request that cannot be carried out, or an endpoint that cannot be reached.
        KeyboardInterrupt: what came is kept; how to go on is said.
    """
    check_writable(request.transcript)
    prompts = _prompts(request)
    settings = request.manner.settings(local=request.base_url is None)
    if request.base_url is None:
        return _ask_local(request, prompts, settings, as_json)
    return _ask_endpoint(request, request.base_url, prompts, settings, as_json)


def _prompts(request: Request) -> Prompts:
    from forebear.responses.prompts_file import prompts_of, with_system

    found = prompts_of(request.prompts)
    return found if request.manner.system is None else with_system(found, request.manner.system)


def _ask_endpoint(request: Request, base_url: str, prompts: Prompts, settings: Settings, as_json: bool) -> int:
    from forebear.report import asked as report
    from forebear.responses.asking import Endpoint, asking_of, estimated
    from forebear.responses.endpoints import find_key, parse_address
    from forebear.responses.transcript_writer import lacking_in

    if request.tokenizer is not None:
        raise UsageError("an endpoint has its own tokenizer", where="--tokenizer", remedy="Leave it out")
    address = parse_address(base_url)
    key = find_key(request.key_env, address, os.environ)
    endpoint = Endpoint(address, request.model, key)
    lacking = lacking_in(request.transcript, asking_of(endpoint, prompts, settings))
    estimate = estimated(lacking, settings, request.bounds.max_requests, request.bounds.prices)
    if key.note is not None:
        warner()(key.note)
    if request.bounds.dry_run:
        _show(report.dry(estimate), as_json)
        return 0
    sys.stderr.write(report.estimate_line(estimate, key))
    done = _asked(request, endpoint, prompts, settings)
    _show(report.outcome(done, str(request.transcript), estimate), as_json)
    return _code(done)


def _asked(request: Request, endpoint: Endpoint, prompts: Prompts, settings: Settings) -> Asked:
    from forebear.responses.asking import Effort, ask_endpoint

    bounds = request.bounds
    effort = Effort(bounds.concurrency, bounds.per_minute, bounds.timeout, bounds.max_requests)
    try:
        with progress() as bar:
            return ask_endpoint(endpoint, prompts, settings, request.transcript, effort, progress=bar)
    except KeyboardInterrupt:
        _say_how_to_go_on(request)
        raise


def _ask_local(request: Request, prompts: Prompts, settings: Settings, as_json: bool) -> int:
    from forebear.evidence.activations.speaking import ask_local
    from forebear.report import asked as report
    from forebear.responses.asking import Asked
    from forebear.verdict.profiled_models import subjects

    _refuse_for_endpoints(request)
    if request.bounds.dry_run:
        _show(report.dry(_local_estimate(prompts, settings)), as_json)
        return 0
    tokenizer = None if request.tokenizer is None else _text_of(request.tokenizer)
    try:
        with subjects([request.model], (), None, warner()) as (subject,), progress() as bar:
            if subject.side is None:
                raise UsageError("is a profile file", where=request.model, remedy="Name a checkpoint")
            found = ask_local(subject.side, prompts, settings, request.transcript, tokenizer=tokenizer, progress=bar)
    except KeyboardInterrupt:
        _say_how_to_go_on(request)
        raise
    _show(report.outcome(Asked(found, 0, spent=False), str(request.transcript), None), as_json)
    return 0


def _refuse_for_endpoints(request: Request) -> None:
    bounds, only = request.bounds, Bounds()
    given = {
        "--key-env": request.key_env is not None,
        "--per-minute": bounds.per_minute is not None,
        "--max-requests": bounds.max_requests is not None,
        "--price-in, --price-out": bounds.prices != only.prices,
    }
    for option, there in given.items():
        if there:
            raise UsageError("is for endpoints", where=option, remedy="Give --base-url, or leave it out")


def _local_estimate(prompts: Prompts, settings: Settings) -> Estimate:
    from forebear.responses.asking import estimated

    return estimated([(each, sample) for each in prompts.prompts for sample in range(settings.samples)], settings)


def _text_of(path: Path) -> str:
    from forebear.evidence.activations.sample import shipped

    return shipped().with_tokenizer(path).tokenizer or ""


def _say_how_to_go_on(request: Request) -> None:
    from forebear.report.plain import visible

    where = visible(str(request.transcript))
    sys.stderr.write(f"forebear: what was received is in {where}; the same command asks for the rest\n")


def _show(found: Outcome, as_json: bool) -> None:
    from forebear.report import asked, json

    if as_json:
        sys.stdout.write(json.encode(found))
    else:
        asked.show(found, sys.stdout)


def _code(done: Asked) -> int:
    return UNANSWERED if done.transcript.missing and not done.spent else 0
