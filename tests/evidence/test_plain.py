from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.evidence.finding import Finding
from forebear.evidence.plain import chain_labels, drawn_rows, likeness, pair_names
from tests.anatomy.stores import MemoryStore, empty

CHAIN = ("a.weight", "b.weight")
WHOLE = 10**9


def projector(seed: int, width: int = 64) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    shapes = {"a.weight": (width, 24), "b.weight": (32, width)}
    return {name: rng.normal(0, 0.02, shape).astype(np.float32) for name, shape in shapes.items()}


def labels(mine: dict[str, NDArray[np.float32]], yours: dict[str, NDArray[np.float32]], budget: int = WHOLE) -> Finding:
    return chain_labels((MemoryStore(mine), CHAIN), (MemoryStore(yours), CHAIN), "seed 0", budget)


def noised(tensors: dict[str, NDArray[np.float32]], sigma: float) -> dict[str, NDArray[np.float32]]:
    rng = np.random.default_rng(99)
    return {name: (x + rng.normal(0, sigma, x.shape)).astype(np.float32) for name, x in tensors.items()}


def test_a_noised_projector_agrees_in_its_labels() -> None:
    found = labels(noised(projector(1), 0.01), projector(1))
    assert found.log10_p is not None
    assert found.log10_p < -10
    assert all(check.holds for check in found.assumptions)


def test_strangers_fire_as_often_as_they_should() -> None:
    levels = [labels(projector(2 * seed + 10), projector(2 * seed + 11)).log10_p for seed in range(150)]
    told = np.array([level for level in levels if level is not None])
    assert told.size == 150
    assert told.min() > -5
    assert np.count_nonzero(told < -1) < 30
    assert np.count_nonzero(told < -2) < 8


def test_relabelled_neurons_are_not_seen() -> None:
    order = np.random.default_rng(3).permutation(64)
    base = projector(1)
    moved = {"a.weight": base["a.weight"][order], "b.weight": np.ascontiguousarray(base["b.weight"][:, order])}
    found = labels(moved, base)
    assert found.log10_p is not None
    assert found.log10_p > -4


def test_a_sample_reads_fewer_neurons_and_still_fires() -> None:
    store = MemoryStore(noised(projector(1, 512), 0.004))
    budget = sum(x.nbytes for x in store.arrays.values()) // 2
    found = chain_labels((store, CHAIN), (MemoryStore(projector(1, 512)), CHAIN), "seed 0", budget)
    assert found.log10_p is not None
    assert found.log10_p < -10
    assert store.rows_read["a.weight"] == 256


def test_neurons_drawn_from_one_seed_by_shard_are_refused() -> None:
    one = projector(4, 32)
    twice = {"a.weight": np.tile(one["a.weight"], (2, 1)), "b.weight": np.tile(one["b.weight"], (1, 2))}
    found = labels(twice, twice)
    assert found.log10_p is None
    assert found.reason is not None
    assert "exchangeable" in found.reason


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_values_that_cannot_be_tested_are_a_reason(value: float) -> None:
    blank = {name: np.full_like(x, value) for name, x in projector(1).items()}
    found = labels(blank, projector(1))
    assert found.log10_p is None
    assert found.reason


def test_projectors_of_unequal_shape_are_not_compared() -> None:
    assert labels(projector(1, 32), projector(1, 64)).reason == "the projectors differ in shape"


def test_likeness_tells_equal_from_near_from_strange() -> None:
    one, other = projector(1), projector(2)
    mine = {"same": one["a.weight"], "near": one["b.weight"] * np.float32(1.01), "far": one["a.weight"]}
    yours = {"same": one["a.weight"], "near": one["b.weight"], "far": other["a.weight"]}
    mine["flat"] = yours["flat"] = np.zeros((2, 2), np.float32)
    pairs = [(name, name) for name in mine]
    found = {each.names[0]: each for each in likeness(MemoryStore(mine), MemoryStore(yours), pairs, "k", WHOLE)}
    assert (found["same"].equal, found["near"].equal, found["flat"].constant) == (True, False, True)
    assert found["near"].cosine == pytest.approx(1.0)
    assert found["near"].relative == pytest.approx(0.01, rel=1e-3)
    assert abs(found["far"].cosine or 0.0) < 0.2
    assert (found["flat"].cosine, found["flat"].relative) == (None, None)


def test_names_pair_below_their_prefix_and_lone_shapes_without_names() -> None:
    mine = empty({"x.a": (3, 4), "x.b": (5,), "x.odd": (7, 2), "x.c": (6, 6), "x.d": (6, 6)})
    yours = empty({"y.z.a": (3, 4), "y.z.b": (6,), "y.z.other": (7, 2), "y.z.e": (6, 6), "y.z.f": (6, 6)})
    pairs, left, other = pair_names((mine, "x."), (yours, "y.z."))
    assert pairs == [("x.a", "y.z.a"), ("x.odd", "y.z.other")]
    assert left == ["x.b", "x.c", "x.d"]
    assert other == ["y.z.b", "y.z.e", "y.z.f"]


shapes = st.dictionaries(
    st.text("ab.", min_size=1, max_size=4), st.lists(st.integers(1, 3), max_size=2).map(tuple), max_size=8
)


@given(first=shapes, second=shapes)
def test_every_name_is_paired_once_or_left_over(
    first: dict[str, tuple[int, ...]], second: dict[str, tuple[int, ...]]
) -> None:
    pairs, left, other = pair_names((empty(first), ""), (empty(second), ""))
    assert sorted([*left, *(pair[0] for pair in pairs)]) == sorted(first)
    assert sorted([*other, *(pair[1] for pair in pairs)]) == sorted(second)
    assert all(first[one] == second[two] for one, two in pairs)


@given(count=st.integers(1, 300), share=st.floats(0.0, 1.0), other=st.floats(0.0, 1.0))
def test_smaller_draws_lie_inside_larger_ones(count: int, share: float, other: float) -> None:
    less, more = (set(drawn_rows("k", count, each).tolist()) for each in sorted((share, other)))
    assert less <= more <= set(range(count))
    assert less
