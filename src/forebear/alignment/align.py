"""Two anatomies of equal depth and width, laid side by side: identity layer map, identity residual map."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from forebear.alignment.draw import Draw, Planner
from forebear.alignment.neurons import NeuronMap, pair_neurons
from forebear.alignment.sampled import Ffn, Missing, Place, Sampled, Values
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Geometry, Part, Role
from forebear.checkpoint.store import TensorStore


@dataclass(frozen=True)
class Alignment:
    """Two models ready to be compared part by part.

    Attributes:
        model, reference: their drawn rows under one common draw.
        layer_map: for each layer of the model the layer of the reference.
        not_aligned: what has no counterpart, each with its reason.
    """

    model: Sampled
    reference: Sampled
    layer_map: tuple[int, ...]
    not_aligned: tuple[str, ...]

    @property
    def draw(self) -> Draw:
        """The common draw."""
        return self.model.draw

    def places(self) -> list[Place]:
        """FFNs found on both sides."""
        others = set(self.reference.places())
        return [place for place in self.model.places() if place in others]

    def ffns(self, place: Place) -> tuple[Ffn, Ffn] | Missing:
        """The same FFN on both sides."""
        return _both(self.model.ffn(place), self.reference.ffn(place), str(place))

    def values(self, layer: int) -> tuple[Values, Values] | Missing:
        """The same layer's values on both sides."""
        mine, yours = self.model.values(layer), self.reference.values(self.layer_map[layer])
        if isinstance(mine, Missing):
            return _on("model", mine)
        if isinstance(yours, Missing):
            return _on("reference", yours)
        if mine.value.shape != yours.value.shape or mine.output.shape != yours.output.shape:
            return Missing(f"layer {layer}: heads differ in number or size")
        return mine, yours

    def matrices(self, part: Part) -> tuple[np.ndarray, np.ndarray] | Missing:
        """The same part on both sides, drawn rows and columns."""
        if part not in self.model.anatomy.parts or part not in self.reference.anatomy.parts:
            return Missing(f"{part}: found on one side only")
        if self.model.anatomy.parts[part].shape != self.reference.anatomy.parts[part].shape:
            return Missing(f"{part}: shapes differ")
        mine, yours = self.model.matrix(part), self.reference.matrix(part)
        if isinstance(mine, Missing):
            return _on("model", mine)
        if isinstance(yours, Missing):
            return _on("reference", yours)
        if mine.shape != yours.shape:
            return Missing(f"{part}: stored in different orientation, so the draws do not meet; read in full")
        return mine, yours

    def neurons(self) -> dict[Place, NeuronMap]:
        """Pairing of neurons at every place found on both sides."""
        found = {place: self.ffns(place) for place in self.places()}
        return {place: pair_neurons(*ffns) for place, ffns in found.items() if not isinstance(ffns, Missing)}

    def rng(self, purpose: str) -> np.random.Generator:
        """Random numbers keyed by the draw and a purpose, so that results repeat."""
        seed = hashlib.sha256(f"{self.draw.key}|{purpose}".encode()).digest()
        return np.random.Generator(np.random.Philox(int.from_bytes(seed[:16], "big")))


@dataclass(frozen=True)
class Unaligned:
    """Two models that this version cannot lay side by side."""

    reason: str


def _on(side: str, missing: Missing) -> Missing:
    return Missing(f"{side}, {missing.reason}", missing.faulty)


def _both(mine: Ffn | Missing, yours: Ffn | Missing, place: str) -> tuple[Ffn, Ffn] | Missing:
    if isinstance(mine, Missing):
        return _on("model", mine)
    if isinstance(yours, Missing):
        return _on("reference", yours)
    if mine.width != yours.width or (mine.gate is None) != (yours.gate is None):
        return Missing(f"{place}: FFNs differ in width or gating")
    if mine.up.shape != yours.up.shape or mine.down.shape != yours.down.shape:
        return Missing(f"{place}: stored in different orientation, so the draws do not meet; read in full")
    return mine, yours


def align(
    model: tuple[TensorStore, Anatomy], reference: tuple[TensorStore, Anatomy], key: str, budget: int
) -> Alignment | Unaligned:
    """Lay two models of equal depth and width side by side.

    Args:
        model, reference: tensors and what they are.
        key: keys the draw.
        budget: bytes read per model.

    Returns:
        The alignment, or why there is none.
    """
    difference = _difference(model[1].geometry, reference[1].geometry)
    if difference is not None:
        return Unaligned(difference)
    draws = [Planner(store, anatomy).plan(key, budget) for store, anatomy in (model, reference)]
    common = draws[0].common(draws[1])
    return Alignment(
        model=Sampled(*model, common),
        reference=Sampled(*reference, common),
        layer_map=tuple(range(model[1].geometry.layers)),
        not_aligned=tuple(_one_sided(model[1], reference[1])),
    )


def _difference(mine: Geometry, yours: Geometry) -> str | None:
    for name, first, second in (
        ("hidden size", mine.hidden, yours.hidden),
        ("number of layers", mine.layers, yours.layers),
    ):
        if first != second:
            return f"{name} differs (model {first}, reference {second}); this version aligns equal depth and width only"
    return None


def _one_sided(mine: Anatomy, yours: Anatomy) -> list[str]:
    roles: dict[tuple[Role, str], int] = {}
    for part in mine.parts.keys() ^ yours.parts.keys():
        side = "model" if part in mine.parts else "reference"
        roles[part.role, side] = roles.get((part.role, side), 0) + 1
    listed = [f"{role.value}: {count} found in {side} only" for (role, side), count in sorted(roles.items())]
    listed += [
        f"{part}: shapes differ, {mine.parts[part].shape} and {yours.parts[part].shape}"
        for part in sorted(mine.parts.keys() & yours.parts.keys(), key=str)
        if mine.parts[part].shape != yours.parts[part].shape
    ]
    for side, anatomy in (("model", mine), ("reference", yours)):
        listed += [f"{name}: not recognised in {side}" for name in anatomy.unrecognised]
    return listed
