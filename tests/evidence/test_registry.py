"""Adding a test is adding a function; a finding is a number or a reason, never neither, both or NaN."""

from __future__ import annotations

import math

import pytest

from forebear.evidence import registry
from forebear.evidence.finding import Finding
from forebear.evidence.weights.pair import Pair


def test_a_decorated_function_is_found_in_its_place() -> None:
    before = registry.tests_of("weights")

    @registry.test(strand="weights", needs=Pair, order=15)
    def extra(_pair: Pair) -> Finding:
        return Finding("extra", "An added test", value=1.0)

    try:
        found = registry.tests_of("weights")
        assert [test.order for test in found] == sorted([*(test.order for test in before), 15])
        added = next(test for test in found if test.run is extra)
        assert added.needs is Pair
        assert added.run(None).test == "extra"
        assert added not in registry.tests_of("weights")[:2]
    finally:
        del registry._TESTS[f"{extra.__module__}.{extra.__qualname__}"]
    assert registry.tests_of("weights") == before


def test_the_tests_of_the_folder_are_found_by_import() -> None:
    assert [test.run.__name__ for test in registry.tests_of("weights")] == [
        "neuron_labels",
        "value_labels",
        "residual_labels",
        "gated_signs",
        "neuron_invariants",
        "value_invariants",
        "consistency",
        "embedding_kinship",
    ]


def test_another_strand_has_none_of_them() -> None:
    with pytest.raises(ModuleNotFoundError):
        registry.tests_of("no such strand")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_cannot_be_a_finding(number: float) -> None:
    for fields in ({"value": number}, {"value": 1.0, "log10_p": number}, {"value": 1.0, "effect": {"a": number}}):
        with pytest.raises(ValueError, match="not finite"):
            Finding("t", "title", **fields)
    with pytest.raises(ValueError, match="not finite"):
        Finding("t", "title", value=1.0, by_layer=[None, number])


def test_a_finding_has_a_value_or_a_reason() -> None:
    with pytest.raises(ValueError, match="neither"):
        Finding("t", "title")
    with pytest.raises(ValueError, match="both"):
        Finding("t", "title", value=1.0, reason="because")
    assert Finding("t", "title", value=0.0).reason is None
    assert Finding("t", "title", reason="because").value is None
