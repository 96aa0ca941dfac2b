from __future__ import annotations

import numpy as np
import pytest

from forebear.alignment.frame import Frame, fixed_frame
from forebear.alignment.laying import lay, rows_of, source_of
from forebear.alignment.overlay import Side, computed_tensor, whole
from forebear.alignment.residual import ResidualMap
from forebear.alignment.sampled import Place
from forebear.alignment.vocabulary import pair_tokens
from forebear.anatomy.parts import Part, Role, View
from forebear.anatomy.reading import read_part
from forebear.zoo.surgery import (
    insert_layers,
    permute_residual,
    prune_hidden,
    reorder_layers,
    rotate_residual,
    upcycle,
)
from tests.alignment.framed import Model, changed, framed, sides, zoo
from tests.models import Tensors

G00, P00 = zoo("gated/g00"), zoo("plain/p00")


def laid(model: Model, reference: Model, frame: Frame | None = None) -> tuple[Side, Side]:
    return lay(*sides(model, reference), frame or framed(model, reference))


def largest_difference(mine: Side, yours: Side) -> float:
    """Over all parts of the model, which the reference must all have."""
    found = 0.0
    for part, view in mine[1].parts.items():
        first, second = whole(mine, view), whole(yours, yours[1].parts[part])
        assert first.shape == second.shape, str(part)
        found = max(found, float(np.abs(first - second).max() / (np.abs(first).max() + 1e-12)))
    return found


@pytest.mark.parametrize("base", [G00, P00], ids=["gated", "plain"])
def test_a_turned_copy_is_met_part_by_part(base: Model) -> None:
    assert largest_difference(*laid(base, base)) == 0.0
    assert largest_difference(*laid(changed(base, permute_residual(base[0], seed=1)), base)) == 0.0
    assert largest_difference(*laid(changed(base, rotate_residual(*base, seed=1)), base)) < 1e-5


def test_what_is_not_moved_is_only_looked_up() -> None:
    model, reference = laid(changed(G00, reorder_layers(*G00, seed=1)), G00)
    assert largest_difference(model, reference) == 0.0
    assert all(computed_tensor(reference[0], view.tensor) is None for view in reference[1].parts.values())


def test_computed_parts_say_whether_they_were_rounded_and_whose_values_they_hold() -> None:
    _, rotated = laid(changed(G00, rotate_residual(*G00, seed=1)), G00)
    _, permuted = laid(changed(G00, permute_residual(G00[0], seed=1)), G00)
    for side, rounded in ((rotated, True), (permuted, False)):
        up, norm = (computed_tensor(side[0], side[1].parts[Part(role, 1)].tensor) for role in (Role.UP, Role.FFN_NORM))
        assert up is not None
        assert norm is not None
        assert (up.rounded, up.own) == (rounded, False)
        assert norm.own == rounded


def test_parts_without_a_source_are_left_out() -> None:
    made = insert_layers(*G00, [2])
    model, reference = laid(changed(G00, made), G00)
    missing = {part.layer for part in model[1].parts.keys() - reference[1].parts.keys()}
    assert missing == {2}
    assert reference[1].geometry.layers == 6


def test_only_the_layers_asked_for_are_presented() -> None:
    both = sides(G00, G00)
    frame = fixed_frame(*both)
    assert frame is not None
    reference = lay(*both, frame, {1, 3})[1]
    assert {part.layer for part in reference[1].parts} == {None, 1, 3}


def test_a_sample_of_computed_rows_is_that_of_the_whole() -> None:
    _, reference = laid(changed(G00, rotate_residual(*G00, seed=1)), G00)
    rows, columns = np.array([5, 2, 77]), np.array([0, 71])
    for part in (Part(Role.GATE, 0), Part(Role.DOWN, 3), Part(Role.EMBEDDING)):
        view = reference[1].parts[part]
        chosen = rows[rows < view.shape[0]]
        expected = whole(reference, view)[chosen][:, columns]
        assert np.array_equal(read_part(reference[0], view, chosen, columns), expected)


def test_coordinates_the_reference_does_not_reach_read_nothing_and_have_gain_one() -> None:
    both = sides(G00, G00)
    plain = fixed_frame(*both)
    assert plain is not None
    source = np.arange(72)
    source[10] = -1
    residual = ResidualMap("permutation", source, np.ones(72, np.float32), None)
    frame = Frame(residual, plain.layers, plain.tokens, plain.places)
    reference = lay(*both, frame)[1]
    gate, gain, down = (
        whole(reference, reference[1].parts[Part(role, 1)]) for role in (Role.GATE, Role.FFN_NORM, Role.DOWN)
    )
    assert not gate[:, 10].any()
    assert not down[10].any()
    assert gain[10] == 1.0
    assert np.array_equal(gain[:10], G00[0]["model.layers.1.post_attention_layernorm.weight"][:10])


def test_the_vocabulary_is_cut_to_shared_tokens_in_the_models_order() -> None:
    both = sides(G00, G00)
    plain = fixed_frame(*both)
    assert plain is not None
    mine, yours = {"a": 7, "b": 2, "c": 900}, {"a": 1, "b": 5, "d": 3}
    tokens = pair_tokens(mine, yours, (1024, 1024))
    model, reference = lay(*both, Frame(plain.residual, plain.layers, tokens, plain.places))
    table = G00[0]["lm_head.weight"]
    first, second = (whole(side, side[1].parts[Part(Role.OUTPUT)]) for side in (model, reference))
    assert np.array_equal(first[:2], table[[2, 7]])
    assert np.array_equal(second[:2], table[[5, 1]])
    assert first.shape == second.shape


def test_rows_of_a_view_are_runs_of_the_stored() -> None:
    view = View("t", (6, 3), ((10, 13), (20, 23)))
    found = rows_of(view, np.array([1, 2, 3, 5, 0]))
    assert found.shape == (5, 3)
    assert found.spans == ((11, 13), (20, 21), (22, 23), (10, 11))


def test_a_tied_reference_lends_its_embedding_as_output() -> None:
    tied: Tensors = {name: tensor for name, tensor in G00[0].items() if name != "lm_head.weight"}
    both = sides(G00, (tied, G00[1] | {"tie_word_embeddings": True}))
    frame = fixed_frame(*both)
    assert frame is not None
    assert source_of(Part(Role.OUTPUT), frame, both[1][1]) == Part(Role.EMBEDDING)


def test_experts_and_shared_experts_are_laid_over_the_dense_ffn() -> None:
    made = upcycle(*G00, experts=2, noise=0.01, shared=True, seed=1)
    both = sides(changed(G00, made), G00)
    frame = framed(changed(G00, made), G00)
    for part, role in (
        (Part(Role.UP, 1, 1), Role.UP),
        (Part(Role.SHARED_DOWN, 2), Role.DOWN),
        (Part(Role.SHARED_GATE, 0), Role.GATE),
    ):
        assert source_of(part, frame, both[1][1]) == Part(role, part.layer)
    assert source_of(Part(Role.ROUTER, 1), frame, both[1][1]) is None
    assert frame.places[Place(1, 0)] == Place(1)


def test_a_narrowed_model_is_met_in_its_own_coordinates() -> None:
    model, reference = laid(changed(G00, prune_hidden(*G00, 0.25, seed=1)), G00)
    assert reference[1].geometry.hidden == 54
    assert largest_difference(model, reference) == 0.0
