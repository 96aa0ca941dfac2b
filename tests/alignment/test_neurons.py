from __future__ import annotations

import numpy as np
import pytest

from forebear.alignment.neurons import NeuronMap, pair_neurons
from forebear.alignment.sampled import Ffn, Place
from forebear.zoo.surgery import flip_signs, permute_neurons
from tests.models import START, Tensors, aligned, random_start, zoo_config, zoo_tensors


def paired(model: Tensors, reference: Tensors, config: dict[str, object], layer: int = 1) -> tuple[NeuronMap, Ffn, Ffn]:
    ffns = aligned(model, reference, config).ffns(Place(layer))
    assert isinstance(ffns, tuple)
    return pair_neurons(*ffns), *ffns


def test_equal_models_keep_their_indices() -> None:
    found, _, _ = paired(random_start(0), random_start(0), START)
    assert found.identity
    assert np.array_equal(found.model, found.reference)
    assert found.cosine == pytest.approx(np.ones(256), abs=1e-5)
    assert (found.flipped == 1.0).all()
    assert found.near_share == 1.0


@pytest.mark.parametrize("name", ["gated/g00", "plain/p00"])
def test_a_permutation_is_recovered(name: str) -> None:
    plain = zoo_tensors(name)
    found, mine, yours = paired(permute_neurons(plain, seed=3), plain, zoo_config(name))
    assert not found.identity
    assert found.near.all()
    assert found.near_share == 1.0
    assert np.array_equal(mine.up[found.model], yours.up[found.reference])
    assert np.array_equal(mine.down[found.model], yours.down[found.reference])


def test_flips_are_recovered_with_a_permutation() -> None:
    plain = zoo_tensors("gated/g00")
    found, mine, yours = paired(flip_signs(permute_neurons(plain, seed=3), seed=4), plain, zoo_config("gated/g00"))
    assert found.near.all()
    assert np.array_equal(mine.up[found.model] * found.flipped[:, None], yours.up[found.reference])
    assert 0.3 < np.mean(found.flipped < 0.0) < 0.7


def test_strangers_find_few_partners() -> None:
    found, _, _ = paired(random_start(0), random_start(1), START)
    assert not found.identity
    assert found.near_share < 0.1
