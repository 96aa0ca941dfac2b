"""A store in memory that also remembers which rows were asked for."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from forebear.checkpoint.store import Floats, Rows, TensorInfo

Shapes = Mapping[str, tuple[int, ...]]


class MemoryStore:
    def __init__(self, arrays: Mapping[str, NDArray[np.float32]], order: Sequence[str] | None = None) -> None:
        self.arrays = {name: arrays[name] for name in (order or arrays)}
        self.rows_read: dict[str, int] = {}

    def names(self) -> Sequence[str]:
        return list(self.arrays)

    def info(self, name: str) -> TensorInfo:
        array = self.arrays[name]
        return TensorInfo(name, "F32", array.shape, array.nbytes)

    def available_rows(self, name: str) -> Rows | None:
        return None

    def read(self, name: str, rows: Rows | None = None) -> Floats:
        array = self.arrays[name]
        matrix = array.reshape(self.info(name).matrix_shape)
        self.rows_read[name] = matrix.shape[0] if rows is None else len(rows)
        return array if rows is None else matrix[rows]

    def read_bytes(self, name: str, rows: Rows) -> NDArray[np.uint8]:
        return self.read(name, rows).view(np.uint8)


def filled(shapes: Shapes, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    return {name: draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}


def empty(shapes: Shapes) -> MemoryStore:
    """A store whose shapes matter and whose values do not."""
    return MemoryStore({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
