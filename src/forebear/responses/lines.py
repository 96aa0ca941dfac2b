"""Files of one JSON object a line, written by a stranger or cut short: read line by line, bounded, strict."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec

from forebear.checkpoint.strict_json import parse_object, quoted
from forebear.errors import CheckpointError, UsageError

MAX_BYTES = 512 * 2**20
MAX_LINE = 8 * 2**20
MAX_DEPTH = 8
MAX_NESTED = 500_000

Row = TypeVar("Row", bound=msgspec.Struct)


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: from 1.
        data: its bytes without the end of line.
        stop: bytes of the file up to and with it.
        ended: an end of line follows; False for a last line that was cut short, or that an editor left so.
    """

    number: int
    data: bytes
    stop: int
    ended: bool


@contextmanager
def regular(path: Path, remedy: str) -> Iterator[BinaryIO]:
    """A regular file, open to be read.

    Args:
        path: the file.
        remedy: what errors tell the user to do.

    Raises:
        UsageError: it cannot be read, is no regular file, or has more than `MAX_BYTES`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot be read: {reason}", where=path, remedy=remedy) from None
    try:
        check_regular(descriptor, path, remedy)
    except UsageError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file


def check_regular(descriptor: int, path: Path, remedy: str) -> None:
    """Raises:
    UsageError: it is no regular file, or has more than `MAX_BYTES`.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("is no regular file", where=path, remedy=remedy)
    if status.st_size > MAX_BYTES:
        raise UsageError(f"larger than {MAX_BYTES >> 20} MiB", where=path, remedy="Give a part of it")


def lines_of(file: BinaryIO, path: Path, limits: tuple[int, int] = (MAX_LINE, MAX_LINE)) -> Iterator[Line]:
    """Lines of a file from where it stands.

    Args:
        file: open to be read; a buffered one, or this is slow.
        path: named in errors.
        limits: the most bytes of the first line, and of any other.

    Raises:
        UsageError: a line longer than that.
    """
    number, stop = 0, file.tell()
    while True:
        limit = limits[0] if number == 0 else limits[1]
        data = file.readline(limit + 1)
        if not data:
            return
        number += 1
        stop += len(data)
        ended = data.endswith(b"\n")
        if not ended and len(data) > limit:
            raise UsageError(f"longer than {limit >> 20} MiB", where=path, field=f"line {number}")
        yield Line(number, data[:-1] if ended else data, stop, ended)


def parsed(line: Line, path: Path, remedy: str) -> dict[str, object]:
    """The object of a line.

    Raises:
        CheckpointError: as `parse_object` says.
    """
    where = f"{path}: line {line.number}"
    return parse_object(line.data, where, max_depth=MAX_DEPTH, max_nested=MAX_NESTED, remedy=remedy)


def row(plain: object, kind: type[Row], path: Path, number: int, remedy: str) -> Row:
    """A line's object as a struct.

    Args:
        plain: parsed.
        kind: its struct, which names every field there may be, their types and bounds.
        path: named in errors.
        number: of the line.
        remedy: what errors tell the user to do.

    Raises:
        UsageError: a field missing, unknown, or of another type.
    """
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        # The library's words quote names of fields, which are a stranger's.
        words = str(error)
        rule = words if words.isprintable() and len(words) <= 200 else quoted(words)
        raise UsageError(rule, where=path, field=f"line {number}", remedy=remedy) from None


def refused(path: Path, number: int, rule: str, remedy: str) -> UsageError:
    """The error of a line that breaks a rule."""
    return UsageError(rule, where=path, field=f"line {number}", remedy=remedy)


def is_json(line: Line, path: Path) -> bool:
    """Whether a line holds one whole JSON object."""
    try:
        parsed(line, path, "")
    except CheckpointError:
        return False
    return True


def without_none(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields that say something."""
    return {name: value for name, value in fields.items() if value is not None}
