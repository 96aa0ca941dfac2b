"""Frankenmerges: whole layers taken from one parent or another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forebear.evidence.weights.mixtures import Mixture
from forebear.statistics.arrays import Floats

NEAREST = 0.02
"""Largest ratio of the square distances to the nearest and to the next parent for a part to be taken from one."""

SAME = 1e-5
"""Square distance, over the model's energy, within which rounding makes candidates alike."""

UNANIMOUS = 0.95
"""Share of parts that must be taken from one parent, and in it with the rest of their layer."""


def layer_origins(mixtures: Sequence[Mixture]) -> dict[int, int] | None:
    """Origin of each layer.

    Args:
        mixtures: matrices of the model, each held by one candidate at least.

    Returns:
        For each layer its candidate, where nearly every part comes from one candidate, all of a layer from the same,
        and not all layers from one; None otherwise.
    """
    votes: dict[int, list[int]] = {}
    decided = told = 0
    for mixture in mixtures:
        energy = float(np.square(mixture.model.astype(np.float64)).sum())
        distances = [energy if parent is None else _distance(mixture.model, parent) for parent in mixture.parents]
        nearest, following = np.sort([*distances, energy])[:2]
        if following <= SAME * energy:
            continue  # the candidates hardly differ here
        told += 1
        if nearest <= NEAREST * following:
            decided += 1
            if mixture.part.layer is not None:
                votes.setdefault(mixture.part.layer, []).append(int(np.argmin(distances)))
    origins = {layer: max(set(found), key=found.count) for layer, found in sorted(votes.items())}
    agreeing = sum(found.count(origins[layer]) for layer, found in votes.items())
    unanimous = agreeing >= UNANIMOUS * sum(map(len, votes.values()))
    if decided < UNANIMOUS * told or not unanimous or len(set(origins.values())) < 2:
        return None
    return origins


def _distance(values: Floats, other: Floats) -> float:
    return float(np.square(values.astype(np.float64) - other).sum())
