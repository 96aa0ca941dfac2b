"""Nei's distance between populations, for models: a prompt is a gene, a continuation an allele, a sample a draw of one.

With J the chance that two draws from the same prompt are equal, summed over prompts, the identity of two models is
J12 / sqrt(J11 J22) and the distance minus its logarithm. J12 is unbiased as the product of two samples' shares; J11
from one sample's shares would count each draw as equal to itself, which makes small samples look alike within and
distances too long. Here draws are paired without repetition, n (n - 1) ordered pairs, which is unbiased.
Sources: M. Nei, Genetic distance between populations, American Naturalist 106 (1972), 283-292; M. Nei, Estimation of
average heterozygosity and genetic distance from a small number of individuals, Genetics 89 (1978), 583-590, for the
correction; N. Yax, P.-Y. Oudeyer, S. Palminteri, PhyloLM (2024), arXiv 2404.04671, for the idea applied to models.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

Counts = NDArray[np.int64]
RESAMPLES = 999
FEWEST_DRAWS = 2
"""Draws of each model to each prompt below which there is no pair of draws."""


def identities(genes: Sequence[Counts]) -> Floats:
    """Chance that a draw of one model equals a draw of another, prompt by prompt, unbiased.

    Args:
        genes: for each prompt ``(models, alleles)``: how often each model drew each allele, twice in all at least.

    Returns:
        ``(prompts, models, models)``; on the diagonal the chance that two different draws of a model are equal.

    Raises:
        ValueError: a model with fewer draws than `FEWEST_DRAWS`.
    """
    found = []
    for counts in genes:
        drawn = counts.sum(axis=1).astype(np.float64)
        if bool(np.any(drawn < FEWEST_DRAWS)):
            raise ValueError("every model needs two draws or more of every gene")
        pairs = (counts @ counts.T).astype(np.float64)
        pairs -= np.diag(drawn)
        found.append(pairs / (np.outer(drawn, drawn) - np.diag(drawn)))
    return np.stack(found)


def numbered_identities(genes: Sequence[Counts]) -> Floats:
    """As `identities`, without pairs of draws that have the same number: of one seed, these hang together.

    Args:
        genes: for each prompt ``(models, draws)``: the number of the allele of each draw, below 0 where there is none;
            of every model two at least.

    Returns:
        ``(prompts, models, models)``, unbiased where draws of different numbers are independent.

    Raises:
        ValueError: a model with fewer draws than `FEWEST_DRAWS`.
    """
    found = []
    for alleles in genes:
        there = (alleles >= 0).astype(np.float64)
        if bool(np.any(there.sum(axis=1) < FEWEST_DRAWS)):
            raise ValueError("every model needs two draws or more of every gene")
        counts = np.stack([(alleles == each).sum(axis=1) for each in range(int(alleles.max()) + 1)], axis=1)
        beside = ((alleles[:, None] == alleles[None]) & (alleles >= 0)).sum(axis=2)
        drawn = there.sum(axis=1)
        found.append((counts @ counts.T - beside) / (np.outer(drawn, drawn) - there @ there.T))
    return np.stack(found)


def nei_distances(chances: Floats) -> Floats:
    """``(models, models)`` Nei's standard distance, minus the logarithm of the identity.

    Args:
        chances: ``(prompts, models, models)`` from `identities`.

    Returns:
        0 on the diagonal; slightly below 0 where models cannot be told apart; infinite where two models never drew
        the same, or where no two draws of one are equal, so that its own identity cannot be told.
    """
    return np.asarray(_distances(chances.sum(axis=0)[None])[0])


def bootstrap_distances(chances: Floats, seed: int, resamples: int = RESAMPLES) -> Floats:
    """``(resamples, models, models)`` distances with prompts drawn with replacement.

    Args:
        chances: ``(prompts, models, models)`` from `identities`.
        seed: of the draws.
        resamples: how many.

    Assumptions: prompts are independent draws from the population of prompts meant.
    """
    prompts, models, _ = chances.shape
    times = np.random.default_rng(seed).multinomial(prompts, np.full(prompts, 1.0 / prompts), size=resamples)
    sums = times.astype(np.float64) @ chances.reshape(prompts, -1)
    return _distances(sums.reshape(resamples, models, models))


def _distances(sums: Floats) -> Floats:
    own = np.diagonal(sums, axis1=1, axis2=2)
    scale = np.sqrt(own[:, :, None] * own[:, None, :])
    told = (scale > 0.0) & (sums > 0.0)
    identity = np.divide(sums, scale, out=np.ones_like(sums), where=told)
    found = np.where(told, -np.log(identity), np.inf)
    every = np.arange(sums.shape[1])
    found[:, every, every] = 0.0
    return np.asarray(found)
