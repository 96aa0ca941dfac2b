"""Steps on values, their order, their names of parts and their alternatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.residual import residual_of
from forebear.verdict.naming import named
from forebear.verdict.steps import changed_steps
from tests.evidence.weights.residual.pairs import Matrix, changed, noise, on_lattice, trained, update

ALL = [Part(role, layer) for layer in range(4) for role in (Role.Q, Role.UP)] + [Part(Role.EMBEDDING)]


def steps(*args: Any, **options: Any) -> list[dict[str, Any]]:
    return changed_steps(residual_of(changed(*args, **options)))


def names(found: list[dict[str, Any]]) -> list[str]:
    return [step["step"] for step in found]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([Part(Role.EMBEDDING)], ["embedding"]),
        ([part for part in ALL if part.layer in (0, 1, 3)], ["layers 0-1, 3"]),
        ([part for part in ALL if part.role is Role.Q], ["q in every layer"]),
        ([Part(Role.UP, 2)], ["up in layer 2"]),
        ([part for part in ALL if part.layer == 2], ["layer 2"]),
    ],
)
def test_parts_are_named_by_layer_and_role(chosen: list[Part], expected: list[str]) -> None:
    assert named(chosen, ALL) == expected


def test_a_long_list_is_cut() -> None:
    many = [Part(role) for role in Role]
    assert named(many, many, most=3)[-1] == f"and {len(many) - 3} more"


def test_noise_on_some_roles_only() -> None:
    found = steps(noise(0.1, relative=True), only=lambda part: part.role is Role.UP)
    assert names(found) == ["frozen", "noise"]
    assert found[1]["relative_sigma" if "relative_sigma" in found[1] else "sigma"] > 0.0
    assert found[1]["parts"] == ["up in every layer"]


def test_an_update_of_low_rank_names_its_roles() -> None:
    found = steps(update(8), only=lambda part: part.role in (Role.Q, Role.V))
    assert names(found) == ["frozen", "low-rank"]
    assert found[1]["rank"] == 8
    assert found[1]["parts"] == ["q in every layer", "v in every layer"]
    assert "alternatives" not in found[1]


def test_a_high_rank_carries_its_alternative() -> None:
    found = steps(update(32))
    assert [one["step"] for one in found[1]["alternatives"]] == ["trained"]


def test_steps_stand_in_the_order_applied() -> None:
    def both(values: Matrix) -> Matrix:
        return on_lattice(8, 32)(noise(0.3, relative=True)(values))

    found = steps(both, only=lambda _part: True, reference=only_matrices())
    assert names(found) == ["noise", "quantised"]
    assert found[1]["bits"] == 8


def only_matrices() -> dict[Part, Any]:
    return {pair.part: pair.reference for pair in changed(lambda values: values) if pair.reference.ndim == 2}


def test_training_has_amounts_and_no_noise() -> None:
    found = steps(trained())
    assert names(found) == ["frozen", "trained"]
    assert found[1]["relative_change"] > 0.05
    assert found[1]["edge_ratio"] > 1.2
    assert found[1]["shrink"] == pytest.approx(1.0, abs=0.1)


def test_replaced_parts_are_modules() -> None:
    fresh = np.random.default_rng(5)
    found = steps(lambda values: 0.02 * fresh.standard_normal(values.shape), only=lambda part: part.role is Role.UP)
    assert names(found) == ["frozen", "modules"]
    assert found[1]["replaced"] == ["up in every layer"]


def test_equal_models_have_no_steps() -> None:
    assert steps(lambda values: values) == []
