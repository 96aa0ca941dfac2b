"""Finds where the names of a store fit a family's patterns, below whatever prefix they stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from forebear.anatomy.tables import EXPERT, LAYER, Entry, Family

# Beyond these an index is no count of anything that exists, and must not size a loop.
MAX_LAYERS = 10_000
MAX_EXPERTS = 100_000
PREFIXES_TRIED = 3
EXTRA_LAYER = "extra layer"
BUFFER = "buffer"

Key = tuple[str, ...]
Meaning = Entry | str


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
    """What a family's patterns found below one prefix."""

    family: Family
    prefix: str
    matches: list[Match] = field(default_factory=list)
    buffers: set[str] = field(default_factory=set)
    extra_layers: set[int] = field(default_factory=set)


def _key(text: str) -> Key:
    return tuple(
        "#" if part in (LAYER, EXPERT) or (part.isascii() and part.isdigit()) else part for part in text.split(".")
    )


def _patterns(family: Family) -> dict[Key, tuple[Meaning, bool]]:
    """Patterns with numbers blanked, to what they mean and whether they have an expert."""
    meanings: dict[Key, tuple[Meaning, bool]] = {
        _key(entry.pattern): (entry, EXPERT in entry.pattern) for entry in family.entries
    }
    meanings |= {_key(pattern): (EXTRA_LAYER, False) for pattern in family.extra_layers}
    return meanings | {_key(pattern): (BUFFER, False) for pattern in family.buffers}


def _numbers(parts: Sequence[str], key: Key) -> list[int] | None:
    """Layer and expert of a name; None where one is no plain number or larger than any count."""
    texts = [part for part, blank in zip(parts, key, strict=True) if blank == "#"]
    if not all(text.isdigit() and len(text) <= 6 and text == str(int(text)) for text in texts):
        return None
    numbers = [int(text) for text in texts]
    limits = (MAX_LAYERS, MAX_EXPERTS)
    return numbers if all(number < limit for number, limit in zip(numbers, limits, strict=False)) else None


class Names:
    """The names of a store, cut into segments once and then asked by every family.

    Args:
        names: tensor names, in any order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.all = tuple(sorted(names))
        self._by_tail: dict[str, list[tuple[str, list[str], Key]]] = defaultdict(list)
        for name in self.all:
            key = _key(name)
            self._by_tail[key[-1]].append((name, name.split("."), key))

    def find(self, family: Family) -> list[Found]:
        """Places where a family's layers lie, fullest first, at most ``PREFIXES_TRIED``."""
        places: dict[str, Found] = {}
        beside: dict[str, list[Match]] = defaultdict(list)
        patterns = _patterns(family)
        for name, prefix, meaning, numbers in self._hits(patterns):
            place = places.setdefault(prefix, Found(family, prefix))
            if isinstance(meaning, Entry):
                layer, expert = (*numbers, None, None)[:2]
                (beside[prefix] if meaning.head else place.matches).append(Match(name, meaning, prefix, layer, expert))
            elif meaning == EXTRA_LAYER:
                place.extra_layers.add(numbers[0])
            else:
                place.buffers.add(name)
        ranked = sorted(places.values(), key=lambda place: (-_weight(place), place.prefix))
        found = [place for place in ranked[:PREFIXES_TRIED] if _weight(place)]
        for place in found:
            place.matches.extend(match for above in ancestors(place.prefix) for match in beside.get(above, ()))
        return found

    def _hits(self, patterns: Mapping[Key, tuple[Meaning, bool]]) -> Iterable[tuple[str, str, Meaning, list[int]]]:
        longest = max(map(len, patterns), default=0)
        for tail in sorted({key[-1] for key in patterns}):
            for name, parts, key in self._by_tail.get(tail, ()):
                for start in range(max(0, len(key) - longest), len(key)):
                    meaning = patterns.get(key[start:])
                    numbers = _numbers(parts[start:], key[start:]) if meaning is not None else None
                    if meaning is None or numbers is None:
                        continue
                    yield name, "".join(f"{part}." for part in parts[:start]), meaning[0], numbers
                    break


def _weight(place: Found) -> int:
    return sum(match.layer is not None for match in place.matches)


def ancestors(prefix: str) -> list[str]:
    """The prefix and every shorter one that ends at a dot, longest last: ``a.b.`` gives ``""``, ``a.``, ``a.b.``."""
    parts = prefix.split(".")[:-1]
    return ["".join(f"{part}." for part in parts[:count]) for count in range(len(parts) + 1)]
