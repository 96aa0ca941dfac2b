"""Option values: sizes and verdict words, read strictly."""

from __future__ import annotations

import re
from enum import StrEnum

from forebear.errors import UsageError

DEFAULT_BUDGET = "64MB"
DEFAULT_MEMORY = "4GB"
LARGEST_BUDGET = 10**18
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SIZE = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?)\s*(?:([kmgt]i?)?b?)", re.IGNORECASE | re.ASCII)


class SchemaName(StrEnum):
    """Results whose schema can be printed."""

    comparison = "comparison"
    ranking = "ranking"
    inspect = "inspect"
    profile = "profile"
    behaviour = "behaviour"


def parse_bytes(text: str, option: str = "--budget") -> int:
    """Bytes of a size such as ``64000000``, ``64MB`` (decimal) or ``2GiB`` (binary).

    Args:
        text: what the user wrote.
        option: named in errors.

    Raises:
        UsageError: not a size, less than one byte, or more than 10^18.
    """
    found = _SIZE.fullmatch(text.strip())
    size = 0 if found is None else int(float(found[1]) * _UNITS[(found[2] or "").lower()])
    if not 1 <= size <= LARGEST_BUDGET:
        raise UsageError(
            f"{text!r} is not a size of at least one byte", where=option, remedy="Write 64000000, 64MB or 2GiB"
        )
    return size


def parse_names(text: str) -> tuple[str, ...]:
    """Names separated by commas, each once; empty text gives none."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip())))


def parse_verdicts(text: str) -> frozenset[str]:
    """Verdict words separated by commas; empty text gives none.

    Raises:
        UsageError: a word that is no verdict.
    """
    from forebear.verdict.comparison import VERDICTS  # imports msgspec, which help does without

    words = [" ".join(word.replace("-", " ").split()) for word in text.split(",")] if text.strip() else []
    for word in words:
        if word not in VERDICTS:
            raise UsageError(f"{word!r} is no verdict", where="--fail-on", remedy=f"Choose from: {', '.join(VERDICTS)}")
    return frozenset(words)
