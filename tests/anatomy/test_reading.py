from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role, View
from forebear.anatomy.reading import read_part, storage_rows
from forebear.anatomy.recognise import recognise
from forebear.errors import AnatomyError
from tests.anatomy.cases import CASES
from tests.anatomy.families import H, N
from tests.anatomy.stores import MemoryStore, filled

Array = NDArray[np.float32]


def phi3(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same weights as Phi-3 stores them."""
    out = {
        key: value
        for key, value in arrays.items()
        if not any(f"{x}_proj" in key for x in ("q", "k", "v", "gate", "up"))
    }
    for layer in range(2):
        base = f"model.layers.{layer}."
        heads = [arrays[f"{base}self_attn.{x}_proj.weight"] for x in "qkv"]
        pair = [arrays[f"{base}mlp.{x}_proj.weight"] for x in ("gate", "up")]
        out[f"{base}self_attn.qkv_proj.weight"] = np.concatenate(heads)
        out[f"{base}mlp.gate_up_proj.weight"] = np.concatenate(pair)
    return out


def stacked(arrays: dict[str, Array]) -> dict[str, Array]:
    """The same weights with experts stacked, gate above up."""
    out = {key: value for key, value in arrays.items() if ".experts." not in key}
    for layer in range(2):
        base = f"model.layers.{layer}.mlp.experts."
        gate, up, down = (
            np.stack([arrays[f"{base}{expert}.{x}_proj.weight"] for expert in range(3)]) for x in ("gate", "up", "down")
        )
        out[f"{base}gate_up_proj"], out[f"{base}down_proj"] = np.concatenate([gate, up], axis=1), down
    return out


@pytest.mark.parametrize(("apart", "together"), [("llama", phi3), ("qwen3_moe apart", stacked)])
@given(seed=st.integers(0, 99), data=st.data())
def test_fused_and_stacked_storage_read_like_the_separate_kind(
    apart: str, together: Callable[[dict[str, Array]], dict[str, Array]], seed: int, data: st.DataObject
) -> None:
    arrays = filled(CASES[apart].tensors, seed)
    one, two = MemoryStore(arrays), MemoryStore(together(arrays))
    first, second = recognise(one, CASES[apart].config), recognise(two, CASES[apart].config | {"model_type": None})
    assert set(first.parts) == set(second.parts)
    part = data.draw(st.sampled_from(sorted(first.parts, key=str)))
    shape = first.parts[part].shape
    rows = data.draw(st.none() | indices(shape[0]))
    cols = data.draw(st.none() | indices(shape[1])) if len(shape) == 2 else None
    np.testing.assert_array_equal(
        read_part(one, first.parts[part], rows, cols), read_part(two, second.parts[part], rows, cols)
    )


def indices(size: int) -> st.SearchStrategy[NDArray[np.int64]]:
    return st.lists(st.integers(0, size - 1), max_size=5).map(lambda values: np.array(values, dtype=np.int64))


@pytest.mark.parametrize("name", CASES)
def test_every_part_reads_whole_in_its_shape(name: str) -> None:
    case = CASES[name]
    store = MemoryStore(filled(case.tensors))
    views = recognise(store, case.config).parts
    assert {part: read_part(store, view).shape for part, view in views.items()} == case.parts


@given(name=st.sampled_from(sorted(CASES)), data=st.data())
def test_rows_and_columns_are_those_of_the_whole_and_bytes_are_counted_beforehand(
    name: str, data: st.DataObject
) -> None:
    case = CASES[name]
    store = MemoryStore(filled(case.tensors))
    anatomy = recognise(store, case.config)
    part = data.draw(st.sampled_from(list(anatomy.parts)))
    view = anatomy.parts[part]
    whole = read_part(store, view)
    assert whole.shape == view.shape == case.parts[part]
    assert whole.dtype == np.float32
    rows = data.draw(st.none() | indices(view.shape[0]))
    cols = data.draw(st.none() | indices(view.shape[1])) if len(view.shape) == 2 else None
    wanted = storage_rows(store, view, rows, cols)
    found = read_part(store, view, rows, cols)
    expected = whole if rows is None else whole[rows]
    np.testing.assert_array_equal(found, expected if cols is None else expected[:, cols])
    stored_rows, _ = store.info(view.tensor).matrix_shape
    assert store.rows_read[view.tensor] == (stored_rows if wanted is None else len(wanted))


def part_of(name: str, part: Part) -> tuple[MemoryStore, Array, Array]:
    """A store, the stored tensor of a part, and the part as read."""
    case = CASES[name]
    store = MemoryStore(filled(case.tensors))
    view = recognise(store, case.config).parts[part]
    return store, store.arrays[view.tensor], read_part(store, view)


def test_conv1d_is_transposed_and_parted_into_thirds() -> None:
    for number, role in enumerate((Role.Q, Role.K, Role.V)):
        _, stored, found = part_of("gpt2", Part(role, 1))
        np.testing.assert_array_equal(found, stored.T[number * H : (number + 1) * H])
    _, stored, found = part_of("gpt2", Part(Role.DOWN, 0))
    np.testing.assert_array_equal(found, stored.T)


def test_neox_heads_alternate() -> None:
    for number, role in enumerate((Role.Q, Role.K, Role.V)):
        _, stored, found = part_of("gpt_neox", Part(role, 0))
        np.testing.assert_array_equal(found, stored.reshape(4, 3, 4, H)[:, number].reshape(H, H))
    for number, role in enumerate((Role.Q_BIAS, Role.K_BIAS, Role.V_BIAS)):
        _, stored, found = part_of("gpt_neox", Part(role, 1))
        np.testing.assert_array_equal(found, stored.reshape(4, 3, 4)[:, number].reshape(H))


def test_latent_attention_is_parted_head_by_head() -> None:
    name = "deepseek_v3 apart"
    _, stored, keys = part_of(name, Part(Role.K, 0))
    np.testing.assert_array_equal(keys, stored.reshape(4, 11, 8)[:, :6].reshape(24, 8))
    _, stored, values = part_of(name, Part(Role.V, 0))
    np.testing.assert_array_equal(values, stored.reshape(4, 11, 8)[:, 6:].reshape(20, 8))
    _, stored, rotary = part_of(name, Part(Role.K_ROTARY, 0))
    np.testing.assert_array_equal(rotary, stored[8:])


@pytest.mark.parametrize("name", ["gemma", "gemma2", "gemma3_text"])
def test_gains_stored_minus_one_are_restored_and_nothing_else_moves(name: str) -> None:
    case = CASES[name]
    store = MemoryStore(filled(case.tensors))
    for part, view in recognise(store, case.config).parts.items():
        shift = np.float32(1.0 if part.role.value.endswith("_norm") else 0.0)
        np.testing.assert_array_equal(read_part(store, view), store.arrays[view.tensor] + shift)


def test_only_the_needed_storage_rows_are_read() -> None:
    case = CASES["mixtral stacked"]
    store = MemoryStore(filled(case.tensors))
    view = recognise(store, case.config).parts[Part(Role.UP, 1, 2)]
    rows = np.array([3, 1])
    np.testing.assert_array_equal(storage_rows(store, view, rows), [2 * 20 + 10 + 3, 2 * 20 + 10 + 1])
    case = CASES["gpt2"]
    store = MemoryStore(filled(case.tensors))
    view = recognise(store, case.config).parts[Part(Role.V, 0)]
    np.testing.assert_array_equal(storage_rows(store, view, rows, np.array([5])), [5])
    assert storage_rows(store, view, rows) is None


VIEW = View("m", (4, 3), ((0, 4),))


@pytest.mark.parametrize(
    ("view", "rows", "cols"),
    [
        (VIEW, [4], None),
        (VIEW, [-1], None),
        (VIEW, None, [3]),
        (VIEW, [0.5], None),
        (VIEW, [[1]], None),
        (View("v", (N,), ((0, N),)), None, [0]),
        (View("m", (5, 3), ((0, 5),)), None, None),
        (View("m", (4, 3), ((0, 3),)), None, None),
        (View("m", (4, 3), ((0, 4),), transposed=True), None, None),
        (View("m", (4, 3), ((0, 4),), index=0), None, None),
        (View("s", (4, 3), ((0, 4),), index=2), None, None),
        (View("m", (2, 3), ((-2, 0),)), None, None),
        (View("v", (N,), ((0, N),), transposed=True), None, None),
        (View("m", (3,), ((0, 3),), index=1), None, None),
    ],
)
def test_what_does_not_lie_in_the_tensor_is_refused(view: View, rows: object, cols: object) -> None:
    store = MemoryStore(filled({"m": (4, 3), "v": (N,), "s": (2, 4, 3)}))
    wanted = [None if value is None else np.array(value) for value in (rows, cols)]
    with pytest.raises(AnatomyError):
        read_part(store, view, *wanted)
    assert store.rows_read == {}
