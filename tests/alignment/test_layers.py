"""Layer maps of changed models, trained ones too."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from forebear.alignment.layers import LayerMap, in_order
from forebear.zoo.surgery import (
    Changed,
    drop_layers,
    flip_signs,
    insert_layers,
    permute_neurons,
    reorder_layers,
    repeat_layers,
    rotate_residual,
)
from tests.alignment.framed import Model, changed, framed, zoo
from tests.models import ZOO

Surgery = Callable[[Model], Changed]

SURGERIES: dict[str, Surgery] = {
    "repeated": lambda model: repeat_layers(*model, [0, 1, 1, 2, 2, 3]),
    "dropped": lambda model: drop_layers(*model, [2]),
    "all but one dropped": lambda model: repeat_layers(*model, [2]),
    "reordered": lambda model: reorder_layers(*model, seed=1),
    "fresh inserted": lambda model: insert_layers(*model, [0, 3]),
    "silent inserted": lambda model: insert_layers(*model, [2], kind="identity"),
    "silent copies inserted": lambda model: insert_layers(*model, [2, 3], kind="copied"),
}


@pytest.mark.parametrize("name", SURGERIES)
@pytest.mark.parametrize("base", ["gated/g00", "gated/g00-continued", "plain/p00-continued"])
def test_the_layer_map_is_exact(name: str, base: str) -> None:
    model, reference = zoo(base), zoo(base.split("-", maxsplit=1)[0])
    made = SURGERIES[name](model)
    found = framed(changed(model, made), reference).layers
    assert found.source == tuple(made.truth["layer_map"])
    assert found.how == "matched gates"


def test_the_layer_map_is_exact_under_a_rotated_stream_and_relabelled_neurons() -> None:
    model = zoo("gated/g01-continued")
    made = repeat_layers(*model, [4, 0, 0, 1, 3])
    turned = rotate_residual(made.tensors, made.config, seed=5)
    hidden = flip_signs(permute_neurons(turned.tensors, seed=1), seed=2)
    assert framed((hidden, turned.config), zoo("gated/g01")).layers.source == (4, 0, 0, 1, 3)


def test_the_layer_map_of_a_model_deepened_and_trained_on() -> None:
    truth = json.loads((ZOO / "manifest.json").read_text(encoding="utf-8"))["models"]["plain/p02-deepened"]["truth"]
    assert framed(zoo("plain/p02-deepened"), zoo("plain/p02")).layers.source == tuple(truth["layer_map"])


@pytest.mark.parametrize("pair", [("gated/g01", "gated/g00"), ("plain/p01", "plain/p00")])
def test_layers_of_strangers_stay_in_order(pair: tuple[str, str]) -> None:
    found = framed(zoo(pair[0]), zoo(pair[1])).layers
    assert found.how == "same order"
    assert found.unchanged


def test_layers_of_strangers_of_unequal_depth_are_taken_in_proportion() -> None:
    model = zoo("gated/g01")
    found = framed(changed(model, drop_layers(*model, [1])), zoo("gated/g00")).layers
    assert found.how == "proportional"
    assert found.source == in_order(4, 5).source


@pytest.mark.parametrize(
    ("depths", "expected"),
    [((3, 3), (0, 1, 2)), ((6, 3), (0, 0, 1, 1, 2, 2)), ((2, 5), (1, 3)), ((1, 4), (2,)), ((4, 1), (0, 0, 0, 0))],
)
def test_the_order_fixed_beforehand(depths: tuple[int, int], expected: tuple[int, ...]) -> None:
    found = in_order(*depths)
    assert found.source == expected
    assert found.unchanged == (depths[0] == depths[1])


@pytest.mark.parametrize("name", ["gate_proj", "post_attention_layernorm"])
def test_a_layer_that_cannot_be_read_stays_where_it_is(name: str) -> None:
    model = zoo("gated/g00")
    key = next(key for key in model[0] if name in key and ".layers.1." in key)
    spoiled = dict(model[0]) | {key: model[0][key] * np.nan}
    found = framed((spoiled, model[1]), model).layers
    assert found.source == (0, 1, 2, 3, 4)
    assert found.unchanged


def test_of_copies_the_closest_is_tested() -> None:
    scores = np.array([[0.9, 0.1], [0.95, 0.1], [0.1, 0.8], [0.0, 0.0]])
    assert LayerMap((0, 0, 1, None), "matched gates", scores, 2).once == {1, 2}
    assert LayerMap((0, 0, 1, None), "proportional", None, 2).once == {0, 2}
