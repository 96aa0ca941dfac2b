"""Noise on top of training: the leading directions are the training's, the bulk of the spectrum is the noise's."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np

from forebear.evidence.weights.residual.noise import Noise, Way, fused_deviations, one_scalar
from forebear.evidence.weights.residual.spectrum import bulk_sigma
from forebear.evidence.weights.residual.tensor import TensorResidual

BULK_FIT = 0.045
"""Largest median spread of sigma over the bulk of one spectrum; noise has 0.03 to 0.04, training alone 0.05 to 0.5."""

BULK_SPREAD = 0.07
"""Largest spread of the bulk's sigma over tensors; training alone has 0.15 and more, relative to the tensors 0.16."""

KEPT = 0.5
"""Least median coefficient of the model on the reference; what has nothing of it differs by a bulk of its own size."""


ALONG_REFERENCE = 0.25
"""Most of the difference's energy that its inner product with the reference may make up; noise on both sides gives
half, training a tenth."""


def find_noise_on_top(tensors: Sequence[TensorResidual]) -> Noise | None:
    """Noise added after training; None where the bulk is not that of one scalar.

    Args:
        tensors: differences of matrices that are not noise alone.

    Returns:
        The noise; its relative amount is in units of each tensor before the noise came on.
    """
    usable = [one for one in tensors if len(one.spectrum) >= 16 and not one.faint and one.marks.pruned is None]
    if len(usable) < 4 or len(usable) < len(tensors) // 2:
        return None
    bulks = {one.part: bulk_sigma(np.array(one.spectrum), one.shape) for one in usable}
    if float(np.median([fit for _, fit in bulks.values()])) > BULK_FIT:
        return None
    if float(np.median([one.coefficient for one in usable])) < KEPT:
        return None
    if abs(sum(one.with_reference for one in usable)) > ALONG_REFERENCE * sum(one.energy for one in usable):
        return None
    sigmas = {one.part: sqrt(max(bulks[one.part][0] ** 2 - one.rounding, 0.0)) for one in usable}
    before = {one.part: sqrt(max(one.model_energy / one.values - sigmas[one.part] ** 2, 0.0)) for one in usable}
    ways = (
        Way("sigma", dict.fromkeys(before, 1.0), BULK_SPREAD),
        Way("relative_sigma", before, BULK_SPREAD),
        Way("relative_sigma", fused_deviations(usable, before), BULK_SPREAD),
    )
    found = one_scalar(usable, sigmas, ways)
    if found is None:
        return None
    amount, value, scales = found
    top = float(np.median([one.edge for one in usable]))
    return Noise(amount, value, top, {part: value * scale for part, scale in scales.items()}, faint=False)
