from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.alignment import overlay
from forebear.alignment.overlay import Computed, Overlay, computed_tensor
from tests.anatomy.stores import MemoryStore

BASE = MemoryStore({"a": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.ones(4, np.float32)})


class Counted:
    """Values that remember how often they were worked out."""

    def __init__(self, size: int) -> None:
        self.times = 0
        self.size = size

    def __call__(self) -> NDArray[np.float32]:
        self.times += 1
        return np.full((self.size, 2), self.size, np.float32)


def test_computed_tensors_stand_beside_and_before_stored_ones() -> None:
    values = Counted(5)
    store = Overlay(BASE, {"b": Computed((5, 2), "BF16", values), "c": Computed((5, 2), "F32", values)})
    assert store.names() == ["a", "b", "c"]
    assert (store.info("b").shape, store.info("b").dtype, store.info("b").nbytes) == ((5, 2), "BF16", 40)
    assert np.array_equal(store.read("a", np.array([2])), [[4.0, 5.0]])
    assert store.read("b", np.array([0, 4])).tolist() == [[5.0, 5.0], [5.0, 5.0]]
    assert store.available_rows("b") is None
    assert store.read_bytes("b", np.array([1])).nbytes == 8
    assert np.array_equal(store.read_bytes("a", np.array([1])), BASE.read_bytes("a", np.array([1])))
    assert values.times == 1


def test_what_was_worked_out_is_dropped_when_it_grows_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = Counted(4), Counted(100)
    store = Overlay(BASE, {"s": Computed((4, 2), "F32", small), "l": Computed((100, 2), "F32", large)})
    monkeypatch.setattr(overlay, "_KEPT_BYTES", 200)
    for name in ("s", "s", "l", "s"):
        store.read(name)
    assert (small.times, large.times) == (2, 1)


def test_values_are_float32_and_contiguous() -> None:
    plain = np.arange(6.0).reshape(2, 3)
    found = Overlay(BASE, {"t": Computed((3, 2), "F32", partial(np.transpose, plain))}).read("t")
    assert found.dtype == np.float32
    assert found.flags["C_CONTIGUOUS"]
    assert np.array_equal(found, plain.T)


def test_how_a_tensor_is_computed_is_found_through_layers_of_stores() -> None:
    made = Computed((4, 2), "F32", Counted(4), rounded=True)
    store = Overlay(Overlay(BASE, {"x": made}), {"y": Computed((4, 2), "F32", Counted(4))})
    assert computed_tensor(store, "x") is made
    assert computed_tensor(store, "a") is None
    assert computed_tensor(BASE, "a") is None
    assert made.view("x").shape == (4, 2)
