"""Norm gains against the matrices that read through them."""

from __future__ import annotations

import numpy as np

from forebear.anatomy.parts import Part
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import NORM_BIASES, Bench
from forebear.zoo.surgery.changed import Tensors


def rescale_norms(tensors: Tensors, *, seed: int = 0, octaves: float = 1.0) -> Arrays:
    """Multiplies each norm's gains (and biases) by random positive factors and divides its readers' columns by them.

    The last norm of a tied model stays as it is: its reader is the embedding.

    Args:
        tensors: the model.
        seed: of the factors.
        octaves: factors lie between 2^-octaves and 2^octaves.

    Raises:
        UsageError: a tensor of unknown role.
    """
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    for norm in bench.norms():
        readers = bench.readers(norm)
        if not readers:
            continue
        factors = np.exp2(rng.uniform(-octaves, octaves, bench[norm].shape))
        for vector in (norm, Part(NORM_BIASES[norm.role], norm.layer)):
            if vector in bench:
                bench[vector] = bench[vector] * factors
        for part in readers:
            bench[part] = bench[part] / factors
    return bench.assemble()
