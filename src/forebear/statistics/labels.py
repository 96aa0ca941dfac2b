"""Agreement on labels between two sets of rows whose order carries no meaning.

Two models each hold n rows (neurons, value dimensions, residual coordinates). If one was not made from the other,
the labels of the second are, given everything else, a uniformly random relabelling. The statistic is the sum of
inner products of rows under the same label; its exact variance over relabellings needs no resampling.

A *block* is a set of rows with one relabelling of its own; blocks are independent of one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10, sqrt

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats
from forebear.statistics.matching import mutual_nearest
from forebear.statistics.tails import capped, coin_log10_p, either_log10_p, fixed_points_log10_p, normal_log10_sf

Square = NDArray[np.floating]

RESAMPLES = 9_999
"""Relabellings drawn where the normal tail is no longer trusted; p is then never below 1e-4 by resampling."""

NORMAL_TRUSTED_DOWN_TO = 0.02
"""Above this p the normal approximation is used as it is: `python -m benchmarks.accuracy null` shows it uniform."""

_EXACT_SUFFICES = -6.0
_CHUNK = 500


@dataclass(frozen=True)
class Block:
    """One independently labelled set of rows, reduced to what every label test needs.

    Attributes:
        products: ``(n, n)`` inner products of the first side's rows with the second's, double centred.
    """

    products: Square

    @staticmethod
    def of(first: Floats, second: Floats) -> Block:
        """Block of two ``(n, p)`` arrays of features under the same labels (columns are centred here)."""
        return Block.of_products(first @ second.T)

    @staticmethod
    def of_products(products: Square) -> Block:
        """Block of inner products not yet centred."""
        return Block(double_centred(products))

    @property
    def size(self) -> int:
        """Number of labels."""
        return int(self.products.shape[0])

    @property
    def statistic(self) -> float:
        """Sum of inner products under equal labels."""
        return float(np.trace(self.products))

    @property
    def variance(self) -> float:
        """Exact variance of the statistic over uniform relabellings.

        Source: Hoeffding, A combinatorial central limit theorem (1951), theorem 2.
        """
        if self.size < 2:
            return 0.0
        return float(np.einsum("ij,ij->", self.products, self.products, dtype=np.float64)) / (self.size - 1)

    @property
    def z(self) -> float | None:
        """Standardised statistic; None when the rows do not vary."""
        variance = self.variance
        return self.statistic / sqrt(variance) if variance > 0.0 else None


@dataclass(frozen=True)
class LabelAgreement:
    """Result of a label test over several blocks.

    Attributes:
        z: standardised sum over blocks, each block weighing the same.
        log10_p: one-sided p-value, capped.
        fixed_points: labels whose rows are each other's nearest.
        labels: labels tested.
        by_block: z of each block; None where its rows do not vary.
        how: which form of the null the p-value comes from.
    """

    z: float
    log10_p: float
    fixed_points: int
    labels: int
    by_block: tuple[float | None, ...]
    how: str


def double_centred(products: Square) -> Square:
    """Row and column means removed: the same as centring the features of both sides."""
    rows = products.mean(axis=1, keepdims=True)
    columns = products.mean(axis=0, keepdims=True)
    shifted: Square = products - rows - columns + products.mean()
    return shifted


def label_agreement(blocks: Sequence[Block], rng: np.random.Generator) -> LabelAgreement | None:
    """Whether rows under the same label agree more than a random relabelling would make them.

    Args:
        blocks: independently labelled blocks; those without variation are left out.
        rng: source of the pairing of labels and of resampled relabellings.

    Returns:
        None when no block varies.

    Null: in every block the second side's labels are a uniformly random relabelling, independent between blocks.
    p-value: normal with the exact variance down to ``NORMAL_TRUSTED_DOWN_TO``; resampled relabellings to 1e-4;
    below that the smaller of two exact bounds (fixed points of a mutual nearest matching; coins of swapped pairs
    of labels), doubled.
    """
    varying = [block for block in blocks if block.variance > 0.0]
    if not varying:
        return None
    z = sum(block.z or 0.0 for block in varying) / sqrt(len(varying))
    fixed = sum(fixed_points(block.products) for block in varying)
    log10_p, how = _p_value(varying, z, fixed, rng)
    return LabelAgreement(
        z=z,
        log10_p=capped(log10_p),
        fixed_points=fixed,
        labels=sum(block.size for block in varying),
        by_block=tuple(block.z for block in blocks),
        how=how,
    )


def exact_log10_p(blocks: Sequence[Block], fixed: int, rng: np.random.Generator) -> float:
    """The deep tail: Bonferroni over the fixed-point bound and the coins of swapped labels."""
    return either_log10_p(
        fixed_points_log10_p(fixed, len(blocks)),
        coin_log10_p(*swap_coins(blocks, rng)),
    )


def fixed_points(products: Square) -> int:
    """Labels whose rows are each other's nearest on the two sides."""
    rows, columns = mutual_nearest(products)
    return int(np.count_nonzero(rows == columns))


def swap_coins(blocks: Sequence[Block], rng: np.random.Generator) -> tuple[float, float]:
    """Sum and squared magnitudes of the coins got by swapping two labels.

    Labels are paired at random; given which two rows a pair holds, the relabelling is as likely to swap them as
    not, so <a1 - a2, b1 - b2> has a fair sign. Blocks are scaled to equal variance first.
    """
    total = squares = 0.0
    for block in blocks:
        order = rng.permutation(block.size)
        first, second = order[: block.size // 2], order[block.size // 2 : 2 * (block.size // 2)]
        products = block.products
        coins = (
            products[first, first] + products[second, second] - products[first, second] - products[second, first]
        ) / sqrt(block.variance)
        total += float(coins.sum(dtype=np.float64))
        squares += float(np.square(coins, dtype=np.float64).sum())
    return total, squares


def _p_value(blocks: Sequence[Block], z: float, fixed: int, rng: np.random.Generator) -> tuple[float, str]:
    normal = normal_log10_sf(z)
    if normal > log10(NORMAL_TRUSTED_DOWN_TO):
        return normal, "normal, exact variance"
    exact = exact_log10_p(blocks, fixed, rng)
    if exact <= _EXACT_SUFFICES:
        return exact, "exact bound"
    resampled = log10((1 + _exceedances(blocks, z, rng)) / (1 + RESAMPLES))
    if resampled > log10(1.5 / (1 + RESAMPLES)):
        return resampled, "resampled relabellings"
    return min(resampled, exact), "resampled relabellings" if exact > resampled else "exact bound"


def _exceedances(blocks: Sequence[Block], z: float, rng: np.random.Generator) -> int:
    """How many of ``RESAMPLES`` joint relabellings reach the z seen."""
    sums = np.zeros(RESAMPLES)
    for block in blocks:
        scaled = block.products / sqrt(block.variance * len(blocks))
        for start in range(0, RESAMPLES, _CHUNK):
            count = min(_CHUNK, RESAMPLES - start)
            relabelled = rng.permuted(np.tile(np.arange(block.size), (count, 1)), axis=1)
            sums[start : start + count] += scaled[np.arange(block.size), relabelled].sum(axis=1)
    return int(np.count_nonzero(sums >= z))
