"""Answers as files write them, made alike: Unicode's composed form, no outer white space, nothing else."""

from __future__ import annotations

import re
from unicodedata import combining, normalize

from forebear.responses.answers import LONGEST_ANSWER, Value

MOST_NUMBERS = 64
"""Numbers of one answer."""
LONGEST_ID = 1000
LARGEST_NUMBER = 2**53
"""In size; whole numbers beyond it are not told apart as floats, so they stay text."""
_MOST_COMBINING = 30  # of Unicode's stream-safe text; sorting longer runs takes the square of their length
_SHORT = 2000
_RUN = re.compile(r"[^\x00-\x7f]+")


class RefusedValueError(ValueError):
    """What a file says cannot be an answer; the message ends the sentence that begins with the field's name."""


def text_of(text: str, longest: int = LONGEST_ANSWER) -> str:
    """Text in composed form (NFC) without outer white space.

    Raises:
        RefusedValueError: longer than ``longest`` characters, or a run of combining characters that no language has.
    """
    if len(text) > longest:
        raise RefusedValueError(f"has {len(text):,} characters, more than {longest:,}")
    if not text.isascii():
        if len(text) > _SHORT and any(map(_overladen, _RUN.findall(text))):
            raise RefusedValueError(f"has more than {_MOST_COMBINING} combining characters in a row")
        text = normalize("NFC", text)
    return text.strip()


def value_of(raw: object, *, offered: bool = False) -> Value:
    """An answer from what JSON holds.

    Args:
        raw: text, a truth value, a number, or a list of numbers.
        offered: the item offers answers, so that a number names one of them and is no quantity.

    Raises:
        RefusedValueError: anything else, or too much of it.
    """
    if isinstance(raw, str):
        return text_of(raw)
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, int | float):
        return number_text(raw) if offered or abs(raw) > LARGEST_NUMBER else (float(raw),)
    if isinstance(raw, list):
        return _numbers(raw)
    raise RefusedValueError(f"must be text, a number, true or false, or a list of numbers, found {kind_of(raw)}")


def number_text(number: float) -> str:
    """A number as one writes it: whole ones without a point."""
    return str(int(number)) if isinstance(number, int) or float(number).is_integer() else repr(float(number))


def id_of(raw: object) -> str:
    """An item's id from what a file holds.

    Raises:
        RefusedValueError: neither text nor a whole number, empty, or too long.
    """
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise RefusedValueError(f"must be text or a whole number, found {kind_of(raw)}")
    found = text_of(raw, LONGEST_ID) if isinstance(raw, str) else str(raw)
    if not found:
        raise RefusedValueError("is empty")
    return found


def kind_of(raw: object) -> str:
    """What JSON calls a value's type."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(raw), "a number")


def _numbers(raw: list[object]) -> tuple[float, ...]:
    if not 1 <= len(raw) <= MOST_NUMBERS:
        raise RefusedValueError(f"must be a list of 1 to {MOST_NUMBERS} numbers, found {len(raw):,}")
    found = [float(each) for each in raw if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(found) < len(raw):
        other = next(each for each in raw if isinstance(each, bool) or not isinstance(each, int | float))
        raise RefusedValueError(f"must be a list of numbers alone, found {kind_of(other)} in it")
    if max(map(abs, found)) > LARGEST_NUMBER:
        raise RefusedValueError(f"must be a list of numbers of at most {LARGEST_NUMBER:,} in size")
    return tuple(found)


def _overladen(run: str) -> bool:
    row = 0
    for character in run if len(run) > _MOST_COMBINING else "":
        row = row + 1 if combining(character) else 0
        if row > _MOST_COMBINING:
            return True
    return False
