"""Frankenmerges: whole layers taken from one parent or another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forebear.anatomy.parts import Part
from forebear.statistics.mixture import Products

NEAREST = 0.02
"""Largest ratio of the square distances to the nearest and to the next parent for a part to be taken from one."""

SAME = 1e-5
"""Square distance, over the model's energy, within which rounding makes candidates alike."""

UNANIMOUS = 0.95
"""Share of parts that must be taken from one parent, and in it with the rest of their layer."""


def layer_origins(parts: Sequence[Part], products: Sequence[Products], count: int) -> dict[int, int] | None:
    """Origin of each layer.

    Args:
        parts: which parts.
        products: of each, the candidates first.
        count: number of candidates.

    Returns:
        For each layer its candidate, where nearly every part comes from one candidate, all of a layer from the same,
        and not all layers from one; None otherwise.
    """
    votes: dict[int, list[int]] = {}
    decided = told = 0
    for part, one in zip(parts, products, strict=True):
        distances = np.maximum(one.energy - 2.0 * one.with_model[:count] + np.diag(one.among)[:count], 0.0)
        nearest, following = np.sort(distances)[:2]
        if following <= SAME * one.energy:
            continue  # the candidates hardly differ here
        told += 1
        if nearest <= NEAREST * following:
            decided += 1
            if part.layer is not None:
                votes.setdefault(part.layer, []).append(int(np.argmin(distances)))
    origins = {layer: max(set(found), key=found.count) for layer, found in sorted(votes.items())}
    agreeing = sum(found.count(origins[layer]) for layer, found in votes.items())
    unanimous = agreeing >= UNANIMOUS * sum(map(len, votes.values()))
    if decided < UNANIMOUS * told or not unanimous or len(set(origins.values())) < 2:
        return None
    return origins
