"""What was done: the difference model minus reference, after pairing, and the steps it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

from forebear.alignment.align import Alignment
from forebear.alignment.neurons import NeuronMap
from forebear.alignment.sampled import Place
from forebear.anatomy.parts import Part
from forebear.evidence.weights.identity import StoredPair, stored_pairs
from forebear.statistics.arrays import Floats

NOISE_SPREAD = 0.05
"""Largest spread of sigma over tensors, relative to its median, that still reads as noise of one scalar.

Trained differences of the zoo vary by 0.1 and more; `python -m benchmarks.accuracy positives` prints both."""

NOISE_KURTOSIS = 0.3
NOISE_EDGE = 1.1
"""Largest median ratio of the top singular value to the Marchenko-Pastur edge that still reads as noise."""

ORTHOGONAL = 0.25
"""Largest distance of the slope of the difference on the reference from 0 (noise on the reference) or from -1 (noise
on the model) that still reads as noise on one side; noise on both, or two unrelated matrices, lie at -0.5."""

FAINT = 0.1
"""Standard error of that slope above which noise is too faint to tell the side it was added to."""

_MOST_ROWS = 256
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class TensorResidual:
    """Difference of one matrix.

    Attributes:
        part: which part.
        sigma: standard deviation of the difference.
        relative: ``sigma`` over the standard deviation of the reference.
        kurtosis: excess kurtosis of the difference.
        edge: its top singular value over that of noise of the same size and sigma.
        energy: square norm of the difference.
        reference_energy: square norm of the reference.
        with_reference: inner product of the difference with the reference.
    """

    part: Part
    sigma: float
    relative: float
    kurtosis: float
    edge: float
    energy: float
    reference_energy: float
    with_reference: float


@dataclass(frozen=True)
class Residual:
    """Differences of all matrices that differ."""

    tensors: tuple[TensorResidual, ...]

    @property
    def noise(self) -> dict[str, float] | None:
        """Amount, if the differences look like noise of one scalar (absolute, or relative to each tensor)."""
        if not self.tensors:
            return None
        kurtosis = float(np.median([abs(one.kurtosis) for one in self.tensors]))
        edge = float(np.median([one.edge for one in self.tensors]))
        if kurtosis > NOISE_KURTOSIS or edge > NOISE_EDGE or not self._one_side_could_be_base:
            return None
        absolute = [one.sigma for one in self.tensors]
        relative = [one.relative for one in self.tensors]
        for name, values in (("sigma", absolute), ("relative_sigma", relative)):
            middle = float(np.median(values))
            if float(np.median(np.abs(np.asarray(values) - middle))) * _MAD_TO_DEVIATION <= NOISE_SPREAD * middle:
                return {name: middle, "edge_ratio": edge}
        return None

    @property
    def slope(self) -> tuple[float, float]:
        """Slope of the difference on the reference over all tensors, and its standard error."""
        energy = sum(one.energy for one in self.tensors)
        spread = sqrt(sum(one.sigma**2 * one.reference_energy for one in self.tensors))
        return sum(one.with_reference for one in self.tensors) / energy, spread / energy

    @property
    def _one_side_could_be_base(self) -> bool:
        slope, error = self.slope
        return error > FAINT or min(abs(slope), abs(slope + 1.0)) <= ORTHOGONAL

    @property
    def noise_on_model(self) -> bool | None:
        """Whether noise was added to the reference (True) or to the model (False): it is orthogonal to its base.

        None where there is no noise or it is too faint to tell.
        """
        slope, error = self.slope if self.noise is not None else (0.0, 1.0)
        return None if error > FAINT else slope > -0.5

    def trained(self) -> dict[str, float]:
        """Amounts of a difference that is not noise."""
        return {
            "relative_change": float(np.median([one.relative for one in self.tensors])),
            "edge_ratio": float(np.median([one.edge for one in self.tensors])),
        }


def measure_residual(alignment: Alignment, neurons: dict[Place, NeuronMap]) -> Residual:
    """Differences of every matrix that differs, on the rows drawn."""
    found = [
        residual
        for pair in stored_pairs(alignment, neurons)
        if pair.model.ndim == 2 and pair.model.size and not pair.equal and (residual := _one(pair)) is not None
    ]
    return Residual(tuple(found))


def _one(pair: StoredPair) -> TensorResidual | None:
    mine, yours = (side.astype(np.float64) for side in (pair.model, pair.reference))
    if not (np.isfinite(mine).all() and np.isfinite(yours).all()):
        return None
    difference = mine - yours
    sigma, base = float(difference.std()), float(yours.std())
    if sigma == 0.0 or base == 0.0:
        return None
    energy = float(np.square(difference).sum())
    return TensorResidual(
        part=pair.part,
        sigma=sigma,
        relative=sigma / base,
        kurtosis=float(np.mean(((difference - difference.mean()) / sigma) ** 4)) - 3.0,
        edge=_edge_ratio(difference[:_MOST_ROWS], sigma),
        energy=energy,
        reference_energy=float(np.square(yours).sum()),
        with_reference=float((difference * yours).sum()),
    )


def _edge_ratio(difference: Floats, sigma: float) -> float:
    rows, columns = difference.shape
    flat = difference if rows <= columns else difference.T
    top = float(np.sqrt(np.linalg.eigvalsh(flat @ flat.T)[-1]))
    return top / (sigma * float(np.sqrt(rows) + np.sqrt(columns)))
