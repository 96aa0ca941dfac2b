"""Finds where the names of a store fit the families' patterns, below whatever prefix they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from forebear.anatomy.tables import EXPERT, LAYER, Entry, Family

# Beyond these an index is no count of anything that exists, and must not size a loop.
MAX_LAYERS = 10_000
MAX_EXPERTS = 100_000
# Only the fullest places can be bodies; the rest are side towers, or decoys.
PREFIXES_TRIED = 12

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A name that fits an entry: prefix, layer and expert as they stand in the name."""

    name: str
    entry: Entry
    prefix: str
    layer: int | None
    expert: int | None


@dataclass(slots=True)
class Found:
    """What a family's patterns found below one prefix.

    Attributes:
        family: whose patterns.
        prefix: what stands before the names.
        matches: tensors with a role, those of the head beside the body included.
        buffers: computed tensors.
        extra_layers: layers outside the stack.
    """

    family: Family
    prefix: str
    matches: list[Match] = field(default_factory=list)
    buffers: set[str] = field(default_factory=set)
    extra_layers: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Hit:
    name: str
    key: Key
    numbers: tuple[int, ...]


def _key(text: str) -> Key:
    """Segments of a name or pattern, numbers and placeholders blanked."""
    return tuple(
        "#" if part in (LAYER, EXPERT) or (part.isascii() and part.isdigit()) else part for part in text.split(".")
    )


def _keys(family: Family) -> set[Key]:
    patterns = (*(entry.pattern for entry in family.entries), *family.extra_layers, *family.buffers)
    return {_key(pattern) for pattern in patterns}


def _numbers(parts: Sequence[str], key: Key) -> tuple[int, ...] | None:
    """Layer and expert of a name; None where one is no plain number or larger than any count."""
    numbers = []
    for part, blank in zip(parts, key, strict=True):
        if blank == "#":
            if not part.isdigit() or len(part) > 6 or part != str(int(part)):
                return None
            numbers.append(int(part))
    limits = (MAX_LAYERS, MAX_EXPERTS)
    return tuple(numbers) if all(map(int.__lt__, numbers, limits)) else None


class Names:
    """The names of a store, laid out once by the prefixes below which they fit any family's patterns.

    Args:
        names: tensor names, in any order.
        families: all tables.
    """

    def __init__(self, names: Iterable[str], families: Iterable[Family]) -> None:
        self.all = tuple(sorted(names))
        known = set().union(*map(_keys, families))
        longest = max(map(len, known), default=0)
        self._sites: dict[str, list[_Hit]] = defaultdict(list)
        for name in self.all:
            key, parts = _key(name), name.split(".")
            for start in range(max(0, len(key) - longest), len(key)):
                numbers = _numbers(parts[start:], key[start:]) if key[start:] in known else None
                if numbers is not None:
                    prefix = "".join(f"{part}." for part in parts[:start])
                    self._sites[prefix].append(_Hit(name, key[start:], numbers))
        # Entries of layers, experts included, tell a body from the scraps of names that happen to end alike.
        weights = {prefix: sum(bool(hit.numbers) for hit in hits) for prefix, hits in self._sites.items()}
        ranked = sorted(
            (prefix for prefix in weights if weights[prefix]), key=lambda prefix: (-weights[prefix], prefix)
        )
        self._bodies = ranked[:PREFIXES_TRIED]

    def find(self, family: Family) -> list[Found]:
        """Places where a family's layers and every role it always has lie."""
        entries = {_key(entry.pattern): entry for entry in family.entries}
        extra = {_key(pattern) for pattern in family.extra_layers}
        buffers = {_key(pattern) for pattern in family.buffers}
        places = []
        for prefix in self._bodies:
            hits = self._sites[prefix]
            here = {hit.key for hit in hits}
            roles = {role for key in here & entries.keys() for role in entries[key].parts}
            if not any("#" in key for key in here & entries.keys()) or not family.always <= roles:
                continue
            place = Found(family, prefix, self._matches(prefix, entries))
            place.buffers = {hit.name for hit in hits if hit.key in buffers}
            place.extra_layers = {hit.numbers[0] for hit in hits if hit.key in extra}
            places.append(place)
        return places

    def _matches(self, prefix: str, entries: dict[Key, Entry]) -> list[Match]:
        matches = []
        for above in ancestors(prefix):
            for hit in self._sites.get(above, ()):
                entry = entries.get(hit.key)
                if entry is not None and (entry.head or above == prefix):
                    layer, expert = (*hit.numbers, None, None)[:2]
                    matches.append(Match(hit.name, entry, above, layer, expert))
        return matches


def ancestors(prefix: str) -> list[str]:
    """The prefix and every shorter one that ends at a dot, longest last: ``a.b.`` gives ``""``, ``a.``, ``a.b.``."""
    parts = prefix.split(".")[:-1]
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts) + 1)]
