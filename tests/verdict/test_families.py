"""Every family with a recognised anatomy: strangers and noised copies get a sound verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forebear.zoo.surgery import add_noise, permute_neurons
from tests.anatomy.cases import CASES
from tests.verdict.conftest import Compared

SIZES = {
    "hidden_size",
    "vocab_size",
    "intermediate_size",
    "head_dim",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "n_embd",
    "n_positions",
    "max_position_embeddings",
    "v_head_dim",
    "qk_rope_head_dim",
    "qk_nope_head_dim",
    "kv_lora_rank",
    "q_lora_rank",
}
SCALE = 6
TESTED = [
    "llama",
    "qwen3",
    "gemma2",
    "olmo2",
    "phi3",
    "gemma3 multimodal",
    "gpt2",
    "gpt_neox",
    "bert",
    "mixtral apart",
    "mixtral stacked",
    "qwen2_moe stacked",
    "qwen3_moe apart",
    "deepseek_v3 apart",
    "deepseek_v3 stacked",
    "deepseek_v2 stacked",
]


def scaled(config: dict[str, Any]) -> dict[str, Any]:
    return {
        key: scaled(value) if isinstance(value, dict) else value * SCALE if key in SIZES and value else value
        for key, value in config.items()
    }


def instance(name: str, seed: int) -> dict[str, np.ndarray]:
    """Shapes of the tiny instance made larger; numbers of experts and of token types stay."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for key, shape in CASES[name].tensors.items():
        larger = tuple(size if size <= 3 else size * SCALE for size in shape)
        values = rng.standard_normal(larger)
        tensors[key] = (0.05 * values if len(larger) > 1 else 1.0 + 0.1 * values).astype(np.float32)
    return tensors


@pytest.mark.parametrize("name", TESTED)
def test_strangers_are_independent(compared: Compared, name: str) -> None:
    found = compared(instance(name, 1), instance(name, 2), scaled(CASES[name].config))
    assert found.weights is not None
    assert found.verdict == "independent", found.weights.because


@pytest.mark.parametrize("name", TESTED)
def test_a_noised_copy_is_derived_from_the_plain_one(compared: Compared, name: str) -> None:
    plain = instance(name, 1)
    found = compared(add_noise(plain, 0.003, seed=5), plain, scaled(CASES[name].config))
    assert found.weights is not None
    assert (found.verdict, found.weights.direction) == ("derived", "reference to model")
    assert found.weights.recipe[-1]["step"] == "noise"


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert"])
def test_a_permuted_copy_is_the_same(compared: Compared, name: str) -> None:
    plain = instance(name, 1)
    assert compared(permute_neurons(plain), plain, scaled(CASES[name].config)).verdict == "same"


@pytest.mark.parametrize("name", ["llama", "gpt2", "deepseek_v3 apart", "mixtral stacked"])
def test_instances_too_small_to_test_are_undetermined(compared: Compared, name: str) -> None:
    rng = np.random.default_rng(0)
    sides = [{key: rng.standard_normal(s).astype(np.float32) for key, s in CASES[name].tensors.items()} for _ in "ab"]
    assert compared(*sides, CASES[name].config).verdict == "undetermined"
