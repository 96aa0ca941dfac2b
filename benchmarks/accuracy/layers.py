"""Layer-against-layer tests of two models: any layer of one against any layer of the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks.accuracy.known import Known, sampled
from forebear.alignment.align import Alignment
from forebear.alignment.sampled import Ffn, Place, Values
from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.assumptions import neuron_features
from forebear.evidence.weights.invariants import ffn_features, value_features
from forebear.evidence.weights.labels import value_blocks
from forebear.evidence.weights.signs import matched_coins
from forebear.statistics.arrays import Floats, unit_rows
from forebear.statistics.labels import Block, label_agreement
from forebear.statistics.matching import mutual_nearest
from forebear.statistics.signs import sign_agreement
from forebear.statistics.tails import probability

NEURONS, VALUES, RESIDUAL, SIGNS, INVARIANTS = "T1 neurons", "T1 values", "T1 residual", "T2 signs", "T3 invariants"
BY_LAYER = (NEURONS, VALUES, SIGNS, INVARIANTS)

RELABELLINGS = 999
"""Joint relabellings: every random start gets new labels (and signs), and all that stands on it follows."""


@dataclass(frozen=True)
class Layer:
    """What the tests read of one layer."""

    ffn: Ffn
    values: Values
    neurons: Floats
    invariants: tuple[Floats, ...]


@lru_cache(maxsize=64)
def layers_of(folder: Path) -> list[Layer]:
    """Every layer of a model of the zoo."""
    model = sampled(folder)
    alone = Alignment(model, model, tuple(range(model.anatomy.geometry.layers)), ())
    found = []
    for number in alone.layer_map:
        ffn, values = model.ffn(Place(number)), model.values(number)
        if not isinstance(ffn, Ffn) or not isinstance(values, Values):
            raise ValueError(f"{folder}: layer {number} cannot be read")
        features = ffn_features(alone, ffn), value_features(alone, values)
        found.append(Layer(ffn, values, neuron_features(ffn), tuple(one for one in features if one is not None)))
    return found


@dataclass(frozen=True)
class Score:
    """One test of two layers (or of two models).

    Attributes:
        p: p-value as the pipeline gives it.
        z: standardised score.
        relabelled: z after each of ``RELABELLINGS`` joint relabellings of all random starts.
    """

    p: float
    z: float
    relabelled: Floats


def pair_scores(
    mine: Known, yours: Known, rng: np.random.Generator
) -> Iterator[tuple[str, tuple[int, int] | None, Score]]:
    """Every layer of one model against every layer of the other, then the models as wholes."""
    for first, one in enumerate(layers_of(mine.folder)):
        for second, other in enumerate(layers_of(yours.folder)):
            for name, score in _layer_scores(one, other, (mine.start, first), (yours.start, second), rng):
                yield name, (first, second), score
    residual = _label_score([_residual_block(mine, yours)], [((mine.start,), (yours.start,))], rng)
    if residual is not None:
        yield RESIDUAL, None, residual


Key = tuple[object, ...]


def _layer_scores(
    mine: Layer, yours: Layer, here: Key, there: Key, rng: np.random.Generator
) -> Iterator[tuple[str, Score]]:
    products = [first @ second.T for first, second in zip(mine.invariants, yours.invariants, strict=True)]
    values = value_blocks(mine.values, yours.values)
    found = {
        NEURONS: _label_score([Block.of(mine.neurons, yours.neurons)], [((*here, "n"), (*there, "n"))], rng),
        VALUES: _label_score(values, [((*here, head), (*there, head)) for head in range(len(values))], rng),
        # Residual labels are those of the whole model, whatever the layer.
        INVARIANTS: _label_score([Block.of_products(sum(products[1:], products[0]))], [(here[:1], there[:1])], rng),
        SIGNS: _sign_score(mine.ffn, yours.ffn, here, there, rng),
    }
    yield from ((name, score) for name, score in found.items() if score is not None)


def _label_score(blocks: list[Block], keys: list[tuple[Key, Key]], rng: np.random.Generator) -> Score | None:
    agreement = label_agreement(blocks, rng)
    if agreement is None:
        return None
    sums = np.zeros(RELABELLINGS)
    for block, (here, there) in zip(blocks, keys, strict=True):
        moved = block.products[relabelling(here, block.size), relabelling(there, block.size)]
        sums += moved.sum(axis=1) / np.sqrt(block.variance * len(blocks))
    return Score(probability(agreement.log10_p), agreement.z, sums.astype(np.float32))


def _sign_score(mine: Ffn, yours: Ffn, here: Key, there: Key, rng: np.random.Generator) -> Score | None:
    coins, _ = matched_coins(mine, yours)
    agreement = sign_agreement(coins, rng) if coins.size else None
    if agreement is None or mine.gate is None or yours.gate is None:
        return None
    rows, columns = mutual_nearest(unit_rows(mine.gate) @ unit_rows(yours.gate).T)
    flips = flipping(here, mine.width)[:, rows] * flipping(there, yours.width)[:, columns]
    return Score(
        probability(agreement.log10_p), agreement.z, (flips @ coins / np.linalg.norm(coins)).astype(np.float32)
    )


@lru_cache(maxsize=512)
def relabelling(key: Key, labels: int) -> np.ndarray:
    """``(RELABELLINGS, labels)`` random relabellings of what ``key`` names, the same for every pair it is in."""
    return _keyed(("relabel", *key)).permuted(np.tile(np.arange(labels), (RELABELLINGS, 1)), axis=1)


@lru_cache(maxsize=512)
def flipping(key: Key, neurons: int) -> np.ndarray:
    """``(RELABELLINGS, neurons)`` random signs."""
    return (_keyed(("flip", *key)).integers(0, 2, (RELABELLINGS, neurons)) * 2 - 1).astype(np.float32)


def _keyed(key: Key) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8], "big"))


def _residual_block(mine: Known, yours: Known) -> Block:
    sides = [sampled(one.folder) for one in (mine, yours)]
    products = [
        unit_rows(np.asarray(sides[0].matrix(part)).T) @ unit_rows(np.asarray(sides[1].matrix(part)).T).T
        for part in (Part(Role.EMBEDDING), Part(Role.OUTPUT))
        if all(part in side.anatomy.parts for side in sides)
    ]
    return Block.of_products(sum(products[1:], products[0]))
