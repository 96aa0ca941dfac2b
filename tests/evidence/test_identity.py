from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forebear.alignment.align import Alignment, align
from forebear.anatomy.recognise import recognise
from forebear.checkpoint import open_model
from forebear.evidence.weights.identity import Identity, compare_values
from forebear.evidence.weights.residual import Residual, measure_residual
from forebear.zoo.folder import write_folder
from forebear.zoo.surgery import add_noise, cast, flip_signs, permute_neurons, redraw
from tests.models import START, Tensors, aligned, random_start, zoo_config, zoo_tensors

MLP = "model.layers.1.mlp."


def on_disk(tmp_path: Path, model: Tensors, reference: Tensors) -> Alignment:
    sides = []
    for name, tensors in (("model", model), ("reference", reference)):
        write_folder(tmp_path / name, tensors, zoo_config("gated/g00"))
        opened = open_model(tmp_path / name)
        assert opened.tensors is not None
        sides.append((opened.tensors, recognise(opened.tensors, opened.documents.config)))
    found = align(sides[0], sides[1], "seed 0", 10**8)
    assert isinstance(found, Alignment)
    return found


def identity(alignment: Alignment) -> Identity:
    return compare_values(alignment, alignment.neurons())


def residual(model: Tensors, reference: Tensors, name: str = "gated/g00") -> Residual:
    found = aligned(model, reference, zoo_config(name))
    return measure_residual(found, found.neurons())


@pytest.mark.parametrize(("first", "second"), [("BF16", "F32"), ("BF16", "F16"), ("F16", "F32"), ("F32", "F8_E4M3")])
@pytest.mark.parametrize("way", [1, -1])
def test_a_cast_is_equal_either_way(tmp_path: Path, first: str, second: str, way: int) -> None:
    original = cast(zoo_tensors("gated/g00"), first)
    copy = cast(original, second)
    found = identity(on_disk(tmp_path, *(copy, original)[::way]))
    assert found.everything
    assert found.cast == (second, first)[::way]


def test_one_changed_value_is_seen(tmp_path: Path) -> None:
    original = cast(zoo_tensors("gated/g00"), "BF16")
    changed = dict(original)
    changed["lm_head.weight"] = original["lm_head.weight"].copy()
    changed["lm_head.weight"][7, 7] += 1.0
    found = identity(on_disk(tmp_path, changed, original))
    assert not found.everything
    assert [str(part) for part in found.unequal] == ["output"]
    assert found.cast is None


@pytest.mark.parametrize("name", ["gated/g00", "plain/p00"])
def test_permuted_neurons_are_put_back(name: str) -> None:
    plain = zoo_tensors(name)
    found = identity(aligned(permute_neurons(plain, seed=1), plain, zoo_config(name)))
    assert found.everything


def test_flipped_and_permuted_neurons_are_put_back() -> None:
    plain = zoo_tensors("gated/g00")
    assert identity(aligned(flip_signs(permute_neurons(plain)), plain, zoo_config("gated/g00"))).everything


def replaced(neurons: slice) -> dict[str, np.ndarray]:
    """Permuted, with some neurons of one layer drawn anew."""
    plain = dict(permute_neurons(zoo_tensors("gated/g00"), seed=1))
    fresh = redraw(plain, seed=3)
    for name in ("gate", "up"):
        plain[f"{MLP}{name}_proj.weight"] = plain[f"{MLP}{name}_proj.weight"].copy()
        plain[f"{MLP}{name}_proj.weight"][neurons] = fresh[f"{MLP}{name}_proj.weight"][neurons]
    plain[f"{MLP}down_proj.weight"] = plain[f"{MLP}down_proj.weight"].copy()
    plain[f"{MLP}down_proj.weight"][:, neurons] = fresh[f"{MLP}down_proj.weight"][:, neurons]
    return plain


@pytest.mark.parametrize("neurons", [slice(0, 1), slice(0, 70), slice(None)])
def test_replaced_neurons_among_permuted_ones_are_not_equal(neurons: slice) -> None:
    found = identity(aligned(replaced(neurons), zoo_tensors("gated/g00"), zoo_config("gated/g00")))
    assert not found.everything
    assert {str(part) for part in found.unequal} == {f"layer 1 {role}" for role in ("gate", "up", "down")}


def test_strangers_share_only_constants() -> None:
    first, second = redraw(zoo_tensors("gated/g00"), seed=1), redraw(zoo_tensors("gated/g00"), seed=2)
    found = identity(aligned(first, second, zoo_config("gated/g00")))
    assert found.equal == ()
    assert len(found.constant) == 26
    assert not found.everything


def test_constant_parts_alone_are_no_identity() -> None:
    same = {name: np.ones_like(tensor) for name, tensor in random_start(0).items()}
    found = identity(aligned(same, same, START))
    assert found.equal == ()
    assert not found.everything


@pytest.mark.parametrize("name", ["gated/g00", "plain/p00"])
@pytest.mark.parametrize("sigma", [0.002, 0.02])
@pytest.mark.parametrize("noisy_model", [True, False])
def test_noise_of_one_scalar_is_recognised_with_its_side(name: str, sigma: float, noisy_model: bool) -> None:
    plain = zoo_tensors(name)
    noisy = add_noise(plain, sigma, seed=8)
    found = residual(noisy, plain, name) if noisy_model else residual(plain, noisy, name)
    assert found.noise is not None
    assert found.noise["sigma"] == pytest.approx(sigma, rel=0.02)
    assert found.noise_on_model is noisy_model


def test_noise_relative_to_each_tensor_is_recognised() -> None:
    plain = zoo_tensors("gated/g00")
    found = residual(add_noise(plain, 0.5, seed=8, relative=True), plain)
    assert found.noise is not None
    assert found.noise["relative_sigma"] == pytest.approx(0.5, rel=0.02)
    assert found.noise_on_model is True


def test_noise_too_faint_to_tell_its_side_names_none() -> None:
    plain = zoo_tensors("gated/g00")
    found = residual(add_noise(plain, 1e-5, seed=8), plain)
    assert found.noise is not None
    assert found.noise_on_model is None


def test_noise_on_both_sides_is_not_read_as_noise_on_one() -> None:
    plain = zoo_tensors("gated/g00")
    found = residual(add_noise(plain, 0.01, seed=1), add_noise(plain, 0.01, seed=2))
    assert found.noise is None
    assert found.noise_on_model is None


@pytest.mark.parametrize("deviation", [0.002, 0.03, 0.3])
def test_two_unrelated_random_matrices_are_not_noise(deviation: float) -> None:
    plain = zoo_tensors("gated/g00")
    names = {name for name in plain if "self_attn" in name}
    fresh = redraw(plain, deviation=deviation, seed=4)
    found = residual({name: fresh[name] if name in names else tensor for name, tensor in plain.items()}, plain)
    assert found.tensors
    assert found.noise is None


def test_training_is_not_noise() -> None:
    found = residual(zoo_tensors("gated/g00-continued"), zoo_tensors("gated/g00"))
    assert found.noise is None
    assert found.trained()["relative_change"] > 0.1


def test_equal_models_leave_no_residual() -> None:
    plain = zoo_tensors("gated/g00")
    found = residual(plain, plain)
    assert found.tensors == ()
    assert found.noise is None
