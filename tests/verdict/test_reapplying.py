"""Steps of a recipe as changes of values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from forebear.verdict.reapplying import Reapplied, reapplied
from tests.anatomy.stores import MemoryStore
from tests.models import ZOO, read_config, zoo_tensors


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return recognise(MemoryStore(zoo_tensors("gated/g00")), read_config(ZOO / "gated/g00"))


def only(step: dict[str, Any], anatomy: Anatomy) -> Reapplied:
    (found,) = reapplied([step], anatomy)
    return found


def changed(found: Reapplied, values: np.ndarray) -> np.ndarray:
    assert found.change is not None
    return found.change(values, np.random.default_rng(1))


VALUES = np.random.default_rng(0).standard_normal((96, 80)).astype(np.float32) * 3


def test_noise_has_the_amount_recorded(anatomy: Anatomy) -> None:
    found = only({"step": "noise", "sigma": 0.01, "edge_ratio": 1.0}, anatomy)
    assert (found.taken.applied, found.taken.amounts, found.parts) == (True, {"sigma": 0.01}, None)
    assert np.std(changed(found, VALUES) - VALUES) == pytest.approx(0.01, rel=0.03)
    relative = only({"step": "noise", "relative_sigma": 0.01}, anatomy)
    assert np.std(changed(relative, VALUES) - VALUES) == pytest.approx(0.01 * np.std(VALUES), rel=0.03)


def test_relative_noise_of_values_that_are_not_finite_stays_finite_elsewhere(anatomy: Anatomy) -> None:
    values = VALUES.copy()
    values[0, 0] = np.inf
    found = changed(only({"step": "noise", "relative_sigma": 0.01}, anatomy), values)
    assert np.isfinite(found[1:]).all()


def test_values_are_rounded_to_a_type(anatomy: Anatomy) -> None:
    everywhere = only({"step": "cast", "from": "F32", "to": "F16"}, anatomy)
    assert (everywhere.storage, everywhere.change) == ("F16", None)
    some = only({"step": "cast", "to": "BF16", "parts": ["q in every layer"]}, anatomy)
    assert some.storage is None and some.parts == {Part(Role.Q, layer) for layer in range(5)}
    assert np.array_equal(changed(some, VALUES).view(np.uint32) & 0xFFFF, np.zeros(VALUES.shape))


@pytest.mark.parametrize("block", ["row", "tensor", 32])
def test_values_lie_on_a_lattice(anatomy: Anatomy, block: int | str) -> None:
    found = changed(only({"step": "quantised", "bits": 4, "block": block, "symmetric": True}, anatomy), VALUES)
    assert len(np.unique(found[0, :32])) <= 15
    assert np.abs(found - VALUES).max() <= np.abs(VALUES).max() / 14 * 1.0001
    assert (len(np.unique(found)) <= 15) == (block == "tensor")


def test_a_block_may_be_wider_than_a_row_and_zeros_stay(anatomy: Anatomy) -> None:
    found = only({"step": "quantised", "bits": 4, "block": 10**9, "symmetric": True}, anatomy)
    assert np.array_equal(changed(found, np.zeros((4, 8), np.float32)), np.zeros((4, 8)))


def test_the_smallest_values_go(anatomy: Anatomy) -> None:
    step = {"step": "pruned", "share": 0.25, "pattern": "unstructured", "by": "magnitude"}
    found = changed(only(step, anatomy), VALUES)
    assert np.mean(found == 0) == 0.25
    assert np.abs(VALUES[found == 0]).max() <= np.abs(VALUES[found != 0]).min()


def test_one_factor_is_applied(anatomy: Anatomy) -> None:
    step = {"step": "rescaled", "what": "values", "factor": 0.5, "per": "tensor"}
    assert np.array_equal(changed(only(step, anatomy), VALUES), VALUES / 2)
    assert not only({**step, "factors": [0.4, 0.6]}, anatomy).taken.applied
    assert not only({**step, "what": "neurons"}, anatomy).taken.applied


@pytest.mark.parametrize(
    "step",
    [
        {"step": "trained", "relative_change": 0.1},
        {"step": "low-rank", "rank": 4},
        {"step": "merged"},
        {"step": "copied", "tensors": 3},
        {"step": "permuted", "what": "neurons"},
        {"step": "noise"},
        {"step": "noise", "sigma": "much"},
        {"step": "noise", "sigma": -1.0},
        {"step": "noise", "sigma": True},
        {"step": "noise", "sigma": 0.1, "parts": ["q in every layer", "and 3 more"]},
        {"step": "noise", "sigma": 0.1, "parts": "q"},
        {"step": "noise", "sigma": 0.1, "parts": []},
        {"step": "cast", "to": "Q4_K"},
        {"step": "cast", "to": ["F16"]},
        {"step": "quantised", "bits": 4, "block": 32, "symmetric": False},
        {"step": "quantised", "bits": 4, "block": 32, "codebook": "nf4"},
        {"step": "quantised", "bits": 4, "block": 32, "symmetric": True, "schemes": {"Q4_0": 3}},
        {"step": "quantised", "bits": 4.5, "block": 32, "symmetric": True},
        {"step": "quantised", "bits": 4, "block": 0, "symmetric": True},
        {"step": "quantised", "bits": 4, "symmetric": True},
        {"step": "pruned", "share": 0.5, "pattern": "2:4", "by": "magnitude"},
        {"step": "pruned", "share": 7, "pattern": "unstructured", "by": "magnitude"},
        {"step": "wished"},
        {"step": ["noise"]},
        {},
    ],
)
def test_what_the_record_does_not_hold_is_left_out_with_a_reason(anatomy: Anatomy, step: dict[str, Any]) -> None:
    found = only(step, anatomy)
    assert not found.taken.applied and found.taken.why and found.change is None and found.storage is None


def test_parts_of_another_layout_are_not_those_of_the_reference(anatomy: Anatomy) -> None:
    noise = {"step": "noise", "sigma": 0.1, "parts": ["q in every layer"]}
    layers, left = reapplied([{"step": "layers", "from": 5, "to": 6}, noise], anatomy)
    assert not layers.taken.applied and "layout" in str(left.taken.why)


SIMPLE = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "row", "F16", "values"])
JSON = SIMPLE | st.lists(SIMPLE, max_size=2) | st.dictionaries(st.sampled_from(["", "Q4_0"]), SIMPLE)
KEYS = ("sigma", "relative_sigma", "to", "parts", "bits", "block", "symmetric", "share", "factor", "what", "schemes")
WORDS = ("noise", "cast", "quantised", "pruned", "rescaled")


@given(st.sampled_from(WORDS), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_nothing_in_a_record_is_trusted(anatomy: Anatomy, word: str, amounts: dict[str, Any]) -> None:
    found = only({"step": word, **amounts}, anatomy)
    assert found.taken.applied != (found.taken.why is not None)
