from __future__ import annotations

import msgspec
import numpy as np
import pytest

from forebear.evidence.weights.beyond import measure_beyond
from forebear.evidence.weights.identity import stored_pairs
from forebear.evidence.weights.mixtures import mixtures_of
from forebear.verdict.beyond import judge_beyond
from forebear.verdict.further import BASIS, BeyondBase
from forebear.verdict.siblings import SCORES
from tests.evidence.test_beyond import Tensors, noised
from tests.models import aligned, zoo_config, zoo_tensors


def judged(model: str | Tensors, reference: str, base: str) -> BeyondBase:
    config = zoo_config(base)
    mine = zoo_tensors(model) if isinstance(model, str) else model
    pairs = [stored_pairs(aligned(mine, zoo_tensors(name), config), {}) for name in (reference, base)]
    found = measure_beyond(mixtures_of(pairs), np.random.default_rng(0))
    return judge_beyond(found, [base], config.get("num_hidden_layers", config.get("n_layer")))


@pytest.mark.parametrize(
    ("model", "reference"),
    [
        ("gated/g00-continued", "gated/g00-sibling"),
        ("gated/g00-frozen", "gated/g00-continued"),
        ("gated/g00-finetuned", "gated/g00-sibling"),
        ("gated/g00-grandchild", "gated/g00-sibling"),
        ("plain/p00-continued", "plain/p00-sibling-same-data"),
        ("plain/p00-continued", "plain/p00-finetuned"),
    ],
)
def test_siblings_are_explained_by_their_base(model: str, reference: str) -> None:
    found = judged(model, reference, model[:9])
    assert (found.verdict, found.direction) == ("explained by base", None)
    assert found.bases == {model[:9]: 1.0}


@pytest.mark.parametrize(
    ("model", "reference", "direction"),
    [
        ("gated/g00-grandchild", "gated/g00-continued", "reference to model"),
        ("gated/g00-continued", "gated/g00-grandchild", "model to reference"),
    ],
)
def test_a_siblings_child_is_derived_beyond_the_base(model: str, reference: str, direction: str) -> None:
    found = judged(model, reference, "gated/g00")
    assert (found.verdict, found.direction) == ("derived beyond base", direction)
    assert found.calibration is not None
    assert found.calibration.p == pytest.approx(1 / (len(SCORES) + 1))
    assert found.calibration.basis == BASIS == "calibrated, not exact"


@pytest.mark.parametrize("kind", ["sibling", "finetuned"])
def test_a_noised_copy_belongs_to_its_sibling_alone(kind: str) -> None:
    copy = noised(f"gated/g00-{kind}", 0.005)
    assert judged(copy, f"gated/g00-{kind}", "gated/g00").verdict == "derived beyond base"
    assert judged(copy, "gated/g00-continued", "gated/g00").verdict == "explained by base"


def test_the_base_itself_is_explained() -> None:
    found = judged("gated/g00-continued", "gated/g00", "gated/g00")
    assert (found.verdict, found.score) == ("explained by base", None)
    assert "reference" in found.because


def test_what_a_parent_changed_is_not_given_back() -> None:
    found = judged("plain/p00-frozen", "plain/p00-sibling-same-data", "plain/p00")
    assert found.verdict == "explained by base"
    assert "base's own values" in found.because


def test_a_copy_is_derived_without_direction() -> None:
    found = judged("gated/g00-continued", "gated/g00-continued", "gated/g00")
    assert (found.verdict, found.direction) == ("derived beyond base", None)


def test_a_base_of_neither_side_explains_nothing() -> None:
    found = judged("gated/g00-continued", "gated/g00-sibling", "gated/g05")
    assert found.verdict == "undetermined"
    assert "model and reference" in found.because


def test_noise_that_drowns_the_changes_leaves_it_open() -> None:
    assert judged(noised("gated/g00-finetuned", 1.0), "gated/g00-finetuned", "gated/g00").verdict == "undetermined"


def test_nothing_to_compare_is_said() -> None:
    assert judge_beyond(None, ["base"], 4).verdict == "undetermined"


def test_the_claim_encodes() -> None:
    content = msgspec.json.decode(msgspec.json.encode(judged("gated/g00-continued", "gated/g00-sibling", "gated/g00")))
    assert content["calibration"]["siblings"] == len(SCORES)
    assert len(content["by_layer"]["reference in model"]) == 5
