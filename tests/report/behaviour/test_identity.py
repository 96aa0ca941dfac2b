"""Identity probes in the terminal: no verdict, rates, languages, and strings that cannot disturb."""

from __future__ import annotations

from io import StringIO

import msgspec

from forebear.evidence.behaviour.identity import identity
from forebear.evidence.behaviour.live import Heard
from forebear.report.behaviour.identity import show
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript

PROMPTS = Prompts(
    "two", [Prompt("a", "Who?", stratum="en\x1b[2J"), Prompt("b", "Who?", "Be brief.", stratum="en\x1b[2J")]
)


def shown(first: str, second: str, name: str = "model") -> str:
    replies = [Reply("a", 0, first), Reply("b", 0, second)]
    transcript = Transcript(name, "t.jsonl", name, None, Settings(), PROMPTS, replies)
    stream = StringIO()
    show(msgspec.to_builtins(identity(Heard(transcript))), stream)
    return " ".join(stream.getvalue().split())


def test_rates_by_language_and_no_verdict() -> None:
    text = shown("I am Claude by Anthropic.", "I am Qwen.", name="m\x1b[31m")
    assert text.startswith("No verdict")
    assert "Claude family 50%" in text
    assert "Anthropic maker 50%" in text
    assert "Claude 100% (21% to 100%) Qwen 100% (21% to 100%)" in text
    assert "never evidence of descent" in text
    assert "\x1b" not in text


def test_a_model_that_names_nobody() -> None:
    text = shown("A helper.", "\x1b]0;x\x07 [bold]markup[/bold]")
    assert "2 name nobody" in text
    assert "names no model family" in text
