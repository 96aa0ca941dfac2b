"""What a test on live models says, and how such a test is added: one file with one decorated function."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from forebear.errors import UsageError
from forebear.responses.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Heard:
    """What a live test looks at: transcripts, never a network.

    Attributes:
        model: the one side.
        references: what it may descend from or be; none for a test of one model.
        controls: models known to be strangers to all others.
        seed: of whatever the test draws.
    """

    model: Transcript
    references: tuple[Transcript, ...] = ()
    controls: tuple[Transcript, ...] = ()
    seed: int = 0


class LiveClaim(msgspec.Struct, frozen=True, kw_only=True):
    """What one live test says; each test adds fields of its own.

    Attributes:
        verdict: of this test alone, one of the project's verdict words; None where it gives findings only.
        because: one sentence.
        innocent_explanation: the strongest reading without a common origin.
        limits: what this test cannot say.
        reason: why nothing could be said; None where something was.
    """

    verdict: str | None
    because: str
    innocent_explanation: str = ""
    limits: list[str] = []
    reason: str | None = None


Look = Callable[[Heard], LiveClaim]
Said = TypeVar("Said", bound=LiveClaim)


@dataclass(frozen=True, slots=True)
class LiveTest:
    """A registered test: its name, what it is in a line, and the function."""

    name: str
    about: str
    look: Look


_TESTS: dict[str, LiveTest] = {}


def live_test(name: str, about: str) -> Callable[[Callable[[Heard], Said]], Callable[[Heard], Said]]:
    """Register a function from transcripts to a claim.

    Args:
        name: what ``--test`` calls it.
        about: one line for the help.
    """

    def register(look: Callable[[Heard], Said]) -> Callable[[Heard], Said]:
        _TESTS[name] = LiveTest(name, about, look)
        return look

    return register


def live_tests() -> dict[str, LiveTest]:
    """Every test by name; this folder's modules are imported first."""
    package = importlib.import_module("forebear.evidence.behaviour")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_TESTS.items()))


def same_prompts(heard: Heard) -> None:
    """Refuse transcripts that answer different prompts.

    Raises:
        UsageError: a transcript's prompts are not the model's.
    """
    wanted = heard.model.prompts.digest
    for other in (*heard.references, *heard.controls):
        if other.prompts.digest != wanted:
            raise UsageError(
                f"answers other prompts than {heard.model.source}",
                where=other.source,
                remedy="Ask every model the same prompts",
            )
