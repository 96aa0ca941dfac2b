"""Other depths, widths, experts and vocabularies: the truth told is what was done."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from test_surgery_symmetries import GATED, MODELS, PLAIN, ZOO
from zoo_forward import TOKENS, logits

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays

UP = "model.layers.{}.mlp.up_proj.weight"
BOTH = pytest.mark.parametrize("path", [GATED, PLAIN])


def same_function(made: surgery.Changed, path: str) -> bool:
    return np.allclose(logits(made.tensors, made.config), logits(*MODELS[path]), atol=1e-5)


def layer_of(tensors: Arrays, layer: int) -> dict[str, Any]:
    stems = (f"model.layers.{layer}.", f"transformer.h.{layer}.")
    return {
        name.removeprefix(stem): array for name, array in tensors.items() for stem in stems if name.startswith(stem)
    }


@BOTH
def test_layers_are_those_that_the_map_names(path: str) -> None:
    tensors, config = MODELS[path]
    for made, expected in (
        (surgery.repeat_layers(tensors, config, [0, 1, 1, 3, 2]), [0, 1, 1, 3, 2]),
        (surgery.drop_layers(tensors, config, {1}), [layer for layer in range(len(made_layers(path))) if layer != 1]),
        (surgery.reorder_layers(tensors, config, seed=1), None),
    ):
        layer_map = made.truth["layer_map"]
        assert expected is None or layer_map == expected
        assert made.config.get("num_hidden_layers", made.config.get("n_layer")) == len(layer_map)
        for new, old in enumerate(layer_map):
            found, wanted = layer_of(made.tensors, new), layer_of(tensors, old)
            assert found.keys() == wanted.keys()
            assert all(found[name] is wanted[name] for name in found)
        assert np.isfinite(logits(made.tensors, made.config)).all()


def made_layers(path: str) -> range:
    return range(5 if path == GATED else 4)


@BOTH
def test_inserted_layers_are_silent_unless_fresh(path: str) -> None:
    for kind in ("identity", "copied", "fresh"):
        made = surgery.insert_layers(*MODELS[path], [0, 2, 2, len(made_layers(path))], kind=kind)
        assert same_function(made, path) == (kind != "fresh")
        own = [old for old in made.truth["layer_map"] if old is not None]
        assert sorted(set(own)) == list(made_layers(path))
        assert made.truth["layer_map"].count(None) == (0 if kind == "copied" else 4)


def test_per_layer_lists_of_the_config_follow() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.repeat_layers(tensors, {**config, "layer_types": list("abcde")}, [4, 0])
    assert made.config["layer_types"] == ["e", "a"]
    assert made.config["max_window_layers"] == 2


def test_wrong_depths_are_refused() -> None:
    tensors, config = MODELS[GATED]
    for apply in (
        lambda: surgery.repeat_layers(tensors, config, []),
        lambda: surgery.repeat_layers(tensors, config, [5]),
        lambda: surgery.drop_layers(tensors, config, {7}),
        lambda: surgery.drop_layers(tensors, config, set(range(5))),
        lambda: surgery.insert_layers(tensors, config, [6]),
        lambda: surgery.insert_layers(tensors, config, [1], kind="none"),
        lambda: surgery.repeat_layers({"a": np.ones(1)}, config, [0]),
        lambda: surgery.repeat_layers(surgery.add_module(tensors, config, "prediction").tensors, config, [0]),
    ):
        with pytest.raises(UsageError):
            apply()


@pytest.mark.parametrize("choice", ["magnitude", "random"])
def test_pruned_neurons_are_those_named(choice: Any) -> None:
    tensors, config = MODELS[GATED]
    made = surgery.prune_neurons(tensors, config, 0.75, choice=choice, shuffle=True, seed=1)
    assert made.config["intermediate_size"] == 36
    for layer in range(5):
        kept = made.truth["kept"][Part(Role.UP, layer)]
        assert len(set(kept.tolist())) == 36
        assert np.array_equal(made.tensors[UP.format(layer)], tensors[UP.format(layer)][kept])
        down = f"model.layers.{layer}.mlp.down_proj.weight"
        assert np.array_equal(made.tensors[down], tensors[down][:, kept])
    assert np.isfinite(logits(made.tensors, made.config)).all()


def test_unstructured_pruning_keeps_shapes_and_computes_as_the_structured_kind() -> None:
    hollow = surgery.prune_neurons(*MODELS[PLAIN], 0.5, structured=False)
    narrow = surgery.prune_neurons(*MODELS[PLAIN], 0.5)
    assert hollow.tensors["transformer.h.0.mlp.c_fc.weight"].shape == (60, 240)
    assert narrow.config["n_inner"] == 120
    np.testing.assert_allclose(logits(hollow.tensors, hollow.config), logits(narrow.tensors, narrow.config), atol=1e-9)
    one = surgery.prune_neurons(*MODELS[PLAIN], 1.0)
    assert one.config["n_inner"] == 1


@BOTH
@pytest.mark.parametrize("kind", ["zeros", "duplicated", "fresh"])
def test_widened_neurons_keep_the_function_unless_fresh(path: str, kind: Any) -> None:
    made = surgery.widen_neurons(*MODELS[path], 0.5, kind=kind, shuffle=True, seed=2)
    assert same_function(made, path) == (kind != "fresh")
    origins = made.truth["origins"][Part(Role.UP, 1)]
    old = 144 if path == GATED else 240
    assert len(origins) == old * 3 // 2
    assert set(origins.tolist()) - {-1} == set(range(old))
    if path == GATED:
        assert np.array_equal(
            made.tensors[UP.format(1)][origins >= 0], MODELS[path][0][UP.format(1)][origins[origins >= 0]]
        )


def test_pruned_heads_keep_whole_groups() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.prune_heads(tensors, config, 0.5)
    assert {key: made.config[key] for key in ("num_attention_heads", "num_key_value_heads", "head_dim")} == {
        "num_attention_heads": 3,
        "num_key_value_heads": 1,
        "head_dim": 12,
    }
    for layer, kept in enumerate(made.truth["kept"]):
        name = f"model.layers.{layer}.self_attn.q_proj.weight"
        assert np.array_equal(made.tensors[name], tensors[name][kept[0] * 36 : kept[0] * 36 + 36])
    assert np.isfinite(logits(made.tensors, made.config)).all()
    plain = surgery.prune_heads(*MODELS[PLAIN], 0.5, choice="random")
    assert plain.tensors["transformer.h.0.attn.c_attn.weight"].shape == (60, 90)
    assert np.isfinite(logits(plain.tensors, plain.config)).all()


@BOTH
def test_hidden_sizes_shrink_and_grow(path: str) -> None:
    tensors, config = MODELS[path]
    embedding = "model.embed_tokens.weight" if path == GATED else "transformer.wte.weight"
    small = surgery.prune_hidden(tensors, config, 0.25)
    assert np.array_equal(small.tensors[embedding], tensors[embedding][:, small.truth["kept"]])
    assert np.isfinite(logits(small.tensors, small.config)).all()
    for pad in ("zeros", "fresh"):
        wide = surgery.widen_hidden(tensors, config, 0.5, pad=pad, shuffle=True)
        assert same_function(wide, path) == (pad == "zeros")
        origins = wide.truth["origins"]
        assert sorted(origins[origins >= 0]) == list(range(tensors[embedding].shape[1]))
        assert wide.config.get("hidden_size", wide.config.get("n_embd")) == len(origins)


def test_wrong_widths_are_refused() -> None:
    for apply in (
        lambda: surgery.prune_neurons(*MODELS[GATED], 1.5),
        lambda: surgery.prune_heads(*MODELS[GATED], -0.1),
        lambda: surgery.prune_hidden(*MODELS[GATED], 0.5, choice="best"),
        lambda: surgery.widen_neurons(*MODELS[GATED], 0.5, kind="odd"),
        lambda: surgery.widen_hidden(*MODELS[GATED], 0.5, pad="odd"),
        lambda: surgery.prune_neurons({"model.embed_tokens.weight": np.ones((2, 2), np.float32)}, {}, 0.5),
    ):
        with pytest.raises(UsageError):
            apply()


@pytest.mark.parametrize("shuffle", [False, True])
def test_copied_experts_compute_the_same_and_come_back(shuffle: bool) -> None:
    tensors, config = MODELS[GATED]
    made = surgery.upcycle(tensors, config, experts=4, shuffle=shuffle)
    assert same_function(made, GATED)
    assert made.config["model_type"] == "qwen2_moe"
    renumbered = surgery.shuffle_experts(made.tensors, made.config, seed=2)
    assert same_function(renumbered, GATED)
    order = renumbered.truth["order"][1]
    name = "model.layers.1.mlp.experts.{}.up_proj.weight"
    assert all(renumbered.tensors[name.format(new)] is made.tensors[name.format(old)] for new, old in enumerate(order))
    for expert in (2, None) if not shuffle else (2,):
        dense = surgery.to_dense(made.tensors, made.config, expert=expert)
        assert dense.tensors.keys() == tensors.keys()
        assert same_function(dense, GATED)
        assert dense.config == config


def test_fine_grained_experts_come_from_the_neurons_named() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.upcycle(tensors, config, experts=8, slices=4, redrawn=0.5, shuffle=True, shared=True, seed=5)
    for expert in range(8):
        origins = made.truth["origins"][Part(Role.UP, 3, expert)]
        up = made.tensors[f"model.layers.3.mlp.experts.{expert}.up_proj.weight"]
        assert up.shape == (36, 72)
        assert np.count_nonzero(origins == -1) == 18
        assert np.array_equal(up[origins >= 0], tensors[UP.format(3)][origins[origins >= 0]])
    kept = np.concatenate([made.truth["origins"][Part(Role.UP, 3, expert)] for expert in range(4)])
    assert len(set(kept[kept >= 0].tolist())) == 72
    assert made.tensors["model.layers.3.mlp.shared_expert.up_proj.weight"] is tensors[UP.format(3)]
    assert made.config["moe_intermediate_size"] == 36
    assert np.isfinite(logits(made.tensors, made.config)).all()
    noisy = surgery.upcycle(tensors, config, experts=2, noise=0.1)
    change = noisy.tensors["model.layers.0.mlp.experts.1.up_proj.weight"] - tensors[UP.format(0)]
    assert change.std() == pytest.approx(0.1 * tensors[UP.format(0)].std(), rel=0.05)


def test_wrong_experts_are_refused() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.upcycle(tensors, config, experts=2)
    for apply in (
        lambda: surgery.upcycle(tensors, config, slices=5),
        lambda: surgery.upcycle(tensors, config, experts=2, per_token=3),
        lambda: surgery.upcycle(tensors, config, redrawn=2.0),
        lambda: surgery.upcycle(*MODELS[PLAIN]),
        lambda: surgery.shuffle_experts(tensors, config),
        lambda: surgery.to_dense(tensors, config),
        lambda: surgery.to_dense(made.tensors, made.config, expert=2),
    ):
        with pytest.raises(UsageError):
            apply()


def tokenizer() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ZOO / "tokenizer.json").read_text(encoding="utf-8"))
    return found


@BOTH
def test_a_reordered_vocabulary_speaks_through_its_tokenizer(path: str) -> None:
    made = surgery.reorder_vocabulary(*MODELS[path], tokenizer=tokenizer(), seed=3)
    new, old = made.truth["tokenizer"]["model"]["vocab"], tokenizer()["model"]["vocab"]
    places = np.argsort(made.truth["origins"])
    assert all(new[token] == places[number] for token, number in old.items())
    moved = logits(made.tensors, made.config, places[TOKENS])
    np.testing.assert_allclose(moved[..., places], logits(*MODELS[path]), atol=1e-5)
    assert made.config["eos_token_id"] == places[0] == made.truth["tokenizer"]["added_tokens"][0]["id"]


def test_the_matching_tokenizer_encodes_the_same_strings() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = surgery.reorder_vocabulary(*MODELS[GATED], tokenizer=tokenizer(), seed=3)
    text = "def main(arguments: list[str]) -> int:\n    return 0<|endoftext|>"
    old = tokenizers.Tokenizer.from_str(json.dumps(tokenizer())).encode(text)
    new = tokenizers.Tokenizer.from_str(json.dumps(made.truth["tokenizer"])).encode(text)
    assert old.tokens == new.tokens
    assert [int(made.truth["origins"][number]) for number in new.ids] == old.ids


@BOTH
def test_longer_vocabularies_keep_the_rows_they_had(path: str) -> None:
    tensors, config = MODELS[path]
    longer = surgery.extend_vocabulary(tensors, config, 7, tokenizer=tokenizer())
    assert longer.config["vocab_size"] == 1031
    assert len(longer.truth["tokenizer"]["model"]["vocab"]) == 1031
    np.testing.assert_allclose(logits(longer.tensors, longer.config)[..., :1024], logits(tensors, config), atol=1e-9)
    padded = surgery.pad_vocabulary(tensors, config, 100)
    name = "model.embed_tokens.weight" if path == GATED else "transformer.wte.weight"
    assert padded.tensors[name].shape[0] == padded.config["vocab_size"] == 1100
    assert not padded.tensors[name][1024:].any()


def test_a_replaced_vocabulary_keeps_the_share_asked_for() -> None:
    pytest.importorskip("tokenizers")
    from tokenizers import Tokenizer

    tensors, config = MODELS[GATED]
    made = surgery.replace_vocabulary(tensors, config, 1500, kept=0.5, kind="mean", tokenizer=tokenizer(), seed=4)
    origins, name = made.truth["origins"], "lm_head.weight"
    assert np.count_nonzero(origins >= 0) == 512
    assert np.array_equal(made.tensors[name][origins >= 0], tensors[name][origins[origins >= 0]])
    strings = {number: token for token, number in made.truth["tokenizer"]["model"]["vocab"].items()}
    old = {number: token for token, number in tokenizer()["model"]["vocab"].items()}
    assert all(strings[new] == old[origin] for new, origin in enumerate(origins) if origin >= 0)
    assert Tokenizer.from_str(json.dumps(made.truth["tokenizer"])).get_vocab_size() == 1500


def test_wrong_vocabularies_are_refused() -> None:
    tensors, config = MODELS[GATED]
    for apply in (
        lambda: surgery.extend_vocabulary(tensors, config, -1),
        lambda: surgery.extend_vocabulary(tensors, config, 1, kind="odd"),
        lambda: surgery.pad_vocabulary(tensors, config, 0),
        lambda: surgery.replace_vocabulary(tensors, config, 10, kept=0.5),
        lambda: surgery.reorder_vocabulary(tensors, config, tokenizer={"model": {"vocab": [["a", 0.0]]}}),
        lambda: surgery.reorder_vocabulary({"norm.weight": np.ones(3)}, config),
    ):
        with pytest.raises(UsageError):
            apply()
