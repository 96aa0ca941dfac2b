"""Disguises that must keep the function: logits before and after, by the zoo's own forward passes and a wider one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_forward import TOKENS, logits

from forebear.errors import UsageError
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors

GATED, PLAIN = "gated/g00", "plain/p00"
ZOO = Path(__file__).parents[1] / "zoo"
Apply = Callable[[Arrays, dict[str, Any]], Any]
KEPT: dict[str, Apply] = {
    "permute_residual": lambda t, c: surgery.permute_residual(t, seed=3),
    "fold_gains": surgery.fold_gains,
    "rotate_residual": lambda t, c: surgery.rotate_residual(t, c, seed=3),
    "permute_heads": lambda t, c: surgery.permute_heads(t, c, seed=3),
    "mix_values": lambda t, c: surgery.mix_values(t, c, seed=3),
    "mix_queries": lambda t, c: surgery.mix_queries(t, c, seed=3),
    "rescale_heads": lambda t, c: surgery.rescale_heads(t, c, seed=3),
    "flip_heads": lambda t, c: surgery.flip_heads(t, c, seed=3),
    "rescale_norms": lambda t, c: surgery.rescale_norms(t, seed=3),
    "permute_neurons": lambda t, c: surgery.permute_neurons(t, seed=3),
    "everything": lambda t, c: surgery.everything(t, c, seed=3),
    "everything but rotation": lambda t, c: surgery.everything(t, c, seed=3, rotate=False),
    "everything but signs": lambda t, c: surgery.everything(t, c, seed=3, signs=False, mix=False),
}
GATED_ONLY: dict[str, Apply] = {
    "permute_residual with signs": lambda t, c: surgery.permute_residual(t, seed=3, signs=True),
    "flip_signs": lambda t, c: surgery.flip_signs(t, seed=3),
    "rescale_neurons": lambda t, c: surgery.rescale_neurons(t, seed=3),
}


def load(path: str) -> tuple[Arrays, dict[str, Any]]:
    return surgery.cast(read_tensors(ZOO / path), "F32"), read_config(ZOO / path)


MODELS = {path: load(path) for path in (GATED, PLAIN)}


def llama(*, tied: bool = False) -> tuple[Arrays, dict[str, Any]]:
    tensors, config = MODELS[GATED]
    gone = ("bias", "lm_head.weight") if tied else ("bias",)
    held = {name: array for name, array in tensors.items() if not name.endswith(gone)}
    return held, {**config, "model_type": "llama", "tie_word_embeddings": tied}


def sparse() -> tuple[Arrays, dict[str, Any]]:
    made = surgery.upcycle(*MODELS[GATED], experts=4, slices=2, shuffle=True, shared=True, redrawn=0.5)
    return made.tensors, made.config


def changed(apply: Apply, tensors: Arrays, config: dict[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    found = apply(tensors, config)
    return (found.tensors, found.config) if isinstance(found, surgery.Changed) else (found, config)


def torch_logits(tensors: Arrays, path: str) -> np.ndarray:
    torch = pytest.importorskip("torch")
    from forebear.zoo.training import ARCHITECTURES

    architecture = ARCHITECTURES[path.split("/", maxsplit=1)[0]]
    held = {name: torch.from_numpy(array) for name, array in tensors.items()}
    return architecture.logits(held, torch.from_numpy(TOKENS), architecture.CONFIG).numpy()


@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_the_numpy_forward_is_that_of_the_zoo(path: str) -> None:
    np.testing.assert_allclose(logits(*MODELS[path]), torch_logits(MODELS[path][0], path), atol=1e-4)


@pytest.mark.parametrize("name", [*KEPT, *GATED_ONLY])
def test_a_gated_model_computes_the_same(name: str) -> None:
    tensors, _ = changed((KEPT | GATED_ONLY)[name], *MODELS[GATED])
    assert sum(not np.array_equal(tensors[key], old) for key, old in MODELS[GATED][0].items()) >= 10
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(torch_logits(tensors, GATED), torch_logits(MODELS[GATED][0], GATED), atol=1e-4)


@pytest.mark.parametrize("name", KEPT)
def test_a_plain_model_computes_the_same(name: str) -> None:
    tensors, config = changed(KEPT[name], *MODELS[PLAIN])
    assert sum(not np.array_equal(tensors[key], old) for key, old in MODELS[PLAIN][0].items()) >= 8
    np.testing.assert_allclose(logits(tensors, config), logits(*MODELS[PLAIN]), atol=1e-5)
    if config["tie_word_embeddings"]:
        np.testing.assert_allclose(torch_logits(tensors, PLAIN), torch_logits(MODELS[PLAIN][0], PLAIN), atol=1e-4)


@pytest.mark.parametrize("name", [*KEPT, *GATED_ONLY])
@pytest.mark.parametrize("make", [llama, lambda: llama(tied=True), sparse], ids=["llama", "tied llama", "experts"])
def test_other_gated_models_compute_the_same(name: str, make: Callable[[], tuple[Arrays, dict[str, Any]]]) -> None:
    before = make()
    after = changed((KEPT | GATED_ONLY)[name], *before)
    np.testing.assert_allclose(logits(*after), logits(*before), atol=1e-5)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), path=st.sampled_from([GATED, PLAIN]))
def test_everything_keeps_the_function_whatever_the_seed(seed: int, path: str) -> None:
    made = surgery.everything(*MODELS[path], seed=seed)
    np.testing.assert_allclose(logits(made.tensors, made.config), logits(*MODELS[path]), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(hidden=st.integers(2, 40), seed=st.integers(0, 2**32))
def test_rotations_are_orthogonal_and_keep_the_ones_where_asked(hidden: int, seed: int) -> None:
    for keep_ones in (False, True):
        turn = surgery.residual_rotation(hidden, seed=seed, keep_ones=keep_ones)
        np.testing.assert_allclose(turn @ turn.T, np.eye(hidden), atol=1e-12)
        if keep_ones:
            np.testing.assert_allclose(turn @ np.ones(hidden), np.ones(hidden), atol=1e-12)


def test_the_rotation_told_is_the_one_made() -> None:
    tensors, config = MODELS[GATED]
    made = surgery.rotate_residual(tensors, config, seed=4)
    name = "model.embed_tokens.weight"
    np.testing.assert_allclose(made.tensors[name], tensors[name] @ made.truth["rotation"].T, atol=1e-6)
    assert np.array_equal(made.truth["rotation"], surgery.residual_rotation(72, seed=4))
    gains = [array for key, array in made.tensors.items() if key.endswith("norm.weight")]
    assert len(gains) == 11
    assert all(np.all(gain == 1) for gain in gains)
    assert not made.truth["untied"]


def test_a_tied_output_is_parted_only_where_gains_must_move() -> None:
    tensors, config = MODELS[PLAIN]
    made = surgery.rotate_residual(tensors, config)
    assert made.truth["untied"]
    assert made.config["tie_word_embeddings"] is False
    flat = {**tensors, "transformer.ln_f.weight": np.ones(60, np.float32)}
    again = surgery.rotate_residual(flat, config)
    assert not again.truth["untied"]
    assert "lm_head.weight" not in again.tensors
    np.testing.assert_allclose(logits(again.tensors, again.config), logits(flat, config), atol=1e-5)


@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_reordering_rounds_nothing_and_keeps_types(path: str) -> None:
    stored, config = read_tensors(ZOO / path), read_config(ZOO / path)
    moved = surgery.permute_neurons(surgery.permute_heads(surgery.permute_residual(stored), config))
    assert moved.keys() == stored.keys()
    for name, array in stored.items():
        assert moved[name].dtype == array.dtype
        assert np.array_equal(np.sort(moved[name].astype(np.float32), None), np.sort(array.astype(np.float32), None))


@pytest.mark.parametrize("change", [surgery.rescale_heads, surgery.flip_heads])
def test_powers_of_two_and_signs_inside_heads_round_nothing(change: Callable[..., Arrays]) -> None:
    stored = read_tensors(ZOO / GATED)
    made = change(stored, MODELS[GATED][1], seed=2)
    back = {name: np.abs(array.astype(np.float64)) for name, array in made.items()}
    for name, array in stored.items():
        ratio = back[name] / np.abs(array.astype(np.float64))
        assert np.array_equal(np.log2(ratio), np.round(np.log2(ratio)))
    assert any(not np.array_equal(made[name], stored[name]) for name in stored)


def test_what_an_architecture_does_not_allow_is_refused() -> None:
    tensors, config = MODELS[GATED]
    with pytest.raises(UsageError, match="mean that LayerNorm subtracts"):
        surgery.permute_residual(MODELS[PLAIN][0], signs=True)
    normed = {**tensors, "model.layers.0.self_attn.q_norm.weight": np.ones(12, np.float32)}
    with pytest.raises(UsageError, match="queries and keys are normed"):
        surgery.mix_queries(normed, config)
    with pytest.raises(UsageError, match="partial_rotary_factor"):
        surgery.mix_queries(tensors, {**config, "partial_rotary_factor": 0.5})
    with pytest.raises(UsageError, match="do not part into"):
        surgery.permute_heads(tensors, {**config, "num_attention_heads": 5})
    with pytest.raises(UsageError, match="num_attention_heads or n_head: missing"):
        surgery.permute_heads(tensors, {})
    with pytest.raises(UsageError, match=r"odd\.weight: a tensor of unknown role"):
        surgery.permute_residual({**tensors, "odd.weight": np.ones((2, 2), np.float32)})
    with pytest.raises(UsageError, match="two tensors are the embedding"):
        surgery.permute_residual({**tensors, "embed_tokens.weight": tensors["model.embed_tokens.weight"]})
    stuck = {**MODELS[PLAIN][0], "transformer.ln_f.weight": np.zeros(60, np.float32)}
    with pytest.raises(UsageError, match="beside a gain of 0"):
        surgery.fold_gains(stuck, MODELS[PLAIN][1])
