from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.alignment.residual import FEWEST_TOKENS, ResidualMap, fit_residual, whitened
from forebear.zoo.surgery.residual import orthogonal

TOKENS, SIZE = 400, 24
Kind = Literal["identity", "permutation", "signed permutation", "rotation"]
KINDS: tuple[Kind, ...] = ("identity", "permutation", "signed permutation", "rotation")


def embeddings(seed: int, size: int = SIZE) -> NDArray[np.float64]:
    """Tokens that share a strong direction, as frequent tokens do."""
    rng = np.random.default_rng(seed)
    shared = np.outer(rng.standard_normal(TOKENS) + 2.0, 4.0 * rng.standard_normal(size))
    return rng.standard_normal((TOKENS, size)) + shared


def map_of(kind: Kind, seed: int) -> NDArray[np.float64]:
    rng = np.random.default_rng([seed, 1])
    if kind == "rotation":
        return orthogonal(SIZE, rng)
    order = np.arange(SIZE) if kind == "identity" else np.roll(rng.permutation(SIZE), 1)
    signs = rng.choice([-1.0, 1.0], SIZE) if kind == "signed permutation" else np.ones(SIZE)
    signs[0] = -1.0 if kind == "signed permutation" else 1.0
    found: NDArray[np.float64] = np.eye(SIZE)[:, order] * signs
    return found


def noised(rows: NDArray[np.float64], level: float, seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng([seed, 2]).standard_normal(rows.shape)
    found: NDArray[np.float64] = rows + level * noise
    return found


@settings(max_examples=15, deadline=None)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10_000), level=st.sampled_from([0.0, 0.1, 0.5]))
def test_the_simplest_map_that_explains_is_found(kind: Kind, seed: int, level: float) -> None:
    yours, turn = embeddings(seed), map_of(kind, seed)
    found = fit_residual(noised(yours @ turn, level, seed), yours)
    assert found.kind == kind
    assert found.fitted == (kind != "identity")
    assert (found.tokens, found.tried) == (TOKENS, 4)
    assert found.fit is not None
    assert found.fit > 0.7
    rows = embeddings(seed + 1)
    carried = found.to_model(rows)
    least = 0.98 if kind == "rotation" else 1.0 - 1e-6
    assert (carried * (rows @ turn)).sum() / (np.linalg.norm(carried) * np.linalg.norm(rows)) >= least


@pytest.mark.parametrize("seed", range(4))
def test_strangers_fit_nothing_well(seed: int) -> None:
    found = fit_residual(embeddings(seed), embeddings(seed + 100))
    assert found.fit is not None
    assert found.fit < 0.3
    assert found.tried == 4


@pytest.mark.parametrize(("kept", "flips"), [(18, False), (18, True), (12, False)])
def test_pruned_coordinates_are_told_with_those_they_came_from(kept: int, flips: bool) -> None:
    yours = embeddings(5)
    rng = np.random.default_rng(6)
    source = rng.permutation(SIZE)[:kept]
    signs = rng.choice([-1.0, 1.0], kept) if flips else np.ones(kept)
    found = fit_residual(yours[:, source] * signs, yours)
    assert found.kind == ("signed permutation" if flips else "permutation")
    assert found.source is not None
    assert found.signs is not None
    assert np.array_equal(found.source, source)
    assert np.array_equal(found.signs, signs)
    assert np.array_equal(found.kept, np.arange(kept))


def test_widened_coordinates_are_reached_where_they_have_a_source() -> None:
    yours = embeddings(7)
    places = np.random.default_rng(8).permutation(30)
    wide = np.zeros((TOKENS, 30))
    wide[:, places[:SIZE]] = yours
    wide[:, places[SIZE:]] = 0.01 * np.random.default_rng(9).standard_normal((TOKENS, 6))
    found = fit_residual(wide, yours)
    assert found.kind == "permutation"
    assert found.source is not None
    assert np.array_equal(found.source[places[:SIZE]], np.arange(SIZE))


def test_a_narrowed_rotation_is_a_partial_isometry() -> None:
    yours = embeddings(3)
    basis = orthogonal(SIZE, np.random.default_rng(4))[:, :16]
    found = fit_residual(yours @ basis, yours)
    assert found.kind == "rotation"
    assert found.matrix is not None
    assert found.matrix.T @ found.matrix == pytest.approx(np.eye(16), abs=1e-5)


def test_a_map_of_more_freedom_is_not_tried_with_few_tokens() -> None:
    yours, turn = embeddings(1)[: 2 * SIZE - 1], map_of("rotation", 1)
    found = fit_residual(yours @ turn, yours)
    assert found.kind != "rotation"
    assert found.tried == 3


def test_with_hardly_a_token_coordinates_stay_and_nothing_is_claimed() -> None:
    yours = embeddings(1)[: FEWEST_TOKENS - 1]
    found = fit_residual(yours @ map_of("permutation", 1), yours)
    assert (found.kind, found.fit, found.tokens, found.tried) == ("identity", None, 0, 1)


def test_unreached_coordinates_stay_zero_and_signs_are_applied() -> None:
    found = ResidualMap("signed permutation", np.array([2, -1, 0]), np.array([-1.0, -1.0, 1.0], np.float32), None)
    rows = np.array([[1.0, 2.0, 3.0]])
    assert found.to_model(rows).tolist() == [[-3.0, 0.0, 1.0]]
    assert found.kept.tolist() == [0, 2]
    assert found.kept.tolist() == [0, 2]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_whitening_commutes_with_rotations(seed: int) -> None:
    rows, turn = embeddings(seed), orthogonal(SIZE, np.random.default_rng(seed))
    assert whitened(rows @ turn) == pytest.approx(whitened(rows) @ turn, abs=1e-6)


@pytest.mark.parametrize("zeros", [1, SIZE])
def test_dead_coordinates_do_no_harm(zeros: int) -> None:
    yours = embeddings(2)
    yours[:, :zeros] = 0.0
    found = fit_residual(yours, yours)
    assert found.kind == "identity"
    assert found.fit is not None
    assert np.isfinite(found.fit)
