"""The score that names tensors must not see labels or signs of neurons; segments must cover every row once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.alignment.content import Content, Slot, find_tables, scaled, slots_of
from forebear.alignment.segments import adds_up, fusions, spans
from forebear.anatomy.parts import Part, Role
from tests.anatomy.stores import MemoryStore
from tests.models import sided, zoo_config, zoo_tensors

UP = "model.layers.1.mlp.up_proj.weight"


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_do_not_see_labels_or_signs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tensors, config = zoo_tensors("gated/g00-continued"), zoo_config("gated/g00")
    reference = sided(zoo_tensors("gated/g00"), config)
    store = MemoryStore(tensors)
    tables = find_tables(store, 72, reference)
    assert tables is not None
    signs = rng.choice([-1.0, 1.0], 144)
    moved = {**tensors, UP: (tensors[UP] * signs[:, None])[rng.permutation(144)].astype(np.float32)}
    slot = Slot(UP, 144, turned=False)
    scores = [
        Content(one, reference, tables.residual, budget=10**9).score(slot).nearest.mean(axis=0)
        for one in (store, MemoryStore(moved))
    ]
    assert np.allclose(scores[0], scores[1], atol=1e-5)


def test_square_matrices_and_stacks_are_tried_in_every_orientation() -> None:
    store = MemoryStore({"a": np.zeros((4, 4)), "b": np.zeros((2, 3, 4)), "c": np.zeros((5, 6)), "d": np.zeros(4)})
    assert slots_of(store, 4) == [
        Slot("a", 4, False),
        Slot("a", 4, True),
        Slot("b", 3, False, 0),
        Slot("b", 3, False, 1),
    ]
    assert slots_of(store, 4, skip=["a", "b"]) == []


def test_what_is_not_finite_counts_as_zero() -> None:
    values = np.full((9, 3), np.nan, dtype=np.float32)
    values[0, 0] = 1.0
    assert np.array_equal(scaled(values)[0], [1.0, 0.0, 0.0])
    assert np.isfinite(scaled(values)).all()


@given(heads=st.integers(1, 4), group=st.integers(1, 3), width=st.integers(1, 5), neurons=st.integers(1, 12))
def test_fusions_part_all_rows(heads: int, group: int, width: int, neurons: int) -> None:
    rows = {Role.Q: heads * group * width, Role.K: heads * width, Role.V: heads * width}
    rows |= {Role.GATE: neurons, Role.UP: neurons, Role.DOWN: neurons}
    parts = {Part(role, 0): count for role, count in rows.items()}
    for total in {rows[Role.Q] + 2 * rows[Role.K], 2 * neurons}:
        found = list(fusions(parts, total, heads))
        assert found and adds_up(tuple(sorted(rows.values())), total)
        for segments in found:
            assert np.array_equal(np.sort(np.concatenate([each.rows for each in segments])), np.arange(total))
            assert all(len(each.rows) == parts[each.part] for each in segments)
            assert Role.DOWN not in {each.part.role for each in segments}


@given(st.lists(st.integers(0, 60), min_size=1, unique=True))
def test_spans_give_the_rows_back(rows: list[int]) -> None:
    ordered = np.sort(np.asarray(rows, dtype=np.int64))
    runs = spans(ordered)
    assert np.array_equal(np.concatenate([np.arange(*run) for run in runs]), ordered)
    assert all(first[1] < second[0] for first, second in pairwise(runs))


def test_a_reference_without_an_embedding_gives_no_frame() -> None:
    tensors = {name: array for name, array in zoo_tensors("gated/g00").items() if "layers" in name}
    store, anatomy = sided(tensors, zoo_config("gated/g00"))
    assert find_tables(MemoryStore(zoo_tensors("gated/g00")), 72, (store, anatomy)) is None


@pytest.mark.parametrize("child", ["gated/g00-continued", "gated/g00-sibling"])
def test_embedding_and_output_are_told_apart(child: str) -> None:
    tensors = zoo_tensors(child)
    swapped = {"a": tensors["lm_head.weight"], "z": tensors["model.embed_tokens.weight"]}
    tables = find_tables(MemoryStore(swapped), 72, sided(zoo_tensors("gated/g00"), zoo_config("gated/g00")))
    assert tables is not None
    assert {part.role: name for part, (name, _) in tables.places.items()} == {Role.EMBEDDING: "z", Role.OUTPUT: "a"}
