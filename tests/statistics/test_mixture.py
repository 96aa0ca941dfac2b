from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.statistics.mixture import (
    Products,
    edge_ratio,
    fit,
    interpolation,
    leading_overlap,
    products_of,
    spherical_weights,
)

WEIGHTS = st.lists(st.floats(-1.0, 2.0), min_size=2, max_size=4)


def parts(seed: int, weights: list[float], noise: float = 0.0, tensors: int = 6) -> list[Products]:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal((tensors, 20, 30))
    found = []
    for tensor in base:
        parents = [tensor + 0.3 * rng.standard_normal(tensor.shape) for _ in weights]
        model = sum(weight * parent for weight, parent in zip(weights, parents, strict=True))
        found.append(products_of(np.asarray(model) + noise * rng.standard_normal(tensor.shape), parents))
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), WEIGHTS)
def test_weights_of_an_exact_mixture_are_recovered(seed: int, weights: list[float]) -> None:
    if all(abs(weight) < 1e-3 for weight in weights):
        weights = [*weights[1:], 0.5]
    found = fit(parts(seed, weights), np.random.default_rng(0), resamples=50)
    assert found.weights == pytest.approx(weights, abs=1e-6)
    assert found.residual < 1e-9


def test_intervals_hold_the_truth_under_noise_and_shrink_with_tensors() -> None:
    few, many = (fit(parts(1, [0.6, 0.4], 0.3, tensors), np.random.default_rng(0)) for tensors in (4, 64))
    assert all(low < truth < high for truth, (low, high) in zip((0.6, 0.4), many.intervals, strict=True))
    assert many.errors.max() < few.errors.max()


def test_weights_that_must_add_up_to_one_do() -> None:
    found = fit(parts(2, [0.7, 0.5]), np.random.default_rng(0), to_one=True)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.residual > 1e-3


def test_a_candidate_listed_twice_shares_its_weight() -> None:
    one = parts(3, [1.0])[0]
    twice = Products(np.tile(one.among, (2, 2)), np.tile(one.with_model, 2), one.energy, one.size)
    found = fit([twice], np.random.default_rng(0))
    assert found.weights == pytest.approx([0.5, 0.5])
    assert np.isfinite(found.errors).all()


@settings(max_examples=25, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.02, 3.0))
def test_the_place_of_a_spherical_interpolation_is_recovered(t: float, apart: float) -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((10, 12))
    second = first + apart * rng.standard_normal(first.shape)
    weights = spherical_weights(products_of(first, [first, second]), t)
    products = products_of(weights[0] * first + weights[1] * second, [first, second])
    assert interpolation(products) == pytest.approx(t, abs=1e-4)
    assert products.residual(weights) < 1e-8 * products.energy


def test_noise_lies_on_the_edge_and_structure_above() -> None:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((100, 150))
    direction = np.outer(rng.standard_normal(100), rng.standard_normal(150))
    assert 0.9 < edge_ratio(noise) < 1.1 < edge_ratio(noise + 0.3 * direction)
    assert edge_ratio(np.zeros((3, 4))) == 0.0


def test_leading_directions_overlap_by_chance_alone_between_unrelated_matrices() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 120, 150))
    shared = 3.0 * rng.standard_normal((120, 8)) @ rng.standard_normal((8, 150))
    assert leading_overlap(first, second) < 3.0
    assert leading_overlap(first + shared, second + shared) > 10.0
