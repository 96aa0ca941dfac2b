"""JSON that was written by a stranger: one object, no duplicate keys, no NaN, bounded nesting and integers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from math import isfinite
from pathlib import Path

from forebear.errors import CheckpointError

MAX_DIGITS = 64  # enough for the 31-digit "no limit" of tokenizer configurations
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_CONTINUATION = bytes(range(0x80, 0xC0))
_STRETCH = 2**20


class _RefusedError(ValueError):
    """A rule broken inside a decoder hook, before the place of it is known to the caller."""


def quoted(text: str) -> str:
    """A stranger's string, printable and cut to about 80 characters, for an error message."""
    return ascii(text if len(text) <= 80 else text[:77] + "...")


def parse_object(
    data: bytes,
    where: str | Path,
    *,
    max_depth: int,
    max_nested: int | None = None,
    remedy: str | None = None,
    skipped: bytes | memoryview = b"",
) -> dict[str, object]:
    """Parse one JSON object.

    Args:
        data: the whole document.
        where: file named in errors.
        max_depth: how deep objects and lists may nest; the object itself is depth 1.
        max_nested: how many objects and lists there may be, as far as ``{`` and ``[`` in strings let that be told;
            None for any number. Empty ones take twenty times the memory of their text.
        remedy: what errors tell the user to do.
        skipped: UTF-8 before the document, which the places named in errors count too.

    Raises:
        CheckpointError: not UTF-8, not JSON, not an object, a key twice in one object, NaN or Infinity, an integer of
            more than 64 digits, a lone surrogate, nesting deeper than ``max_depth``, more than ``max_nested``.
    """
    value = parse_value(data, where, max_depth=max_depth, max_nested=max_nested, remedy=remedy, skipped=skipped)
    if not isinstance(value, dict):
        raise CheckpointError(
            f"must be a JSON object, found {type(value).__name__}", where=where, field="byte 0", remedy=remedy
        )
    return value


def parse_value(
    data: bytes,
    where: str | Path,
    *,
    max_depth: int,
    max_nested: int | None = None,
    remedy: str | None = None,
    skipped: bytes | memoryview = b"",
    nan_is_null: bool = False,
) -> object:
    """Parse JSON as strictly as `parse_object`, whatever its outermost value is.

    Args:
        data: the whole document.
        where: file named in errors.
        max_depth: how deep objects and lists may nest; an outermost one is depth 1.
        max_nested: as `parse_object` has it.
        remedy: what errors tell the user to do.
        skipped: as `parse_object` has it.
        nan_is_null: read NaN and Infinity, which some programs write for want of a number, as null.

    Raises:
        CheckpointError: as `parse_object`, but for the type.
    """
    if max_nested is not None and data.count(b"{") + data.count(b"[") > max_nested:
        raise CheckpointError(f"more than {max_nested} objects and lists", where=where, remedy=remedy)
    refused = partial(CheckpointError, where=where, remedy=remedy)
    value = _decode(data, _WITH_NULLS if nan_is_null else _STRICT, skipped, refused, max_depth)
    if _deeper_than(value, max_depth):
        raise refused(f"JSON nested too deep, limit {max_depth}")
    if _SURROGATE.search(data):
        _refuse_lone_surrogates(value, where, remedy)
    return value


def _decode(
    data: bytes,
    decoder: json.JSONDecoder,
    skipped: bytes | memoryview,
    refused: Callable[..., CheckpointError],
    max_depth: int,
) -> object:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused("not UTF-8", field=f"byte {len(skipped) + error.start}") from None
    try:
        value: object = decoder.decode(text)
    except json.JSONDecodeError as error:
        field = f"character {_characters(skipped) + error.pos}"
        raise refused(f"not valid JSON: {error.msg}", field=field) from None
    except _RefusedError as error:
        raise refused(str(error)) from None
    except RecursionError:
        raise refused(f"JSON nested too deep, limit {max_depth}") from None
    return value


def _characters(data: bytes | memoryview) -> int:
    """Characters in valid UTF-8, counted without decoding it."""
    stretches = (data[start : start + _STRETCH] for start in range(0, len(data), _STRETCH))
    return sum(len(bytes(stretch).translate(None, _CONTINUATION)) for stretch in stretches)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"duplicate key {quoted(key)}")
            seen.add(key)
    return found


def _integer(text: str) -> int | float:
    if len(text) > MAX_DIGITS:
        raise _RefusedError(f"integer of {len(text)} digits, limit {MAX_DIGITS}")
    return -0.0 if text == "-0" else int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _RefusedError(f"number {quoted(text)} is out of range")
    return value


def _constant(text: str) -> object:
    raise _RefusedError(f"{text} is not a JSON number")


def _null(text: str) -> object:
    return None


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_constant)
_WITH_NULLS = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_null)


def _deeper_than(value: object, limit: int) -> bool:
    level: list[object] = [value]
    for _ in range(limit):
        below: list[object] = []
        for item in level:
            children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            below.extend(child for child in children if isinstance(child, dict | list))
        if not below:
            return False
        level = below
    return True


def _refuse_lone_surrogates(value: object, where: str | Path, remedy: str | None) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise CheckpointError("a string holds a lone surrogate", where=where, remedy=remedy) from None
