"""Changed values, merges, names and modules: amounts are those asked for, truths those done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_surgery_symmetries import GATED, MODELS, PLAIN, load
from zoo_forward import logits

from forebear.errors import UsageError
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays

Q, V = (f"model.layers.2.self_attn.{letter}_proj.weight" for letter in "qv")
UP = "model.layers.2.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def family() -> list[Arrays]:
    return [load(f"gated/g00{child}")[0] for child in ("", "-finetuned", "-continued")]


def test_an_update_has_the_rank_size_and_place_asked_for() -> None:
    tensors = MODELS[GATED][0]
    made = surgery.low_rank(tensors, 3, amount=0.2)
    for name in (Q, V):
        update = made[name].astype(np.float64) - tensors[name]
        assert np.linalg.matrix_rank(update, tol=1e-4) == 3
        assert np.linalg.norm(update) == pytest.approx(0.2 * np.linalg.norm(tensors[name]), rel=1e-3)
    assert sum(made[name] is not tensors[name] for name in tensors) == 10
    fused = surgery.low_rank(MODELS[PLAIN][0], 2, roles=("v",))["transformer.h.0.attn.c_attn.weight"]
    change = fused - MODELS[PLAIN][0]["transformer.h.0.attn.c_attn.weight"]
    assert not change[:, :120].any()
    assert np.linalg.matrix_rank(change[:, 120:], tol=1e-4) == 2


@settings(max_examples=25, deadline=None)
@given(bits=st.integers(2, 8), block=st.one_of(st.none(), st.integers(1, 12)), seed=st.integers(0, 2**32))
def test_quantised_values_lie_on_the_lattice_of_their_block(bits: int, block: int | None, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal((5, 10))
    values[2] = 0.0
    made = surgery.quantise({"w": values}, bits, block=block)["w"]
    top, size = 2 ** (bits - 1) - 1, min(block or 10, 10)
    for start in range(0, 10, size):
        old, new = values[:, start : start + size], made[:, start : start + size]
        step = np.abs(old).max(axis=1, keepdims=True) / top
        levels = np.divide(new, step, out=np.zeros_like(new), where=step > 0)
        np.testing.assert_allclose(levels, np.round(levels), atol=1e-9)
        assert np.all(np.abs(old - new) <= step / 2 + 1e-12)


def test_pruned_values_are_the_smallest() -> None:
    tensors = MODELS[GATED][0]
    made = surgery.prune_values(tensors, 0.3, names={UP})
    gone = made[UP] == 0
    assert gone.sum() == round(0.3 * gone.size)
    assert np.abs(tensors[UP][gone]).max() <= np.abs(tensors[UP][~gone]).min()
    assert np.array_equal(made[UP][~gone], tensors[UP][~gone])
    assert [name for name in tensors if made[name] is not tensors[name]] == [UP]


def test_merges_are_the_sums_they_claim(family: list[Arrays]) -> None:
    base, tuned, longer = family
    wanted = 0.6 * tuned[UP].astype(np.float64) + 0.4 * longer[UP]
    np.testing.assert_allclose(surgery.linear([tuned, longer], [0.6, 0.4])[UP], wanted, atol=1e-7)
    np.testing.assert_allclose(surgery.task_arithmetic(base, [tuned, longer], [0.6, 0.4])[UP], wanted, atol=1e-7)
    for half in (surgery.slerp(tuned, longer, 0.0), surgery.slerp(longer, tuned, [1.0, 1.0])):
        np.testing.assert_allclose(half[UP], tuned[UP], atol=1e-7)
    deep = surgery.slerp(tuned, longer, [0.0, 1.0])
    first, last = UP.replace("2", "0"), UP.replace("2", "4")
    np.testing.assert_allclose(deep[first], tuned[first], atol=1e-7)
    np.testing.assert_allclose(deep[last], longer[last], atol=1e-7)
    middle = np.linalg.norm(surgery.slerp(tuned, longer, 0.5)[UP])
    assert middle == pytest.approx(np.mean([np.linalg.norm(tuned[UP]), np.linalg.norm(longer[UP])]), rel=0.01)


def test_sparse_merges_keep_the_density_asked_for(family: list[Arrays]) -> None:
    base, tuned, _ = family
    delta = tuned[UP].astype(np.float64) - base[UP]
    dropped = surgery.dare(base, [tuned], [1.0], 0.25, seed=1)[UP].astype(np.float64) - base[UP]
    kept = dropped != 0
    assert kept.mean() == pytest.approx(0.25, abs=0.02)
    np.testing.assert_allclose(dropped[kept], 4 * delta[kept], atol=1e-6)
    trimmed = surgery.ties(base, [tuned], [1.0], 0.25)[UP].astype(np.float64) - base[UP]
    kept = trimmed != 0
    assert kept.mean() == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(trimmed[kept], delta[kept], atol=1e-6)


def test_ties_take_the_mean_of_those_that_agree_with_the_elected_sign() -> None:
    base, one, other = ({"w": np.array([row])} for row in ([0.0, 0.0, 0.0], [2.0, 1.0, -1.0], [4.0, -3.0, 1.0]))
    assert surgery.ties(base, [one, other], [0.5, 0.5], 1.0)["w"].tolist() == [[3.0, -3.0, 0.0]]


def test_a_frankenmerge_tells_the_origin_of_each_layer(family: list[Arrays]) -> None:
    origins = [(0, 0), (1, 0), (2, 4)]
    made = surgery.franken(family, MODELS[GATED][1], origins, outside=1)
    assert made.truth["layer_origins"] == origins
    assert made.config["num_hidden_layers"] == 3
    for new, (model, layer) in enumerate(origins):
        assert made.tensors[UP.replace("2", str(new))] is family[model][UP.replace("2", str(layer))]
    assert made.tensors["lm_head.weight"] is family[1]["lm_head.weight"]


@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_scrambled_names_are_unique_and_told(path: str, numbered: bool) -> None:
    tensors, config = MODELS[path]
    made = surgery.scramble_names(tensors, config, seed=6, numbered=numbered)
    names: dict[str, str] = made.truth["names"]
    assert sorted(names.values()) == sorted(tensors)
    assert all(made.tensors[new] is tensors[old] for new, old in names.items())
    assert not names.keys() & tensors.keys()
    assert list(made.tensors) != list(names)
    if numbered:
        for new, old in names.items():
            if new.startswith("b."):
                assert made.truth["layer_map"][int(new.split(".")[1])] == int(old.split(".")[2])


def test_regrouped_and_prefixed_names_come_back() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.regroup_layers(tensors, config, size=2)
    assert "model.blocks.2.layers.0.mlp.up_proj.weight" in made.tensors
    assert all(made.tensors[new] is tensors[old] for new, old in made.truth["names"].items())
    prefixed = surgery.prefix_names(tensors, "module.")
    assert {name.removeprefix("module.") for name in prefixed} == set(tensors)


def test_fused_and_split_tensors_hold_the_same_rows() -> None:
    tensors = MODELS[GATED][0]
    fused = surgery.fuse(tensors)
    at = "model.layers.1.self_attn."
    whole = np.concatenate([tensors[f"{at}{letter}_proj.weight"] for letter in "qkv"])
    assert np.array_equal(fused[f"{at}qkv_proj.weight"], whole)
    assert fused[f"{at}qkv_proj.bias"].shape == (120,)
    assert fused["model.layers.1.mlp.gate_up_proj.weight"].shape == (288, 72)
    assert not any(name.endswith((".q_proj.weight", ".v_proj.bias", ".up_proj.weight")) for name in fused)
    plain = MODELS[PLAIN][0]
    parted = surgery.split(plain)
    at = "transformer.h.1.attn."
    for suffix in ("weight", "bias"):
        whole = np.concatenate([parted[f"{at}{letter}_proj.{suffix}"] for letter in "qkv"], axis=-1)
        assert np.array_equal(whole, plain[f"{at}c_attn.{suffix}"])


@pytest.mark.parametrize("kind", ["vision", "prediction"])
@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_a_module_stands_beside_an_unchanged_model(path: str, kind: Any) -> None:
    tensors, config = MODELS[path]
    made = surgery.add_module(tensors, config, kind, seed=1)
    assert set(made.truth["added"]) == made.tensors.keys() - tensors.keys()
    assert len(made.truth["added"]) > 10
    assert all(made.tensors[name] is tensors[name] for name in tensors)
    np.testing.assert_array_equal(logits(made.tensors, config), logits(tensors, config))


def test_wrong_amounts_are_refused(family: list[Arrays]) -> None:
    tensors, config = MODELS[GATED]
    for apply in (
        lambda: surgery.low_rank(tensors, 0),
        lambda: surgery.low_rank(tensors, 2, roles=("odd",)),
        lambda: surgery.low_rank(tensors, 2, roles=("router",)),
        lambda: surgery.quantise(tensors, 1),
        lambda: surgery.quantise(tensors, 4, block=0),
        lambda: surgery.prune_values(tensors, 1.1),
        lambda: surgery.linear(family, [1.0]),
        lambda: surgery.linear([tensors, MODELS[PLAIN][0]], [0.5, 0.5]),
        lambda: surgery.ties(tensors, family, [1.0, 1.0, 0.0], 0.5),
        lambda: surgery.dare(tensors, family, [1.0, 1.0, 1.0], 0.0),
        lambda: surgery.slerp(tensors, family[1], []),
        lambda: surgery.franken(family, config, [(0, 5)]),
        lambda: surgery.franken(family, config, [(3, 0)]),
        lambda: surgery.regroup_layers(tensors, config, size=0),
        lambda: surgery.fuse(MODELS[PLAIN][0]),
        lambda: surgery.split(tensors),
        lambda: surgery.add_module(tensors, config, "audio"),
    ):
        with pytest.raises(UsageError):
            apply()


def test_surgeries_never_change_what_they_are_given() -> None:
    tensors, config = MODELS[GATED]
    before = {name: array.copy() for name, array in tensors.items()}
    frozen = {name: array.copy() for name, array in tensors.items()}
    for array in frozen.values():
        array.flags.writeable = False
    surgery.everything(frozen, config)
    surgery.prune_values(surgery.quantise(surgery.low_rank(frozen, 2), 4), 0.5)
    surgery.prune_hidden(frozen, config, 0.5)
    assert all(np.array_equal(before[name], frozen[name]) for name in before)
