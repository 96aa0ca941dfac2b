"""The model's own numbers of layers and experts: from its names where they count consistently, else the reference's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from forebear.alignment.attribution import Match
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part
from forebear.anatomy.series import Layout
from forebear.anatomy.structure import UNNAMED

CONSISTENT = 0.8
"""Share of the matrices content is sure of whose names must agree on the layer of the reference they come from."""


@dataclass(frozen=True)
class Numbers:
    """Layer and expert that each name counts; empty where names count nothing."""

    layers: Mapping[str, int]
    experts: Mapping[str, int]

    @staticmethod
    def of(claimed: Anatomy | None, layout: Layout | None) -> Numbers:
        """As a table says where one fits, else as the numbers in names say."""
        if claimed is not None and claimed.family not in (None, UNNAMED):
            layers, experts = {}, {}
            for part, view in claimed.parts.items():
                if part.layer is not None:
                    layers[view.tensor] = part.layer
                if part.expert is not None and view.index is None:
                    experts[view.tensor] = part.expert
            return Numbers(layers, experts)
        spots = layout.spots if layout is not None and layout.numbered else ()
        return Numbers(
            {spot.name: spot.layer for spot in spots if spot.layer is not None},
            {spot.name: spot.expert for spot in spots if spot.expert is not None},
        )


@dataclass(frozen=True)
class Placed:
    """A stretch of a tensor and the part of the reference it is, with its expert in the model where stacked."""

    tensor: str
    part: Part
    index: int | None = None


class Numbering:
    """Gives the model's parts their layer and expert.

    Args:
        numbers: what names count.
        matches: matrices by content.
    """

    def __init__(self, numbers: Numbers, matches: Sequence[Match]) -> None:
        clear = [match for match in matches if match.clear and match.segments[0].part.layer is not None]
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        experts: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for match in clear:
            part, name = match.segments[0].part, match.slot.tensor
            if name in numbers.layers and part.layer is not None:
                votes[numbers.layers[name]][part.layer] += 1
                if name in numbers.experts and part.expert is not None:
                    experts[numbers.layers[name], numbers.experts[name]][part.expert] += 1
        self.numbers = numbers
        self.by_names = _agreement(votes.values()) >= CONSISTENT * max(len(clear), 1)
        counted = sum(sum(each.values()) for each in experts.values())
        self.experts_by_names = self.by_names and _agreement(experts.values()) >= CONSISTENT * max(counted, 1)
        self.source = {layer: count.most_common(1)[0][0] for layer, count in votes.items()} if self.by_names else {}

    def allows(self, tensor: str, part: Part) -> bool:
        """Whether the number in a name agrees with a part of the reference; True where names do not count."""
        if not self.by_names:
            return True
        layer = self.numbers.layers.get(tensor)
        if layer is None or part.layer is None:
            return layer is None and part.layer is None
        return self.source.get(layer, part.layer) == part.layer

    def place(self, placed: Iterable[Placed]) -> tuple[dict[Placed, Part], tuple[int | None, ...]]:
        """The model's own part of everything placed, and for each of its layers the reference's."""
        items = list(placed)
        if self.by_names:
            layers = {item: self._named(item) for item in items}
            named = self.numbers.layers.values()
            depth = max([*named, *(layer for layer in layers.values() if layer is not None)], default=-1) + 1
            order = tuple(self.source.get(layer) for layer in range(depth))
        else:
            layers, order = _copies(items)
        return {item: Part(item.part.role, layers[item], self._expert(item)) for item in items}, order

    def _named(self, item: Placed) -> int | None:
        own, wanted = self.numbers.layers.get(item.tensor), item.part.layer
        if wanted is None:
            return None
        if own is not None and self.source.get(own, wanted) == wanted:
            return own
        return next((layer for layer, source in sorted(self.source.items()) if source == wanted), own)

    def _expert(self, item: Placed) -> int | None:
        if item.part.expert is None:
            return None
        if item.index is not None:
            return item.index
        return self.numbers.experts.get(item.tensor, item.part.expert) if self.experts_by_names else item.part.expert


def _agreement(votes: Iterable[Counter[int]]) -> int:
    return sum(count.most_common(1)[0][1] for count in votes)


def _copies(items: Sequence[Placed]) -> tuple[dict[Placed, int | None], tuple[int | None, ...]]:
    """Layers in the reference's order; one that occurs several times is counted as often, tensors by name."""
    held: dict[tuple[Part, int | None], list[Placed]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.tensor):
        held[item.part, item.index].append(item)
    copies: Counter[int] = Counter()
    for (part, _), same in held.items():
        if part.layer is not None:
            copies[part.layer] = max(copies[part.layer], len(same))
    order = [layer for layer in sorted(copies) for _ in range(copies[layer])]
    first = {layer: order.index(layer) for layer in copies}
    layers = {
        item: None if part.layer is None else first[part.layer] + number
        for (part, _), same in held.items()
        for number, item in enumerate(same)
    }
    return layers, tuple(order)
