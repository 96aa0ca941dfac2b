"""The whole list of kinds, and the cases that were asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from benchmarks.accuracy.cases import copies, shapes, strangers, trained, values
from benchmarks.accuracy.cases.kind import Kind, Lineage
from benchmarks.accuracy.options import Options
from forebear.errors import UsageError
from forebear.zoo.recipes import RECIPES

_OTHERS = {
    "g00": "g01", "g01": "g00", "g02": "g06", "g03": "g07", "g04": "g08",
    "p00": "p01", "p01": "p00", "p02": "p05", "p03": "p06", "p04": "p07", "d00": "d02", "d01": "d03",
}  # fmt: skip
"""Founders of which every kind is made, each with the stranger that stands beside it."""


@dataclass(frozen=True)
class Case:
    """One kind, made of one lineage."""

    kind: str
    lineage: Lineage

    @property
    def name(self) -> str:
        """As shown."""
        return f"{self.kind} ({self.lineage.name})"


@cache
def kinds() -> dict[str, Kind]:
    """Every kind by name, in the order of the tables."""
    found = [
        *copies.kinds(),
        *values.kinds(),
        *trained.kinds(),
        *shapes.kinds(),
        *strangers.kinds(),
    ]
    by_name = {kind.name: kind for kind in found}
    if len(by_name) != len(found):
        raise ValueError("two kinds have one name")
    return by_name


def chosen(options: Options) -> list[Case]:
    """The cases asked for, kind by kind.

    Raises:
        UsageError: no kind begins as asked.
    """
    for name in options.kinds:
        if not any(kind.startswith(name) for kind in kinds()):
            raise UsageError(f"no kind of case begins with {name!r}", remedy="The table of all names them.")
    wanted = [kind for kind in kinds().values() if not options.kinds or kind.name.startswith(options.kinds)]
    return [
        Case(kind.name, lineage)
        for kind in wanted
        for family in kind.families
        if options.family in (None, family)
        for lineage in _of(kind, family, options)
    ]


def _of(kind: Kind, family: str, options: Options) -> Iterator[Lineage]:
    every = list(_pairs(family)) if kind.every_pair else list(_single(kind, family))
    split = [one for one in every if options.split in (None, "held-out" if one.held_out else "tuned-on")]
    yield from split[-1:] if options.quick and kind.every_pair else _quick(split) if options.quick else split


def _quick(lineages: list[Lineage]) -> list[Lineage]:
    """The first that no level was set on, or the first at all."""
    return ([one for one in lineages if one.held_out] or lineages)[:1]


def _single(kind: Kind, family: str) -> Iterator[Lineage]:
    for founder, other in _OTHERS.items():
        if founder[0] == family[0]:
            yield Lineage(family, founder, other if kind.paired else "")


def _pairs(family: str) -> Iterator[Lineage]:
    names = sorted(one.name for one in RECIPES if one.kind == "stranger" and one.family == family)
    return (Lineage(family, *pair) for pair in combinations(names, 2))
