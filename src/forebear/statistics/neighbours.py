"""Neighbour joining: a tree from distances that need not grow at the same rate on every branch.

Average linkage assumes that all leaves lie equally far from the root, which models do not: a base model stays where it
was and its child moves. Neighbour joining finds the tree whenever distances are sums along its branches.
Sources: N. Saitou, M. Nei, The neighbor-joining method, Molecular Biology and Evolution 4 (1987), 406-425; the
criterion in the form of J. Studier, K. Keppler, A note on the neighbor-joining algorithm, ibid. 5 (1988), 729-731.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forebear.statistics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Join:
    """Two nodes joined by a new one.

    Attributes:
        left: number of a node: leaves first, then joins in order.
        right: number of the other.
        left_length: branch from the new node to ``left``, 0 or longer.
        right_length: likewise; 0 in the last join, whose one branch is ``left_length``.
    """

    left: int
    right: int
    left_length: float
    right_length: float


def neighbour_joining(distances: Floats) -> list[Join]:
    """The tree, unrooted: the last join lays a branch between the two nodes that are left.

    Args:
        distances: ``(n, n)`` symmetric and finite, two leaves or more; what is below 0 counts as 0.

    Returns:
        ``n - 1`` joins. A branch that comes out below 0 is set to 0 and the other takes up the difference.

    Raises:
        ValueError: distances that are not finite or of fewer than two leaves.
    """
    found = np.maximum(np.array(distances, dtype=np.float64), 0.0)
    if found.shape[0] < 2 or not bool(np.isfinite(found).all()):
        raise ValueError("a tree needs two leaves or more and finite distances")
    nodes, joins = list(range(found.shape[0])), list[Join]()
    while len(nodes) > 2:
        left, right = _nearest(found)
        apart, totals = found[left, right], found.sum(axis=1)
        lean = (totals[left] - totals[right]) / (len(nodes) - 2)
        first = float(np.clip((apart + lean) / 2.0, 0.0, apart))
        joins.append(Join(nodes[left], nodes[right], first, float(apart) - first))
        row = np.maximum((found[left] + found[right] - apart) / 2.0, 0.0)
        kept = [each for each in range(len(nodes)) if each not in (left, right)]
        found = np.block([[found[np.ix_(kept, kept)], row[kept][:, None]], [row[kept][None, :], np.zeros((1, 1))]])
        nodes = [*(nodes[each] for each in kept), distances.shape[0] + len(joins) - 1]
    return [*joins, Join(nodes[0], nodes[1], float(found[0, 1]), 0.0)]


def _nearest(found: Floats) -> tuple[int, int]:
    """The two nodes whose joining makes the tree shortest."""
    totals = found.sum(axis=1)
    saved = (len(found) - 2) * found - totals[:, None] - totals[None, :]
    np.fill_diagonal(saved, np.inf)
    left, right = divmod(int(np.argmin(saved)), len(found))
    return min(left, right), max(left, right)


def newick(joins: list[Join], names: list[str]) -> str:
    """The tree as text that phylogenetic programs read; names in quotes, quotes in names doubled.

    Args:
        joins: from `neighbour_joining`.
        names: of the leaves.
    """
    told = ["'" + name.replace("'", "''") + "'" for name in names]
    for each in joins:
        told.append(f"({told[each.left]}:{each.left_length:.6g},{told[each.right]}:{each.right_length:.6g})")
    return f"{told[-1]};"
