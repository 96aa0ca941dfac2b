"""Changes of shape before training: what comes from where, and that the architectures can run it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forebear.errors import UsageError
from forebear.zoo import growth
from forebear.zoo.folder import Arrays, read_config, read_tensors
from forebear.zoo.growth import NEW, Grown, grow
from forebear.zoo.recipes import RECIPES, Recipe, recipe

PATHS = [item.path for item in RECIPES if item.growth and item.founder in ("g02", "p02")]


@pytest.fixture(scope="module")
def founders(zoo: Path) -> dict[str, Grown]:
    return {
        family: Grown(read_tensors(zoo / family / name), read_config(zoo / family / name), {})
        for family, name in (("gated", "g02"), ("plain", "p02"))
    }


def grown(founders: dict[str, Grown], item: Recipe) -> Grown:
    parent = founders[item.family]
    fresh = {name: np.full(array.shape, 7.0, np.float32) for name, array in parent.tensors.items()}
    return grow(item.growth, parent, replace(parent, tensors=fresh), item.start_seed or 0, dict(item.amounts))


def logits(family: str, model: Grown) -> np.ndarray:
    torch = pytest.importorskip("torch")
    from forebear.zoo.training import ARCHITECTURES

    held = {name: torch.from_numpy(array.astype(np.float32)) for name, array in model.tensors.items()}
    return ARCHITECTURES[family].logits(held, torch.arange(0, 768, 8).view(2, 48), model.config).numpy()


def same(one: np.ndarray, other: np.ndarray) -> bool:
    return np.array_equal(one.astype(np.float64), other.astype(np.float64))


@pytest.mark.parametrize("path", PATHS)
def test_the_architecture_runs_every_change_and_it_is_repeatable(founders: dict[str, Grown], path: str) -> None:
    pytest.importorskip("torch")
    from forebear.zoo.training import ARCHITECTURES

    item = recipe(path)
    one, again = grown(founders, item), grown(founders, item)
    assert {name: array.shape for name, array in one.tensors.items()} == ARCHITECTURES[item.family].shapes(one.config)
    assert one.truth == again.truth != {}
    assert all(same(one.tensors[name], again.tensors[name]) for name in one.tensors)
    assert np.isfinite(logits(item.family, one)).all()


@pytest.mark.parametrize("path", ["gated/g02-deepened", "plain/p02-deepened", "gated/g02-layers-dropped"])
def test_layers_are_those_of_the_map(founders: dict[str, Grown], path: str) -> None:
    item = recipe(path)
    child, parent = grown(founders, item), founders[item.family].tensors
    stem, suffix = ("model.layers", "mlp.up_proj.weight") if item.family == "gated" else ("transformer.h", "ln_1.bias")
    layers = child.truth["layer_map"]
    assert sum(name.endswith(suffix) for name in child.tensors) == len(layers)
    for place, layer in enumerate(layers):
        assert same(child.tensors[f"{stem}.{place}.{suffix}"], parent[f"{stem}.{layer}.{suffix}"])


@pytest.mark.parametrize(
    ("path", "tensor", "axis"),
    [
        ("gated/g02-ffn-pruned", "model.layers.3.mlp.up_proj.weight", 0),
        ("gated/g02-ffn-pruned", "model.layers.3.mlp.down_proj.weight", 1),
        ("plain/p02-ffn-pruned", "transformer.h.3.mlp.c_fc.weight", 1),
        ("plain/p02-ffn-pruned", "transformer.h.3.mlp.c_fc.bias", 0),
    ],
)
def test_pruned_neurons_are_half_of_the_parents(founders: dict[str, Grown], path: str, tensor: str, axis: int) -> None:
    item = recipe(path)
    child, parent = grown(founders, item), founders[item.family]
    kept = child.truth["neurons"][3]
    assert len(kept) == parent.tensors[tensor].shape[axis] // 2
    assert same(child.tensors[tensor], np.take(parent.tensors[tensor], kept, axis=axis))


def test_new_neurons_write_nothing_yet(founders: dict[str, Grown]) -> None:
    child = grown(founders, recipe("gated/g02-ffn-widened"))
    np.testing.assert_allclose(logits("gated", child), logits("gated", founders["gated"]), atol=1e-4)
    assert child.truth["neurons"][0].count(NEW) == 72
    assert child.tensors["model.layers.0.mlp.gate_proj.weight"][144:].astype(np.float64).std() > 0.01


def test_coordinates_go_everywhere_at_once(founders: dict[str, Grown]) -> None:
    child, parent = grown(founders, recipe("gated/g02-hidden-pruned")), founders["gated"].tensors
    kept = child.truth["hidden"]
    assert len(kept) == child.config["hidden_size"] == 60
    for name, axis in (("self_attn.q_proj.weight", 1), ("self_attn.o_proj.weight", 0), ("input_layernorm.weight", 0)):
        at = f"model.layers.1.{name}"
        assert same(child.tensors[at], np.take(parent[at], kept, axis=axis))
    assert same(child.tensors["model.layers.1.self_attn.q_proj.bias"], parent["model.layers.1.self_attn.q_proj.bias"])


def test_old_tokens_keep_their_rows(founders: dict[str, Grown]) -> None:
    child, parent = grown(founders, recipe("gated/g02-vocabulary-extended")), founders["gated"].tensors
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert len(child.tensors[name]) == 1152
        assert same(child.tensors[name][: child.truth["tokens"]], parent[name])


@pytest.mark.parametrize("path", [path for path in PATHS if "partial" in path])
def test_one_part_is_inherited_and_the_rest_is_fresh(founders: dict[str, Grown], path: str) -> None:
    item = recipe(path)
    child, parent = grown(founders, item).tensors, founders[item.family].tensors
    parts = {name for name in child if same(child[name], parent[name])}
    assert all((child[name] == 7).all() for name in child.keys() - parts)
    words = {"attention": ("attn",), "ffn": ("mlp",), "embeddings": ("embed_tokens", "lm_head", "wte", "wpe")}
    wanted = {name for name in child if any(word in name for word in words[dict(item.amounts)["part"]])}
    norms = {name for name in parts if "norm" in name or ".ln_" in name}
    assert parts - norms == wanted
    assert (norms != set()) is (dict(item.amounts)["part"] != "embeddings")


def test_copied_experts_compute_what_the_ffn_did_but_for_the_noise(founders: dict[str, Grown]) -> None:
    amounts = {"copies": 4, "slices": 1, "chosen": 2}
    child = grow("upcycle", founders["gated"], founders["gated"], 5, amounts)
    np.testing.assert_allclose(logits("gated", child), logits("gated", founders["gated"]), atol=1e-4)
    noisy = grow("upcycle", founders["gated"], founders["gated"], 5, {**amounts, "noise": 0.1})
    name = "model.layers.2.mlp.experts.3.up_proj.weight"
    noise = noisy.tensors[name].astype(np.float64) - child.tensors[name].astype(np.float64)
    assert noise.std() == pytest.approx(0.1 * child.tensors[name].astype(np.float64).std(), rel=0.05)


def test_sliced_experts_hold_every_neuron_once_a_copy_or_a_new_one(founders: dict[str, Grown]) -> None:
    child, parent = grown(founders, recipe("gated/g02-upcycled-sliced")), founders["gated"].tensors
    for layer, experts in enumerate(child.truth["experts"]):
        assert [len(origin) for origin in experts] == [36] * 8
        assert [origin.count(NEW) for origin in experts] == [18] * 8
        for half in (experts[:4], experts[4:]):
            held = [neuron for origin in half for neuron in origin if neuron != NEW]
            assert len(set(held)) == len(held)
        at = f"model.layers.{layer}.mlp"
        for expert, origin in [*enumerate(experts), ("shared", child.truth["shared_expert"][layer])]:
            under = f"{at}.shared_expert" if expert == "shared" else f"{at}.experts.{expert}"
            old = np.asarray(origin) != NEW
            found, wanted = child.tensors[f"{under}.down_proj.weight"], parent[f"{at}.down_proj.weight"]
            assert same(found[:, old], wanted[:, np.asarray(origin)[old]])


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def ffn(tensors: Arrays, at: str, x: np.ndarray) -> np.ndarray:
    gate, up, down = (tensors[f"{at}.{name}_proj.weight"].astype(np.float64) for name in ("gate", "up", "down"))
    return down @ (silu(gate @ x) * (up @ x))


def mixture(tensors: Arrays, at: str, x: np.ndarray, config: dict[str, Any]) -> np.ndarray:
    """One token at a time, as the published code of Qwen2-MoE has it."""
    scores = tensors[f"{at}.gate.weight"].astype(np.float64) @ x
    shares = np.exp(scores) / np.exp(scores).sum()
    chosen = np.argsort(-shares)[: config["num_experts_per_tok"]]
    total = shares[chosen].sum() if config["norm_topk_prob"] else 1.0
    y = sum(shares[expert] / total * ffn(tensors, f"{at}.experts.{expert}", x) for expert in chosen)
    if config["shared_expert_intermediate_size"]:
        opened = 1 / (1 + np.exp(-(tensors[f"{at}.shared_expert_gate.weight"].astype(np.float64) @ x)))
        y = y + opened * ffn(tensors, f"{at}.shared_expert", x)
    return y


@pytest.mark.parametrize("path", ["gated/g02-upcycled-copied", "gated/g02-upcycled-sliced"])
def test_the_mixture_agrees_with_one_token_at_a_time(founders: dict[str, Grown], path: str) -> None:
    torch = pytest.importorskip("torch")
    from forebear.zoo import gated

    child = grown(founders, recipe(path))
    rng = np.random.default_rng(0)
    at = "model.layers.1.mlp"
    tensors = {name: array.astype(np.float32) for name, array in child.tensors.items()}
    tensors[f"{at}.gate.weight"] = rng.standard_normal(tensors[f"{at}.gate.weight"].shape).astype(np.float32)
    x = rng.standard_normal((2, 3, 72)).astype(np.float32)
    held = {name: torch.from_numpy(array) for name, array in tensors.items()}
    found = gated._mixture(held, at, torch.from_numpy(x), child.config).numpy()
    wanted = [[mixture(tensors, at, token, child.config) for token in row] for row in x]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_does_not_exist_is_refused(founders: dict[str, Grown]) -> None:
    with pytest.raises(UsageError, match="no change of shape 'fold'"):
        grow("fold", founders["gated"], founders["gated"], 1, {})
    for name in ("prune-hidden", "upcycle"):
        amounts = {"hidden": 8} if name == "prune-hidden" else {"copies": 1, "slices": 1, "chosen": 1}
        with pytest.raises(UsageError, match="gated family only"):
            grow(name, founders["plain"], founders["plain"], 1, amounts)
    assert set(growth.GROWTHS) == {item.growth for item in RECIPES if item.growth}
