from __future__ import annotations

import numpy as np

from forebear.alignment.align import Unaligned, align
from forebear.alignment.sampled import Missing, Place
from forebear.anatomy.parts import Part, Role
from tests.anatomy.cases import CASES
from tests.anatomy.stores import filled
from tests.models import START, Tensors, aligned, random_start, sided


def without_layer(tensors: Tensors, layer: int) -> dict[str, np.ndarray]:
    return {name: tensor for name, tensor in tensors.items() if f".layers.{layer}." not in name}


def test_unequal_width_is_not_aligned_without_a_map() -> None:
    other = sided(filled(CASES["llama"].tensors), CASES["llama"].config)
    found = align(sided(random_start(0), START), other, "seed 0", 10**8)
    assert isinstance(found, Unaligned)
    assert "hidden size" in found.reason


def test_unequal_depth_is_aligned_in_proportion() -> None:
    shallow = sided(without_layer(random_start(1), 3), START | {"num_hidden_layers": 3})
    found = align(sided(random_start(0), START), shallow, "seed 0", 10**8)
    assert not isinstance(found, Unaligned)
    assert found.layer_map == (0, 1, 1, 2)
    assert {place.layer for place in found.places()} == {0, 1, 3}


def test_parts_of_one_side_and_unequal_shapes_are_listed() -> None:
    tied = {name: tensor for name, tensor in random_start(0).items() if name != "lm_head.weight"}
    wider = random_start(1) | {"model.embed_tokens.weight": filled({"e": (320, 128)})["e"], "odd.weight": np.ones(3)}
    found = align(sided(tied, START), sided(wider, START), "seed 0", 10**8)
    assert not isinstance(found, Unaligned)
    listed = " | ".join(found.not_aligned)
    assert "output: 1 found in reference only" in listed
    assert "embedding: shapes differ, (300, 128) and (320, 128)" in listed
    assert "odd.weight: not recognised in reference" in listed
    assert isinstance(found.matrices(Part(Role.OUTPUT)), Missing)
    shared = found.matrices(Part(Role.EMBEDDING))
    assert not isinstance(shared, Missing)
    assert shared[0].shape == shared[1].shape == (300, 128)


def test_unequal_ffns_are_missing_with_the_reason() -> None:
    narrow = random_start(1)
    for name, axis in (("gate", 0), ("up", 0), ("down", 1)):
        key = f"model.layers.2.mlp.{name}_proj.weight"
        narrow[key] = np.take(narrow[key], np.arange(200), axis=axis)
    found = aligned(random_start(0), narrow, START).ffns(Place(2))
    assert isinstance(found, Missing)
    assert "differ in width" in found.reason
    assert not found.faulty


def test_random_numbers_depend_on_the_key_and_the_purpose() -> None:
    one, two = (aligned(random_start(0), random_start(1), START, key=key) for key in ("seed 0", "seed 1"))
    first = one.rng("a").integers(0, 2**60, 4).tolist()
    assert first == one.rng("a").integers(0, 2**60, 4).tolist()
    assert first != one.rng("b").integers(0, 2**60, 4).tolist()
    assert first != two.rng("a").integers(0, 2**60, 4).tolist()
