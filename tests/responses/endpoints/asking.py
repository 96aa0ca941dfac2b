"""Prompts, settings and patience of the tests that ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from forebear.checkpoint.sources.retry import RetryPolicy
from forebear.responses.asking import Asked, Effort, Endpoint, ask_endpoint
from forebear.responses.endpoints import Key, parse_address
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Settings
from tests.responses.endpoints.server import Server

KEY = "sk-proj-0123456789abcdefghij"
CHAT = Settings("chat", max_tokens=8)


@dataclass
class Time:
    """A clock that moves when somebody waits."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.waits.append(seconds)
            self.now += seconds

    def policy(self, **changes: Any) -> RetryPolicy:
        patient = {"attempts": 40, "unreached": 3, "longest_asked": 300.0, "connect": 30.0, "stall": 30.0, "total": 1e9}
        return RetryPolicy(**(patient | changes), sleep=self.sleep, clock=lambda: self.now)


def prompts_named(*texts: str) -> Prompts:
    return Prompts("test", [Prompt(f"p{number}", text) for number, text in enumerate(texts)])


def endpoint_of(server: Server, key: str | None = None) -> Endpoint:
    return Endpoint(parse_address(server.url), "a-model", Key(key, "SOME_KEY" if key else None))


def ask(
    server: Server, path: Path, prompts: Prompts, settings: Settings = CHAT, *, key: str | None = None, **changes: Any
) -> Asked:
    policy = changes.pop("policy", None) or Time().policy()
    effort = Effort(**changes)
    return ask_endpoint(endpoint_of(server, key), prompts, settings, path, effort, policy=policy)
