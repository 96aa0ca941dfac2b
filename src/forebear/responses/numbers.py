"""Numbers written as text: taken as numbers in all files compared, or in none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from forebear.checkpoint.strict_json import quoted
from forebear.responses.answers import Answer, Answers, Value
from forebear.responses.formats.values import LARGEST_NUMBER, MOST_NUMBERS, number_text

_NUMBER = r"[+-]?(?:[0-9]{1,15}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?"
_ONE = re.compile(_NUMBER)
_SEPARATOR = re.compile(r"\s*,\s*|\s+")
_BRACKETS = {"[": "]", "(": ")"}
_LONGEST = 40 * MOST_NUMBERS
_MOSTLY = 0.5


def as_numbers(files: Sequence[Answers]) -> list[Answers]:
    """Take every answer and right answer as numbers where all of them are, in all files; else all as text.

    All must have equally many numbers: one, or those of a box such as ``[1, 2, 30, 40]``. Items that offer answers stay
    text, as a number there names one of them. What was done is noted in every file.

    Args:
        files: of all models compared.
    """
    if not any(isinstance(value, tuple) or _first_is_number(value) for value in _some(files)):
        return list(files)
    size, against = _common(files)
    if size:
        kind = "numbers" if size == 1 else f"lists of {size} numbers"
        return [_changed(each, f"answers are taken as {kind}", numbers=True) for each in files]
    held = any(isinstance(value, tuple) for each in files for value in _values(each.items.values()))
    note = f"answers that are numbers are taken as text, as {against}"
    return [_changed(each, note, numbers=False) for each in files] if held or _mostly(files) else list(files)


def numbers_of(value: Value) -> tuple[float, ...] | None:
    """The numbers a text is, or None: one, or several between commas or white space, in brackets or not."""
    if isinstance(value, tuple):
        return value
    if len(value) > _LONGEST:
        return None
    inner = value.strip()
    if len(inner) > 1 and _BRACKETS.get(inner[0]) == inner[-1]:
        inner = inner[1:-1].strip()
    parts = _SEPARATOR.split(inner)
    if len(parts) > MOST_NUMBERS or not all(map(_ONE.fullmatch, parts)):
        return None
    found = tuple(map(float, parts))
    return found if max(map(abs, found)) <= LARGEST_NUMBER else None


def _common(files: Sequence[Answers]) -> tuple[int, str]:
    """How many numbers each value is; 0 and why where they are not alike."""
    size = 0
    for each in files:
        for answer in each.items.values():
            found = [numbers_of(value) for value in _values([answer])]
            place = f"the item {quoted(answer.id)} of {quoted(each.name)}"
            if answer.options is not None:
                return 0, f"{place} offers answers"
            if None in found:
                return 0, f"{place} has another"
            sizes = {len(numbers) for numbers in found if numbers} | ({size} if size else set())
            if len(sizes) > 1:
                return 0, f"{place} has more or fewer of them than others"
            size = sizes.pop()
    return size, ""


def _changed(answers: Answers, note: str, *, numbers: bool) -> Answers:
    def changed(value: Value | None) -> Value | None:
        if value is None or isinstance(value, tuple) == numbers:
            return value
        return numbers_of(value) if numbers else _text(value)

    items = {}
    for name, each in answers.items.items():
        value = changed(each.value)
        assert value is not None
        items[name] = replace(each, value=value, gold=changed(each.gold))
    return replace(answers, items=items, notes=(*answers.notes, note))


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    return number_text(value[0]) if len(value) == 1 else f"[{', '.join(map(number_text, value))}]"


def _values(answers: Iterable[Answer]) -> Iterator[Value]:
    for each in answers:
        yield each.value
        if each.gold is not None:
            yield each.gold


def _some(files: Sequence[Answers]) -> Iterator[Value]:
    for each in files:
        yield from _values(each.items.values())


def _first_is_number(value: str) -> bool:
    return numbers_of(value) is not None


def _mostly(files: Sequence[Answers]) -> bool:
    texts = [value for value in _some(files) if isinstance(value, str)]
    return sum(numbers_of(value) is not None for value in texts) >= _MOSTLY * len(texts)
