"""Each exact test fires on a child, through the disguises it survives, and on no stranger."""

from __future__ import annotations

from functools import cache

import pytest

from forebear.evidence import registry
from forebear.evidence.finding import Finding
from forebear.zoo.surgery import flip_signs, permute_neurons, rescale_neurons
from tests.models import START, Tensors, pair_of, random_start, zoo_config, zoo_tensors

FIRES = -6.0


def findings(model: Tensors, reference: Tensors, config: dict[str, object]) -> dict[str, Finding]:
    pair = pair_of(model, reference, config)
    return {finding.test: finding for finding in (test.run(pair) for test in registry.tests_of("weights"))}


@cache
def of_zoo(model: str, reference: str) -> dict[str, Finding]:
    return findings(zoo_tensors(model), zoo_tensors(reference), zoo_config(reference))


def log10_p(finding: Finding) -> float:
    assert finding.log10_p is not None, finding.reason
    return finding.log10_p


EXACT = ("t1.neurons", "t1.values", "t1.residual", "t2.signs", "t3.neurons", "t3.values")
CHILDREN = [
    *((test, f"gated/g00-{kind}", "gated/g00") for kind in ("continued", "finetuned", "frozen") for test in EXACT),
    *((test, "plain/p00-continued", "plain/p00") for test in EXACT if test != "t2.signs"),
]
STRANGERS = [
    *((test, f"gated/{name}", "gated/g00") for name in ("g01", "g02", "g00-distilled") for test in EXACT),
    *((test, "plain/p01", "plain/p00") for test in EXACT if test != "t2.signs"),
]


@pytest.mark.parametrize(("test", "model", "reference"), CHILDREN)
def test_a_child_is_found(test: str, model: str, reference: str) -> None:
    found = of_zoo(model, reference)[test]
    assert log10_p(found) < FIRES
    assert found.value is not None
    assert found.value > 9.0


@pytest.mark.parametrize(("test", "model", "reference"), STRANGERS)
def test_a_stranger_is_not(test: str, model: str, reference: str) -> None:
    found = of_zoo(model, reference)[test]
    assert log10_p(found) > -4.0
    assert found.value is not None
    assert abs(found.value) < 4.0


def test_signs_survive_permuted_and_rescaled_neurons() -> None:
    child, config = zoo_tensors("gated/g00-continued"), zoo_config("gated/g00")
    hidden = rescale_neurons(permute_neurons(child, seed=5), seed=6)
    found = findings(hidden, zoo_tensors("gated/g00"), config)
    assert log10_p(found["t2.signs"]) < FIRES
    assert found["t2.signs"].effect["agreeing_share"] == pytest.approx(1.0, abs=0.02)
    assert log10_p(found["t1.neurons"]) > -4.0


def test_flips_spend_the_signs_and_leave_the_invariants() -> None:
    child, config = zoo_tensors("gated/g00-continued"), zoo_config("gated/g00")
    hidden = flip_signs(permute_neurons(child, seed=5), seed=6)
    found = findings(hidden, zoo_tensors("gated/g00"), config)
    assert log10_p(found["t2.signs"]) > -4.0
    assert log10_p(found["t3.neurons"]) < FIRES
    alone = of_zoo("gated/g00-continued", "gated/g00")["t3.neurons"]
    assert found["t3.neurons"].value == pytest.approx(alone.value, rel=1e-3)


def test_invariants_survive_permuted_neurons_of_an_ungated_ffn() -> None:
    child, config = zoo_tensors("plain/p00-continued"), zoo_config("plain/p00")
    found = findings(permute_neurons(child, seed=5), zoo_tensors("plain/p00"), config)
    assert log10_p(found["t3.neurons"]) < FIRES
    assert log10_p(found["t1.neurons"]) > -4.0
    assert found["t2.signs"].reason == "no gated FFN on both sides"


def test_findings_come_in_order_and_by_layer() -> None:
    found = of_zoo("gated/g00-continued", "gated/g00")
    assert [name for name in found if name in EXACT] == list(EXACT)
    layers = zoo_config("gated/g00")["num_hidden_layers"]
    for name in ("t1.neurons", "t1.values", "t2.signs", "t3.neurons"):
        assert len(found[name].by_layer) == layers


def test_a_layer_that_cannot_be_read_has_no_figure_and_the_others_do() -> None:
    tensors = dict(random_start(0))
    tensors["model.layers.1.mlp.up_proj.weight"] = tensors["model.layers.1.mlp.up_proj.weight"] * float("nan")
    found = findings(tensors, random_start(0), START)
    assert [z is None for z in found["t1.neurons"].by_layer] == [False, True, False, False]
    assert log10_p(found["t1.neurons"]) < FIRES


def test_nothing_readable_is_not_computable_and_says_why() -> None:
    blank = {name: tensor * float("nan") for name, tensor in random_start(0).items()}
    for found in findings(blank, random_start(1), START).values():
        assert found.value is None
        assert found.log10_p is None
        assert found.reason
        assert "nan" not in found.reason.replace("NaN", "")
