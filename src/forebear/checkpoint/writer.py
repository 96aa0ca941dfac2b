"""A small writer of safetensors, for the zoo, the demo and the tests. Files are written aside, then renamed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

from forebear.checkpoint.dtypes import ITEM_SIZES
from forebear.errors import UsageError

INDEX_NAME = "model.safetensors.index.json"

Stored = tuple[str, Sequence[int], bytes | memoryview]
"""Storage type, shape, and the bytes in C order, little-endian (see `forebear.checkpoint.dtypes.encode`)."""


Planned = tuple[str, Sequence[int]]
"""Storage type and shape."""


def write_safetensors(
    path: str | Path, tensors: Mapping[str, Stored], metadata: Mapping[str, str] | None = None
) -> None:
    """Write one safetensors file, tensors in the order given.

    Args:
        path: replaced if it exists; its folder must exist.
        tensors: name to stored tensor.
        metadata: free strings for ``__metadata__``.

    Raises:
        UsageError: unknown storage type, or bytes that do not fit the shape.
        OSError: the file cannot be written.
    """
    for name, (dtype, shape, data) in tensors.items():
        size = memoryview(data).nbytes
        if dtype not in ITEM_SIZES or prod(shape) * ITEM_SIZES[dtype] != size:
            raise UsageError(f"{size} bytes do not fit {dtype} {list(shape)}", where=str(path), field=f"tensor {name}")
    header = _header({name: (dtype, shape) for name, (dtype, shape, _) in tensors.items()}, metadata)
    write_aside(Path(path), [header, *(item[2] for item in tensors.values())])


def write_streamed(
    folder: Path,
    planned: Mapping[str, Planned],
    data: Callable[[str], Iterable[bytes | memoryview]],
    *,
    shard_bytes: int,
) -> None:
    """Write a checkpoint in the Hugging Face layout one tensor at a time, with an index where it takes several files.

    Args:
        folder: must exist.
        planned: storage type and shape by name, in the order they are written.
        data: a tensor's bytes, in pieces, asked for once and in that order.
        shard_bytes: most bytes of one file; a single tensor may be larger.

    Raises:
        ValueError: a tensor's bytes are not as many as its type and shape have.
        OSError: a file cannot be written.
    """
    shards = list(_shards(planned, shard_bytes))
    weight_map: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_aside(folder / file, _pieces(shard, data))
        weight_map.update(dict.fromkeys(shard, file))
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(map(_size, planned.values()))},
            "weight_map": dict(sorted(weight_map.items())),
        }
        write_aside(folder / INDEX_NAME, [json.dumps(index, indent=1, ensure_ascii=False).encode("utf-8")])


def _shards(planned: Mapping[str, Planned], most: int) -> Iterator[dict[str, Planned]]:
    shard: dict[str, Planned] = {}
    for name, each in planned.items():
        if shard and sum(map(_size, shard.values())) + _size(each) > most:
            yield shard
            shard = {}
        shard[name] = each
    yield shard


def _pieces(
    shard: Mapping[str, Planned], data: Callable[[str], Iterable[bytes | memoryview]]
) -> Iterator[bytes | memoryview]:
    yield _header(shard, {"format": "pt"})
    for name, each in shard.items():
        written = 0
        for piece in data(name):
            written += memoryview(piece).nbytes
            yield piece
        if written != _size(each):
            raise ValueError(f"tensor {name}: {written} bytes, its type and shape have {_size(each)}")


def _size(planned: Planned) -> int:
    return prod(planned[1]) * ITEM_SIZES[planned[0]]


def _header(planned: Mapping[str, Planned], metadata: Mapping[str, str] | None) -> bytes:
    """The length of the header and the header, filled up to eight bytes."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    cursor = 0
    for name, (dtype, shape) in planned.items():
        size = _size((dtype, shape))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [cursor, cursor + size]}
        cursor += size
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded


def write_sharded(
    folder: str | Path, tensors: Mapping[str, Stored], shards: int, metadata: Mapping[str, str] | None = None
) -> None:
    """Write ``model-00001-of-0000N.safetensors`` and so on, with their index, in the Hugging Face layout.

    Args:
        folder: made if it does not exist.
        tensors: name to stored tensor; consecutive ones go into one shard, about equally many in each.
        shards: number of files, 1 or more; no more than there are tensors.
        metadata: free strings for ``__metadata__`` of every shard.

    Raises:
        UsageError: as `write_safetensors`, or a number of shards that the tensors cannot fill.
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    if not 1 <= shards <= len(tensors):
        raise UsageError(f"{len(tensors)} tensors cannot fill {shards} shards", where=folder)
    folder.mkdir(parents=True, exist_ok=True)
    names = list(tensors)
    weight_map: dict[str, str] = {}
    for number in range(shards):
        chosen = names[number * len(names) // shards : (number + 1) * len(names) // shards]
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        write_safetensors(folder / file, {name: tensors[name] for name in chosen}, metadata)
        weight_map.update(dict.fromkeys(chosen, file))
    total = sum(memoryview(data).nbytes for _, _, data in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
    write_aside(folder / INDEX_NAME, [json.dumps(index, indent=1, ensure_ascii=False).encode("utf-8")])


def write_aside(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file under another name, then rename it to its place; a failure leaves nothing behind.

    Args:
        path: where the file shall stand.
        pieces: its content, in order.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with aside.open("wb") as file:
            for piece in pieces:
                file.write(piece)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
