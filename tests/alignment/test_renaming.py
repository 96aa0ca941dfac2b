"""What a tensor is must be found under any name, order, number and layout; and not be made up between strangers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.alignment import renaming
from forebear.alignment.renaming import Renaming, resolve
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.reading import read_part
from forebear.anatomy.recognise import recognise
from forebear.errors import AnatomyError
from forebear.zoo import surgery
from forebear.zoo.surgery import experts as experts_surgery
from forebear.zoo.surgery import names
from tests.alignment.disguised import fused, scrambled, shuffled, split, turned
from tests.anatomy.stores import MemoryStore, empty
from tests.models import sided, zoo_config, zoo_tensors

Tensors = Mapping[str, NDArray[Any]]
Disguise = Callable[[Tensors], Tensors]

GATED, PLAIN = ("gated/g00-continued", "gated/g00"), ("plain/p00-continued", "plain/p00")
QKV = tuple(f".self_attn.{one}_proj.weight" for one in "qkv")
QKV_BIAS = tuple(f".self_attn.{one}_proj.bias" for one in "qkv")
FFN = (".mlp.gate_proj.weight", ".mlp.up_proj.weight")
CONV = tuple(f".attn.{one}.weight" for one in "qkv"), tuple(f".attn.{one}.bias" for one in "qkv")


def rotated(name: str) -> Disguise:
    return lambda tensors: surgery.rotate_residual(tensors, zoo_config(name), seed=1).tensors


def mixed(tensors: Tensors) -> Tensors:
    config = zoo_config("gated/g00")
    return surgery.mix_queries(surgery.mix_values(surgery.permute_heads(tensors, config), config), config)


def everything(seed: int, **options: bool) -> Disguise:
    return lambda tensors: surgery.everything(tensors, zoo_config("gated/g00"), seed=seed, **options).tensors


def renamed(tensors: Tensors, parent: str, *, blind: bool = True, config: dict[str, Any] | None = None) -> Renaming:
    store = MemoryStore(tensors)
    return resolve((store, None if blind else recognise(store, config)), sided(zoo_tensors(parent), zoo_config(parent)))


SAME_LAYOUT: dict[str, tuple[tuple[str, str], Disguise]] = {
    "gated": (GATED, dict),
    "plain": (PLAIN, dict),
    "gated, neurons permuted, residual stream relabelled": (
        GATED,
        lambda t: surgery.permute_neurons(surgery.permute_residual(t, signs=True, seed=1)),
    ),
    "plain, residual stream relabelled": (PLAIN, lambda t: surgery.permute_residual(t, seed=1)),
    "gated, rotated": (GATED, lambda t: surgery.permute_neurons(rotated("gated/g00")(t))),
    "plain, rotated": (PLAIN, rotated("plain/p00")),
    "norms rescaled": (GATED, lambda t: surgery.rescale_norms(t, seed=1, octaves=2)),
    "heads mixed": (GATED, mixed),
    "neurons rescaled and flipped": (GATED, lambda t: surgery.flip_signs(surgery.rescale_neurons(t))),
    "everything": (GATED, everything(0)),
    "everything, no sign flipped": (GATED, everything(1, signs=False)),
    "everything, not rotated": (GATED, everything(1, rotate=False)),
    "everything, plain": (PLAIN, lambda t: surgery.everything(t, zoo_config("plain/p00"), seed=1).tensors),
}


@pytest.mark.parametrize("name", SAME_LAYOUT)
def test_every_name_is_recovered_from_scrambled_ones(name: str) -> None:
    (child, parent), disguise = SAME_LAYOUT[name]
    tensors, truth = scrambled(disguise(zoo_tensors(child)), seed=3)
    found = renamed(tensors, parent)
    new_names = {}
    for each in found.names:
        assert new_names.setdefault(each.old, each.new) == each.new
    assert found.by_content
    assert found.layer_order == tuple(range(found.anatomy.geometry.layers))
    originals = {old: new for new, old in truth.items()}
    for scrambled_name, original in truth.items():
        if original == "lm_head.weight" and parent == "plain/p00":
            continue  # parted from a tied embedding, so the reference has no name for it
        new = originals[new_names[scrambled_name]]
        # Vectors of equal values, such as gains of 1 after a rotation, are interchangeable.
        assert new == scrambled_name or np.array_equal(tensors[new], tensors[scrambled_name]), original


LAYOUTS: dict[str, tuple[tuple[str, str], Disguise]] = {
    "fused": (GATED, lambda t: fused(fused(fused(t, QKV, ".qkv"), QKV_BIAS, ".qkv_bias"), FFN, ".ffn")),
    "fused by group, up before gate": (
        GATED,
        lambda t: fused(fused(fused(t, QKV, ".qkv", 2), QKV_BIAS, ".qkv_bias", 2), FFN[::-1], ".ffn"),
    ),
    "matrices fused, biases not, gate and up row by row": (
        GATED,
        lambda t: fused(fused(t, QKV, ".qkv"), FFN, ".ffn", 144),
    ),
    "stored the other way round": (GATED, lambda t: turned(t, (".weight",))),
    "everything, fused": (GATED, lambda t: surgery.fuse(everything(0, mix=False)(t))),
    "split": (PLAIN, lambda t: split(split(t, ".attn.c_attn.weight", CONV[0]), ".attn.c_attn.bias", CONV[1])),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_parts_read_the_same_from_another_layout(name: str) -> None:
    (child, parent), disguise = LAYOUTS[name]
    plain = everything(0, mix=False)(zoo_tensors(child)) if "everything" in name else zoo_tensors(child)
    store, anatomy = sided(plain, zoo_config(child))
    tensors, _ = scrambled(disguise(zoo_tensors(child)))
    found = renamed(tensors, parent)
    assert found.by_content
    assert set(found.anatomy.parts) == set(anatomy.parts)
    assert dict(found.anatomy.reads) == dict(anatomy.reads)
    assert found.anatomy.geometry == anatomy.geometry
    for part, view in found.anatomy.parts.items():
        # Softmax does not see the bias of keys: apart, nothing but noise tells those of two layers from each other.
        if name != "split" or part.role is not Role.K_BIAS:
            assert np.array_equal(read_part(MemoryStore(tensors), view), read_part(store, anatomy.parts[part])), part


def test_layers_renumbered_keep_their_numbers_and_give_their_order() -> None:
    tensors, order = shuffled(zoo_tensors(GATED[0]), seed=3)
    found = renamed(tensors, GATED[1], blind=False, config=zoo_config(GATED[1]))
    assert found.layer_order == order
    assert found.anatomy.family == "qwen2"
    assert not found.disagreements
    moved = sum(new != old for new, old in enumerate(order))
    assert len(found.names) == 12 * moved


def test_numbers_shuffled_tensor_by_tensor_are_not_believed() -> None:
    tensors = zoo_tensors(GATED[0])
    moved = [name for name in tensors if ".mlp." in name or ".self_attn." in name]
    rng, mixed_up = np.random.default_rng(0), {name: tensors[name] for name in tensors if name not in moved}
    for end in {name.split(".", 3)[3] for name in moved}:
        same = [name for name in moved if name.endswith(end)]
        mixed_up |= {name: tensors[same[at]] for name, at in zip(same, rng.permutation(len(same)), strict=True)}
    found = renamed(mixed_up, GATED[1], blind=False, config=zoo_config(GATED[1]))
    for part, view in found.anatomy.parts.items():
        reference = found.parts[part]
        original = recognise(MemoryStore(tensors), zoo_config(GATED[0])).parts[reference].tensor
        assert np.array_equal(mixed_up[view.tensor], tensors[original]), part
    assert found.disagreements


@pytest.mark.parametrize("style", ["numbered", "regrouped", "prefixed"])
def test_numbers_that_stay_in_names_order_the_layers(style: str) -> None:
    tensors, config = zoo_tensors(GATED[0]), zoo_config(GATED[0])
    if style == "numbered":
        done = names.scramble_names(tensors, config, seed=4, numbered=True)
        tensors, order = done.tensors, tuple(done.truth["layer_map"])
    elif style == "regrouped":
        tensors, order = names.regroup_layers(tensors, config, size=2).tensors, (0, 1, 2, 3, 4)
    else:
        tensors, order = names.prefix_names(tensors, "module.net."), (0, 1, 2, 3, 4)
    found = renamed(tensors, GATED[1], blind=False, config=config)
    assert found.layer_order == order
    assert len(found.anatomy.parts) == 63
    assert not found.disagreements
    for part, view in found.anatomy.parts.items():
        original = recognise(MemoryStore(zoo_tensors(GATED[0])), config).parts[found.parts[part]].tensor
        assert np.array_equal(tensors[view.tensor], zoo_tensors(GATED[0])[original]), part


MIXTURE = "gated/g02-upcycled-sliced"


def test_experts_keep_the_numbers_a_table_knows() -> None:
    store = MemoryStore(zoo_tensors(MIXTURE))
    anatomy = recognise(store, zoo_config(MIXTURE))
    found = resolve((store, anatomy), sided(zoo_tensors("gated/g02"), zoo_config("gated/g02")))
    assert found.anatomy is anatomy
    assert not found.disagreements
    assert found.parts[Part(Role.UP, 2, 5)] == found.parts[Part(Role.SHARED_UP, 2)] == Part(Role.UP, 2)


@pytest.mark.parametrize("reference", ["gated/g02", MIXTURE])
def test_matrices_of_one_expert_are_found_together(reference: str) -> None:
    tensors, truth = scrambled(zoo_tensors(MIXTURE))
    found = renamed(tensors, reference)
    assert found.layer_order == (0, 1, 2, 3, 4)
    experts: dict[tuple[int | None, int], set[str]] = {}
    for part, view in found.anatomy.parts.items():
        if part.expert is not None:
            experts.setdefault((part.layer, part.expert), set()).add(truth[view.tensor].rpartition(".mlp.")[2])
    assert len(experts) == 40
    for members in experts.values():
        assert {name.split(".")[2] for name in members} == {"gate_proj", "up_proj", "down_proj"}
        assert len({name.split(".")[1] for name in members}) == 1
    assert (
        truth[found.anatomy.parts[Part(Role.SHARED_UP, 3)].tensor] == "model.layers.3.mlp.shared_expert.up_proj.weight"
    )


def test_one_expert_of_a_mixture_is_a_dense_ffn() -> None:
    dense = experts_surgery.to_dense(zoo_tensors(MIXTURE), zoo_config(MIXTURE), expert=3)
    found = renamed(dense.tensors, MIXTURE, blind=False, config=dense.config)
    assert found.anatomy.family == "qwen2"
    assert found.parts[Part(Role.GATE, 1)] == Part(Role.GATE, 1, 3)


@pytest.mark.parametrize("pair", [("gate", "up"), ("k", "v"), ("q", "o")])
def test_names_that_lie_are_told(pair: tuple[str, str]) -> None:
    first, second = (f"{one}_proj." for one in pair)
    tensors = {
        name.replace(first, "@").replace(second, first).replace("@", second): array
        for name, array in zoo_tensors(GATED[0]).items()
    }
    found = renamed(tensors, GATED[1], blind=False, config=zoo_config(GATED[1]))
    role = Role(pair[0])
    for layer in range(5):
        assert second in found.anatomy.parts[Part(role, layer)].tensor
    told = {each.tensor: each for each in found.disagreements}
    liar = told[f"model.layers.0.{'mlp' if 'gate' in pair else 'self_attn'}.{second}weight"]
    assert [part.role for part in liar.claimed] == [Role(pair[1])]
    assert [part.role for part in liar.found] == [role]


def test_true_names_are_left_alone() -> None:
    store = MemoryStore(zoo_tensors(GATED[0]))
    anatomy = recognise(store, zoo_config(GATED[0]))
    found = resolve((store, anatomy), sided(zoo_tensors(GATED[1]), zoo_config(GATED[1])))
    assert found.anatomy is anatomy
    assert (found.names, found.unchanged, found.disagreements) == ((), 63, ())


def test_repeated_and_dropped_layers_are_counted_in_the_references_order() -> None:
    config = zoo_config(GATED[0])
    repeated = surgery.repeat_layers(zoo_tensors(GATED[0]), config, [0, 1, 2, 2, 4]).tensors
    found = renamed(scrambled(repeated)[0], GATED[1])
    assert found.layer_order == (0, 1, 2, 2, 4)
    assert len(found.anatomy.parts) == 63
    numbered = renamed(repeated, GATED[1], blind=False, config=config)
    assert numbered.layer_order == (0, 1, 2, 2, 4)


def test_pruned_neurons_do_not_hide_a_matrix() -> None:
    pruned = surgery.prune_neurons(zoo_tensors(GATED[0]), zoo_config(GATED[0]), share=0.5).tensors
    tensors, truth = scrambled(pruned)
    found = renamed(tensors, GATED[1])
    assert {each.old: each.new for each in found.names} == truth
    assert found.anatomy.geometry.neurons == 72


@pytest.mark.parametrize("pair", [("gated/g01", "gated/g00"), ("plain/p01", "plain/p00"), ("gated/g05", "gated/g02")])
def test_strangers_are_not_named_by_content(pair: tuple[str, str]) -> None:
    found = renamed(scrambled(zoo_tensors(pair[0]))[0], pair[1])
    assert not found.by_content
    assert all(each.confidence <= 0.5 and each.how != "content" for each in found.names)
    named = renamed(zoo_tensors(pair[0]), pair[1], blind=False, config=zoo_config(pair[0]))
    assert not named.by_content
    assert (named.names, named.disagreements) == ((), ())
    assert named.anatomy.family in ("qwen2", "gpt2")


def test_a_small_budget_samples_and_still_finds_names() -> None:
    tensors, truth = scrambled(zoo_tensors(GATED[0]))
    store = MemoryStore(tensors)
    found = resolve((store, None), sided(zoo_tensors(GATED[1]), zoo_config(GATED[1])), budget=200_000)
    assert {each.old: each.new for each in found.names} == truth


def test_very_many_matrices_are_spot_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renaming, "MOST_SLOTS", 10)
    config = zoo_config(GATED[0])
    true = renamed(zoo_tensors(GATED[0]), GATED[1], blind=False, config=config)
    assert (true.by_content, true.names, true.layer_order) == (True, (), (0, 1, 2, 3, 4))
    moved = renamed(shuffled(zoo_tensors(GATED[0]), seed=3)[0], GATED[1], blind=False, config=config)
    stranger = renamed(zoo_tensors("gated/g01"), GATED[1], blind=False, config=config)
    assert not moved.by_content
    assert not stranger.by_content


def test_a_reference_without_parts_is_refused() -> None:
    nothing = empty({"a": (3, 3)})
    with pytest.raises(AnatomyError, match="no part is recognised"):
        resolve((nothing, None), (nothing, recognise(nothing)))
    with pytest.raises(AnatomyError, match="neither names, shapes nor content"):
        resolve((nothing, None), sided(zoo_tensors("gated/g00"), zoo_config("gated/g00")))
