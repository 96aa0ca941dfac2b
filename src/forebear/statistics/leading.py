"""Directions that hold most of the energy of many rows, without a decomposition of the whole."""

from __future__ import annotations

import numpy as np

from forebear.statistics.arrays import Floats

EXACT_UP_TO = 512
"""Rows or columns up to which the decomposition is exact."""

_OVERSAMPLED = 16
_ROUNDS = 6


def leading_directions(rows: Floats, count: int) -> Floats:
    """Orthonormal directions, columns of the result, along which rows have most energy.

    Exact where rows or columns are few; else by power iteration on a random subspace (Halko, Martinsson and Tropp,
    SIAM Review 53, 2011, algorithm 4.4), from a fixed start so that results repeat.

    Args:
        rows: ``(n, p)``.
        count: directions wanted, at most ``min(n, p)``.

    Returns:
        ``(p, count)``.
    """
    n, p = rows.shape
    if p <= EXACT_UP_TO:
        return np.asarray(np.linalg.eigh(rows.T @ rows)[1][:, p - count :])
    if n <= EXACT_UP_TO:
        vectors = np.linalg.eigh(rows @ rows.T)[1][:, n - count :]
        return np.asarray(np.linalg.qr(rows.T @ vectors)[0])
    start = np.random.default_rng(0).standard_normal((p, min(count + _OVERSAMPLED, n, p))).astype(rows.dtype)
    basis = np.linalg.qr(start)[0]
    for _ in range(_ROUNDS):
        basis = np.linalg.qr(rows.T @ (rows @ basis))[0]
    small = rows @ basis
    return np.asarray(basis @ np.linalg.eigh(small.T @ small)[1][:, basis.shape[1] - count :])
