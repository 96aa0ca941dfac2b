"""What was asked and what was said: the evidence from which every test on live models is computed, offline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps

from forebear.responses.prompts import Prompts

TRANSCRIPT_SCHEMA = "forebear.transcript/1"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a model is asked; part of what a transcript's digest names.

    Attributes:
        kind: ``"chat"``, ``"completions"`` or ``"local"``.
        temperature: 0 is greedy.
        samples: replies to each prompt.
        max_tokens: longest reply.
        top_p: nucleus of sampling.
        seed: of sampling, given to the endpoint where it takes one; None lets it choose.
    """

    kind: str = "chat"
    temperature: float = 0.0
    samples: int = 1
    max_tokens: int = 256
    top_p: float = 1.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply.

    Attributes:
        prompt: id of the prompt.
        sample: which of the replies to it, from 0.
        text: what was said, as received.
        finish: why it ended (``stop``, ``length``, ...); None where not told.
        prompt_tokens: as the endpoint counts them; None where not told.
        reply_tokens: likewise.
    """

    prompt: str
    sample: int
    text: str
    finish: str | None = None
    prompt_tokens: int | None = None
    reply_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """One model's replies to one set of prompts.

    Attributes:
        name: what results call the model; unique among those compared.
        source: file as the user named it.
        model: what the endpoint calls the model, or the folder of a local one.
        endpoint: base URL without user, password and query; None for a local model.
        settings: how it was asked.
        prompts: what it was asked.
        replies: in the order of prompts and samples, whatever the order they came in.
        missing: prompts and samples without a reply, and why.
        notes: what a reader should know.
    """

    name: str
    source: str
    model: str
    endpoint: str | None
    settings: Settings
    prompts: Prompts
    replies: Sequence[Reply]
    missing: Sequence[str] = ()
    notes: Sequence[str] = field(default=())

    @property
    def digest(self) -> str:
        """sha256 over the model's name, settings, prompts and replies; neither time nor order of arrival changes it."""
        settings = [getattr(self.settings, name) for name in Settings.__slots__]
        seen = sha256(dumps([self.model, settings, self.prompts.digest], ensure_ascii=False).encode("utf-8"))
        for each in self.replies:
            line = dumps([each.prompt, each.sample, each.text], ensure_ascii=False)
            seen.update(line.encode("utf-8", "surrogatepass"))
        return seen.hexdigest()

    def texts(self, prompt: str) -> list[str]:
        """Every reply to a prompt, in the order of samples."""
        return [each.text for each in self.replies if each.prompt == prompt]
