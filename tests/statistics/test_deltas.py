from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.statistics.deltas import Change, Geometry, change_of, geometry_of

Numbers = NDArray[np.float64]
SHAPE = (40, 60)


def drawn(seed: int, count: int) -> list[Numbers]:
    return list(np.random.default_rng(seed).standard_normal((count, *SHAPE)))


def geometry(make: object, tensors: int = 12, drift: float | None = None) -> Geometry:
    """Geometry of tensors made from (base, common drift, own of reference, own of model)."""
    assert callable(make)
    changes = [found for seed in range(tensors) if (found := change_of(*make(*drawn(seed, 4)))) is not None]
    outside = [] if drift is None else [Change(drift, 1.0, 1.0)]
    return geometry_of(changes, outside, np.random.default_rng(0))


def chain(base: Numbers, _: Numbers, first: Numbers, second: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    return base + 0.3 * first + 0.2 * second, base + 0.3 * first, base


def siblings(base: Numbers, common: Numbers, first: Numbers, second: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    return base + 0.2 * common + 0.2 * second, base + 0.2 * common + 0.2 * first, base


def test_a_parents_change_lies_whole_in_the_childs() -> None:
    found = geometry(chain)
    assert found.order == 0
    assert found.coefficients[0] == pytest.approx(1.0, abs=0.02)
    assert found.angle == pytest.approx(0.0, abs=0.05)
    assert found.likeness > 0.8
    assert found.longer_interval[0] > 0.0


def test_turned_round_the_model_is_the_parent() -> None:
    def turned(*drawn: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        model, reference, base = chain(*drawn)
        return reference, model, base

    found = geometry(turned)
    assert found.order == 1
    assert found.coefficients[1] == pytest.approx(1.0, abs=0.02)
    assert found.longer_interval[1] < 0.0


def test_siblings_with_a_common_drift_make_no_right_angle() -> None:
    found = geometry(siblings)
    assert found.coefficients == pytest.approx((0.5, 0.5), abs=0.03)
    assert found.angle < -0.2
    assert found.likeness < 0.4
    assert not found.chained


def test_embeddings_that_agree_more_than_matrices_speak_for_siblings() -> None:
    assert geometry(chain, drift=0.99).likeness < geometry(chain, drift=0.85).likeness


@settings(max_examples=20, deadline=None)
@given(st.floats(0.1, 3.0), st.integers(0, 50))
def test_shrinking_towards_zero_is_no_change(scale: float, seed: int) -> None:
    base, own, *_ = drawn(seed, 4)
    plain = change_of(base + 0.1 * own, base + 0.1 * own, base, curves=False)
    scaled = change_of(scale * base + 0.1 * own, base + 0.1 * own, base, curves=False)
    assert plain is not None
    assert scaled is not None
    assert scaled.coefficients == pytest.approx(plain.coefficients)


def test_the_base_itself_has_no_change() -> None:
    base, own, *_ = drawn(0, 4)
    assert change_of(np.zeros(SHAPE), base + own, np.zeros(SHAPE)) is None


def test_noise_on_a_side_tilts_its_curve_and_not_the_others() -> None:
    rng = np.random.default_rng(1)
    low = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 60))

    def noised(base: Numbers, _: Numbers, first: Numbers, second: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        return base + low + 0.1 * first + second, base + low + 0.1 * first, base

    found = geometry(noised)
    assert found.tilt is not None
    assert found.tilt[0] == pytest.approx(1.0, abs=0.2)
    assert found.tilt[1] > 1.5
