"""Copies whose values were changed: noise, rounding, zeros, small updates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.accuracy.cases.copies import plain, seeded
from benchmarks.accuracy.cases.kind import Kind, Lineage, Pair, Truth, kept, surgery_on
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder

SIGMAS = (0.1, 0.5, 1.0, 3.0, 10.0)
_DERIVED = ("derived",)


def kinds() -> Iterator[Kind]:
    """Noise of both units, then the rest."""
    for sigma in SIGMAS:
        change = seeded(surgery.add_noise, sigma=sigma, relative=True)
        make = surgery_on("", change, sigma=("relative_sigma", sigma))
        yield Kind(f"noise {sigma:g}", "noise", make, Truth(_DERIVED, steps=("noise",)))
    for sigma in SIGMAS:
        yield Kind(f"noise {sigma:g}, absolute", "noise", _Absolute(sigma), Truth(_DERIVED, steps=("noise",)))
    for name, step, change in (
        ("quantised 8 bit", "quantised", plain(surgery.quantise, bits=8)),
        ("quantised 4 bit", "quantised", plain(surgery.quantise, bits=4, block=32)),
        ("values pruned 50%", "pruned", plain(surgery.prune_values, share=0.5)),
        ("low rank update", "low-rank", seeded(surgery.low_rank, rank=4)),
    ):
        yield Kind(name, "values", surgery_on("", change), Truth(_DERIVED, steps=(step,)))
    drawn = surgery_on("", seeded(surgery.redraw))
    yield Kind("values drawn anew", "strangers", drawn, Truth(("independent",), None))


class _Absolute:
    """Noise of one scalar: so many times the median deviation of the matrices."""

    def __init__(self, sigma: float) -> None:
        self.sigma = sigma

    def __call__(self, lineage: Lineage, room: Path) -> Pair:
        reference = lineage.folder()
        tensors = read_tensors(reference)
        sigma = self.sigma * deviation(tensors)
        made = surgery.add_noise(tensors, sigma, seed=lineage.seed)
        write_folder(room / "model", made, read_config(reference))
        return Pair(room / "model", reference, kept(reference), ("sigma", sigma))


def deviation(tensors: Arrays) -> float:
    """Median deviation of the matrices."""
    return float(np.median([array.astype(np.float64).std() for array in tensors.values() if array.ndim > 1]))
