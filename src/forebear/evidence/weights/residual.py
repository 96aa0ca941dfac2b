"""What was done: the difference model minus reference, after pairing, and the steps it looks like."""

from __future__ import annotations

from dataclasses import dataclass

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
        with_reference, with_model: inner product of the difference with either side, over its own square norm.
    """

    part: Part
    sigma: float
    relative: float
    kurtosis: float
    edge: float
    with_reference: float
    with_model: float


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
        if kurtosis > NOISE_KURTOSIS or edge > NOISE_EDGE:
            return None
        absolute = [one.sigma for one in self.tensors]
        relative = [one.relative for one in self.tensors]
        for name, values in (("sigma", absolute), ("relative_sigma", relative)):
            middle = float(np.median(values))
            if float(np.median(np.abs(np.asarray(values) - middle))) * _MAD_TO_DEVIATION <= NOISE_SPREAD * middle:
                return {name: middle, "edge_ratio": edge}
        return None

    @property
    def noise_on_model(self) -> bool | None:
        """Whether noise was added to the reference (True) or to the model (False): it is orthogonal to its base."""
        if self.noise is None:
            return None
        base_reference = float(np.mean([abs(t.with_reference) for t in self.tensors]))
        base_model = float(np.mean([abs(t.with_model) for t in self.tensors]))
        return base_reference < base_model

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
        if pair.model.ndim == 2 and not pair.equal and (residual := _one(pair)) is not None
    ]
    return Residual(tuple(found))


def _one(pair: StoredPair) -> TensorResidual | None:
    mine, yours = (side.astype(np.float64) for side in (pair.model, pair.reference))
    difference = mine - yours
    sigma, base = float(difference.std()), float(yours.std())
    if not np.isfinite(difference).all() or sigma == 0.0 or base == 0.0:
        return None
    energy = float(np.square(difference).sum())
    return TensorResidual(
        part=pair.part,
        sigma=sigma,
        relative=sigma / base,
        kurtosis=float(np.mean(((difference - difference.mean()) / sigma) ** 4)) - 3.0,
        edge=_edge_ratio(difference[:_MOST_ROWS], sigma),
        with_reference=float((difference * yours).sum()) / energy,
        with_model=float((difference * mine).sum()) / energy,
    )


def _edge_ratio(difference: Floats, sigma: float) -> float:
    rows, columns = difference.shape
    top = float(np.linalg.norm(difference, 2))
    return top / (sigma * float(np.sqrt(rows) + np.sqrt(columns)))
