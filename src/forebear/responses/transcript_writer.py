"""Transcripts being written: appended line by line, gone on with after an interruption, one process at a time."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.lines import Line, check_regular, without_none
from forebear.responses.prompts import Prompt
from forebear.responses.transcript import TRANSCRIPT_SCHEMA, Reply, Settings, Transcript
from forebear.responses.transcript_file import (
    MAX_HEADER,
    MOST_NOTES,
    Asking,
    Content,
    Place,
    read_content,
    read_header,
)

if sys.platform != "win32":
    import fcntl


LONGEST_WHY = 2_000
"""Characters of a note, or of the reason why there is no reply."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A prompt and sample that got no reply, and why."""

    prompt: str
    sample: int
    why: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something for the transcript's reader to know."""

    text: str


class TranscriptWriter:
    """A transcript being written; see `open_transcript`."""

    def __init__(self, file: FileIO, content: Content) -> None:
        self._file = file
        self._content = content

    @property
    def replies(self) -> int:
        """Replies it holds."""
        return len(self._content.replies)

    @property
    def source(self) -> Path:
        """The file."""
        return self._content.source

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes it holds."""
        return tuple(self._content.notes)

    @property
    def wanted(self) -> int:
        """Replies in a complete transcript."""
        return self._content.asking.wanted

    def lacking(self) -> list[tuple[Prompt, int]]:
        """Prompts and samples without a reply, in order."""
        return [
            (prompt, sample)
            for prompt, sample in self._content.asking.places()
            if (prompt.id, sample) not in self._content.replies
        ]

    def take(self, event: Reply | Missing | Note) -> None:
        """Keep a reply; or why there is none, which a later run asks for again; or a note, once."""
        if isinstance(event, Reply):
            self._line(without_none(asdict(event)))
            self._content.replies[event.prompt, event.sample] = event
        elif isinstance(event, Missing):
            self._missing((event.prompt, event.sample), event.why[:LONGEST_WHY])
        elif event.text not in self._content.notes and len(self._content.notes) < MOST_NOTES:
            self._line({"note": event.text[:LONGEST_WHY]})
            self._content.notes.append(event.text[:LONGEST_WHY])

    def _missing(self, place: Place, why: str) -> None:
        if self._content.missing.get(place) != why:
            self._line({"missing": place[0], "sample": place[1], "why": why})
            self._content.missing[place] = why

    def transcript(self) -> Transcript:
        """What it holds."""
        return self._content.transcript(self._content.source.stem)

    def close_if_complete(self) -> None:
        """Write the digest that closes a transcript, where no reply is lacking."""
        if not self._content.closed and self.replies == self.wanted:
            self._line({"digest": self.transcript().digest})
            self._content.closed = True

    def _line(self, plain: dict[str, Any]) -> None:
        """Append a line; whatever an interrupted write left behind is overwritten."""
        data = _encoded(plain)
        self._file.truncate(self._content.stop)
        self._file.seek(self._content.stop)
        _write(self._file, data, self._content.source)
        self._content.stop += len(data)


@contextmanager
def open_transcript(path: str | Path, asking: Asking) -> Iterator[TranscriptWriter]:
    """A transcript to be written, begun where there is none and gone on with where there is one.

    Replies reach the file as they are given, and a process killed at any moment leaves a file that can be read and
    gone on with. A complete transcript is closed by its digest in the end.

    Args:
        path: the file.
        asking: what is asked of whom; that of a file already there must be the same.

    Raises:
        UsageError: the file holds something else, which is named; another process writes it; it cannot be written.
        CheckpointError: a line of it is not strict JSON.
    """
    path = Path(path)
    header = _header(path, asking)
    with _opened(path) as file:
        check_regular(file.fileno(), path, "Give another file")
        _lock(file, path)
        writer = TranscriptWriter(file, _begun(file, path, asking, header))
        try:
            yield writer
        finally:
            writer.close_if_complete()


def lacking_in(path: str | Path, asking: Asking) -> list[tuple[Prompt, int]]:
    """Prompts and samples that a file, there or not, has no reply to, in order; nothing is begun.

    Raises:
        UsageError: as `open_transcript`.
        CheckpointError: likewise.
    """
    if not Path(path).exists() or Path(path).stat().st_size == 0:
        return [*asking.places()]
    with open_transcript(path, asking) as writer:
        return writer.lacking()


def _header(path: Path, asking: Asking) -> bytes:
    """The first line; what could not be read again is not begun."""
    header = _encoded(_stated(asking))
    if len(header) > MAX_HEADER:
        raise UsageError(f"the prompts take more than {MAX_HEADER >> 20} MiB", where=path, remedy="Ask fewer")
    read_header(Line(1, header[:-1], len(header), ended=True), path)
    return header


def _begun(file: FileIO, path: Path, asking: Asking, header: bytes) -> Content:
    start = file.read(len(header))
    if len(start) < len(header) and header.startswith(start):
        file.seek(0)
        _write(file, header, path)
        return Content(asking, path, stop=len(header))
    file.seek(0)
    buffered = BufferedReader(file)
    try:
        content, _ = read_content(buffered, path)
    finally:
        buffered.detach()
    if others := _differences(content.asking, asking):
        raise UsageError(
            f"holds another run: {'; '.join(others)}", where=path, remedy="Give another file, or ask the same again"
        )
    _end_line(file, content)
    return content


def _end_line(file: FileIO, content: Content) -> None:
    """An end of line after a whole last line that has none, as some editors leave it."""
    file.seek(content.stop - 1)
    if file.read(1) != b"\n":
        file.truncate(content.stop)
        file.seek(content.stop)
        _write(file, b"\n", content.source)
        content.stop += 1


def _differences(there: Asking, asked: Asking) -> list[str]:
    """What a file says and is now asked otherwise."""
    pairs: list[tuple[str, object, object]] = [
        ("model", there.model, asked.model),
        ("endpoint", there.endpoint, asked.endpoint),
        *((name, getattr(there.settings, name), getattr(asked.settings, name)) for name in Settings.__slots__),
    ]
    found = [f"{name} {_said(old)}, not {_said(new)}" for name, old, new in pairs if old != new]
    if there.prompts.digest != asked.prompts.digest:
        found.append(f"other prompts ({_said(there.prompts.name)}, not {_said(asked.prompts.name)})")
    return found


def _said(value: object) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _stated(asking: Asking) -> dict[str, Any]:
    return {
        "schema": TRANSCRIPT_SCHEMA,
        "model": asking.model,
        "endpoint": asking.endpoint,
        "settings": asdict(asking.settings),
        "prompts_name": asking.prompts.name,
        "prompts_digest": asking.prompts.digest,
        "prompts": [without_none(asdict(each)) for each in asking.prompts.prompts],
    }


def _encoded(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, ensure_ascii=False, allow_nan=False).encode("utf-8") + b"\n"


@contextmanager
def _opened(path: Path) -> Iterator[FileIO]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot be written: {reason}", where=path, remedy="Give another file") from None
    with FileIO(descriptor, "r+") as file:
        yield file


def _write(file: FileIO, data: bytes, path: Path) -> None:
    left = memoryview(data)
    try:
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=path, remedy="Make room, run it again") from None


def _lock(file: FileIO, path: Path) -> None:
    """Hold the file for this process until it is closed.

    Raises:
        UsageError: another process holds it.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            "another run is writing it", where=path, remedy="Wait until it has ended, or give another file"
        ) from None
    except OSError:  # a file system without locks
        return
