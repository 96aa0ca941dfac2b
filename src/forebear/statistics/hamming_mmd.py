"""Do two sets of texts come from one distribution: maximum mean discrepancy with the Hamming kernel, by permutation.

Null: for every prompt, the texts of both sides are independent draws from one distribution. Labels are permuted within
prompts, so that p-values are exact whatever the distributions are; replies that are not drawn independently (a cache, a
fixed seed) break the null. The kernel of two texts is the share of places at which both have the same character, the
shorter one padded with a character of its own: the squared discrepancy is, place by place, the squared distance of how
often each character stands there, so that distributions which agree in this are never told apart.

Sources: I. Gao, P. Liang, C. Guestrin, Model Equality Testing: Which Model Is This API Serving?, 2024, arXiv
2410.20247, equations 3 (discrepancy), 4 (its estimate) and 7 (kernel), here over characters, as a share and prompt by
prompt; A. Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012, for the unbiased estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

FEWEST_TEXTS = 2
"""Texts a side needs for a prompt: the unbiased estimate compares every text with the others of its side."""
FEWEST_PROMPTS = 10
"""Prompts below which an interval over prompts is not given."""
_TIES = 1e-12
_PERMUTED = 500
"""Permutations of planted texts, over all draws, that set what a discrepancy must exceed."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What two sides said to one prompt.

    Attributes:
        kernel: ``(n, n)`` of all texts: the first side's, the second side's, then texts of others.
        first: how many are the first side's, at least `FEWEST_TEXTS`.
        second: how many are the second side's, likewise.
    """

    kernel: Floats
    first: int
    second: int

    def __post_init__(self) -> None:
        if min(self.first, self.second) < FEWEST_TEXTS or self.first + self.second > len(self.kernel):
            raise ValueError(f"{self.first} and {self.second} texts of {len(self.kernel)}")

    @property
    def sides(self) -> int:
        """Texts of both sides."""
        return self.first + self.second


@dataclass(frozen=True, slots=True)
class MmdTest:
    """A result.

    Attributes:
        value: mean over prompts of the unbiased squared discrepancy, at most 2; near 0, at times below, under the null.
        by_prompt: ``(prompts,)``.
        p: ``(1 + #{permutations at least as large}) / (permutations + 1)``.
        permutations: drawn.
    """

    value: float
    by_prompt: Floats
    p: float
    permutations: int


def hamming_kernel(texts: Sequence[str]) -> Floats:
    """Share of places with equal characters, of every two texts.

    Args:
        texts: n of them; code points are compared.

    Returns:
        ``(n, n)``, 0 to 1, of the length of the longest; ones where all are empty.
    """
    codes = _codes(texts)
    count, longest = codes.shape
    kernel = np.ones((count, count))
    if longest:
        for row in range(count):
            equal = (codes[row:] == codes[row]).view(np.uint8)
            kernel[row, row:] = equal.sum(axis=1, dtype=np.uint32) / longest
            kernel[row:, row] = kernel[row, row:]
    return kernel


def _codes(texts: Sequence[str]) -> NDArray[np.unsignedinteger]:
    """``(n, longest)`` numbers of characters, 0 where a text has ended; as few bytes each as they need."""
    points = [np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4") for text in texts]
    codes = np.zeros((len(texts), max((len(each) for each in points), default=0)), dtype=np.uint32)
    for row, each in zip(codes, points, strict=True):
        row[: len(each)] = each + 1
    return codes.astype(np.min_scalar_type(codes.max(initial=0)))


def discrepancy(kernel: Floats, first: Floats, second: Floats) -> Floats:
    """Unbiased squared discrepancy of two samples, equation 4, for many ways of drawing them.

    Args:
        kernel: ``(n, n)`` of all texts, ones on its diagonal.
        first: ``(draws, n)`` how often the first sample has each text.
        second: likewise; every draw has at least two texts on each side, all draws equally many.
    """
    many, more = float(first[0].sum()), float(second[0].sum())
    seen = first @ kernel
    within = (np.einsum("dn,dn->d", seen, first) - many) / (many * (many - 1))
    other = (np.einsum("dn,dn->d", second @ kernel, second) - more) / (more * (more - 1))
    found: Floats = within + other - 2.0 * np.einsum("dn,dn->d", seen, second) / (many * more)
    return found


def mmd_test(compared: Sequence[Compared], rng: np.random.Generator, permutations: int = 999) -> MmdTest:
    """Test whether both sides draw from one distribution, for every prompt.

    Args:
        compared: one for each prompt, at least one; texts of others are left aside.
        rng: source of the permutations.
        permutations: how many; p cannot fall below ``1 / (permutations + 1)``.
    """
    by_prompt = []
    permuted = np.zeros(permutations)
    for each in compared:
        chosen = np.zeros((permutations + 1, each.sides))
        chosen[0, : each.first] = 1.0
        np.put_along_axis(chosen[1:], _drawn(rng, permutations, each.sides)[:, : each.first], 1.0, axis=1)
        found = _of_halves(each, chosen)
        by_prompt.append(float(found[0]))
        permuted += found[1:]
    values = np.array(by_prompt)
    reached = np.count_nonzero(permuted >= values.sum() - _TIES * len(values))
    return MmdTest(float(values.mean()), values, float(1 + reached) / (permutations + 1), permutations)


def _of_halves(each: Compared, chosen: Floats) -> Floats:
    """`discrepancy` where the second sample is what the first leaves, from one product instead of two."""
    kernel = each.kernel[: each.sides, : each.sides]
    many, more = each.first, each.second
    within = np.einsum("dn,dn->d", chosen @ kernel, chosen)
    across = chosen @ kernel.sum(axis=1) - within
    other = float(kernel.sum()) - within - 2.0 * across
    first, second = (within - many) / (many * (many - 1)), (other - more) / (more * (more - 1))
    found: Floats = first + second - 2.0 * across / (many * more)
    return found


def _drawn(rng: np.random.Generator, draws: int, size: int) -> NDArray[np.intp]:
    """``(draws, size)`` orders of so many things."""
    return np.argsort(rng.random((draws, size), dtype=np.float32), axis=1)


def interval_over_prompts(
    values: Floats, rng: np.random.Generator, resamples: int = 2000, coverage: float = 0.95
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean over prompts, prompts drawn with replacement.

    Args:
        values: ``(prompts,)``.
        rng: source of the bootstrap.
        resamples: drawn.
        coverage: 0-1.

    Returns:
        Its ends; None below `FEWEST_PROMPTS` prompts.
    """
    if values.size < FEWEST_PROMPTS:
        return None
    means = [values[rng.integers(values.size, size=values.size)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1 - coverage) / 2, (1 + coverage) / 2])
    return float(low), float(high)


def planted_power(
    compared: Sequence[Compared], share: float, rng: np.random.Generator, *, level: float, draws: int = 100
) -> int:
    """How often the test would find that a share of the second side's replies comes from elsewhere.

    In each draw the texts of both sides are dealt to them anew, as if they were of one distribution; then each of the
    second side's is replaced with the stated chance by another text of others to the same prompt, as far as these go,
    or, where a prompt has none, by the most typical text of the prompt, the one nearest to all.

    Args:
        compared: one for each prompt.
        share: chance of each text to be replaced, 0-1.
        rng: source of the draws.
        level: at which the test fires, 0-1.
        draws: how many.

    Returns:
        Draws, of so many, in which the discrepancy exceeds what permutations of the planted texts exceed in ``level``.
    """
    again = max(1, round(_PERMUTED / draws))
    found, permuted = np.zeros(draws), np.zeros(draws * again)
    for each in compared:
        first, second = _planted(each, share, rng, draws)
        found += discrepancy(each.kernel, _counts(first, len(each.kernel)), _counts(second, len(each.kernel)))
        both = np.repeat(np.concatenate([first, second], axis=1), again, axis=0)
        both = np.take_along_axis(both, _drawn(rng, len(both), each.sides), axis=1)
        sides = (_counts(part, len(each.kernel)) for part in (both[:, : each.first], both[:, each.first :]))
        permuted += discrepancy(each.kernel, *sides)
    return int(np.count_nonzero(found > np.quantile(permuted, 1 - level) + _TIES * len(compared)))


def _planted(each: Compared, share: float, rng: np.random.Generator, draws: int) -> tuple[NDArray[np.intp], ...]:
    """``(draws, first)`` and ``(draws, second)`` numbers of texts, of the second a share replaced."""
    dealt = _drawn(rng, draws, each.sides)
    first, second = dealt[:, : each.first], dealt[:, each.first :]
    others = len(each.kernel) - each.sides
    replaced = rng.random(second.shape) < share
    if others:
        replaced &= np.cumsum(replaced, axis=1) <= others
        place = np.maximum(np.cumsum(replaced, axis=1) - 1, 0)
        other = each.sides + np.take_along_axis(_drawn(rng, draws, others), place, axis=1)
    else:
        other = np.full(second.shape, int(np.argmax(each.kernel.sum(axis=1))))
    return first, np.where(replaced, other, second)


def _counts(numbers: NDArray[np.intp], size: int) -> Floats:
    """``(draws, size)`` how often each text was drawn."""
    flat = numbers + size * np.arange(len(numbers))[:, np.newaxis]
    return np.bincount(flat.ravel(), minlength=size * len(numbers)).reshape(-1, size).astype(np.float64)
