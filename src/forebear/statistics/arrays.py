"""Small array operations shared by the tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def unit_rows(values: Floats) -> Floats:
    """Rows scaled to length one; a row of zeros stays zero.

    Args:
        values: ``(n, p)``.
    """
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0.0, lengths, 1.0)


def centred(values: Floats) -> Floats:
    """Columns with their mean removed."""
    return values - values.mean(axis=0, keepdims=True)


def row_cosines(first: Floats, second: Floats) -> Floats:
    """Cosine of each row of ``first`` with the same row of ``second``; 0 where either is zero."""
    return np.einsum("ij,ij->i", unit_rows(first), unit_rows(second))
