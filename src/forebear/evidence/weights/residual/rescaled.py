"""One factor for a whole tensor, for each of its rows or for each of its columns, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forebear.evidence.weights.residual.storage import Doubles

LEAST_CHANGE = 1e-3
ROUNDING = 3.0
"""Most that may be left over, in units of what rounding leaves."""

LESS = 0.1
"""Most that may be left over, as a share of the difference before."""

FEWEST_VALUES = 16
"""Fewest values that must share a factor for its fit to say anything."""


@dataclass(frozen=True)
class Rescaled:
    """Constant factors between reference and model.

    Attributes:
        per: ``"tensor"``, ``"row"`` or ``"column"``.
        factors: that broadcast over the tensor.
    """

    per: str
    factors: Doubles

    @property
    def factor(self) -> float:
        """The median factor."""
        return float(np.median(self.factors))


def find_rescaled(model: Doubles, reference: Doubles, kept: Doubles, variance: Doubles) -> Rescaled | None:
    """Factors that leave no more than rounding; None if there are none or they are all one.

    Args:
        model, reference: values of equal shape.
        kept: 1 where a value counts and 0 where it was pruned.
        variance: mean square of what the rounding of the model leaves at each value.
    """
    if not np.any(reference) or not np.any(model):
        return None
    allowed = ROUNDING * float((variance * kept).sum()) + 1e-13 * float(np.square(model).sum())
    axes: dict[str, int | None] = {"tensor": None}
    if model.ndim == 2:
        axes |= {"row": 1, "column": 0}
    for per, axis in axes.items():
        if (model.size if axis is None else model.shape[axis]) < FEWEST_VALUES:
            continue
        products = np.sum(kept * model * reference, axis=axis, keepdims=True)
        squares = np.sum(kept * np.square(reference), axis=axis, keepdims=True)
        factors = np.where(squares > 0.0, products / np.where(squares > 0.0, squares, 1.0), 1.0)
        left = float(np.square(kept * (model - factors * reference)).sum())
        if left <= allowed and left <= LESS * float(np.square(kept * (model - reference)).sum()):
            return Rescaled(per, factors) if float(np.abs(factors - 1.0).max()) > LEAST_CHANGE else None
    return None
