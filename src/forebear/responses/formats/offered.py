"""Replies to prompts that offer answers: the letter or number at the beginning, where there is one."""

from __future__ import annotations

import re

from forebear.responses.answers import Value

_MARK = re.compile(r"(?:\(([A-Za-z]|\d{1,3})\)|([A-Za-z]|\d{1,3}))(?:[.:)](?=\s|$)|(?=\s*$)|(?<=\))(?=\s))")


def offered_mark(reply: str, options: int | None, gold: Value | None) -> str:
    """A reply's letter (in capitals) or number where it begins with one, as in ``B``, ``B.``, ``b) Paris`` or ``(B)``.

    Args:
        reply: without outer white space.
        options: how many answers the prompt offers; None for a free answer, to which the reply itself is returned.
        gold: the right answer; where it is neither a letter nor a number the reply itself is returned.
    """
    if options is None or (gold is not None and not (isinstance(gold, str) and _is_mark(gold))):
        return reply
    found = _MARK.match(reply)
    if not found:
        return reply
    mark = (found[1] or found[2]).upper()
    place = int(mark) if mark.isdecimal() else ord(mark) - ord("A") + 1
    return mark if place <= options else reply


def _is_mark(text: str) -> bool:
    return text.isascii() and (text.isdecimal() or (len(text) == 1 and text.isupper()))
