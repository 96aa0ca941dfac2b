"""Lays tensors of an unknown layout out by the numbers in their names: which layer, and which expert, each is of."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from forebear.anatomy.names import MAX_EXPERTS, MAX_LAYERS

Shape = tuple[int, ...]
Numbers = tuple[int, ...]

# A number that stands alone (blocks.3.w, blk_3_w), then one that ends a word (layer3.w).
_NUMBERS = (
    re.compile(r"(?<![0-9A-Za-z])[0-9]{1,6}(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9])[0-9]{1,6}(?![0-9A-Za-z])"),
)
_DIGITS = re.compile(r"[0-9]+")
FEWEST_IN_LAYER = 3
"""Matrices below one stem (``model.layers.``) from which the stem is read as the whole stack."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a tensor stands.

    Attributes:
        name: of the tensor.
        place: what is left of its name once layer and expert are blanked: equal for the same tensor of each layer.
        layer, expert: as counted from its numbers; None outside.
    """

    name: str
    place: str
    layer: int | None = None
    expert: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """All tensors of a store by place.

    Attributes:
        spots: in the order of the names given.
        layers: number of layers.
        numbered: layers were read from numbers, not dealt out by shape.
        notes: what a reader should know.
    """

    spots: tuple[Spot, ...]
    layers: int
    numbered: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A name up to its first number, that number, and the rest."""

    name: str
    stem: str
    number: int
    rest: str


def lay_out(shapes: Mapping[str, Shape], hidden: int) -> Layout | None:
    """Finds the stack of layers.

    Args:
        shapes: tensors and their shapes, in the order of the file.
        hidden: width of the residual stream; only matrices that touch it make a stack.

    Returns:
        The layout: layers by the numbers in the names (several of them together where layers are regrouped, as in
        ``blocks.0.layers.3``), else dealt out in order among tensors of equal shape. None where neither gives layers.
    """
    for pattern in _NUMBERS:
        numbered = [found for name in shapes if (found := _first(name, pattern)) is not None]
        stack = _stack(numbered, shapes, hidden)
        if stack:
            return _by_numbers(shapes, stack, pattern)
    return _by_shape(shapes, hidden)


def touches(shape: Shape, hidden: int) -> bool:
    """Whether a tensor is a matrix, or a stack of matrices, that reads or writes the residual stream."""
    return len(shape) in (2, 3) and hidden in shape[-2:]


def _first(text: str, pattern: re.Pattern[str]) -> _Numbered | None:
    found = pattern.search(text)
    if found is None or int(found[0]) >= MAX_LAYERS:
        return None
    return _Numbered(text, text[: found.start()], int(found[0]), text[found.end() :])


def _stack(numbered: Sequence[_Numbered], shapes: Mapping[str, Shape], hidden: int) -> list[_Numbered]:
    """Names below the stem that holds most of the layers; below all such stems where each holds one tensor a layer."""
    stems: dict[str, list[_Numbered]] = defaultdict(list)
    for item in numbered:
        stems[item.stem].append(item)
    matrices = {stem: [item for item in items if touches(shapes[item.name], hidden)] for stem, items in stems.items()}
    kinds = {stem: len({_DIGITS.sub("#", item.rest) for item in items}) for stem, items in matrices.items()}
    if not any(kinds.values()):
        return []
    best = max(kinds, key=lambda stem: (len(matrices[stem]), stem))
    if kinds[best] >= FEWEST_IN_LAYER:
        return stems[best]
    values = {item.number for items in matrices.values() for item in items}
    repeated = [item for items in stems.values() if {each.number for each in items} <= values for item in items]
    counts = Counter(shapes[item.name] for item in repeated if touches(shapes[item.name], hidden))
    return repeated if len(counts) > 1 and len(repeated) >= FEWEST_IN_LAYER else []


def _by_numbers(shapes: Mapping[str, Shape], stack: list[_Numbered], pattern: re.Pattern[str]) -> Layout:
    keys: dict[str, Numbers] = {item.name: (item.number,) for item in stack}
    rests = {item.name: (item.stem, item.rest) for item in stack}
    notes = []
    regrouped = _regrouped(stack, pattern)
    if regrouped:
        keys = {item.name: (item.number, inner.number) for item, inner in regrouped}
        rests = {item.name: (f"{item.stem}#{inner.stem}", inner.rest) for item, inner in regrouped}
        notes.append("layers are counted through groups: two numbers in each name make the place of its layer")
    order = {key: layer for layer, key in enumerate(sorted(set(keys.values())))}
    if not regrouped and any(key != (layer,) for key, layer in order.items()):
        notes.append(f"numbers of layers do not run from 0: they are counted in order ({len(order)} layers)")
    experts = _experts(rests, shapes, pattern)
    spots = []
    for name in shapes:
        if name not in rests:
            spots.append(Spot(name, name))
            continue
        place, expert = experts.get(name, (rests[name][1], None))
        spots.append(Spot(name, f"{rests[name][0]}#{place}", order[keys[name]], expert))
    return Layout(tuple(spots), len(order), numbered=True, notes=tuple(notes))


def _regrouped(stack: list[_Numbered], pattern: re.Pattern[str]) -> list[tuple[_Numbered, _Numbered]]:
    """Each name with its second number, where every name of the stack has one behind the same words."""
    pairs = [(item, inner) for item in stack if (inner := _first(item.rest, pattern)) is not None]
    words = {(item.stem, inner.stem) for item, inner in pairs}
    kinds = {inner.rest for _, inner in pairs}
    return pairs if len(pairs) == len(stack) and len(words) == 1 and len(kinds) >= FEWEST_IN_LAYER else []


def _experts(
    rests: Mapping[str, tuple[str, str]], shapes: Mapping[str, Shape], pattern: re.Pattern[str]
) -> dict[str, tuple[str, int]]:
    """Place and expert of every name whose next number counts experts: bodies of equal matrices, two or more each."""
    groups: dict[str, list[tuple[str, _Numbered]]] = defaultdict(list)
    for name, (stem, rest) in rests.items():
        inner = _first(rest, pattern)
        if inner is not None and inner.number < MAX_EXPERTS:
            groups[f"{stem}#{inner.stem}"].append((name, inner))
    lone = {key: items for key, items in groups.items() if len({inner.rest for _, inner in items}) == 1}
    merged: dict[frozenset[int], list[tuple[str, _Numbered]]] = defaultdict(list)
    for items in lone.values():
        merged[frozenset(inner.number for _, inner in items)] += items
    bodies = [items for key, items in groups.items() if key not in lone] + list(merged.values())
    found = {}
    for items in bodies:
        if _alike(items, shapes):
            found.update({name: (f"{inner.stem}#{inner.rest}", inner.number) for name, inner in items})
    return found


def _alike(items: Iterable[tuple[str, _Numbered]], shapes: Mapping[str, Shape]) -> bool:
    bodies: dict[int, set[tuple[str, str, Shape]]] = defaultdict(set)
    for name, inner in items:
        bodies[inner.number].add((inner.stem, inner.rest, shapes[name]))
    contents = [frozenset(body) for body in bodies.values()]
    matrices = {entry for entry in contents[0] if len(entry[2]) == 2}
    return len(contents) > 1 and len(set(contents)) == 1 and len({entry[2] for entry in matrices}) > 1


def _by_shape(shapes: Mapping[str, Shape], hidden: int) -> Layout | None:
    """Deals tensors of equal shape out to layers in order: every layer has as many of each as the rarest allows."""
    counts = Counter(shapes.values())
    # An FFN's readers have writers of the same width; embeddings have no counterpart.
    lone = [shape for shape, count in counts.items() if len(shape) == 2 and shape[::-1] not in counts and count < 3]
    tallest = max((max(shape) for shape in lone), default=0)
    inside = [shape for shape in counts if touches(shape, hidden) and tallest not in shape]
    several = [counts[shape] for shape in inside if counts[shape] > 1]
    if not several:
        return None
    layers = min(several)
    spots, seen = [], Counter[Shape]()
    for name, shape in shapes.items():
        each = counts[shape] // layers
        if not each or (tallest in shape and len(shape) == 2):
            spots.append(Spot(name, name))
            continue
        layer, place = divmod(seen[shape], each)
        seen[shape] += 1
        kept = layer < layers
        spots.append(Spot(name, f"{shape} {place}" if kept else name, layer if kept else None))
    note = "names number no layers: tensors of equal shape were dealt out to layers in the order of their names"
    return Layout(tuple(spots), layers, numbered=False, notes=(note,))


def outside(spot: Spot) -> Spot:
    """The same tensor, taken out of the layers."""
    return replace(spot, place=spot.name, layer=None, expert=None)
