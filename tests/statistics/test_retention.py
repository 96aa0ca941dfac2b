"""Curves of matrices made for the purpose: kept whole, added to, or sharing their random bulk alone."""

from __future__ import annotations

import numpy as np
import pytest

from forebear.statistics.retention import BINS, Containment, containment, overlap_curve

ROWS, COLUMNS = 48, 64


def bulk(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((ROWS, COLUMNS))


def low_rank(seed: int, rank: int = 4, strength: float = 14.0, least: float = 14.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    left, right = (np.linalg.qr(rng.standard_normal((size, rank)))[0] for size in (ROWS, COLUMNS))
    return (left * np.linspace(strength, least, rank)) @ right.T


def curve(whole: np.ndarray, other: np.ndarray) -> np.ndarray:
    found = overlap_curve(whole, other)
    assert found is not None
    return found


def both_ways(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Containment:
    layers = [np.array([[curve(mine, yours)], [curve(yours, mine)]]) for mine, yours in pairs]
    return containment(layers, np.random.default_rng(0))


@pytest.mark.parametrize("scale", [1.0, 0.6, 30.0])
def test_a_matrix_lies_flat_in_itself_at_any_scale(scale: float) -> None:
    matrix = bulk(0) + low_rank(1)
    for whole, other in ((matrix, matrix * scale), (matrix * scale, matrix)):
        assert curve(whole, other) == pytest.approx(np.ones(BINS), abs=1e-5)


def test_noise_shows_from_the_noisy_side_alone() -> None:
    pairs = [(low_rank(s, 12) + 0.2 * bulk(s), low_rank(s, 12) + 0.2 * bulk(s) + 0.8 * bulk(s + 90)) for s in range(6)]
    found = both_ways(pairs)
    assert found.deviation[0] < 0.05 < 0.1 < found.deviation[1]
    assert found.difference[0] > 0.0
    assert found.curves[1, 0] > found.curves[1, -1]


def test_a_shared_bulk_under_different_tops_rises_both_ways() -> None:
    pairs = [(bulk(s) + low_rank(s + 20, 24, 40.0, 16.0), bulk(s) + low_rank(s + 40, 24, 40.0, 16.0)) for s in range(6)]
    found = both_ways(pairs)
    assert min(found.bulk_rise) > 0.12
    assert min(found.deviation) > 0.2


def test_swapped_sides_swap_everything() -> None:
    pairs = [(bulk(s), bulk(s) + low_rank(s)) for s in range(4)]
    there, back = both_ways(pairs), both_ways([(yours, mine) for mine, yours in pairs])
    assert there.deviation == pytest.approx(back.deviation[::-1])
    assert there.difference == pytest.approx((-back.difference[1], -back.difference[0]))
    assert there.curves == pytest.approx(back.curves[::-1])


def test_a_transposed_pair_gives_the_same_curve() -> None:
    first, second = bulk(1), bulk(1) + low_rank(2)
    assert curve(first.T, second.T) == pytest.approx(curve(first, second), abs=1e-6)


def test_opposite_matrices_have_no_curve() -> None:
    assert overlap_curve(bulk(0), -bulk(0)) is None


def test_one_layer_has_an_interval_of_no_width() -> None:
    found = both_ways([(bulk(0), bulk(0) + low_rank(0))])
    assert found.interval[0] == pytest.approx((found.deviation[0],) * 2)
    assert found.by_layer.shape == (2, 1, BINS)


def test_few_layers_widen_the_interval_by_their_matrices() -> None:
    rng = np.random.default_rng(5)
    matrices = 1.0 + 0.1 * rng.standard_normal((2, 6, 8))
    few = containment([matrices] * 2, np.random.default_rng(0))
    many = containment([matrices] * 5, np.random.default_rng(0))
    assert many.difference[0] == pytest.approx(many.difference[1])
    assert few.difference[1] - few.difference[0] > 0.001
