"""Our own form: one JSON object a line, or a JSON list of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from forebear.checkpoint.strict_json import quoted
from forebear.responses.formats.opened import Line, parsed, refused
from forebear.responses.formats.values import kind_of

Record = tuple[str, Mapping[str, object]]
"""Where it stands, such as ``line 3``, and its members."""


def line_records(lines: Iterable[Line], where: str, *, nan_is_null: bool = False) -> Iterator[Record]:
    """One object a line; empty lines are passed over.

    Raises:
        UsageError: a line that is not strict JSON, or no object.
    """
    for number, data in lines:
        if data.strip():
            place = f"line {number}"
            yield place, _object(parsed(data, where, place, nan_is_null=nan_is_null), where, place)


def list_records(document: object, where: str) -> Iterator[Record]:
    """The objects of a JSON list.

    Raises:
        UsageError: no list, or something in it that is no object.
    """
    if not isinstance(document, list):
        raise refused(where, "line 1", f"must be a list of objects, found {kind_of(document)}")
    for number, each in enumerate(document, 1):
        yield f"item {number}", _object(each, where, f"item {number}")


def _object(value: object, where: str, place: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        shown = f" {quoted(value)}" if isinstance(value, str) else ""
        raise refused(where, place, f"must be a JSON object, found {kind_of(value)}{shown}")
    return value
