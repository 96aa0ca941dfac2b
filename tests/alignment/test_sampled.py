from __future__ import annotations

import numpy as np
import pytest

from forebear.alignment.sampled import Ffn, Missing, Place, Values
from tests.anatomy.cases import CASES
from tests.anatomy.stores import filled
from tests.models import START, Tensors, aligned, random_start, sided

UP, DOWN, V = (f"model.layers.1.{name}_proj.weight" for name in ("mlp.up", "mlp.down", "self_attn.v"))
GAIN = "model.layers.1.post_attention_layernorm.weight"


def changed(tensors: Tensors, name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return dict(tensors) | {name: values.astype(np.float32)}


def test_a_gain_moved_into_its_readers_changes_nothing() -> None:
    plain = random_start(0)
    gain = np.random.default_rng(1).uniform(0.5, 2.0, 128)
    moved = changed(plain, GAIN, plain[GAIN] / gain)
    for name in ("gate", "up"):
        moved = changed(moved, f"model.layers.1.mlp.{name}_proj.weight", moved[UP.replace("up", name)] * gain)
    found = aligned(moved, plain, START)
    mine, yours = found.model.ffn(Place(1)), found.reference.ffn(Place(1))
    assert isinstance(mine, Ffn)
    assert isinstance(yours, Ffn)
    for first, second in zip(mine.roles, yours.roles, strict=True):
        assert first == pytest.approx(second, rel=1e-5)
    assert yours.up != pytest.approx(plain[UP], rel=1e-3)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.nan, "holds NaN or infinity"),
        (np.inf, "holds NaN or infinity"),
        (0.0, "is constant"),
        (0.02, "is constant"),
    ],
)
@pytest.mark.parametrize("name", [UP, DOWN])
def test_a_faulty_projection_says_why_the_ffn_is_missing(name: str, value: float, reason: str) -> None:
    plain = random_start(0)
    found = aligned(changed(plain, name, np.full(plain[name].shape, value)), plain, START)
    missing = found.ffns(Place(1))
    assert isinstance(missing, Missing)
    assert missing.faulty
    assert missing.reason.startswith("model, layer 1")
    assert missing.reason.endswith(reason)
    assert name in missing.reason
    assert isinstance(found.ffns(Place(0)), tuple)


@pytest.mark.parametrize("factor", [1e30, 1e-30])
def test_values_too_large_or_small_to_square_are_missing(factor: float) -> None:
    plain = random_start(0)
    found = aligned(plain, changed(plain, UP, plain[UP] * factor), START).ffns(Place(1))
    assert isinstance(found, Missing)
    assert found.reason.startswith("reference, ")
    assert "outside" in found.reason


def test_one_nan_is_enough() -> None:
    plain = random_start(0)
    holed = plain[V].copy()
    holed[3, 5] = np.nan
    found = aligned(changed(plain, V, holed), plain, START).values(1)
    assert isinstance(found, Missing)
    assert found.faulty


def test_a_gain_of_nan_makes_its_readers_missing() -> None:
    plain = random_start(0)
    found = aligned(changed(plain, GAIN, plain[GAIN] * np.nan), plain, START)
    missing = found.ffns(Place(1))
    assert isinstance(missing, Missing)
    assert GAIN in missing.reason
    assert isinstance(found.values(1), tuple)


def test_ungated_transposed_storage_gives_one_row_a_neuron() -> None:
    case = CASES["gpt2"]
    tensors = filled(case.tensors)
    found = aligned(tensors, tensors, case.config)
    ffn = found.model.ffn(Place(0))
    assert isinstance(ffn, Ffn)
    assert ffn.gate is None
    assert ffn.up.shape == ffn.down.shape == (64, 16)
    assert np.array_equal(ffn.down, tensors["transformer.h.0.mlp.c_proj.weight"][ffn.neurons])


def test_grouped_query_heads_lie_side_by_side() -> None:
    case = CASES["llama"]
    tensors = filled(case.tensors)
    values = aligned(tensors, tensors, case.config).model.values(0)
    assert isinstance(values, Values)
    assert values.value.shape == (2, 4, 16)
    assert values.output.shape == (2, 4, 2, 16)
    output = tensors["model.layers.0.self_attn.o_proj.weight"]
    assert np.array_equal(values.output[1, 2, 1], output[:, 3 * 4 + 2])


@pytest.mark.parametrize("name", ["mixtral stacked", "qwen2_moe apart", "deepseek_v3 stacked"])
def test_experts_and_shared_experts_have_places_of_their_own(name: str) -> None:
    case = CASES[name]
    store, anatomy = sided(filled(case.tensors), case.config)
    found = aligned(store.arrays, store.arrays, case.config).model
    places = found.places()
    assert len(places) == len(set(places))
    assert {place.expert for place in places if place.layer == 1} >= {0, 1, 2}
    assert all(isinstance(found.ffn(place), Ffn) for place in places)
    assert any(place.shared for place in places) == ("mixtral" not in name)
    assert anatomy.experts(1) == (0, 1, 2)
