"""Trees that are found again from the distances along their branches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.statistics.arrays import Floats
from forebear.statistics.neighbours import Join, neighbour_joining, newick


def along(joins: list[Join], leaves: int) -> Floats:
    """Distances between leaves along the branches of a tree."""
    nodes = leaves + len(joins)
    found = np.full((nodes, nodes), np.inf)
    np.fill_diagonal(found, 0.0)
    for number, each in enumerate(joins):
        for child, length in ((each.left, each.left_length), (each.right, each.right_length)):
            found[leaves + number, child] = found[child, leaves + number] = length
    for middle in range(nodes):
        found = np.minimum(found, found[:, [middle]] + found[[middle], :])
    return found[:leaves, :leaves]


@st.composite
def additive(draw: st.DrawFn) -> Floats:
    """Distances of a random tree whose branches differ in length."""
    leaves = draw(st.integers(2, 9))
    lengths = st.floats(0.05, 3.0)
    nodes, joins = list(range(leaves)), list[Join]()
    while len(nodes) > 1:
        left = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        right = nodes.pop(draw(st.integers(0, len(nodes) - 1)))
        nodes.append(leaves + len(joins))
        joins.append(Join(left, right, draw(lengths), draw(lengths)))
    return along(joins, leaves)


@given(distances=additive())
def test_an_additive_tree_is_found_again(distances: Floats) -> None:
    joins = neighbour_joining(distances)
    assert len(joins) == len(distances) - 1
    assert along(joins, len(distances)) == pytest.approx(distances, abs=1e-8)


@given(distances=additive(), seed=st.integers(0, 1000))
def test_the_order_of_leaves_does_not_matter(distances: Floats, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(distances))
    turned = along(neighbour_joining(distances[np.ix_(order, order)]), len(distances))
    assert turned == pytest.approx(distances[np.ix_(order, order)], abs=1e-8)


@given(values=st.lists(st.floats(-0.5, 5.0), min_size=10, max_size=10))
def test_any_distances_give_branches_of_no_negative_length(values: list[float]) -> None:
    distances = np.zeros((5, 5))
    distances[np.triu_indices(5, 1)] = values
    joins = neighbour_joining(distances + distances.T)
    assert all(each.left_length >= 0.0 and each.right_length >= 0.0 for each in joins)


@pytest.mark.parametrize("distances", [np.zeros((1, 1)), np.full((2, 2), np.inf)])
def test_what_makes_no_tree_is_refused(distances: Floats) -> None:
    with pytest.raises(ValueError, match="two leaves or more and finite"):
        neighbour_joining(distances)


def test_names_are_quoted_in_newick() -> None:
    joins = [Join(0, 1, 0.5, 0.25), Join(2, 3, 1.0, 0.0)]
    assert newick(joins, ["a(b", "it's", "c"]) == "('c':1,('a(b':0.5,'it''s':0.25):0);"
