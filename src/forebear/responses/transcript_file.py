"""Transcripts as files: a header, then a line for every reply as it comes, so that a killed run loses nothing.

The first line says which model was asked what and how, prompts included, so that a transcript can be computed with
alone. Every other line is a reply, a note, a prompt that got no reply, or the digest that closes a complete one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.lines import MAX_LINE, Line, is_json, lines_of, parsed, refused, regular, row
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.prompts_file import MOST_PROMPTS, Gold, Options, Short, Text, gold_of
from forebear.responses.transcript import TRANSCRIPT_SCHEMA, Reply, Settings, Transcript

MAX_HEADER = 16 * 2**20
"""Bytes of the first line, which holds every prompt."""
MOST_REPLIES = 2_000_000
LONGEST_REPLY = 1_000_000
"""Characters."""
MOST_NOTES = 1_000
REMEDY = "Give a transcript written by 'forebear ask'"

Place = tuple[str, int]
"""Id of a prompt, and which of the replies to it."""
Words = Annotated[str, msgspec.Meta(max_length=2_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["chat", "completions", "local"]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=100)]
    samples: Annotated[int, msgspec.Meta(ge=1, le=MOST_REPLIES)]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
    top_p: Annotated[float, msgspec.Meta(gt=0, le=1)]
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None


class _Prompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Short
    text: Text
    system: Text | None = None
    gold: Gold | None = None
    options: Options | None = None
    stratum: Short | None = None


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: Literal["forebear.transcript/1"]
    model: Words
    endpoint: Words | None
    settings: _Settings
    prompts_name: Words
    prompts_digest: str
    prompts: Annotated[list[_Prompt], msgspec.Meta(min_length=1, max_length=MOST_PROMPTS)]


class _Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prompt: Short
    sample: Count
    text: Annotated[str, msgspec.Meta(max_length=LONGEST_REPLY)]
    finish: Words | None = None
    prompt_tokens: Count | None = None
    reply_tokens: Count | None = None


class _Missing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    missing: Short
    sample: Count
    why: Words


class _Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    note: Words


class _Closing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    digest: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What a transcript's first line says.

    Attributes:
        model: what the endpoint calls the model, or the folder of a local one.
        endpoint: base URL without user, password and query; None for a local model.
        settings: how it is asked.
        prompts: what it is asked.
    """

    model: str
    endpoint: str | None
    settings: Settings
    prompts: Prompts

    def __post_init__(self) -> None:
        wanted = len(self.prompts.prompts) * self.settings.samples
        if wanted > MOST_REPLIES:
            raise UsageError(f"{wanted:,} replies, limit {MOST_REPLIES:,}", remedy="Ask fewer prompts or samples")

    def places(self) -> Iterator[tuple[Prompt, int]]:
        """Every prompt and sample, in order."""
        return ((each, sample) for each in self.prompts.prompts for sample in range(self.settings.samples))

    @property
    def wanted(self) -> int:
        """Replies in a complete transcript."""
        return len(self.prompts.prompts) * self.settings.samples


@dataclass(slots=True)
class Content:
    """What a transcript's lines said so far.

    Attributes:
        asking: its first line.
        source: the file.
        replies: by place.
        missing: why there is no reply, by place; a reply may have come later.
        notes: what a reader should know.
        closed: its digest was the last line.
        stop: bytes up to and with the last whole line.
        ids: of all prompts.
    """

    asking: Asking
    source: Path
    replies: dict[Place, Reply] = field(default_factory=dict)
    missing: dict[Place, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    closed: bool = False
    stop: int = 0
    ids: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.ids = frozenset(each.id for each in self.asking.prompts.prompts)

    def transcript(self, name: str, extra: Iterable[str] = ()) -> Transcript:
        """The transcript, with further notes."""
        places = [(prompt.id, sample) for prompt, sample in self.asking.places()]
        replies = [self.replies[place] for place in places if place in self.replies]
        lacking = [place for place in places if place in self.missing and place not in self.replies]
        missing = [f"{quoted(prompt)}, sample {sample}: {self.missing[prompt, sample]}" for prompt, sample in lacking]
        if unasked := len(places) - len(replies) - len(lacking):
            missing.append(f"{unasked:,} further replies: not asked for yet")
        asking, notes = self.asking, (*self.notes, *extra)
        return Transcript(
            name, str(self.source), asking.model, asking.endpoint, asking.settings, asking.prompts, tuple(replies),
            tuple(missing), notes,
        )  # fmt: skip


def read_transcript(path: str | Path, name: str | None = None) -> Transcript:
    """A transcript as it stands in a file, complete or not.

    A last line that was cut short, as a killed run leaves it, is left out and noted. The digest that closes a complete
    transcript is checked.

    Args:
        path: written by ``forebear ask``; at most 512 MiB.
        name: what results call the model; the file's name without its end where None.

    Raises:
        UsageError: the file cannot be read, is no transcript, contradicts itself, or its digest is not that of its
            replies.
        CheckpointError: a line is not strict JSON.
    """
    path = Path(path)
    with regular(path, REMEDY) as file:
        content, cut = read_content(file, path)
    notes = ["its last line was cut short, and left out"] if cut else []
    if not content.closed and len(content.replies) == content.asking.wanted:
        notes.append("every reply is there, but no digest closes it: nothing tells whether lines were changed")
    return content.transcript(path.stem if name is None else name, notes)


def read_content(file: BinaryIO, path: Path) -> tuple[Content, bool]:
    """Everything in a file, and whether its last line was cut short."""
    content: Content | None = None
    for line in lines_of(file, path, (MAX_HEADER, MAX_LINE)):
        if not line.ended and not is_json(line, path):
            if content is None:
                break
            return content, True
        if content is None:
            content = Content(read_header(line, path), path)
        else:
            _take(content, line)
        content.stop = line.stop
    if content is None:
        raise UsageError("no first line that says what was asked", where=path, remedy=REMEDY)
    return content, False


def read_header(line: Line, path: Path) -> Asking:
    """What a transcript's first line says.

    Raises:
        UsageError: it is none, or contradicts itself.
        CheckpointError: it is not strict JSON.
    """
    plain = parsed(line, path, REMEDY)
    if plain.get("schema") != TRANSCRIPT_SCHEMA:
        raise UsageError(f"its first line does not say {TRANSCRIPT_SCHEMA!r}", where=path, remedy=REMEDY)
    found = row(plain, _Header, path, line.number, REMEDY)
    prompts = [
        Prompt(each.id, each.text, each.system, gold_of(each.gold), each.options, each.stratum)
        for each in found.prompts
    ]
    asked = Prompts(found.prompts_name, prompts)
    if asked.digest != found.prompts_digest:
        raise refused(path, line.number, "its prompts are not those that its digest names", REMEDY)
    settings = Settings(**{name: getattr(found.settings, name) for name in Settings.__slots__})
    return Asking(found.model, found.endpoint, settings, asked)


def _take(content: Content, line: Line) -> None:
    plain, path, number = parsed(line, content.source, REMEDY), content.source, line.number
    if content.closed:
        raise refused(path, number, "stands after the line that closes the transcript", REMEDY)
    if "digest" in plain:
        _close(content, row(plain, _Closing, path, number, REMEDY), number)
    elif "note" in plain:
        if len(content.notes) == MOST_NOTES:
            raise refused(path, number, f"more than {MOST_NOTES} notes", REMEDY)
        content.notes.append(row(plain, _Note, path, number, REMEDY).note)
    elif "missing" in plain:
        lacking = row(plain, _Missing, path, number, REMEDY)
        content.missing[_place(content, lacking.missing, lacking.sample, number)] = lacking.why
    else:
        said = row(plain, _Reply, path, number, REMEDY)
        place = _place(content, said.prompt, said.sample, number)
        if place in content.replies:
            raise refused(path, number, f"a second reply to {quoted(said.prompt)}, sample {said.sample}", REMEDY)
        content.replies[place] = Reply(*place, said.text, said.finish, said.prompt_tokens, said.reply_tokens)


def _place(content: Content, prompt: str, sample: int, number: int) -> Place:
    if sample >= content.asking.settings.samples or prompt not in content.ids:
        rule = f"answers {quoted(prompt)}, sample {sample}, which its first line does not ask"
        raise refused(content.source, number, rule, REMEDY)
    return prompt, sample


def _close(content: Content, closing: _Closing, number: int) -> None:
    content.closed = True
    if content.transcript("").digest != closing.digest:
        raise refused(content.source, number, "its digest is not that of the replies above", REMEDY)
