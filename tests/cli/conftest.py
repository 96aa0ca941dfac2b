"""Commands run in this process, with the comparison itself replaced by hand-made results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import forebear
from forebear.cli import run
from forebear.verdict.comparison import Comparison, Ranking


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> Outcome:
        code = run([*arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@dataclass
class Stub:
    """Stands in for compare and rank: returns ``result``, keeps what it was asked."""

    result: Comparison | Ranking
    asked: dict[str, Any]

    def compare(self, model: str, reference: str, **options: Any) -> Comparison | Ranking:
        self.asked = {"model": model, "reference": reference, **options}
        return self.result

    def rank(self, model: str, references: list[str], **options: Any) -> Comparison | Ranking:
        self.asked = {"model": model, "references": [*references], **options}
        return self.result


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Comparison | Ranking], Stub]:
    def install(result: Comparison | Ranking) -> Stub:
        stub = Stub(result, {})
        monkeypatch.setattr(forebear, "compare", stub.compare, raising=False)
        monkeypatch.setattr(forebear, "rank", stub.rank, raising=False)
        return stub

    return install
