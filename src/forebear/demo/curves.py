"""The std-curve figure of the 2025 dispute, computed here so that its weakness can be seen beside an exact test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.reading import read_part
from forebear.anatomy.recognise import recognise
from forebear.checkpoint.model import Model
from forebear.errors import UsageError

PROJECTIONS = (Role.Q, Role.K, Role.V, Role.O)


def std_curves(model: Model) -> NDArray[np.float64]:
    """Standard deviation of each attention projection along the layers, normalised.

    Args:
        model: an opened model with tensors.

    Returns:
        (4, layers): for Q, K, V and O the curve of standard deviations, with mean 0 and variance 1 over the layers.

    Raises:
        UsageError: the model has no tensors, fewer than two layers, or a projection that is the same in all layers.

    Source: the curve-shape fingerprint of arXiv:2507.03014.
    """
    if model.tensors is None:
        raise UsageError("there are no tensors to draw a curve from", where=model.source)
    anatomy = recognise(model.tensors, model.documents.config)
    layers = range(anatomy.geometry.layers)
    curves = np.array(
        [
            [float(read_part(model.tensors, anatomy.parts[Part(role, layer)]).std()) for layer in layers]
            for role in PROJECTIONS
        ]
    )
    spread = curves.std(axis=1, keepdims=True)
    if len(layers) < 2 or not np.all(spread > 0):
        raise UsageError("the curves are constant, so that nothing can be correlated", where=model.source)
    normalised: NDArray[np.float64] = (curves - curves.mean(axis=1, keepdims=True)) / spread
    return normalised


def correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Pearson correlation of two models' curves, all four projections laid end to end."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
