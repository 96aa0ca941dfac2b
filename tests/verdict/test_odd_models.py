"""Models nobody ships still get a verdict: tiny sizes, missing parts, values that cannot be squared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forebear.anatomy.parts import Part, Role
from forebear.report.json import document, dumps
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison
from forebear.verdict.decide import FIRES_AT
from forebear.zoo.folder import Arrays, write_folder

Model = tuple[Arrays, dict[str, Any]]


def llama(seed: int, *, hidden: int = 32, width: int = 64, vocabulary: int = 80, tied: bool = False) -> Model:
    draw, tensors = np.random.default_rng(seed), Arrays()
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden)} | (
        {} if tied else {"lm_head.weight": (vocabulary, hidden)}
    )
    for layer in range(2):
        at = f"model.layers.{layer}"
        shapes |= {f"{at}.self_attn.{name}_proj.weight": (hidden, hidden) for name in "qkvo"}
        shapes |= {f"{at}.mlp.{name}_proj.weight": (width, hidden) for name in ("gate", "up")}
        shapes[f"{at}.mlp.down_proj.weight"] = (hidden, width)
        for name in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{at}.{name}.weight"] = (1.0 + 0.1 * draw.standard_normal(hidden)).astype(np.float32)
    for name, shape in shapes.items():
        tensors[name] = (0.05 * draw.standard_normal(shape)).astype(np.float32)
    sizes = {"hidden_size": hidden, "num_hidden_layers": 2, "vocab_size": vocabulary, "intermediate_size": width}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1, "tie_word_embeddings": tied}
    return tensors, {"model_type": "llama"} | sizes | heads


def mixture(seed: int) -> Model:
    """Routers in both layers, experts in the second only."""
    tensors, config = llama(seed)
    draw = np.random.default_rng([seed, 1])
    for layer in range(2):
        tensors[f"model.layers.{layer}.mlp.gate.weight"] = (0.05 * draw.standard_normal((2, 32))).astype(np.float32)
    for name in ("gate_proj", "up_proj", "down_proj"):
        dense = tensors.pop(f"model.layers.1.mlp.{name}.weight")
        for expert in range(2):
            own = dense + 0.05 * draw.standard_normal(dense.shape)
            tensors[f"model.layers.1.mlp.experts.{expert}.{name}.weight"] = own.astype(np.float32)
        del tensors[f"model.layers.0.mlp.{name}.weight"]
    return tensors, config | {"model_type": "qwen2_moe", "num_experts": 2, "moe_intermediate_size": 64}


def compressed(seed: int, like: Model) -> Model:
    """The same model with attention through compressed streams."""
    tensors = {name: value for name, value in like[0].items() if "self_attn" not in name}
    draw = np.random.default_rng(seed)
    shapes = {
        "q_a_proj": (8, 32),
        "q_b_proj": (48, 8),
        "kv_a_proj_with_mqa": (24, 32),
        "kv_b_proj": (64, 8),
        "o_proj": (32, 32),
    }
    for layer in range(2):
        at = f"model.layers.{layer}.self_attn"
        for name, shape in shapes.items():
            tensors[f"{at}.{name}.weight"] = (0.05 * draw.standard_normal(shape)).astype(np.float32)
        for name in ("q_a", "kv_a"):
            tensors[f"{at}.{name}_layernorm.weight"] = np.ones(8, np.float32)
    ranks = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32}
    return tensors, like[1] | {"model_type": "deepseek_v2"} | ranks


def turned(model: Model) -> Model:
    """The residual stream of a model rotated, gains left where they are."""
    hidden = model[1]["hidden_size"]
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((hidden, hidden)))[0].astype(np.float32)
    tensors = Arrays()
    for name, value in model[0].items():
        if name.endswith(("o_proj.weight", "down_proj.weight")):
            tensors[name] = turn.T @ value
        elif value.ndim == 2 and value.shape[1] == hidden:
            tensors[name] = value @ turn
        else:
            tensors[name] = value
    return tensors, model[1]


def touched(model: Model, change: Callable[[str, Any], Any]) -> Model:
    """A model with some tensors replaced; None drops one."""
    made = {name: change(name, value.copy()) for name, value in model[0].items()}
    return {name: value for name, value in made.items() if value is not None}, model[1]


def trained(model: Model) -> Model:
    draw = np.random.default_rng(11)
    return touched(
        model, lambda _, value: (value * (1.0 + 0.01 * draw.standard_normal(value.shape))).astype(np.float32)
    )


def told(tmp_path: Path, model: Model, reference: Model, *beside: Model) -> Comparison:
    for name, each in (
        ("model", model),
        ("reference", reference),
        *((f"base-{n}", one) for n, one in enumerate(beside)),
    ):
        write_folder(tmp_path / name, *each)
    bases = [tmp_path / f"base-{number}" for number in range(len(beside))]
    found = compare(tmp_path / "model", tmp_path / "reference", bases=bases, also=bases)
    json.loads(dumps(document(found)), parse_constant=pytest.fail)
    return found


def fires(found: Comparison) -> bool:
    """Whether what was inherited is seen; untrained matrices hold too little structure for a verdict on it."""
    return found.weights is not None and found.weights.log10_p is not None and found.weights.log10_p <= FIRES_AT


def grown(names: tuple[str, ...], factor: float) -> Callable[[str, Any], Any]:
    return lambda name, value: value * np.float32(factor) if any(part in name for part in names) else value


@pytest.mark.parametrize("names", [("q_proj",), ("v_proj", "o_proj"), ("layers.1.mlp",), ("embed",)])
@pytest.mark.parametrize("rotated", [False, True])
def test_a_child_with_values_too_large_to_square(tmp_path: Path, names: tuple[str, ...], rotated: bool) -> None:
    parent = touched(llama(1), grown(names, 1e25))
    child = trained(parent)
    assert fires(told(tmp_path, turned(child) if rotated else child, parent))


def test_a_base_and_candidate_with_values_too_large_to_square(tmp_path: Path) -> None:
    parent = touched(llama(1), grown(("v_proj", "layers.1.mlp"), 1e25))
    assert fires(told(tmp_path, trained(parent), parent, touched(llama(1), grown(("q_proj",), 1e25))))


def test_a_gain_of_infinity(tmp_path: Path) -> None:
    def spoil(name: str, value: Any) -> Any:
        if name.endswith("layers.0.input_layernorm.weight"):
            value[3] = np.inf
        return value

    parent = touched(llama(1), spoil)
    assert fires(told(tmp_path, trained(parent), parent))


@pytest.mark.parametrize("sizes", [{"hidden": 1}, {"hidden": 2}, {"width": 1}, {"width": 8}, {"hidden": 1, "width": 1}])
def test_strangers_too_small_to_test(tmp_path: Path, sizes: dict[str, int]) -> None:
    assert told(tmp_path, llama(1, **sizes), llama(2, **sizes)).verdict == "undetermined"


def test_compressed_attention_in_place_of_the_reference_s(tmp_path: Path) -> None:
    parent = llama(1)
    assert fires(told(tmp_path, turned(compressed(3, parent)), parent))
    assert not fires(told(tmp_path, compressed(3, llama(2)), parent))


def test_routers_without_experts(tmp_path: Path) -> None:
    parent = mixture(1)
    assert fires(told(tmp_path, turned(trained(parent)), parent))


@pytest.mark.parametrize("missing", ["down_proj", "up_proj", "gate_proj"])
def test_a_layer_without_a_part_of_its_ffn(tmp_path: Path, missing: str) -> None:
    lacking = touched(llama(1), lambda name, value: None if name.endswith(f"layers.1.mlp.{missing}.weight") else value)
    assert fires(told(tmp_path, turned(trained(lacking)), lacking))


def test_no_matrix_of_a_layer_is_taken_for_an_output_that_is_not_there(tmp_path: Path) -> None:
    model = llama(1, tied=True)
    parted = {**model[0], "lm_head.weight": model[0]["model.embed_tokens.weight"]}
    found = told(tmp_path, turned(trained(model)), (parted, model[1] | {"tie_word_embeddings": False}))
    assert fires(found)
    assert found.renaming is None


def test_no_matrix_of_a_layer_is_taken_for_an_embedding_that_cannot_be_read(tmp_path: Path) -> None:
    def spoil(name: str, value: Any) -> Any:
        if "embed" in name:
            value[2, 1] = np.inf
        return value

    found = told(tmp_path, touched(trained(llama(1)), spoil), llama(1))
    assert fires(found)
    assert found.renaming is None
    assert found.weights is not None
    assert any(str(Part(Role.EMBEDDING)) in reason for reason in found.weights.not_compared)
