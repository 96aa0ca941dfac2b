"""What cannot be judged is undetermined, with the reason; never independent, never NaN."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.report.json import document, dumps
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison
from tests.models import START, ZOO, random_start, zoo_config, zoo_tensors
from tests.verdict.conftest import Compared

CONFIG = zoo_config("gated/g00")
UP, GAIN, V = (
    f"model.layers.1.{name}.weight" for name in ("mlp.up_proj", "post_attention_layernorm", "self_attn.v_proj")
)
Array = NDArray[Any]


def spoiled(name: str, kind: Callable[[str], bool], value: float) -> dict[str, Array]:
    return {
        key: np.full_like(tensor, value) if kind(key) else tensor
        for key, tensor in zoo_tensors(f"gated/{name}").items()
    }


def check(found: Comparison, reason: str) -> None:
    assert found.verdict == "undetermined"
    assert found.weights is not None
    assert reason in found.weights.because
    text = dumps(document(found))
    json.loads(text, parse_constant=pytest.fail)
    assert " nan" not in text


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 0.5])
@pytest.mark.parametrize("stranger", [True, False])
def test_nothing_but_nan_or_constants(compared: Compared, value: float, stranger: bool) -> None:
    model = spoiled("g01" if stranger else "g00", lambda _: True, value)
    check(compared(model, zoo_tensors("gated/g00"), CONFIG), "no test could be computed")


def test_two_constant_models(compared: Compared) -> None:
    model = spoiled("g00", lambda _: True, 0.5)
    check(compared(model, model, CONFIG), "constant")


@pytest.mark.parametrize(
    ("name", "value"), [(UP, np.nan), (UP, 0.0), (GAIN, np.nan), (V, 0.0), ("lm_head.weight", np.nan)]
)
def test_one_spoiled_tensor_of_a_stranger(compared: Compared, name: str, value: float) -> None:
    model = spoiled("g01", lambda key: key == name, value)
    found = compared(model, zoo_tensors("gated/g00"), CONFIG)
    check(found, "could not be tested")
    assert found.weights is not None
    assert name in found.weights.because
    assert any(name in line for line in found.weights.not_compared)


@pytest.mark.parametrize("name", [UP, GAIN, V])
def test_one_spoiled_tensor_of_a_copy_is_listed(compared: Compared, name: str) -> None:
    found = compared(spoiled("g00", lambda key: key == name, np.nan), zoo_tensors("gated/g00"), CONFIG)
    assert found.verdict == "derived"
    assert found.weights is not None
    assert any(name in line for line in found.weights.not_compared)
    json.loads(dumps(document(found)), parse_constant=pytest.fail)


@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_values_that_cannot_be_squared(compared: Compared, factor: float) -> None:
    model = {name: tensor * np.float32(factor) for name, tensor in zoo_tensors("gated/g00").items()}
    found = compared(model, zoo_tensors("gated/g00"), CONFIG)
    assert found.verdict not in ("independent", "same")
    json.loads(dumps(document(found)), parse_constant=pytest.fail)


@pytest.mark.parametrize("seed", [0, 1])
def test_shards_drawn_from_one_seed(compared: Compared, seed: int) -> None:
    model, reference = (random_start(n, shards=8, head_shards=8) for n in (seed, seed + 20))
    check(compared(model, reference, START), "neurons are exchangeable")


@pytest.mark.parametrize("options", [{"budget": 20_000}, {"budget": 1}])
def test_a_budget_too_small_says_what_would_help(compared: Compared, options: dict[str, int]) -> None:
    found = compared(zoo_tensors("gated/g01"), zoo_tensors("gated/g00"), CONFIG, **options)
    check(found, "--budget ")
    assert found.weights is not None
    assert "--full" in found.weights.because
    assert found.model.digest is None
    assert found.model.digest_reason


def test_a_sample_large_enough_is_enough(compared: Compared) -> None:
    found = compared(random_start(0), random_start(1), START, budget=2_000_000)
    assert found.verdict in ("independent", "undetermined")
    assert found.weights is not None
    assert found.weights.limits[0].startswith("Only a sample")
    assert 0 < found.model.bytes_read <= 2_000_000


def test_strangers_of_unequal_depth_are_still_tested(compared: Compared) -> None:
    shallow = {name: tensor for name, tensor in zoo_tensors("gated/g01").items() if ".layers.4." not in name}
    found = compared(shallow, zoo_tensors("gated/g00"), CONFIG)
    assert found.verdict in ("independent", "undetermined")
    assert found.weights is not None
    assert found.weights.log10_p is not None
    assert found.weights.layer_map == [0, 1, 3, 4]


def test_another_family_of_another_width() -> None:
    found = compare(ZOO / "plain/p00", ZOO / "gated/g00")
    check(found, "no test could be computed")
    assert found.weights is not None
    assert "FFNs differ in width or gating" in found.weights.because


@pytest.mark.parametrize("missing", ["model", "reference", "both"])
def test_config_alone(tmp_path: Path, missing: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    sides = [tmp_path if missing in (side, "both") else ZOO / "gated/g00" for side in ("model", "reference")]
    found = compare(sides[0], sides[1])
    assert found.verdict == "undetermined"
    assert found.weights is None
    assert found.weights_reason is not None
    assert ("model and reference" if missing == "both" else missing) in found.weights_reason
    json.loads(dumps(document(found)), parse_constant=pytest.fail)


def test_random_starts_of_one_seed_for_every_layer_are_judged_by_single_layers(compared: Compared) -> None:
    found = compared(random_start(0, one_seed=True), random_start(1, one_seed=True), START)
    assert found.verdict in ("independent", "undetermined")
    assert found.weights is not None
    checks = [one for finding in found.weights.findings for one in finding.assumptions if "layers" in one.name]
    assert any(not one.holds for one in checks)


def test_the_side_with_tensors_is_described_all_the_same(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text("{}")
    found = compare(bare, ZOO / "gated/g00")
    assert (found.model.parameters, found.model.digest_reason) == (None, "no tensors")
    assert found.reference.parameters == 373_488
    assert found.reference.digest is not None
