"""The residual stream of one model in the coordinates of the other, fitted on embeddings of shared tokens only.

A residual stream may be relabelled, flipped in sign (under RMSNorm) or rotated at no cost. What a token's embedding
says fixes the map without a look at any layer, so tests on neurons, heads and signs stay exact under it; tests of the
residual coordinates themselves are spent by the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import Floats, centred, unit_rows
from forebear.statistics.matching import mutual_nearest

Kind = Literal["identity", "permutation", "signed permutation", "rotation"]
Index = NDArray[np.int64]

EXPLAINS = 0.9
"""Share of the best map's fit, on tokens it was not fitted on, at which a simpler map is taken instead."""

_Fit = Callable[[Floats, Floats], "ResidualMap"]

FEWEST_TOKENS = 16
_LEAST_ENERGY = 1e-9
MOST_TOKENS = 8192


@dataclass(frozen=True)
class ResidualMap:
    """Reference coordinates carried into the model's.

    Attributes:
        kind: simplest map that explains the embeddings.
        source: for each model coordinate the reference's, -1 where it has none; None for a rotation.
        signs: ``(model coordinates,)`` of -1 or 1; None for a rotation.
        matrix: ``(reference coordinates, model coordinates)`` with orthonormal rows or columns; None otherwise.
        fit: cosine of both embeddings under the map, on tokens it was not fitted on; None where nothing was fitted.
        tokens: shared tokens it was fitted on.
        tried: kinds of map tried, for which a test in this frame pays.
    """

    kind: Kind
    source: Index | None
    signs: Floats | None
    matrix: Floats | None
    fit: float | None = None
    tokens: int = 0
    tried: int = 1

    @staticmethod
    def unchanged(size: int) -> ResidualMap:
        """The identity, not fitted."""
        return ResidualMap("identity", np.arange(size, dtype=np.int64), np.ones(size, np.float32), None)

    @property
    def fitted(self) -> bool:
        """Whether content chose the map, so that residual labels are spent."""
        return self.kind != "identity"

    @property
    def kept(self) -> Index:
        """Model coordinates that the reference reaches; all of them under a rotation."""
        if self.source is None:
            return np.arange(0 if self.matrix is None else self.matrix.shape[1], dtype=np.int64)
        return np.flatnonzero(self.source >= 0).astype(np.int64)

    def to_model(self, rows: Floats) -> NDArray[np.float32]:
        """Rows over reference coordinates as rows over the model's; unreached coordinates are zero.

        Args:
            rows: ``(n, reference coordinates)``.

        Returns:
            ``(n, model coordinates)``.
        """
        if self.matrix is not None:
            return np.asarray(rows @ self.matrix, dtype=np.float32)
        assert self.source is not None and self.signs is not None
        return np.asarray(rows[:, self.source] * np.where(self.source >= 0, self.signs, 0.0), dtype=np.float32)


def fit_residual(mine: Floats, yours: Floats) -> ResidualMap:
    """Simplest map of the reference's residual stream onto the model's that explains their embeddings.

    Args:
        mine: ``(tokens, model coordinates)`` embeddings of the model.
        yours: ``(tokens, reference coordinates)`` embeddings of the same tokens in the reference.

    Returns:
        Identity, (partial) signed permutation, or rotation (a partial isometry where widths differ). Each is fitted on
        half of the tokens and scored on the other half, so that a map with more freedom is not taken for its freedom.
        Where tokens are too few for a rotation none is tried.
    """
    size = mine.shape[1]
    mine, yours = (centred(side[:MOST_TOKENS].astype(np.float64)) for side in (mine, yours))
    if size == yours.shape[1]:
        mine, yours = whitened(mine), whitened(yours)
    identity = ResidualMap.unchanged(size) if size == yours.shape[1] else None
    if mine.shape[0] < FEWEST_TOKENS:
        return identity or _permutation(mine, yours, flips=True)
    scored = [(fit, _held_out(mine, yours, fit)) for fit in _fits(mine, yours)]
    plain = None if identity is None else _score(mine, yours, identity)
    best = max([score for _, score in scored] + ([] if plain is None else [plain]))
    tried = len(scored) + (identity is not None)
    enough = best - (1.0 - EXPLAINS) * abs(best)
    if identity is not None and plain is not None and plain >= enough:
        return _with(identity, mine, plain, tried)
    fit, score = next(one for one in scored if one[1] >= enough)
    return _with(fit(mine, yours), mine, score, tried)


def fit_kind(mine: Floats, yours: Floats, kind: Kind) -> ResidualMap:
    """Best map of one kind, whether it explains the embeddings or not, so that tests under it can be counted.

    Args:
        mine, yours: as `fit_residual`.
        kind: any but the identity, which needs no fit.

    Raises:
        ValueError: the identity.
    """
    if kind == "identity":
        raise ValueError("the identity is not fitted")
    mine, yours = (centred(side[:MOST_TOKENS].astype(np.float64)) for side in (mine, yours))
    if mine.shape[1] == yours.shape[1]:
        mine, yours = whitened(mine), whitened(yours)
    found = _rotation(mine, yours) if kind == "rotation" else _permutation(mine, yours, flips=kind != "permutation")
    return replace(found, tokens=mine.shape[0])


def _fits(mine: Floats, yours: Floats) -> list[_Fit]:
    fits: list[_Fit] = [
        lambda first, second: _permutation(first, second, flips=False),
        lambda first, second: _permutation(first, second, flips=True),
    ]
    if mine.shape[0] >= 2 * max(mine.shape[1], yours.shape[1]):
        fits.append(_rotation)
    return fits


def whitened(rows: Floats) -> Floats:
    """Rows with all directions of equal energy, in their own coordinates; commutes with every rotation.

    A few directions that frequent tokens share make up most of a tied embedding, between strangers too.

    Args:
        rows: ``(n, p)``, columns centred.
    """
    energy, directions = np.linalg.eigh(rows.T @ rows)
    kept = energy > energy[-1] * _LEAST_ENERGY
    flat: Floats = (rows @ (directions[:, kept] / np.sqrt(energy[kept]))) @ directions[:, kept].T
    return flat


def _held_out(mine: Floats, yours: Floats, fit: _Fit) -> float:
    """Mean score of each half of the tokens under the map fitted on the other."""
    halves = (slice(0, None, 2), slice(1, None, 2))
    scores = [_score(mine[test], yours[test], fit(mine[learn], yours[learn])) for learn, test in (halves, halves[::-1])]
    return float(np.mean(scores))


def _score(mine: Floats, yours: Floats, found: ResidualMap) -> float:
    """Cosine of the model's embeddings with the reference's carried over."""
    carried = found.to_model(yours)
    lengths = float(np.linalg.norm(mine) * np.linalg.norm(carried))
    return float((mine * carried).sum()) / lengths if lengths > 0.0 else 0.0


def _with(found: ResidualMap, mine: Floats, score: float, tried: int) -> ResidualMap:
    return replace(found, fit=score, tokens=mine.shape[0], tried=tried)


def _permutation(mine: Floats, yours: Floats, *, flips: bool) -> ResidualMap:
    """Coordinates that are each other's nearest, by what all tokens have there."""
    products = unit_rows(mine.T) @ unit_rows(yours.T).T
    rows, columns = mutual_nearest(np.abs(products) if flips else products)
    source = np.full(mine.shape[1], -1, dtype=np.int64)
    source[rows] = columns
    signs = np.ones(mine.shape[1], dtype=np.float32)
    signs[rows] = np.where(products[rows, columns] < 0.0, -1.0, 1.0)
    return ResidualMap("signed permutation" if flips else "permutation", source, signs, None)


def _rotation(mine: Floats, yours: Floats) -> ResidualMap:
    """Orthogonal Procrustes; a partial isometry where widths differ."""
    left, _, right = np.linalg.svd(yours.T @ mine, full_matrices=False)
    return ResidualMap("rotation", None, None, (left @ right).astype(np.float32))
