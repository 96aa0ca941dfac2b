"""Reads a part as a logical matrix, touching only the storage rows it needs."""

from __future__ import annotations

import numpy as np

from forebear.anatomy.parts import View
from forebear.checkpoint.store import Floats, Rows, TensorInfo, TensorStore
from forebear.errors import AnatomyError


def read_part(store: TensorStore, view: View, rows: Rows | None = None, cols: Rows | None = None) -> Floats:
    """Values of a part in its logical orientation, ``view.offset`` added.

    Args:
        store: tensors of the model.
        view: where the part lies.
        rows: logical rows (out axis), in the order wanted; None reads all.
        cols: logical columns (in axis); None reads all. A vector has none.

    Returns:
        ``(rows, cols)`` float32, or ``(rows,)`` for a vector.

    Raises:
        AnatomyError: the view does not fit the tensor, an index lies outside the part, or columns of a vector.
    """
    info = store.info(view.tensor)
    _check_view(info, view)
    rows, cols = _checked(view, rows, 0), _checked(view, cols, 1)
    wanted = _storage_rows(info, view, rows, cols)
    block = store.read(view.tensor, wanted).reshape(-1, info.matrix_shape[1])
    if view.transposed:
        out = _out_indices(info, view, rows)
        block = (block if out is None else block[:, out]).T
    elif cols is not None:
        block = block[:, cols]
    values = np.ascontiguousarray(block, dtype=np.float32)
    if view.offset:
        values = values + np.float32(view.offset)
    return values.reshape(-1) if len(view.shape) == 1 else values


def storage_rows(store: TensorStore, view: View, rows: Rows | None = None, cols: Rows | None = None) -> Rows | None:
    """Rows of the tensor's ``matrix_shape`` that ``read_part`` touches, in the order it reads them.

    Args:
        store: tensors of the model; only shapes are asked for.
        view: where the part lies.
        rows: logical rows, as in ``read_part``.
        cols: logical columns, as in ``read_part``.

    Returns:
        Indices, or None when every row is read once and in order.

    Raises:
        AnatomyError: as in ``read_part``.
    """
    info = store.info(view.tensor)
    _check_view(info, view)
    return _storage_rows(info, view, _checked(view, rows, 0), _checked(view, cols, 1))


def _storage_rows(info: TensorInfo, view: View, rows: Rows | None, cols: Rows | None) -> Rows | None:
    wanted = cols if view.transposed else _out_indices(info, view, rows)
    if view.index is None:
        return wanted
    per_entry = info.shape[1]
    if wanted is None:
        if info.shape[0] == 1:
            return None
        wanted = np.arange(per_entry, dtype=np.int64)
    return wanted + view.index * per_entry


def _out_indices(info: TensorInfo, view: View, rows: Rows | None) -> Rows | None:
    """Stored out indices of logical rows; None for the whole stored out axis in order."""
    if view.spans == ((0, _stored_out(info, view)),):
        return rows
    starts = np.array([start for start, _ in view.spans], dtype=np.int64)
    lengths = np.array([stop - start for start, stop in view.spans], dtype=np.int64)
    ends = np.cumsum(lengths)
    logical = np.arange(view.shape[0], dtype=np.int64) if rows is None else rows
    span = np.searchsorted(ends, logical, side="right")
    return np.asarray(starts[span] + logical - (ends[span] - lengths[span]), dtype=np.int64)


def _stored_out(info: TensorInfo, view: View) -> int:
    stored = info.shape if view.index is None else info.shape[1:]
    return stored[-1] if view.transposed else stored[0]


def _checked(view: View, indices: Rows | None, axis: int) -> Rows | None:
    if indices is None:
        return None
    if axis >= len(view.shape):
        raise AnatomyError("a vector has no columns to choose", where=view.tensor)
    indices = np.asarray(indices)
    if indices.ndim != 1 or (indices.size and not np.issubdtype(indices.dtype, np.integer)):
        raise AnatomyError("indices must be a list of integers", where=view.tensor, field=f"axis {axis}")
    size = view.shape[axis]
    if indices.size and not (indices.min() >= 0 and indices.max() < size):
        raise AnatomyError(f"indices must lie in 0..{size - 1}", where=view.tensor, field=f"axis {axis}")
    return indices.astype(np.int64)


def _check_view(info: TensorInfo, view: View) -> None:
    stored = info.shape if view.index is None else info.shape[1:]
    fits = len(stored) == len(view.shape) and (view.index is None or 0 <= view.index < info.shape[0])
    fits = fits and len(stored) == (2 if view.transposed or view.index is not None else len(view.shape))
    if fits:
        logical = stored[::-1] if view.transposed else stored
        inside = all(0 <= start <= stop <= logical[0] for start, stop in view.spans)
        length = sum(stop - start for start, stop in view.spans)
        fits = inside and length == view.shape[0] and logical[1:] == view.shape[1:]
    if not fits:
        raise AnatomyError(f"a part of shape {list(view.shape)} does not lie in {list(info.shape)}", where=view.tensor)
