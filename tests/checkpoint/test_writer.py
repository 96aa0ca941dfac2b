from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forebear.checkpoint import Checkpoint, Stored, encode, open_model, write_safetensors, write_sharded
from forebear.checkpoint.dtypes import ITEM_SIZES, to_float32
from forebear.checkpoint.writer import Planned, write_streamed
from forebear.errors import UsageError
from tests.checkpoint.builders import stored, tensors


def test_what_is_written_is_read_back(file: Path) -> None:
    with Checkpoint.from_file(file) as opened:
        for name, (dtype, shape, data) in tensors().items():
            info = opened.info(name)
            assert (info.dtype, info.shape) == (dtype, tuple(shape))
            assert b"".join(opened.stream(name)) == data


def test_nothing_is_left_beside_it(file: Path) -> None:
    assert [path.name for path in file.parent.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    "tensor", [("F32", (2,), b"1234"), ("F31", (1,), b"1234"), ("F4", (2,), b"1")], ids=["size", "unknown", "newer"]
)
def test_tensor_that_does_not_fit_leaves_the_old_file(tensor: Stored, file: Path) -> None:
    before = file.read_bytes()
    with pytest.raises(UsageError, match="do not fit"):
        write_safetensors(file, {"w": tensor})
    assert file.read_bytes() == before


@pytest.mark.parametrize("shards", [1, 2, 5])
def test_every_shard_holds_something(shards: int, tmp_path: Path) -> None:
    write_sharded(tmp_path, {f"t{number}": stored("F32", 2) for number in range(5)}, shards)
    with open_model(tmp_path) as model:
        assert model.tensors is not None
        assert len(model.tensors.files) == shards
        assert len(model.tensors.names()) == 5


@pytest.mark.parametrize("shards", [0, 2])
def test_shards_that_cannot_be_filled(shards: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot fill"):
        write_sharded(tmp_path, {"w": stored("F32", 2)}, shards)


@pytest.mark.parametrize("dtype", sorted(ITEM_SIZES))
def test_small_whole_numbers_survive_every_storage_type(dtype: str) -> None:
    numbers = {"BOOL": [0, 1], "F8_E8M0": [1, 2, 4, 16]}.get(dtype, [0, 1, 2, 3, 4, 16])  # E8M0 has powers of two alone
    values = np.array([numbers], dtype=np.float32)
    raw = np.frombuffer(encode(values, dtype), dtype=np.uint8).reshape(1, -1)
    np.testing.assert_array_equal(to_float32(raw, dtype), values)


def test_streamed_tensors_are_read_back_from_one_file_or_many(tmp_path: Path) -> None:
    arrays = {f"t{number}": np.arange(number, number + 6, dtype=np.float32).reshape(2, 3) for number in range(5)}
    planned: dict[str, Planned] = {name: ("F32", (2, 3)) for name in arrays}
    asked: list[str] = []

    def data(name: str) -> list[bytes]:
        asked.append(name)
        return [arrays[name][:1].tobytes(), arrays[name][1:].tobytes()]

    for folder, most in ((tmp_path / "one", 1000), (tmp_path / "many", 50), (tmp_path / "each", 1)):
        folder.mkdir()
        write_streamed(folder, planned, data, shard_bytes=most)
        with open_model(folder) as model:
            assert model.tensors is not None
            assert all(np.array_equal(model.tensors.read(name), array) for name, array in arrays.items())
    assert asked == [*arrays] * 3
    assert [len([*(tmp_path / name).glob("*.safetensors")]) for name in ("one", "many", "each")] == [1, 3, 5]


def test_a_stream_of_another_length_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="tensor t: 4 bytes, its type and shape have 8"):
        write_streamed(tmp_path, {"t": ("F32", (2,))}, lambda _: [b"1234"], shard_bytes=100)
    assert not [*tmp_path.iterdir()]
