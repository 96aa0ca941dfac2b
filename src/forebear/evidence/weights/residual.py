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

RELATIVE_SPREAD = 0.1
"""The same for sigma relative to each tensor's own deviation, which the rows of a sample show less exactly."""

NOISE_KURTOSIS = 0.3
NOISE_EDGE = 1.1
"""Largest median ratio of the top singular value to the Marchenko-Pastur edge that still reads as noise."""

UNCORRELATED_Z = 5.0
ORTHOGONAL = 0.25
"""A side may be the base of noise if the difference is uncorrelated with it: by z, or its inner product with it at
most this share of either's square norm (rounding correlates a little). Noise on both sides gives half of the
difference's norm, an unrelated matrix all of its own, with either side."""

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
        reference_energy, model_energy: square norms of the sides.
        with_reference: inner product of the difference with the reference.
    """

    part: Part
    sigma: float
    relative: float
    kurtosis: float
    edge: float
    energy: float
    reference_energy: float
    model_energy: float
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
        if kurtosis > NOISE_KURTOSIS or edge > NOISE_EDGE or not any(self._could_be_base()):
            return None
        absolute = [one.sigma for one in self.tensors]
        relative = [one.relative for one in self.tensors]
        for name, values, most in (
            ("sigma", absolute, NOISE_SPREAD),
            ("relative_sigma", relative, RELATIVE_SPREAD),
        ):
            middle = float(np.median(values))
            if float(np.median(np.abs(np.asarray(values) - middle))) * _MAD_TO_DEVIATION <= most * middle:
                return {name: middle, "edge_ratio": edge}
        return None

    def _could_be_base(self) -> tuple[bool, bool]:
        """Whether the difference is uncorrelated with reference and model, over all tensors."""
        energy = sum(one.energy for one in self.tensors)
        with_reference = sum(one.with_reference for one in self.tensors)
        sides = (
            (with_reference, [one.reference_energy for one in self.tensors]),
            (with_reference + energy, [one.model_energy for one in self.tensors]),
        )
        found = []
        for product, bases in sides:
            chance = sqrt(sum(one.sigma**2 * base for one, base in zip(self.tensors, bases, strict=True)))
            found.append(abs(product) <= max(UNCORRELATED_Z * chance, ORTHOGONAL * min(energy, sum(bases))))
        return found[0], found[1]

    @property
    def noise_on_model(self) -> bool | None:
        """Whether noise was added to the reference (True) or to the model (False): it is orthogonal to its base.

        None where there is no noise or it is too faint to tell.
        """
        if self.noise is None:
            return None
        reference, model = self._could_be_base()
        return None if reference and model else reference

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
        model_energy=float(np.square(mine).sum()),
        with_reference=float((difference * yours).sum()),
    )


def _edge_ratio(difference: Floats, sigma: float) -> float:
    rows, columns = difference.shape
    flat = difference if rows <= columns else difference.T
    top = float(np.sqrt(np.linalg.eigvalsh(flat @ flat.T)[-1]))
    return top / (sigma * float(np.sqrt(rows) + np.sqrt(columns)))
