"""Rows as directions, and which row goes with which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats

Index = NDArray[np.int64]


def mutual_nearest(similarity: Floats) -> tuple[Index, Index]:
    """Pairs of rows and columns that are each other's best.

    The result is a partial one-to-one matching and is equivariant: relabelling the columns relabels the matching.

    Args:
        similarity: ``(m, n)``, larger is closer.

    Returns:
        Row indices (ascending) and the column matched to each.
    """
    best_column = np.argmax(similarity, axis=1)
    best_row = np.argmax(similarity, axis=0)
    rows = np.flatnonzero(best_row[best_column] == np.arange(similarity.shape[0]))
    return rows.astype(np.int64), best_column[rows].astype(np.int64)
