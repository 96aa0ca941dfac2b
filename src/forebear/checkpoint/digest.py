"""Names for content: equal digests mean equal bytes, however the checkpoint was cut up, ordered or stored.

In what follows ``u64(n)`` is an unsigned 8-byte little-endian integer and ``str(s)`` is ``u64(length)`` and then the
UTF-8 bytes of ``s``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from forebear.checkpoint.store import Rows, TensorInfo, TensorStore

SCHEME = "tensors-sha256-v1"
SAMPLE_SCHEME = "sample-sha256-v1"
_CHUNK_BYTES = 8 * 2**20

Progress = Callable[[int, int], None]


class StreamingStore(Protocol):
    """Named tensors whose stored bytes can be read through once, in order."""

    def names(self) -> Sequence[str]:
        """Names of all tensors, sorted."""
        ...

    def info(self, name: str) -> TensorInfo:
        """Type and shape of a tensor."""
        ...

    def stream(self, name: str, chunk_bytes: int = ...) -> Iterator[bytes]:
        """Stored bytes of a tensor, in order."""
        ...


def digest(store: StreamingStore, progress: Progress | None = None) -> str:
    """Digest of all tensors of a model, their names excluded.

    sha256 over ``u64(number of tensors)`` and then the 32-byte hashes of the tensors in ascending order, each as
    `tensor_digests` makes it. Renaming, reordering or resharding changes nothing; a byte, a storage type or a shape
    does. Memory is that of one chunk of a few MiB.

    Args:
        store: every row of every tensor must be readable.
        progress: called with (bytes done, bytes in all) after every chunk.

    Returns:
        ``"tensors-sha256-v1:"`` and 64 hexadecimal digits.
    """
    hashes = sorted(bytes.fromhex(one) for one in tensor_digests(store, progress).values())
    return f"{SCHEME}:{hashlib.sha256(_u64(len(hashes)) + b''.join(hashes)).hexdigest()}"


def tensor_digests(store: StreamingStore, progress: Progress | None = None) -> dict[str, str]:
    """Digest of each tensor: sha256 over ``str(storage type)``, ``u64(rank)``, ``u64`` of each axis, stored bytes.

    Args:
        store: every row of every tensor must be readable.
        progress: called with (bytes done, bytes in all) after every chunk.

    Returns:
        Tensor name to 64 hexadecimal digits.
    """
    total = sum(store.info(name).nbytes for name in store.names())
    done = 0
    found: dict[str, str] = {}
    for name in store.names():
        info = store.info(name)
        state = hashlib.sha256(_type_and_shape(info))
        for chunk in store.stream(name, _CHUNK_BYTES):
            state.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        found[name] = state.hexdigest()
    return found


def sample_digest(store: TensorStore, rows_by_tensor: Mapping[str, Rows | None]) -> str:
    """Digest of the header table and of the rows that were drawn.

    sha256 over ``u64(number of tensors)``; then for every tensor of the store in order of name ``str(name)``,
    ``str(storage type)``, ``u64(rank)``, ``u64`` of each axis; then ``u64(number of tensors drawn from)``; then for
    each of these in order of name ``str(name)``, ``u64(number of rows)``, ``u64`` of each row's index in ascending
    order, and the stored bytes of those rows. Names are ordered by their UTF-8 bytes. Sharding, the order of tensors
    in a file and the order or repetition of the rows given change nothing.

    Args:
        store: the tensors; only the rows named need be available.
        rows_by_tensor: rows of ``matrix_shape`` drawn from each tensor; None for all rows of one.

    Returns:
        ``"sample-sha256-v1:"`` and 64 hexadecimal digits.

    Raises:
        CheckpointError: a tensor or row that the store does not have.
    """
    names = sorted(store.names(), key=str.encode)
    state = hashlib.sha256(_u64(len(names)))
    for name in names:
        state.update(_string(name) + _type_and_shape(store.info(name)))
    state.update(_u64(len(rows_by_tensor)))
    for name in sorted(rows_by_tensor, key=str.encode):
        info = store.info(name)
        drawn = rows_by_tensor[name]
        count = info.matrix_shape[0] if info.nbytes else 0
        rows = np.arange(count, dtype=np.int64) if drawn is None else np.unique(np.asarray(drawn, dtype=np.int64))
        state.update(_string(name) + _u64(len(rows)) + rows.astype("<i8").tobytes())
        step = max(1, _CHUNK_BYTES * count // max(info.nbytes, 1))
        for start in range(0, len(rows), step):
            state.update(store.read_bytes(name, rows[start : start + step]).tobytes())
    return f"{SAMPLE_SCHEME}:{state.hexdigest()}"


def _type_and_shape(info: TensorInfo) -> bytes:
    return _string(info.dtype) + _u64(len(info.shape)) + b"".join(_u64(axis) for axis in info.shape)


def _string(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return _u64(len(encoded)) + encoded


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "little")
