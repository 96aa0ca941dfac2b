"""What is sent to an endpoint and what comes back, in the manner of OpenAI's interface; read strictly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from forebear.checkpoint.strict_json import parse_object
from forebear.errors import CheckpointError, UsageError
from forebear.responses.prompts import Prompt
from forebear.responses.transcript import Reply, Settings
from forebear.responses.transcript_file import LONGEST_REPLY

MAX_DEPTH = 32
MAX_NESTED = 100_000
_SHORT = 200
_UNSUPPORTED = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|not permitted|not allowed|deprecated|only the default",
    re.IGNORECASE,
)
_OPTIONAL = ("temperature", "top_p", "seed")


@dataclass(frozen=True, slots=True)
class Form:
    """Which fields an endpoint takes.

    Attributes:
        longest: name of the field for the longest reply.
        left_out: settings it refuses.
    """

    longest: str = "max_tokens"
    left_out: frozenset[str] = frozenset()

    def body(self, model: str, prompt: Prompt, sample: int, settings: Settings) -> dict[str, Any]:
        """A request.

        Args:
            model: as the endpoint calls it.
            prompt: to be answered.
            sample: which of the replies to it; moves the seed, so that sampled replies differ.
            settings: how it is asked.
        """
        body: dict[str, Any] = {"model": model, self.longest: settings.max_tokens}
        if settings.kind == "chat":
            before = [] if prompt.system is None else [{"role": "system", "content": prompt.system}]
            body["messages"] = [*before, {"role": "user", "content": prompt.text}]
        else:
            body["prompt"] = prompt.text
        chosen = {
            "temperature": settings.temperature,
            "top_p": settings.top_p if settings.top_p != 1.0 else None,
            "seed": None if settings.seed is None else settings.seed + sample,
        }
        return body | {name: value for name, value in chosen.items() if value is not None and name not in self.left_out}

    def adapted(self, sent: dict[str, Any], message: str, field: str | None) -> tuple[Form, str] | None:
        """A form without what a refusal names, and a note of it; None where it names nothing of the kind.

        Args:
            sent: the request that was refused.
            message: what the server said.
            field: the field at fault, where the server names one.
        """
        if "max_tokens" in sent and "max_completion_tokens" in message:
            return replace(self, longest="max_completion_tokens"), "asked with max_completion_tokens for max_tokens"
        if not _UNSUPPORTED.search(message):
            return None
        for name in _OPTIONAL:
            if name in sent and (field == name or re.search(rf"\b{name}\b", message)):
                note = f"the endpoint refuses {name}; it was left to the endpoint, {sent[name]} was wanted"
                return replace(self, left_out=self.left_out | {name}), note
        return None


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server says of an error: its words in one short line, the code and the field it names."""

    words: str
    code: str | None = None
    field: str | None = None


def check_kind(settings: Settings, prompts: Sequence[Prompt]) -> None:
    """Refuse system messages where the interface has no place for them.

    Raises:
        UsageError: completions, and a prompt has one.
    """
    if settings.kind != "chat" and any(each.system is not None for each in prompts):
        raise UsageError(
            "completions take no system message", where="--kind", remedy="Ask with --kind chat, or leave it out"
        )


def read_reply(data: bytes, prompt: Prompt, sample: int) -> Reply:
    """A reply out of an answer.

    Raises:
        CheckpointError: not strict JSON, cut short, or nested too deep.
        ValueError: JSON that holds no reply, and why.
    """
    plain = parse_object(data, "answer", max_depth=MAX_DEPTH, max_nested=MAX_NESTED)
    choices = plain.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        said = _fault_of(plain)
        raise ValueError(f"an error instead of a reply: {said.words}" if said else "an answer without choices")
    first = choices[0]
    message = first.get("message")
    text = _text(message if isinstance(message, dict) else first)
    if text is None or len(text) > LONGEST_REPLY:
        raise ValueError("an answer without text" if text is None else f"longer than {LONGEST_REPLY:,} characters")
    usage = plain.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    finish = first.get("finish_reason")
    return Reply(
        prompt.id,
        sample,
        text,
        finish[:_SHORT] if isinstance(finish, str) else None,
        _count(counts.get("prompt_tokens")),
        _count(counts.get("completion_tokens")),
    )


def read_fault(data: bytes) -> Fault:
    """What a server says of an error, however it says it."""
    try:
        plain = parse_object(data, "answer", max_depth=MAX_DEPTH, max_nested=MAX_NESTED)
    except CheckpointError:
        return Fault(_line(data.decode("utf-8", "replace")))
    return _fault_of(plain) or Fault("")


def _fault_of(plain: dict[str, object]) -> Fault | None:
    error = plain.get("error", plain)
    if isinstance(error, str):
        return Fault(_line(error))
    if not isinstance(error, dict):
        return None
    said = error.get("message", error.get("detail"))
    if said is None and error is plain:
        return None
    code, field = error.get("code"), error.get("param")
    return Fault(
        _line(said if isinstance(said, str) else str(said)),
        code[:_SHORT] if isinstance(code, str) else None,
        field if isinstance(field, str) else None,
    )


def _line(text: str) -> str:
    """Text in one line of printable characters; not cut, for a key in it must be found first."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text[: 64 * _SHORT]).split())


def _text(message: dict[str, object]) -> str | None:
    """What was said: text, parts of text, a refusal, or nothing at all, as where tools were called for."""
    content = message.get("content", message.get("text"))
    if isinstance(content, list):
        parts = [each.get("text") for each in content if isinstance(each, dict) and each.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str))
    if isinstance(content, str):
        return content
    refusal = message.get("refusal")
    if isinstance(refusal, str):
        return refusal
    return "" if content is None and ("content" in message or "text" in message) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= 10**12 else None
