from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.statistics.sparsity import Entries, dropped, entries_of, trimmed

Numbers = NDArray[np.float64]
SHAPE = (240, 240)
"""Large enough that drawing entries moves fitted weights by a tenth of what is allowed; (60, 80) moved some by all."""


def drawn(seed: int, count: int) -> tuple[Numbers, list[Numbers], np.random.Generator]:
    rng = np.random.default_rng(seed)
    base = rng.standard_normal(SHAPE)
    return base, [base + 0.3 * rng.standard_normal(SHAPE) for _ in range(count)], rng


def entries(model: Numbers, base: Numbers, parents: list[Numbers]) -> Entries:
    return entries_of(model, base, parents, np.full(SHAPE, 1e-6), rng=np.random.default_rng(0), most=60_000)


def ties(base: Numbers, parents: list[Numbers], densities: list[float], weights: list[float], *, mean: bool) -> Numbers:
    changes = []
    for parent, density in zip(parents, densities, strict=True):
        change = parent - base
        changes.append(np.where(np.abs(change) >= np.quantile(np.abs(change), 1.0 - density), change, 0.0))
    weighted = np.stack([weight * change for weight, change in zip(weights, changes, strict=True)])
    elected = np.sign(weighted) == np.where(weighted.sum(axis=0) >= 0.0, 1.0, -1.0)
    total = np.where(elected, weighted, 0.0).sum(axis=0)
    shares = np.einsum("k,kij->ij", np.array(weights), elected.astype(float))
    return base + (total / np.where(shares > 0.0, shares, 1.0) if mean else total)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.lists(st.floats(0.1, 0.8), min_size=2, max_size=3), st.booleans())
def test_trimmed_changes_show_density_and_weight(seed: int, densities: list[float], mean: bool) -> None:
    base, parents, _ = drawn(seed, len(densities))
    weights = [0.5, 0.3, 0.2][: len(densities)]
    found = trimmed(entries(ties(base, parents, densities, weights, mean=mean), base, parents))
    assert found.densities == pytest.approx(densities, abs=0.02)
    assert found.misplaced < 0.01
    assert found.weights == pytest.approx(np.array(weights) / (sum(weights) if mean else 1.0), abs=0.01)
    assert found.normalised == mean


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.lists(st.floats(0.1, 0.9), min_size=1, max_size=3))
def test_dropped_changes_show_density_and_weight(seed: int, densities: list[float]) -> None:
    base, parents, rng = drawn(seed, len(densities))
    weights = np.array([0.5, 0.3, 0.4][: len(densities)])
    model = base.copy()
    for weight, density, parent in zip(weights, densities, parents, strict=True):
        model += weight / density * np.where(rng.random(SHAPE) < density, parent - base, 0.0)
    found = dropped(entries(model, base, parents), weights)
    assert found.densities == pytest.approx(densities, abs=0.03)
    assert found.weights / found.densities == pytest.approx(weights / np.array(densities), rel=1e-3)
    assert found.residual < 1e-6


def test_a_plain_sum_keeps_everything() -> None:
    base, parents, _ = drawn(0, 2)
    model = base + 0.5 * (parents[0] - base) + 0.5 * (parents[1] - base)
    found = dropped(entries(model, base, parents), np.array([0.5, 0.5]))
    assert found.densities == pytest.approx([1.0, 1.0], abs=0.01)
    assert trimmed(entries(model, base, parents)).densities == pytest.approx([1.0, 1.0])


def test_entries_that_no_parent_changed_are_kept_by_none() -> None:
    base, parents, _ = drawn(0, 1)
    parents[0][:30] = base[:30]
    found = entries(ties(base, parents, [0.2], [1.0], mean=False), base, parents)
    assert trimmed(found).densities == pytest.approx([0.2], abs=0.02)
