"""Parts in few words, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.parts import Part, Role
from forebear.verdict.naming import named, parts_named

INSIDE = (Role.Q, Role.K, Role.UP, Role.Q_BIAS)
AMONG = [
    *(Part(role) for role in (Role.EMBEDDING, Role.OUTPUT, Role.FINAL_NORM)),
    *(Part(role, layer) for layer in range(6) for role in INSIDE),
    *(Part(Role.DOWN, layer, expert) for layer in range(6) for expert in range(2)),
]


@given(st.sets(st.sampled_from(AMONG)))
def test_names_lead_back_to_the_parts(parts: set[Part]) -> None:
    assert parts_named(named(parts, AMONG, most=100), AMONG) == parts


@pytest.mark.parametrize(
    "names",
    [
        ["and 3 more"],
        ["nonsense"],
        ["q in layers 4-9"],
        ["layers 0-99999999999999"],
        ["q in every layers"],
        [""],
        [" in "],
    ],
)
def test_what_is_no_name_of_a_part_is_not_guessed(names: list[str]) -> None:
    assert parts_named(names, AMONG) is None
