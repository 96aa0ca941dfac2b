"""Strangers of the zoo in memory, disguised or given another shape, and laid over one another in a frame of choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from sys import maxsize
from typing import Any

import numpy as np

from benchmarks.accuracy.known import ZOO
from benchmarks.accuracy.memory import Held
from forebear.alignment.align import Alignment, Unaligned, align
from forebear.alignment.frame import Frame
from forebear.alignment.layers import LayerMap
from forebear.alignment.residual import Kind, ResidualMap, fit_kind
from forebear.alignment.sampled import Place
from forebear.alignment.vocabulary import TokenMap, pair_tokens
from forebear.anatomy.parts import Role
from forebear.anatomy.reading import read_part
from forebear.checkpoint.store import Floats
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors
from forebear.zoo.manifest import folder_of
from forebear.zoo.recipes import RECIPES
from forebear.zoo.surgery import Changed

Change = Callable[[Arrays, dict[str, Any], int], Changed]


@dataclass(frozen=True)
class Two:
    """Two strangers of one family, by name."""

    family: str
    model: str
    reference: str

    @property
    def names(self) -> tuple[str, str]:
        """Both."""
        return self.model, self.reference


def founders(family: str) -> list[str]:
    """Strangers of a family that are there, in order of name."""
    found = [one for one in RECIPES if one.kind == "stranger" and one.family == family]
    return sorted(one.name for one in found if (folder_of(ZOO, one) / "model.safetensors").is_file())


def pairs(family: str) -> list[Two]:
    """All pairs of strangers of a family."""
    return [Two(family, *names) for names in combinations(founders(family), 2)]


@lru_cache(maxsize=64)
def tensors_of(family: str, name: str) -> tuple[Arrays, dict[str, Any]]:
    """Tensors and config of a founder."""
    folder = folder_of(ZOO, next(one for one in RECIPES if one.path == f"{family}/{name}"))
    return read_tensors(folder), read_config(folder)


def held(family: str, name: str, change: Change | None = None, seed: int = 0) -> Held:
    """A founder in memory, changed where asked for."""
    tensors, config = tensors_of(family, name)
    made = Changed(tensors, config) if change is None else change(tensors, config, seed)
    return Held.of({key: array.astype(np.float32) for key, array in made.tensors.items()}, made.config)


def disguised(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
    """Everything at once, the residual stream left in its basis, so that a map fitted to it is a stranger's."""
    return surgery.everything(tensors, config, seed=seed, rotate=False)


def rotated(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
    """Everything at once, the residual stream rotated."""
    return surgery.everything(tensors, config, seed=seed)


def pruned(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
    """Everything at once, and every other FFN neuron taken away."""
    made = rotated(tensors, config, seed)
    return surgery.prune_neurons(made.tensors, made.config, 0.5, choice="random", seed=seed)


def upcycled(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
    """Everything at once, and four experts for each FFN."""
    made = rotated(tensors, config, seed)
    return surgery.upcycle(made.tensors, made.config, experts=4, shuffle=True, seed=seed)


def tokens_between(mine: Held, yours: Held) -> TokenMap:
    """Rows paired by number, as for models without a tokenizer."""
    return pair_tokens(None, None, (_embedding(mine).shape[0], _embedding(yours).shape[0]))


def fitted(mine: Held, yours: Held, kind: Kind) -> ResidualMap:
    """The best map of a kind, though it explains nothing."""
    tokens = tokens_between(mine, yours)
    return fit_kind(_embedding(mine)[tokens.model], _embedding(yours)[tokens.reference], kind)


def _embedding(side: Held) -> Floats:
    view = side.anatomy.find(Role.EMBEDDING)
    if view is None:
        raise ValueError("a model without an embedding")
    return read_part(side.store, view)


def frame_of(mine: Held, yours: Held, residual: ResidualMap, source: tuple[int | None, ...]) -> Frame:
    """A frame in which every FFN of a layer is laid beside the one of its source.

    Args:
        mine, yours: model and reference; the reference is dense.
        residual: map of the residual stream.
        source: reference layer of each layer of the model.
    """
    layers = LayerMap(source, "matched gates", None, yours.anatomy.geometry.layers)
    places: dict[Place, Place] = {}
    for layer, other in enumerate(source):
        if other is not None:
            places |= {place: Place(other) for place in places_in(mine, layer)}
    return Frame(residual, layers, tokens_between(mine, yours), places)


def places_in(side: Held, layer: int) -> list[Place]:
    """FFNs of a layer."""
    found = [Place(layer)] if side.anatomy.find(Role.UP, layer) is not None else []
    found += [Place(layer, expert) for expert in side.anatomy.experts(layer)]
    return [*found, Place(layer, shared=True)] if side.anatomy.find(Role.SHARED_UP, layer) is not None else found


def laid(mine: Held, yours: Held, frame: Frame, key: str) -> Alignment:
    """Both in that frame, every row read."""
    found = align((mine.store, mine.anatomy), (yours.store, yours.anatomy), key, maxsize, frame)
    if isinstance(found, Unaligned):
        raise ValueError(found.reason)
    return found
