"""Singular values of a difference, held against those of independent noise of the same shape."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from forebear.evidence.weights.residual.storage import Doubles

MOST_ROWS = 256
"""Rows of a matrix whose singular values are taken; more would only cost time."""


def singular_values(matrix: Doubles) -> Doubles:
    """Singular values, descending, of the first ``MOST_ROWS`` rows.

    Args:
        matrix: ``(rows, columns)``.

    Returns:
        ``(min(rows, MOST_ROWS, columns),)``.
    """
    rows = matrix[:MOST_ROWS]
    flat = rows if rows.shape[0] <= rows.shape[1] else rows.T
    energies = np.linalg.eigvalsh(flat @ flat.T)[::-1]
    return np.asarray(np.sqrt(np.maximum(energies, 0.0)), dtype=np.float64)


def edge(shape: tuple[int, ...]) -> float:
    """Largest singular value of independent noise of variance one (Marchenko-Pastur), for the rows taken."""
    rows, columns = min(shape[0], MOST_ROWS), shape[1]
    return float(np.sqrt(rows) + np.sqrt(columns))


@lru_cache(maxsize=64)
def of_noise(rows: int, columns: int) -> Doubles:
    """Singular values of one fixed draw of standard normal noise; read only."""
    found = singular_values(np.random.default_rng([rows, columns]).standard_normal((min(rows, MOST_ROWS), columns)))
    found.flags.writeable = False
    return found


def bulk_sigma(values: Doubles, shape: tuple[int, ...]) -> tuple[float, float]:
    """Deviation of the noise whose singular values the lower three quarters look like, and how badly they do.

    Args:
        values: singular values, descending.
        shape: of the matrix.

    Returns:
        The deviation, and the spread (relative standard deviation) of its estimates over the lower three quarters.
    """
    expected = of_noise(min(shape[0], MOST_ROWS), shape[1])
    low = slice(len(values) // 4, max(len(values) - len(values) // 8, 1))
    ratios = values[low] / expected[low]
    middle = float(np.median(ratios))
    return middle, float(np.std(ratios) / middle) if middle > 0.0 else 0.0
