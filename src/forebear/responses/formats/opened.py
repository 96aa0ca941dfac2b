"""Files of answers as bounded lines: plain or gzip, a line at a time, never more in memory than one line."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO, cast

from forebear.checkpoint.sources.local import open_regular
from forebear.checkpoint.strict_json import parse_value
from forebear.errors import CheckpointError, UsageError

LONGEST_LINE = 16 * 2**20
"""Bytes; also of a document that is not read line by line."""
LARGEST_FILE = 512 * 2**20
"""Bytes, once unpacked."""
MOST_LINES = 1_000_000
MOST_DEPTH = 64
MOST_NESTED = 200_000
"""Objects and lists in one line."""
MOST_MEMBERS = 400_000
"""Members of all objects in one line."""
MOST_COMMAS = 1_500_000
"""In one line, in texts and between values."""
LARGEST_RATIO = 100
"""Unpacked to packed, once more than `FREE_OF_RATIO` bytes came out: text packs to a tenth, a bomb to a thousandth."""
FREE_OF_RATIO = 32 * 2**20
REMEDY = "See docs/answer-files.md for the forms that are read"
_START = 100
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_UTF8_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff")

Line = tuple[int, bytes]
"""Its number from 1, and its bytes with what ends it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose packing is undone.

    Attributes:
        where: as the user named it.
        stream: of its content; of a zip archive, the archive itself.
        is_zip: whether it is one.
        packed: of its bytes as they lie on disk.
        start: first bytes of it, packed if the file is.
    """

    where: str
    stream: BinaryIO
    is_zip: bool
    packed: FileIO
    start: bytes

    def lines(self) -> Iterator[Line]:
        """Every line.

        Raises:
            UsageError: a line or the file too long, too many lines, packed data that is damaged or a bomb, or text
                that is not UTF-8 by its first bytes.
        """
        total = 0
        for number in range(1, MOST_LINES + 2):
            data = self._line(number)
            if not data:
                return
            total += len(data)
            self._check(number, data, total)
            yield number, data.removeprefix(_UTF8_MARK) if number == 1 else data
        raise UsageError(f"more than {MOST_LINES:,} lines", where=self.where, remedy="Give a sample of them")

    def _line(self, number: int) -> bytes:
        try:
            return self.stream.readline(LONGEST_LINE + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise refused(self.where, f"line {number}", f"damaged gzip data: {error}", "Pack it again") from None
        except OSError as error:
            raise refused(self.where, f"line {number}", f"cannot be read: {error.strerror}") from None

    def _check(self, number: int, data: bytes, total: int) -> None:
        place = f"line {number}"
        if number == 1 and data.startswith(_OTHER_MARKS):
            raise refused(self.where, place, "UTF-16, where UTF-8 is read", "Save it as UTF-8")
        if len(data) > LONGEST_LINE:
            raise refused(self.where, place, f"longer than {LONGEST_LINE:,} bytes", "Put one answer on a line")
        if total > LARGEST_FILE:
            raise refused(
                self.where, place, f"more than {LARGEST_FILE:,} bytes before it", "Give a sample of the items"
            )
        if total > FREE_OF_RATIO and total > LARGEST_RATIO * self.packed.tell():
            raise refused(self.where, place, f"unpacks to more than {LARGEST_RATIO} times its size", "Give it unpacked")


@contextmanager
def opened(path: str | Path) -> Iterator[Opened]:
    """Open a file of answers, gzip undone.

    Raises:
        UsageError: not there, not a regular file, or not readable.
    """
    try:
        file = open_regular(Path(path))
    except CheckpointError as error:
        raise UsageError(error.rule, where=path, remedy="Give a file of answers") from None
    with file:
        plain = BufferedReader(file)
        start = plain.peek(_START)[:_START]
        if start.startswith(_GZIP):
            unpacked = BufferedReader(cast(FileIO, gzip.GzipFile(fileobj=plain, mode="rb")))
            yield Opened(str(path), unpacked, False, file, start)
        else:
            yield Opened(str(path), plain, start.startswith((_ZIP, _EMPTY_ZIP)), file, start)


def parsed(data: bytes, where: str, place: str, *, nan_is_null: bool = False) -> object:
    """One line, or one document, as strict JSON; errors name the place.

    Raises:
        UsageError: as `forebear.checkpoint.strict_json.parse_value`, and more members than one line may have.
    """
    if data.count(b'":') > MOST_MEMBERS:
        raise refused(where, place, f"more than {MOST_MEMBERS:,} members")
    if data.count(b",") > MOST_COMMAS:
        raise refused(where, place, f"more than {MOST_COMMAS:,} values or commas")
    try:
        return parse_value(data, where, max_depth=MOST_DEPTH, max_nested=MOST_NESTED, nan_is_null=nan_is_null)
    except CheckpointError as error:
        raise refused(where, f"{place}, {error.field}" if error.field else place, error.rule) from None


def refused(where: str, place: str, rule: str, remedy: str = REMEDY) -> UsageError:
    """The error of one place in a file of answers."""
    return UsageError(rule, where=where, field=place, remedy=remedy)
