"""Small helpers every report shares: text that cannot disturb a terminal, numbers a reader can take in."""

from __future__ import annotations

import math


def visible(text: str) -> str:
    """Text with control, bidirectional and other unprintable characters spelled out.

    Names and paths come from files nobody vouches for; left as they are they could rewrite a terminal's screen or
    reverse the order in which a line is read.
    """
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def number(value: float | None, digits: int = 3) -> str:
    """A number in a few significant digits, or a dash where there is none."""
    if value is None:
        return "—"
    if isinstance(value, int):
        return f"{value:,}"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 10**digits:
        return f"{value:.{digits}g}"
    return f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits - 1}e}"


def within(value: float, low: float, high: float) -> str:
    """A number with its 95 % interval: the ends where three digits tell them apart, else how far they lie."""
    if number(low) != number(high):
        return f"{number(value)} ({number(low)} to {number(high)})"
    return f"{number(value)} ± {number(max(value - low, high - value, 0.0), 2)}"


def count(value: int | None) -> str:
    """A count with thousands separated, and in words from a million on: ``22,713,216 (22.7 million)``."""
    if value is None:
        return "unknown"
    for size, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if value >= size:
            return f"{value:,} ({value / size:.3g} {word})"
    return f"{value:,}"


def volume(nbytes: int | None) -> str:
    """Bytes in decimal units: ``1.5 GB``."""
    if nbytes is None:
        return "unknown"
    for size, unit in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if nbytes >= size:
            return f"{nbytes / size:.3g} {unit}"
    return f"{nbytes} bytes"


def chance(log10_p: float) -> str:
    """A p-value for a reader who has never seen a logarithm.

    Args:
        log10_p: log10 of the p-value, at most 0 and not below the cap of -300.
    """
    if log10_p <= -6:
        return f"at most 1 in 10^{math.floor(-log10_p)}"
    if log10_p <= -1:
        return f"about 1 in {10**-log10_p:,.0f}"
    return f"about {100 * 10**log10_p:.0f} in 100"
