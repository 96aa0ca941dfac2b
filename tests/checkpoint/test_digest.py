from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebear.checkpoint import (
    Checkpoint,
    Stored,
    digest,
    open_model,
    sample_digest,
    tensor_digests,
    write_safetensors,
    write_sharded,
)
from forebear.checkpoint import digest as digest_function
from tests.checkpoint.builders import stored, tensors

DRAW = {"w.bf16": np.array([4, 0, 2], dtype=np.int64), "vector": None, "w.f32": np.array([1], dtype=np.int64)}


def of(path: Path, content: dict[str, Stored]) -> tuple[str, str]:
    write_safetensors(path, content)
    with Checkpoint.from_file(path) as opened:
        return digest(opened), sample_digest(opened, DRAW)


def test_cutting_and_order_change_nothing(tmp_path: Path) -> None:
    content = tensors()
    expected = of(tmp_path / "one.safetensors", content)
    assert of(tmp_path / "other.safetensors", dict(reversed(content.items()))) == expected
    write_sharded(tmp_path / "three", content, 3, {"format": "pt"})
    with open_model(tmp_path / "three") as model:
        assert model.tensors is not None
        assert len(model.tensors.files) == 3
        assert (digest(model.tensors), sample_digest(model.tensors, DRAW)) == expected


def test_names_are_in_the_sample_digest_only(tmp_path: Path) -> None:
    content = tensors()
    full, sample = of(tmp_path / "a.safetensors", content)
    content["renamed"] = content.pop("cube")
    renamed_full, renamed_sample = of(tmp_path / "b.safetensors", content)
    assert renamed_full == full
    assert renamed_sample != sample


@pytest.mark.parametrize(
    ("changed", "sample_sees_it"),
    [
        (("BF16", (6, 4), b"\1" + bytes(tensors()["w.bf16"][2])[1:]), True),  # row 0 was drawn
        (("BF16", (6, 4), bytes(tensors()["w.bf16"][2])[:-1] + b"\1"), False),  # row 5 was not
        (("F16", (6, 4), tensors()["w.bf16"][2]), True),
        (("BF16", (6, 2, 2), tensors()["w.bf16"][2]), True),
    ],
    ids=["byte drawn", "byte not drawn", "storage type", "shape"],
)
def test_changes_are_seen(changed: Stored, sample_sees_it: bool, tmp_path: Path) -> None:
    full, sample = of(tmp_path / "a.safetensors", tensors())
    changed_full, changed_sample = of(tmp_path / "b.safetensors", tensors() | {"w.bf16": changed})
    assert changed_full != full
    assert (changed_sample != sample) is sample_sees_it


def test_duplicated_tensor_is_seen(tmp_path: Path) -> None:
    """Equal tensors must not cancel or collapse."""
    once = of_full(tmp_path, {"a": stored("F32", 3)})
    twice = of_full(tmp_path, {"a": stored("F32", 3), "b": stored("F32", 3)})
    thrice = of_full(tmp_path, {name: stored("F32", 3) for name in "abc"})
    assert len({once, twice, thrice}) == 3


def of_full(folder: Path, content: dict[str, Stored]) -> str:
    write_safetensors(folder / "m.safetensors", content)
    with Checkpoint.from_file(folder / "m.safetensors") as opened:
        return digest(opened)


@given(rows=st.lists(st.integers(0, 5), min_size=1, max_size=10), data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_repetition_of_rows_change_nothing(file: Path, rows: list[int], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(rows + rows[:2]))
    with Checkpoint.from_file(file) as opened:
        draws = [{"w.f16": np.array(one, dtype=np.int64)} for one in (rows, shuffled)]
        assert sample_digest(opened, draws[0]) == sample_digest(opened, draws[1])


def test_all_rows_may_be_named_or_not(file: Path) -> None:
    with Checkpoint.from_file(file) as opened:
        named = {"w.f16": np.arange(6, dtype=np.int64), "empty": np.array([], dtype=np.int64)}
        assert sample_digest(opened, named) == sample_digest(opened, {"w.f16": None, "empty": None})
        assert sample_digest(opened, {"w.f16": None}) != sample_digest(opened, named)
        assert sample_digest(opened, {}) != sample_digest(opened, {"w.f16": None})


def test_scheme_is_the_documented_one(tmp_path: Path) -> None:
    """Recomputed here from the docstrings alone, so that digests kept by users stay valid."""

    def u64(*numbers: int) -> bytes:
        return b"".join(number.to_bytes(8, "little") for number in numbers)

    path = tmp_path / "m.safetensors"
    write_safetensors(path, {"b": ("U8", (2, 1), b"\x07\x08"), "a": ("I16", (), b"\1\2")})
    tables = {"a": u64(3) + b"I16" + u64(0), "b": u64(2) + b"U8" + u64(2, 2, 1)}
    hashes = {"a": hashlib.sha256(tables["a"] + b"\1\2"), "b": hashlib.sha256(tables["b"] + b"\7\x08")}
    full = hashlib.sha256(u64(2) + b"".join(sorted(one.digest() for one in hashes.values()))).hexdigest()
    header = u64(2) + u64(1) + b"a" + tables["a"] + u64(1) + b"b" + tables["b"]
    sample = hashlib.sha256(header + u64(1) + u64(1) + b"b" + u64(1) + u64(1) + b"\x08").hexdigest()
    with Checkpoint.from_file(path) as opened:
        assert tensor_digests(opened) == {name: one.hexdigest() for name, one in hashes.items()}
        assert digest(opened) == f"tensors-sha256-v1:{full}"
        assert sample_digest(opened, {"b": np.array([1], dtype=np.int64)}) == f"sample-sha256-v1:{sample}"


def test_progress_reaches_the_total(file: Path) -> None:
    seen: list[tuple[int, int]] = []
    with Checkpoint.from_file(file) as opened:
        digest_function(opened, lambda done, total: seen.append((done, total)))
        assert seen[-1] == (opened.nbytes, opened.nbytes)
        assert [done for done, _ in seen] == sorted(done for done, _ in seen)
