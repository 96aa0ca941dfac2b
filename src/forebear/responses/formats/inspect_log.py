"""Evaluation logs of inspect_ai: ``.eval``, a zip archive with a member for every sample, and ``.json``.

Read as version 0.3.285 writes them. A member's name is looked at, never used as a path.
"""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import zstandard

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.answers import Answer
from forebear.responses.formats.jsonl import Record
from forebear.responses.formats.offered import offered_mark
from forebear.responses.formats.opened import (
    FREE_OF_RATIO,
    LARGEST_FILE,
    LARGEST_RATIO,
    LONGEST_LINE,
    parsed,
    refused,
)
from forebear.responses.formats.values import RefusedValueError, id_of, kind_of, text_of

_LARGEST_DIRECTORY = 16 * 2**20
_END = b"PK\x05\x06"
_END_SIZE = 22
_LONGEST_COMMENT = 2**16
_ENCRYPTED = 1
_ZSTD = 93
_LOCAL_HEADER = 30
_CONVERT = "Convert it with 'inspect log convert FILE --to json --output-dir FOLDER'"
_BROKEN = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OSError,
)  # fmt: skip


def is_log(document: Mapping[str, object]) -> bool:
    """Whether a JSON object is such a log."""
    return isinstance(document.get("eval"), dict) and isinstance(document.get("samples"), list)


def log_answers(records: Iterable[Record], where: str, notes: list[str]) -> Iterator[Answer]:
    """Answers of the first epoch of every sample.

    An answer is what the first scorer that extracted one says, else the output's text. Where that scorer calls it
    right, it is read as the target itself, however it is worded.

    Raises:
        UsageError: a sample that is none.
    """
    answers: dict[str, tuple[int, Answer | None]] = {}
    scorers: set[str] = set()
    later = 0
    for place, record in records:
        try:
            epoch, identity, answer = _sample(record, scorers)
        except RefusedValueError as error:
            raise refused(where, place, f"no sample of inspect_ai: {error}") from None
        held = answers.get(identity)
        if held is None or epoch < held[0]:
            answers[identity] = (epoch, answer)
        later += held is not None
    if later:
        notes.append(f"the first epoch of each sample; not read: {later:,} samples of later ones")
    if len(scorers) > 1:
        notes.append(f"answers as several scorers extract them: {', '.join(map(quoted, sorted(scorers)[:6]))}")
    missing = sum(answer is None for _, answer in answers.values())
    if answers and missing == len(answers):
        raise UsageError("none of its samples has an output", where=where, remedy="Give a log of a run that ended well")
    if missing:
        notes.append(f"left out, for want of an answer: {missing:,} items")
    yield from (answer for _, answer in answers.values() if answer is not None)


def archive_records(stream: BinaryIO, where: str) -> Iterator[Record]:
    """The samples of a ``.eval`` archive, in the order of their ids.

    Raises:
        UsageError: a broken archive, a bomb, an encrypted member, or one packed in a way that cannot be undone here.
    """
    size = _check_directory(stream, where)
    try:
        archive = zipfile.ZipFile(stream)
    except _BROKEN as error:
        raise refused(where, "end of the archive", f"damaged zip archive: {error}") from None
    members = {each.filename: each for each in archive.infolist() if _is_sample(each.filename)}
    if not members:
        raise refused(where, "samples", "a zip archive without samples", "Give a log of inspect_ai")
    total = 0
    for name in sorted(members):
        place = f"member {quoted(name)}"
        data = _member(archive, members[name], stream, where)
        total += len(data)
        if total > LARGEST_FILE or (total > FREE_OF_RATIO and total > LARGEST_RATIO * size):
            raise refused(where, place, "unpacks to too much", "Give a sample of the items")
        record = parsed(data, where, place, nan_is_null=True)
        if not isinstance(record, dict):
            raise refused(where, place, f"must be a JSON object, found {kind_of(record)}")
        yield place, record


def _is_sample(name: str) -> bool:
    return name.startswith("samples/") and name.endswith(".json")


def _check_directory(stream: BinaryIO, where: str) -> int:
    """Size of an archive whose directory is small enough to be read.

    Raises:
        UsageError: no directory, or one that is too large.
    """
    size = stream.seek(0, 2)
    stream.seek(max(0, size - _END_SIZE - _LONGEST_COMMENT))
    tail = stream.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_SIZE:
        raise refused(where, "end of the archive", "damaged zip archive: it has no directory", "Copy it again")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if directory > _LARGEST_DIRECTORY:
        rule = f"a directory of {directory:,} bytes, more than {_LARGEST_DIRECTORY:,}"
        raise refused(where, "end of the archive", rule, "Give a sample of the items")
    stream.seek(0)
    return size


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stream: BinaryIO, where: str) -> bytes:
    place = f"member {quoted(info.filename)}"
    if info.flag_bits & _ENCRYPTED:
        raise refused(where, place, "encrypted", "Give it unencrypted")
    if info.file_size > LONGEST_LINE:
        raise refused(where, place, f"larger than {LONGEST_LINE:,} bytes", "Leave that sample out")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _ZSTD):
        raise refused(where, place, f"packed by method {info.compress_type}, which is not read", _CONVERT)
    try:
        if info.compress_type == _ZSTD:
            data = _unpacked(stream, info)
        else:
            with archive.open(info) as member:
                data = member.read(LONGEST_LINE + 1)
    except _BROKEN as error:
        raise refused(where, place, f"damaged zip archive: {error}", "Copy it again") from None
    if len(data) > LONGEST_LINE:
        raise refused(where, place, f"larger than {LONGEST_LINE:,} bytes", "Leave that sample out")
    return data


def _unpacked(stream: BinaryIO, info: zipfile.ZipInfo) -> bytes:
    """A member packed by Zstandard, which `zipfile` cannot undo before Python 3.14."""
    stream.seek(info.header_offset)
    header = stream.read(_LOCAL_HEADER)
    if header[:4] != b"PK\x03\x04" or len(header) < _LOCAL_HEADER:
        raise zipfile.BadZipFile("no member where the directory says")
    stream.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    packed = stream.read(min(info.compress_size, LONGEST_LINE))
    try:
        with zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True) as reader:
            data = reader.read(LONGEST_LINE + 1)
    except zstandard.ZstdError as error:
        raise zipfile.BadZipFile(str(error)) from None
    if zlib.crc32(data) != info.CRC:
        raise zipfile.BadZipFile("bad checksum")
    return data


def _sample(record: Mapping[str, object], scorers: set[str]) -> tuple[int, str, Answer | None]:
    identity = id_of(record.get("id"))
    epoch = record.get("epoch", 1)
    if isinstance(epoch, bool) or not isinstance(epoch, int):
        raise RefusedValueError(f"epoch must be a whole number, found {kind_of(epoch)}")
    choices = record.get("choices")
    options = len(choices) if isinstance(choices, list) and len(choices) >= 2 else None
    gold = _gold(record.get("target"))
    name, extracted, right = _scored(record.get("scores"))
    if right and gold is not None:
        return epoch, identity, Answer(identity, gold, gold, options)
    if name is not None:
        scorers.add(name)
    said = extracted if extracted is not None else _said(record.get("output"))
    if said is None:
        return epoch, identity, None
    return epoch, identity, Answer(identity, offered_mark(text_of(said), options, gold), gold, options)


def _gold(target: object) -> str | None:
    """The one right answer; None where there are several or none."""
    if isinstance(target, list) and len(target) == 1:
        target = target[0]
    return text_of(target) or None if isinstance(target, str) else None


def _scored(scores: object) -> tuple[str | None, str | None, bool]:
    """The scorer that extracted an answer, the answer, and whether the first scorer calls it right."""
    if not isinstance(scores, dict):
        return None, None, False
    right = False
    for number, (name, score) in enumerate(sorted(scores.items())):
        if not isinstance(score, dict):
            continue
        if number == 0:
            value = score.get("value")
            right = value == "C" or (not isinstance(value, str) and value == 1)
        answer = score.get("answer")
        if isinstance(answer, str) and answer.strip():
            return name, answer, right
    return None, None, right


def _said(output: object) -> str | None:
    if not isinstance(output, dict):
        return None
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        content = "\n".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str):
        completion = output.get("completion")
        content = completion if isinstance(completion, str) and choices else None
    return content
