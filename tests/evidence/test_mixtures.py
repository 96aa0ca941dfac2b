from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.identity import StoredPair
from forebear.evidence.weights.mixtures import Mixture, fused, mixtures_of

Values = NDArray[np.float32]
TYPES = ("BF16", "F32")


def drawn(rows: int, seed: int = 0) -> Values:
    return np.random.default_rng(seed).standard_normal((rows, 6)).astype(np.float32)


def pair(role: Role, model: Values, reference: Values) -> StoredPair:
    return StoredPair(Part(role, 0), model, reference, TYPES)


def test_candidates_are_put_beside_the_same_values_of_the_model() -> None:
    model, first, second, base = (drawn(4, seed) for seed in range(4))
    (found,) = mixtures_of([[pair(Role.Q, model, first)], [pair(Role.Q, model, second)]], [pair(Role.Q, model, base)])
    assert found.parents[0] is first
    assert found.parents[1] is second
    assert found.base is base
    assert found.storage == "BF16"


@pytest.mark.parametrize("turned", [False, True])
def test_a_candidate_shown_beside_fewer_rows_lacks_the_part(turned: bool) -> None:
    model, first, second = (drawn(4, seed) for seed in range(3))
    pairs = [[pair(Role.UP, model, first)], [pair(Role.UP, model[:3], second[:3])]]
    (found,) = mixtures_of(pairs[::-1] if turned else pairs)
    held = found.parents[::-1] if turned else found.parents
    assert found.model is model
    assert held[0] is first
    assert held[1] is None


def test_a_part_of_one_candidate_only_is_kept() -> None:
    model, first = drawn(4), drawn(4, 1)
    (found,) = mixtures_of([[], [pair(Role.Q, model, first)]])
    assert found.parents == (None, first)


def test_parts_that_tools_store_together_are_joined() -> None:
    parts = [
        Mixture(Part(role, layer), drawn(rows), (drawn(rows, 1), None), None)
        for layer in (0, 1)
        for role, rows in ((Role.Q, 4), (Role.K, 2), (Role.V, 2), (Role.O, 6), (Role.GATE, 8), (Role.UP, 8))
    ]
    found = fused(parts)
    assert [(one.part.layer, one.model.shape[0]) for one in found] == [(0, 8), (0, 6), (0, 16), (1, 8), (1, 6), (1, 16)]
    assert all(one.parents[1] is None and one.parents[0] is not None for one in found)


def test_a_group_with_something_missing_stays_apart() -> None:
    whole = Mixture(Part(Role.GATE, 0), drawn(4), (drawn(4, 1),), None)
    lacking = Mixture(Part(Role.UP, 0), drawn(4), (None,), None)
    assert fused([whole, lacking]) == [whole, lacking]
