"""Tables with a header: separated by commas, tabs or semicolons, quoted as RFC 4180 has it."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from forebear.checkpoint.strict_json import quoted
from forebear.responses.formats.items import fields
from forebear.responses.formats.jsonl import Record
from forebear.responses.formats.opened import Line, refused
from forebear.responses.formats.values import RefusedValueError

_NEEDED = "Begin with a line that names the columns, 'id' and 'answer' among them, or give JSON lines"
_MOST_COLUMNS = 1000
_LONGEST_SHOWN = 6
_NOT_TEXT = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b"))


def table_records(lines: Iterable[Line], where: str) -> Iterator[Record]:
    """The rows of a table as objects of text; an empty cell is null, and in the column of options a whole number or
    texts between bars.

    Raises:
        UsageError: no header, a column twice, a ragged row, quotes left open, or bytes that are not UTF-8 text.
    """
    numbered = iter(lines)
    header = _header(numbered, where)
    separator = _separator(header)
    rows = csv.reader(_texts([(1, header)], where), delimiter=separator, strict=True)
    columns = _columns(next(_rows(rows, where, 0), []), where)
    body = csv.reader(_texts(numbered, where), delimiter=separator, strict=True)
    choices = fields(tuple(columns)).get("options")
    for row in _rows(body, where, 1):
        place = f"line {body.line_num + 1}"
        if len(row) != len(columns):
            rule = f"{len(row)} cells, where the header has {len(columns)}"
            raise refused(where, place, rule, "Quote cells that hold the separator or a line's end")
        record: dict[str, object] = {name: cell or None for name, cell in zip(columns, row, strict=True)}
        if choices is not None:
            record[choices] = _choices(record[choices])
        yield place, record


def _header(lines: Iterator[Line], where: str) -> bytes:
    for _, data in lines:
        return data
    raise refused(where, "line 1", "the file is empty", _NEEDED)


def _separator(header: bytes) -> str:
    return next((mark for mark in "\t,;" if mark.encode() in header), ",")


def _texts(lines: Iterable[Line], where: str) -> Iterator[str]:
    for number, data in lines:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            rule = f"not UTF-8 at its byte {error.start}"
            raise refused(where, f"line {number}", rule, "Save it as UTF-8") from None
        if data.translate(None, _NOT_TEXT) != data:
            raise refused(where, f"line {number}", "holds control characters, so it is no table", _NEEDED)
        yield text


def _rows(rows: Iterator[list[str]], where: str, before: int) -> Iterator[list[str]]:
    number = before
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            raise refused(where, f"row {number}", f"not a table: {error}", "Close every quote; see RFC 4180") from None
        if row:
            yield row


def _columns(names: list[str], where: str) -> list[str]:
    shown = ", ".join(map(quoted, names[:_LONGEST_SHOWN]))
    if len(names) > _MOST_COLUMNS:
        raise refused(where, "line 1", f"{len(names):,} columns, more than {_MOST_COLUMNS:,}", _NEEDED)
    try:
        found = fields(tuple(names))
    except RefusedValueError as error:
        raise refused(where, "line 1", str(error), _NEEDED) from None
    if len(set(names)) < len(names):
        raise refused(where, "line 1", f"a column twice: {shown}", _NEEDED)
    if "id" not in found or not {"answer", "gold"} & set(found):
        raise refused(where, "line 1", f"neither JSON nor a table of answers; it begins {shown}", _NEEDED)
    return names


def _choices(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    plain = cell.strip()
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) < 7 else cell.split("|")
