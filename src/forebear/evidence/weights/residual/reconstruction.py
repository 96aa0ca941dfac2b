"""How much of the distance between model and reference the steps found account for.

Steps with a certain result (cast, quantised, pruned, rescaled, low-rank) are applied to the reference; what distance
goes is theirs. An update of low rank is fitted to the difference, so it accounts for what that many directions can.
Noise accounts for the energy that independent noise of its one sigma has, within the scatter of such energies, and
for no singular value beyond its edge. Training accounts for nothing: it has no amount that could be applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from forebear.evidence.weights.residual.changes import Changes, sort_changes
from forebear.evidence.weights.residual.measure import Residual
from forebear.evidence.weights.residual.spectrum import edge
from forebear.evidence.weights.residual.tensor import TensorResidual

SCATTER = 4.0
"""Deviations by which the energy of a tensor may exceed that of the noise."""

BEYOND_EDGE = 1.15
"""Ratio to the Marchenko-Pastur edge above which a singular value is not the noise's; small matrices scatter so far."""


@dataclass(frozen=True)
class Reconstruction:
    """What the steps account for.

    Attributes:
        distance: square norm of model minus reference over all parts compared, after alignment.
        by_step: share of ``distance`` by step, in the order applied; ``"rounding"`` is that of the storage type.
        remaining: share that is left, 0 to 1.
        remaining_sigma: its root mean square over all values that differ.
    """

    distance: float
    by_step: tuple[tuple[str, float], ...]
    remaining: float
    remaining_sigma: float

    def document(self) -> dict[str, Any]:
        """As the claim carries it."""
        return {
            "distance": self.distance,
            "by_step": [{"step": step, "share": share} for step, share in self.by_step],
            "remaining": self.remaining,
            "remaining_sigma": self.remaining_sigma,
        }


def reconstruct(residual: Residual) -> Reconstruction:
    """Apply the steps found to the reference.

    Args:
        residual: differences of all parts; equal ones add nothing.
    """
    changes = sort_changes(residual)
    distance = sum(one.distance for one in residual.everything)
    if distance == 0.0:
        return Reconstruction(0.0, (), 0.0, 0.0)
    gone: dict[str, float] = dict.fromkeys(
        ("rescaled", "low-rank", "noise", "pruned", "quantised", "cast", "rounding"), 0.0
    )
    left = 0.0
    settled = {one.part: one for one in changes.settled}
    for one in residual.everything:
        certain = settled.get(one.part, one)
        ended = certain.distance
        for step, energy in certain.explained:
            if step != "low-rank" or certain.part in settled:
                gone[step] += energy
                ended -= energy
        step, energy = _rest(certain, changes, settled=one.part in settled, energy=max(ended, 0.0))
        gone[step] += energy
        left += max(ended - energy, 0.0)
    shares = tuple((step, energy / distance) for step, energy in gone.items() if energy > 0.0)
    values = sum(one.values for one in residual.everything)
    return Reconstruction(distance, shares, min(left / distance, 1.0), sqrt(left / values))


def _rest(one: TensorResidual, changes: Changes, *, settled: bool, energy: float) -> tuple[str, float]:
    """What accounts for the rest of a tensor, and for how much of it."""
    rounding = "rounding" if one.marks.quantised is None else "quantised"
    if settled:
        return rounding, energy
    expected = None if changes.noise is None else changes.noise.expected.get(one.part)
    if expected is None:
        return rounding, 0.0
    variance = expected**2 + one.rounding
    allowed = one.values * variance * (1.0 + SCATTER * sqrt(2.0 / one.values))
    return "noise", max(0.0, min(energy, allowed) - _beyond_edge(one, sqrt(variance)))


def _beyond_edge(one: TensorResidual, sigma: float) -> float:
    """Energy in singular values that noise does not have, for the whole tensor."""
    if not one.spectrum:
        return 0.0
    energies = np.square(one.spectrum)
    top = (BEYOND_EDGE * sigma * edge(one.shape)) ** 2
    return float(energies[energies > top].sum() / energies.sum()) * one.energy
