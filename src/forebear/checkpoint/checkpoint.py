"""Tensors of a checkpoint on disk: mapped into memory, read by rows, never loaded whole unless asked."""

from __future__ import annotations

import mmap
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from forebear.checkpoint.dtypes import Bytes, to_float32
from forebear.checkpoint.files import open_regular, unreadable
from forebear.checkpoint.safetensors import MAX_TENSORS, read_header, stamp_of
from forebear.checkpoint.store import Floats, Rows, TensorInfo
from forebear.checkpoint.strict_json import quoted
from forebear.errors import CheckpointError

CHUNK_BYTES = 8 * 2**20
_RESIDENT_BYTES = 16 * 2**20  # mapped pages kept before they are handed back to the system
_PAGE = mmap.PAGESIZE


class Shard:
    """One safetensors file, validated on opening and mapped when first read.

    Args:
        path: the file, links followed.
        shown: path that errors name.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        self.path = path
        self.shown = shown or path
        header = read_header(path, self.shown)
        self.tensors: Mapping[str, tuple[TensorInfo, int]] = header.tensors
        self.metadata: Mapping[str, str] = header.metadata
        self._stamp = header.stamp
        self._mapping: mmap.mmap | None = None
        self._closed = False
        self._resident = 0

    def gather(self, info: TensorInfo, offset: int, rows: Rows | slice) -> Bytes:
        """Stored bytes of some rows of a tensor that is not empty, ``(rows, bytes per row)``, copied."""
        count, _ = info.matrix_shape
        row_bytes = info.nbytes // count
        if isinstance(rows, slice):
            first, last, _ = rows.indices(count)
            raw = self.span(offset + first * row_bytes, (last - first) * row_bytes)
            return np.frombuffer(raw, dtype=np.uint8).reshape(last - first, row_bytes)
        if hasattr(os, "preadv"):
            return self._scattered(offset, row_bytes, rows)
        mapping = self._mapped()
        table = np.frombuffer(mapping, dtype=np.uint8, count=info.nbytes, offset=offset).reshape(count, row_bytes)
        found: Bytes = np.take(table, rows, axis=0)
        del table  # a mapping with a live view cannot be closed
        self._release(mapping, len(found) * max(row_bytes, _PAGE))
        return found

    def _scattered(self, offset: int, row_bytes: int, rows: Rows) -> Bytes:
        """Rows far apart, in ascending order, by plain reads: touched through the mapping, each row would make the
        system map many of its neighbours too."""
        self._mapped()
        found = np.empty((len(rows), row_bytes), dtype=np.uint8)
        breaks = (np.flatnonzero(np.diff(rows) != 1) + 1).tolist()
        with open_regular(self.path, self.shown) as file:
            for start, stop in zip([0, *breaks], [*breaks, len(rows)], strict=True):
                at = offset + int(rows[start]) * row_bytes
                if os.preadv(file.fileno(), [found[start:stop].data], at) != (stop - start) * row_bytes:
                    raise _changed(self.shown)
        return found

    def span(self, offset: int, length: int) -> bytes:
        """A stretch of the file, copied."""
        mapping = self._mapped()
        self._prefetch(mapping, offset, length)
        found = mapping[offset : offset + length]
        self._release(mapping, length)
        return found

    def close(self) -> None:
        """Give the mapping back; the shard cannot be read any more."""
        self._closed = True
        if self._mapping is not None:
            self._mapping.close()
            self._mapping = None

    def _mapped(self) -> mmap.mmap:
        if self._closed:
            raise CheckpointError("read after it was closed", where=self.shown)
        if self._mapping is None:
            with open_regular(self.path, self.shown) as file:
                self._require_unchanged(os.fstat(file.fileno()))
                self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            if hasattr(mmap, "MADV_RANDOM"):  # readahead would drag in the rows that nobody asked for
                self._mapping.madvise(mmap.MADV_RANDOM)
            return self._mapping
        try:
            self._require_unchanged(self.path.stat())
        except OSError as error:
            raise unreadable(self.shown, error) from None
        return self._mapping

    def _require_unchanged(self, status: os.stat_result) -> None:
        # A file cut short under a mapping would kill the process, so this is asked before every read.
        if stamp_of(status) != self._stamp:
            raise _changed(self.shown)

    def _prefetch(self, mapping: mmap.mmap, offset: int, length: int) -> None:
        if length > _PAGE and hasattr(mmap, "MADV_WILLNEED"):
            start = offset - offset % _PAGE
            mapping.madvise(mmap.MADV_WILLNEED, start, offset + length - start)

    def _release(self, mapping: mmap.mmap, touched: int) -> None:
        self._resident += touched
        if self._resident > _RESIDENT_BYTES and hasattr(mmap, "MADV_DONTNEED"):
            mapping.madvise(mmap.MADV_DONTNEED)
            self._resident = 0


def _changed(shown: Path) -> CheckpointError:
    return CheckpointError(
        "the file changed while it was in use", where=shown, remedy="Let the download finish, run again"
    )


class Checkpoint:
    """All tensors of a model, from one file or several; a `TensorStore`, and a context manager that closes it.

    Args:
        shards: the files; no tensor may lie in two of them.

    Raises:
        CheckpointError: a tensor in two shards, or more than a million tensors in all.
    """

    def __init__(self, shards: Sequence[Shard]) -> None:
        self._shards = tuple(shards)
        self._bytes_read = 0
        self._home: dict[str, Shard] = {}
        for shard in self._shards:
            for name in shard.tensors:
                other = self._home.setdefault(name, shard)
                if other is not shard:
                    raise CheckpointError(
                        f"tensor lies in two shards, also in {other.shown.name}",
                        where=shard.shown,
                        field=f"tensor {quoted(name)}",
                        remedy="Remove the shard that does not belong to the model",
                    )
        if len(self._home) > MAX_TENSORS:
            raise CheckpointError(f"{len(self._home)} tensors in all shards, limit {MAX_TENSORS}")
        self._names = tuple(sorted(self._home))

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Open one safetensors file."""
        return cls([Shard(Path(path))])

    def only(self, names: Collection[str]) -> Self:
        """The same checkpoint seen through some of its tensors, and the files that hold them.

        Both share their open files: closing one closes these for the other.

        Args:
            names: tensors kept.

        Raises:
            CheckpointError: a name that the checkpoint does not have.
        """
        homes = {name: self._find(name)[0] for name in names}
        files = set(homes.values())
        part = type(self)([shard for shard in self._shards if shard in files])
        part._home = homes
        part._names = tuple(sorted(homes))
        return part

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, as the user would name them."""
        return tuple(shard.shown for shard in self._shards)

    @property
    def metadata(self) -> dict[str, dict[str, str]]:
        """Metadata strings of each file, by file name."""
        return {shard.shown.name: dict(shard.metadata) for shard in self._shards}

    @property
    def parameters(self) -> int:
        """Number of values in all tensors."""
        return sum(self.info(name).size for name in self._names)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(self.info(name).nbytes for name in self._names)

    @property
    def bytes_read(self) -> int:
        """Bytes asked for so far, repeated reads counted again."""
        return self._bytes_read

    def names(self) -> Sequence[str]:
        """Names of all tensors, sorted."""
        return self._names

    def info(self, name: str) -> TensorInfo:
        """Type and shape of a tensor, without reading it."""
        return self._find(name)[1]

    def available_rows(self, name: str) -> None:
        """None: all rows of every tensor can be read."""
        self._find(name)

    def read(self, name: str, rows: Rows | None = None) -> Floats:
        """Values as float32; see `TensorStore.read`.

        Rows are read in the order in which they lie in the file and returned in the order asked for; a row may be
        asked for more than once.

        Raises:
            CheckpointError: no such tensor or row, or a file that changed or was closed.
        """
        shard, info, offset = self._find(name)
        count, width = info.matrix_shape
        wanted = None if rows is None else self._checked(info, rows)
        values = np.empty((count if wanted is None else len(wanted), width), dtype=np.float32)
        for target, source in _pieces(info, wanted):
            raw = shard.gather(info, offset, source)
            self._bytes_read += raw.nbytes
            values[target] = to_float32(raw, info.dtype)
        return values.reshape(info.shape) if wanted is None else values

    def read_bytes(self, name: str, rows: Rows) -> Bytes:
        """Stored bytes of the rows asked for; see `TensorStore.read_bytes`."""
        shard, info, offset = self._find(name)
        wanted = self._checked(info, rows)
        count = info.matrix_shape[0]
        found = np.empty((len(wanted), info.nbytes // count if count else 0), dtype=np.uint8)
        for target, source in _pieces(info, wanted):
            found[target] = shard.gather(info, offset, source)
        self._bytes_read += found.nbytes
        return found

    def stream(self, name: str, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """All stored bytes of a tensor in order, at most ``chunk_bytes`` at a time."""
        shard, info, offset = self._find(name)
        for start in range(0, info.nbytes, chunk_bytes):
            chunk = shard.span(offset + start, min(chunk_bytes, info.nbytes - start))
            self._bytes_read += len(chunk)
            yield chunk

    def close(self) -> None:
        """Close all files; may be called again."""
        for shard in self._shards:
            shard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _find(self, name: str) -> tuple[Shard, TensorInfo, int]:
        shard = self._home.get(name)
        if shard is None:
            raise CheckpointError(f"the checkpoint has no tensor {quoted(name)}")
        return (shard, *shard.tensors[name])

    def _checked(self, info: TensorInfo, rows: Rows) -> Rows:
        wanted = np.asarray(rows, dtype=np.int64)
        count = info.matrix_shape[0]
        if wanted.ndim != 1 or (wanted.size and (wanted.min() < 0 or wanted.max() >= count)):
            rule = f"rows must be a list of numbers from 0 to {count - 1}"
            raise CheckpointError(rule, where=self._home[info.name].shown, field=f"tensor {quoted(info.name)}")
        return wanted


def _pieces(info: TensorInfo, rows: Rows | None) -> Iterator[tuple[slice | Rows, slice | Rows]]:
    """Split a read into pieces of about `CHUNK_BYTES`: where each goes in the result, and which rows it is."""
    if info.nbytes == 0:
        return
    count = info.matrix_shape[0]
    step = max(1, CHUNK_BYTES * count // info.nbytes)
    if rows is None:
        for start in range(0, count, step):
            yield slice(start, start + step), slice(start, min(start + step, count))
        return
    order = np.argsort(rows, kind="stable")
    for start in range(0, len(rows), step):
        target = order[start : start + step]
        source = rows[target]
        if source[-1] - source[0] + 1 == len(source) and np.all(np.diff(source) == 1):
            yield target, slice(int(source[0]), int(source[-1]) + 1)
        else:
            yield target, source
