"""The model's own numbers of layers and experts: from its names where they count consistently, else the reference's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from forebear.alignment.attribution import Match
from forebear.alignment.upcycled import Expert, Key
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.series import Layout
from forebear.anatomy.structure import UNNAMED

CONSISTENT = 0.8
"""Share of the matrices content is sure of whose names must agree on the layer of the reference they come from."""


@dataclass(frozen=True)
class Numbers:
    """Layer that each name counts (empty where names count nothing), and parts that names claim.

    Attributes:
        layers: by tensor.
        claims: by tensor, stacked entry (-1 where none) and what an FFN's matrix does, shared expert or not.
    """

    layers: Mapping[str, int]
    claims: Mapping[tuple[str, int, str], Part]

    @staticmethod
    def of(claimed: Anatomy | None, layout: Layout | None) -> Numbers:
        """As a table says where one fits, else as the numbers in names say."""
        spots = layout.spots if layout is not None and layout.numbered else ()
        layers = {spot.name: spot.layer for spot in spots if spot.layer is not None}
        if claimed is None:
            return Numbers(layers, {})
        if claimed.family not in (None, UNNAMED):
            layers = {view.tensor: part.layer for part, view in claimed.parts.items() if part.layer is not None}
        claims = {(view.tensor, _entry(view.index), _deed(part.role)): part for part, view in claimed.parts.items()}
        return Numbers(layers, claims)


def _entry(index: int | None) -> int:
    return -1 if index is None else index


def _deed(role: Role) -> str:
    return role.value.removeprefix("shared_")


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
        experts: matrices of FFNs that are several of one of the reference, where names do not count them.
    """

    def __init__(self, numbers: Numbers, matches: Sequence[Match], experts: Callable[[], Mapping[Key, Expert]]) -> None:
        clear = [match for match in matches if match.clear and match.segments[0].part.layer is not None]
        votes: dict[int, Counter[int]] = defaultdict(Counter)
        numbered: dict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        for match in clear:
            part, name = match.segments[0].part, match.slot.tensor
            if name in numbers.layers and part.layer is not None:
                votes[numbers.layers[name]][part.layer] += 1
                claim = numbers.claims.get((name, _entry(match.slot.index), _deed(part.role)))
                if claim is not None and claim.expert is not None and part.expert is not None:
                    numbered[numbers.layers[name], claim.expert][part.expert] += 1
        self.numbers = numbers
        self.by_names = _agreement(votes.values()) >= CONSISTENT * max(len(clear), 1)
        counted = sum(sum(each.values()) for each in numbered.values())
        self.experts_by_names = self.by_names and _agreement(numbered.values()) >= CONSISTENT * counted
        self.experts = {} if self.by_names else experts()
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
            layers, order = self._copies(items)
        return {item: self._own(item, layers[item]) for item in items}, order

    def _named(self, item: Placed) -> int | None:
        own, wanted = self.numbers.layers.get(item.tensor), item.part.layer
        if wanted is None:
            return None
        if own is not None and self.source.get(own, wanted) == wanted:
            return own
        return next((layer for layer, source in sorted(self.source.items()) if source == wanted), own)

    def _own(self, item: Placed, layer: int | None) -> Part:
        """Role and expert: what an FFN's matrix does, content says; of which expert, names where they count them."""
        part, entry = item.part, _entry(item.index)
        claim = self.numbers.claims.get((item.tensor, entry, _deed(part.role)))
        expert = self.experts.get((item.tensor, entry))
        if expert is not None:
            return Part(expert.role, layer, expert.number)
        if claim is None or not self.by_names:
            return Part(part.role, layer, part.expert if item.index is None or part.expert is None else item.index)
        if part.expert is None or self.experts_by_names:
            return Part(claim.role, layer, claim.expert)
        return Part(claim.role, layer, part.expert)

    def _copies(self, items: Sequence[Placed]) -> tuple[dict[Placed, int | None], tuple[int | None, ...]]:
        """Layers in the reference's order; one that occurs several times is counted as often, tensors by name."""
        held: dict[tuple[Part, int | None, Expert | None], list[Placed]] = defaultdict(list)
        for item in sorted(items, key=lambda item: item.tensor):
            expert = self.experts.get((item.tensor, _entry(item.index)))
            held[item.part, item.index, expert].append(item)
        copies: Counter[int] = Counter()
        for (part, _, _), same in held.items():
            if part.layer is not None:
                copies[part.layer] = max(copies[part.layer], len(same))
        order = [layer for layer in sorted(copies) for _ in range(copies[layer])]
        first = {layer: order.index(layer) for layer in copies}
        layers = {
            item: None if part.layer is None else first[part.layer] + number
            for (part, _, _), same in held.items()
            for number, item in enumerate(same)
        }
        return layers, tuple(order)


def _agreement(votes: Iterable[Counter[int]]) -> int:
    return sum(count.most_common(1)[0][1] for count in votes)
