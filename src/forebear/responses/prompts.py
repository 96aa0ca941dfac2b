"""What models are asked: prompts, each with an id, and the right answer where one is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import dumps

from forebear.errors import UsageError
from forebear.responses.answers import Value


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt.

    Attributes:
        id: unique in its set.
        text: what the model is given.
        system: system message before it; None for none.
        gold: the right answer, where one is known.
        options: how many answers it offers; None for a free answer.
        stratum: kind of prompt, such as a subject or a language.
    """

    id: str
    text: str
    system: str | None = None
    gold: Value | None = None
    options: int | None = None
    stratum: str | None = None


@dataclass(frozen=True, slots=True)
class Prompts:
    """A set of prompts.

    Attributes:
        name: of the file, or of the set that comes with Forebear.
        prompts: in order.
    """

    name: str
    prompts: Sequence[Prompt]

    def __post_init__(self) -> None:
        if not self.prompts:
            raise UsageError("no prompts in it", where=self.name, remedy="Give one prompt a line")
        seen: set[str] = set()
        for each in self.prompts:
            if each.id in seen:
                raise UsageError(f"the prompt {each.id!r} stands there twice", where=self.name, field="id")
            seen.add(each.id)

    @property
    def digest(self) -> str:
        """sha256 over what models see: ids, system messages and texts, in order."""
        shown = [[each.id, each.system, each.text] for each in self.prompts]
        return sha256(dumps(shown, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
