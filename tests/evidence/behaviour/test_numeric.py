"""Agreement of numeric answers and boxes."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.evidence.behaviour.numeric import NumericAgreement, numeric_agreement, wrong_of
from forebear.responses.answers import Value
from forebear.statistics.arrays import Floats


@pytest.mark.parametrize(
    ("answer", "gold", "wrong"),
    [
        ("a", "a", False), ("a", "A", True), ("1", (1.0,), True), ((1.0,), (1.0,), False), ((1.0,), (1.1,), True),
        ((0.333333333,), (1 / 3,), False), ((0.0,), (0.0,), False), ((1.0, 2.0), (1.0,), True),
        ((0, 0, 10, 10), (0, 0, 10, 12), False), ((0, 0, 10, 10), (5, 5, 15, 15), True),
        ((0, 0, 0, 0), (0, 0, 0, 0), False), ((1, 2, 3, 4), (1, 2, 3, 9), True), ((9, 9, 1, 1), (0, 0, 10, 10), True),
    ],
)  # fmt: skip
def test_what_is_wrong(answer: Value, gold: Value, wrong: bool) -> None:
    assert wrong_of(answer, gold) is wrong


def test_a_tolerance_is_relative() -> None:
    assert not wrong_of((105.0,), (100.0,), 0.05)
    assert wrong_of((106.0,), (100.0,), 0.05)


def drawn(seed: int, models: int = 8, items: int = 150, dimensions: int = 4) -> Floats:
    rng = np.random.default_rng(seed)
    noise: Floats = rng.standard_t(3, (items, models, dimensions)) + 2.0 * rng.standard_normal((items, 1, dimensions))
    return noise


def copied(seed: int, share: float) -> Floats:
    errors = drawn(seed)
    taken = np.random.default_rng(seed + 1).random(len(errors)) < share
    errors[taken, 1] = errors[taken, 0]
    return errors


def boxes_of(errors: Floats) -> Floats:
    boxes: Floats = np.array([0.0, 0.0, 50.0, 50.0]) + errors
    return boxes


def test_a_model_that_takes_half_of_its_answers_from_another() -> None:
    errors = copied(1, 0.5)
    found = numeric_agreement(errors, 0, 1, boxes=boxes_of(errors))
    assert found.log10_p is not None
    assert found.log10_p < -6.0
    assert found.tail == "bound"
    assert found.correlation_beyond is not None
    assert found.correlation_beyond > 0.3
    assert found.outliers is not None
    assert found.outliers.log10_p is not None
    assert found.outliers.expected is not None
    assert found.outliers.agreeing > found.outliers.expected
    assert found.mean_overlap is not None
    assert found.mean_overlap > 0.5


def test_a_bias_that_all_models_share_is_correlation_but_no_evidence() -> None:
    errors = drawn(2) + 20.0 * np.random.default_rng(3).standard_normal((150, 1, 4))
    found = numeric_agreement(errors, 0, 1)
    assert found.correlation is not None
    assert found.correlation > 0.9
    assert found.log10_p is not None
    assert found.log10_p > -2.0
    assert found.mean_overlap is None


def test_without_controls_there_is_a_correlation_and_a_reason() -> None:
    found = numeric_agreement(copied(4, 0.5)[:, :2], 0, 1)
    assert found.correlation is not None
    assert found.correlation_interval is not None
    assert found.correlation_interval[0] < found.correlation < found.correlation_interval[1]
    assert found.log10_p is None
    assert "needs 2 controls" in found.reasons["log10_p"]


def test_what_cannot_be_said_has_a_reason() -> None:
    still = drawn(5)
    still[:, 0] = 0.0
    assert "same on every item" in numeric_agreement(still, 0, 1).reasons["correlation"]
    assert "fewer than 10" in numeric_agreement(drawn(5)[:9], 0, 1).reasons["log10_p"]
    with pytest.raises(ValueError, match="finite"):
        numeric_agreement(np.full((20, 4, 1), np.nan), 0, 1)


def test_the_same_seed_gives_the_same_result_and_sides_are_alike() -> None:
    errors = copied(6, 0.2)
    first = numeric_agreement(errors, 0, 1, seed=3)
    assert numeric_agreement(errors, 0, 1, seed=3) == first
    turned = numeric_agreement(errors[:, [1, 0, *range(2, 8)]], 0, 1, seed=3)
    assert turned.z == pytest.approx(first.z)
    assert turned.correlation == pytest.approx(first.correlation)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**16), models=st.integers(2, 6), sparse=st.floats(0.0, 1.0), dimensions=st.integers(1, 4))
def test_every_number_is_finite_or_has_a_reason(seed: int, models: int, sparse: float, dimensions: int) -> None:
    rng = np.random.default_rng(seed)
    errors = np.round(drawn(seed, models, 20, dimensions))
    errors[rng.random(errors.shape[:2]) < sparse] = 0.0
    found = numeric_agreement(errors, 0, 1)
    for name in ("correlation", "correlation_interval", "correlation_beyond", "log10_p", "outliers"):
        assert (getattr(found, name) is None) == (name in found.reasons), name
    assert all(math.isfinite(value) for value in msgspec.to_builtins(found).values() if isinstance(value, float))
    assert msgspec.json.decode(msgspec.json.encode(found), type=NumericAgreement) == found
