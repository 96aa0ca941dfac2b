"""Which cases a part of the benchmark runs, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Split = Literal["held-out", "tuned-on"]


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line.

    Attributes:
        kinds: kinds of case, by name or by the start of one; all where empty.
        family: one family only; None for every one.
        split: lineages that only test, or those that levels were set on; None for both.
        quick: one founder of each family.
        jobs: processes.
        write: put the result where the package reads it.
    """

    kinds: tuple[str, ...] = ()
    family: str | None = None
    split: Split | None = None
    quick: bool = False
    jobs: int = 1
    write: bool = False
