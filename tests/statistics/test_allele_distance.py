"""Identities without bias, distances that do not shrink or grow with the number of draws."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.statistics.allele_distance import bootstrap_distances, identities, nei_distances, numbered_identities
from forebear.statistics.arrays import Floats

GENES = st.lists(
    st.lists(st.tuples(*[st.integers(0, 4)] * 4), min_size=3, max_size=3), min_size=1, max_size=5
).map(lambda genes: [np.array([[*row[:3], row[3] + 2] for row in gene]) for gene in genes])  # fmt: skip


def drawn(shares: Floats, draws: int, rng: np.random.Generator) -> list[np.ndarray]:
    return [np.stack([rng.multinomial(draws, model) for model in gene]) for gene in shares]


def true_distance(shares: Floats) -> float:
    sums = np.einsum("gma,gna->mn", shares, shares)
    return float(-log(sums[0, 1] / np.sqrt(sums[0, 0] * sums[1, 1])))


@given(genes=GENES)
def test_distances_are_symmetric_and_know_no_order_of_alleles(genes: list[np.ndarray]) -> None:
    found = nei_distances(identities(genes))
    turned = nei_distances(identities([gene[:, ::-1] for gene in genes]))
    assert np.array_equal(found, found.T)
    assert np.array_equal(found, turned)
    assert np.all(np.diagonal(found) == 0.0)
    assert not np.isnan(found).any()


@pytest.mark.parametrize("draws", [2, 5, 20])
def test_identities_are_unbiased_however_few_the_draws(draws: int) -> None:
    rng = np.random.default_rng(1)
    shares = np.stack([rng.dirichlet(np.full(6, 0.5), size=2)])
    seen = np.mean([identities(drawn(shares, draws, rng))[0] for _ in range(6000)], axis=0)
    assert seen == pytest.approx(shares[0] @ shares[0].T, abs=0.02)


def test_draws_of_one_number_are_never_held_against_one_another() -> None:
    rng = np.random.default_rng(4)
    alleles = np.concatenate([np.zeros((3, 2), dtype=np.int64), rng.integers(-1, 4, size=(3, 7))], axis=1)
    found = numbered_identities([alleles])[0]
    for one, other in np.ndindex(3, 3):
        pairs = [(i, j) for i in range(9) for j in range(9) if i != j and alleles[one, i] >= 0 <= alleles[other, j]]
        assert found[one, other] == pytest.approx(np.mean([alleles[one, i] == alleles[other, j] for i, j in pairs]))
    assert identities([np.bincount(alleles[0][alleles[0] >= 0])[None]])[0, 0, 0] == pytest.approx(found[0, 0])


def test_few_draws_give_the_distance_that_many_draws_give() -> None:
    rng = np.random.default_rng(2)
    shares = rng.dirichlet(np.full(8, 0.4), size=(400, 2))
    exact = true_distance(shares)
    few = nei_distances(identities(drawn(shares, 4, rng)))[0, 1]
    naive = [gene / gene.sum(axis=1, keepdims=True) for gene in drawn(shares, 4, rng)]
    assert few == pytest.approx(exact, abs=0.15)
    assert true_distance(np.stack(naive)) > exact + 0.2


def test_models_of_one_law_lie_at_distance_zero() -> None:
    rng = np.random.default_rng(3)
    shares = np.repeat(rng.dirichlet(np.full(8, 0.4), size=(300, 1)), 2, axis=1)
    assert nei_distances(identities(drawn(shares, 8, rng)))[0, 1] == pytest.approx(0.0, abs=0.06)


def test_nothing_in_common_and_nothing_repeated_are_infinite() -> None:
    apart = nei_distances(identities([np.array([[3, 0], [0, 3]])]))
    never = nei_distances(identities([np.array([[1, 1, 0], [1, 1, 0]])]))
    assert apart[0, 1] == np.inf
    assert never[0, 1] == np.inf


def test_one_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="two draws"):
        identities([np.array([[1, 0], [2, 0]])])


def test_intervals_from_the_bootstrap_hold_the_true_distance() -> None:
    rng = np.random.default_rng(4)
    held = 0
    for _ in range(60):
        population = np.stack([rng.dirichlet(np.full(6, 0.5), size=2) for _ in range(800)])
        chosen = population[rng.integers(0, 800, 100)]
        found = bootstrap_distances(identities(drawn(chosen, 8, rng)), 0, 199)[:, 0, 1]
        low, high = np.quantile(found, [0.025, 0.975])
        held += low <= true_distance(population) <= high
    assert held >= 50
