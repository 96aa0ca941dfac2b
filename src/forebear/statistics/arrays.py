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
    scaled: Floats = values / np.where(lengths > 0.0, lengths, 1.0)
    return scaled


def centred(values: Floats) -> Floats:
    """Columns with their mean removed."""
    shifted: Floats = values - values.mean(axis=0, keepdims=True)
    return shifted


def row_cosines(first: Floats, second: Floats) -> Floats:
    """Cosine of each row of ``first`` with the same row of ``second``; 0 where either is zero."""
    cosines: Floats = np.einsum("ij,ij->i", unit_rows(first), unit_rows(second))
    return cosines
