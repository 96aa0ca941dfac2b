"""What costs a copyist nothing is put back: on a copy nothing is left, on a long-trained child as much as without."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from forebear.alignment.sampled import Place
from forebear.anatomy.parts import Part, Role
from forebear.zoo.surgery import (
    Changed,
    everything,
    flip_heads,
    flip_signs,
    mix_queries,
    mix_values,
    permute_heads,
    permute_neurons,
    permute_residual,
    prune_hidden,
    prune_neurons,
    repeat_layers,
    rescale_heads,
    rescale_neurons,
    rescale_norms,
    rotate_residual,
    upcycle,
    widen_neurons,
)
from tests.alignment.framed import Model, changed, distances, undone, zoo
from tests.models import Tensors

Surgery = Callable[[Model], Changed | Tensors]

ANY: dict[str, Surgery] = {
    "nothing": lambda model: model[0],
    "residual permuted": lambda model: permute_residual(model[0], seed=1),
    "residual rotated": lambda model: rotate_residual(*model, seed=1),
    "norms rescaled": lambda model: rescale_norms(model[0], seed=1),
    "heads permuted": lambda model: permute_heads(*model, seed=1),
    "values mixed": lambda model: mix_values(*model, seed=1),
    "queries mixed": lambda model: mix_queries(*model, seed=1),
    "heads rescaled": lambda model: rescale_heads(*model, seed=1),
    "heads flipped": lambda model: flip_heads(*model, seed=1),
    "neurons permuted": lambda model: permute_neurons(model[0], seed=1),
    "everything": lambda model: everything(*model, seed=1),
    "everything unrotated": lambda model: everything(*model, seed=1, rotate=False),
}
GATED: dict[str, Surgery] = {
    "residual flipped": lambda model: permute_residual(model[0], seed=1, signs=True),
    "neurons rescaled": lambda model: rescale_neurons(model[0], seed=1),
    "neurons flipped": lambda model: flip_signs(model[0], seed=1),
    "everything but signs": lambda model: everything(*model, seed=1, signs=False),
}
SURGERIES = ANY | GATED
CASES = [*(("gated/g00", name) for name in SURGERIES), *(("plain/p00", name) for name in ANY)]
MATRICES = (Role.Q, Role.K, Role.V, Role.O, Role.GATE, Role.UP, Role.DOWN)
ROUNDS = ("rotated", "mixed", "norms", "everything")


@pytest.mark.parametrize(("base", "name"), CASES)
def test_a_disguised_copy_is_the_reference_again(base: str, name: str) -> None:
    reference = zoo(base)
    left = distances(undone(changed(reference, SURGERIES[name](reference)), reference))
    assert len(left) >= len(reference[0])
    # What only moves values, or doubles them, leaves not a bit.
    assert max(left.values()) <= (1e-6 if any(word in name for word in ROUNDS) else 0.0)


@cache
def undisguised(base: str) -> dict[Part, float]:
    return distances(undone(zoo(f"{base}-continued"), zoo(base)))


# Factors on single dimensions, and what a mixture fits of the training, weigh dimensions otherwise in a matrix's norm.
LOOSE = ("everything", "rescaled", "mixed")


@pytest.mark.parametrize(("base", "name"), CASES)
def test_a_disguised_child_is_as_far_from_its_parent_as_without(base: str, name: str) -> None:
    child = zoo(f"{base}-continued")
    left, plain = distances(undone(changed(child, SURGERIES[name](child)), zoo(base))), undisguised(base)
    ratios = np.array([left[part] / plain[part] for part in plain if part.role in MATRICES])
    loose = any(word in name for word in LOOSE)
    assert ratios.mean() == pytest.approx(1.0, abs=0.08 if loose else 0.04)
    assert ratios.max() < (1.5 if loose else 1.1)


def test_copied_layers_are_put_back_one_by_one() -> None:
    reference = zoo("gated/g00")
    made = repeat_layers(*reference, [0, 1, 1, 2])
    found = undone(changed(reference, made), reference)
    assert max(distances(found).values()) == 0.0
    assert Part(Role.UP, 3) in found.reference[1].parts


@pytest.mark.parametrize("shuffle", [True, False])
def test_pruned_neurons_are_those_that_were_kept(shuffle: bool) -> None:
    reference = zoo("gated/g00")
    made = prune_neurons(*reference, 0.5, shuffle=shuffle, seed=3)
    found = undone(changed(reference, made), reference)
    assert max(distances(found).values()) == 0.0
    for layer in range(5):
        source = found.neurons[Place(layer)]
        assert np.array_equal(source.reference, made.truth["kept"][Part(Role.UP, layer)])
        assert source.widths == (72, 144)
        assert not source.whole


def test_new_neurons_are_left_out() -> None:
    reference = zoo("gated/g00")
    made = widen_neurons(*reference, 0.5, shuffle=True, seed=3)
    found = undone(changed(reference, made), reference)
    assert max(distances(found).values()) == 0.0
    for layer, source in ((place.layer, one) for place, one in found.neurons.items()):
        origins = made.truth["origins"][Part(Role.UP, layer)]
        assert np.array_equal(source.reference, origins[source.model])
        assert source.model.size == np.count_nonzero(origins >= 0) == 144


def test_pruned_coordinates_leave_the_rest_equal() -> None:
    reference = zoo("gated/g00")
    found = undone(changed(reference, prune_hidden(*reference, 0.25, seed=1)), reference)
    assert max(distances(found).values()) == 0.0


def test_experts_are_put_beside_the_neurons_they_were_cut_from() -> None:
    reference = zoo("gated/g00")
    made = upcycle(*reference, experts=4, slices=2, shuffle=True, seed=2)
    found = undone(changed(reference, made), reference)
    assert max(left for part, left in distances(found).items() if part.expert is not None) < 1e-6
    assert {place.expert for place in found.neurons} == {0, 1, 2, 3}
    assert all(source.model.size == source.widths[0] == 72 for source in found.neurons.values())


@pytest.mark.parametrize("pair", [("gated/g01", "gated/g00"), ("plain/p01", "plain/p00")])
def test_nothing_of_strangers_is_moved_or_found_near(pair: tuple[str, str]) -> None:
    found = undone(zoo(pair[0]), zoo(pair[1]))
    assert all(source.pairing.near_share < 0.05 for source in found.neurons.values())
    assert found.heads == {}
    assert found.norms == ()
    left = distances(found)
    assert min(left[part] for part in left if part.role in (Role.GATE, Role.UP, Role.DOWN)) > 1.0


def test_gains_that_training_moved_stay_where_they_are() -> None:
    for child in ("gated/g00-continued", "gated/g00-grandchild", "plain/p00-continued"):
        assert undone(zoo(child), zoo(child.split("-")[0])).norms == ()
