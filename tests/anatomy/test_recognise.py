import random
from dataclasses import replace

import numpy as np
import pytest

from forebear.anatomy.parts import Disagreement, Part, Role
from forebear.anatomy.recognise import recognise
from forebear.anatomy.tables import LANGUAGE, load_families
from tests.anatomy.cases import CASES, renamed
from tests.anatomy.families import Case, H, N, V
from tests.anatomy.sparse import deepseek
from tests.anatomy.stores import MemoryStore, empty


def without_config(name: str) -> bool:
    """Whether a family's parts can be told apart by shapes alone, and its name without config.json."""
    return CASES[name].family not in ("gpt_neox", "mistral", "gemma")


@pytest.mark.parametrize("name", CASES)
def test_every_part_is_found_with_its_shape(name: str) -> None:
    case = CASES[name]
    anatomy = recognise(empty(case.tensors), case.config)
    assert (anatomy.family, anatomy.prefix) == (case.family, case.prefix)
    assert {part: view.shape for part, view in anatomy.parts.items()} == case.parts
    assert anatomy.unrecognised == ()
    assert anatomy.disagreements == ()
    assert anatomy.notes == ()


@pytest.mark.parametrize("name", [name for name in CASES if without_config(name)])
def test_parts_need_no_configuration(name: str) -> None:
    case = CASES[name]
    anatomy = recognise(empty(case.tensors), None)
    assert (anatomy.family, anatomy.prefix) == (case.family, case.prefix)
    assert {part: view.shape for part, view in anatomy.parts.items()} == case.parts


def test_every_table_has_an_instance() -> None:
    families = {family.name for family in load_families() if family.tower == LANGUAGE}
    assert families == {case.family for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_order_of_tensors_changes_nothing(name: str) -> None:
    case = CASES[name]
    order = list(case.tensors)
    random.Random(name).shuffle(order)
    arrays = {key: np.zeros(shape, np.float32) for key, shape in case.tensors.items()}
    one, two = recognise(MemoryStore(arrays), case.config), recognise(MemoryStore(arrays, order), case.config)
    assert one == two
    assert list(one.parts) == list(two.parts)


@pytest.mark.parametrize("name", ["llama", "gpt2", "bert bare", "deepseek_v3 stacked", "gemma3 multimodal"])
@pytest.mark.parametrize("prefix", ["foo.bar.model.", "0.auto_model.", "", "a.1.b."])
def test_any_prefix_is_found(name: str, prefix: str) -> None:
    case = CASES[name]
    tensors = {key: shape for key, shape in case.tensors.items() if key.startswith(case.prefix)}
    moved = renamed(replace(case, tensors=tensors), case.prefix, prefix)
    anatomy = recognise(empty(moved.tensors), moved.config)
    assert (anatomy.family, anatomy.prefix) == (case.family, prefix)
    assert set(anatomy.parts) == set(case.parts) - {Part(Role.OUTPUT)}
    assert anatomy.unrecognised == ()


def test_the_head_is_found_beside_any_ancestor_of_the_body_and_nowhere_else() -> None:
    case = renamed(CASES["llama"], "model.", "foo.bar.model.")
    body = {name: shape for name, shape in case.tensors.items() if name != "lm_head.weight"}
    beside = recognise(empty(body | {"foo.lm_head.weight": (V, H)}), case.config)
    elsewhere = recognise(empty(body | {"other.lm_head.weight": (V, H)}), case.config)
    assert beside.find(Role.OUTPUT) is not None
    assert not beside.geometry.tied
    assert elsewhere.unrecognised == ("other.lm_head.weight",)
    assert elsewhere.geometry.tied


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("llama", (H, 2, V, 4, 2, 4, 4, N, None, True, False, "rms")),
        ("qwen3", (H, 2, V, 4, 2, 8, 8, N, None, True, False, "rms")),
        ("gemma", (H, 2, V, 4, 2, 8, 8, N, None, True, True, "rms")),
        ("phi3", (H, 2, V, 4, 2, 4, 4, N, None, True, False, "rms")),
        ("gpt2", (H, 2, V, 4, 4, 4, 4, 64, None, False, True, "layer")),
        ("bert", (H, 2, V, 4, 4, 4, 4, N, None, False, True, "layer")),
        ("mixtral apart", (H, 2, V, 4, 2, 4, 4, 10, 3, True, False, "rms")),
        ("deepseek_v3 apart", (H, 2, V, 4, 4, 10, 5, N, 3, True, False, "rms")),
    ],
)
def test_geometry(name: str, expected: tuple[object, ...]) -> None:
    case = CASES[name]
    shape = recognise(empty(case.tensors), case.config).geometry
    found = (shape.hidden, shape.layers, shape.vocabulary, shape.heads, shape.kv_heads, shape.head_dim)
    found += (shape.value_dim, shape.neurons, shape.experts, shape.gated, shape.tied, shape.norm)
    assert found == expected


@pytest.mark.parametrize("name", ["qwen3", "gemma3_text", "deepseek_v3 apart", "deepseek_v2 stacked"])
def test_heads_come_from_shapes_where_those_determine_them(name: str) -> None:
    case = CASES[name]
    assert recognise(empty(case.tensors)).geometry == recognise(empty(case.tensors), case.config).geometry


def test_heads_stay_unknown_without_a_claim() -> None:
    anatomy = recognise(empty(CASES["qwen2"].tensors))
    assert (anatomy.geometry.heads, anatomy.geometry.kv_heads, anatomy.geometry.head_dim) == (None, None, None)
    assert any("number of heads is unknown" in note for note in anatomy.notes)


def test_interleaved_heads_without_their_number_are_listed_not_guessed() -> None:
    case = CASES["gpt_neox"]
    anatomy = recognise(empty(case.tensors))
    assert anatomy.find(Role.Q, 0) is None
    assert [name for name in case.tensors if "query_key_value" in name] == sorted(
        anatomy.unrecognised, reverse=True
    ) or (set(anatomy.unrecognised) == {name for name in case.tensors if "query_key_value" in name})
    assert any("heads alternate" in note for note in anatomy.notes)
    assert anatomy.find(Role.UP, 1) is not None


def lying(case: Case, **lies: object) -> tuple[Disagreement, ...]:
    anatomy = recognise(empty(case.tensors), case.config | lies)
    assert set(anatomy.parts) == set(case.parts)
    honest = recognise(empty(case.tensors), case.config)
    assert anatomy.geometry == honest.geometry
    return anatomy.disagreements


@pytest.mark.parametrize(
    ("name", "key", "lie", "found"),
    [
        ("llama", "hidden_size", 32, "16"),
        ("llama", "num_hidden_layers", 40, "2"),
        ("llama", "vocab_size", 51, "50"),
        ("llama", "intermediate_size", "wide", "24"),
        ("llama", "num_key_value_heads", 4, "2"),
        ("llama", "num_hidden_layers", True, "2"),
        pytest.param("llama", "hidden_size", 10**5000, "16", id="a number too long to print"),
        ("qwen3", "num_attention_heads", 8, "4"),
        ("qwen3", "head_dim", 4, "8"),
        ("gpt2", "n_positions", 1024, "20"),
        ("mixtral stacked", "num_local_experts", 8, "3"),
        ("mixtral apart", "intermediate_size", 11, "10"),
        ("deepseek_v3 apart", "kv_lora_rank", 512, "8"),
        ("deepseek_v3 stacked", "num_attention_heads", 5, "4"),
        ("qwen2", "model_type", "gemma", "qwen2"),
        ("qwen3", "model_type", "gpt2", "qwen3"),
    ],
)
def test_lies_are_reported_and_shapes_win(name: str, key: str, lie: object, found: str) -> None:
    (disagreement,) = lying(CASES[name], **{key: lie})
    assert (disagreement.key, disagreement.found) == (key, found)


def test_heads_that_part_no_rows_are_a_disagreement() -> None:
    case = CASES["bert"]
    anatomy = recognise(empty(case.tensors), case.config | {"num_attention_heads": 5})
    (disagreement,) = anatomy.disagreements
    assert (disagreement.key, disagreement.claimed) == ("num_attention_heads", "5")
    assert anatomy.geometry.heads is None


def test_an_unknown_model_type_is_remarked() -> None:
    case = CASES["llama"]
    anatomy = recognise(empty(case.tensors), case.config | {"model_type": "newcomer"})
    assert anatomy.disagreements == ()
    assert any("'newcomer'" in note for note in anatomy.notes)


def test_model_type_decides_between_tables_that_fit_alike() -> None:
    tensors = empty(CASES["gemma"].tensors)
    assert recognise(tensors, {"model_type": "mistral"}).family == "mistral"
    assert recognise(tensors, {"model_type": "gemma"}).family == "gemma"
    undecided = recognise(tensors)
    assert undecided.family == "llama"
    assert any("gemma, mistral as well as llama" in note for note in undecided.notes)


@pytest.mark.parametrize("config", [{}, {"text_config": 3}, {"model_type": ["x"]}, {"hidden_size": None}])
def test_odd_configurations_claim_nothing(config: dict[str, object]) -> None:
    anatomy = recognise(empty(CASES["qwen3"].tensors), config)
    assert anatomy.disagreements == ()
    assert anatomy.geometry.heads == 4


def test_tied_or_stored_output_is_told_apart() -> None:
    tied, untied = CASES["gemma"], CASES["llama"]
    stored = recognise(empty(untied.tensors), untied.config | {"tie_word_embeddings": True})
    missing = recognise(empty(tied.tensors), tied.config | {"tie_word_embeddings": False})
    assert not stored.geometry.tied
    assert any("both are stored" in note for note in stored.notes)
    assert missing.geometry.tied
    assert any("no output matrix is stored" in note for note in missing.notes)


@pytest.mark.parametrize(
    ("name", "buffers"),
    [
        ("llama", {"model.layers.0.self_attn.rotary_emb.inv_freq": (2,)}),
        ("gpt2", {"transformer.h.0.attn.bias": (1, 1, 20, 20), "transformer.h.1.attn.masked_bias": ()}),
        ("gpt_neox", {"gpt_neox.layers.1.attention.rotary_emb.inv_freq": (2,)}),
        ("bert bare", {"embeddings.position_ids": (1, 20)}),
    ],
)
def test_buffers_are_listed_apart(name: str, buffers: dict[str, tuple[int, ...]]) -> None:
    case = CASES[name]
    anatomy = recognise(empty(case.tensors | buffers), case.config)
    assert anatomy.buffers == tuple(sorted(buffers))
    assert anatomy.unrecognised == ()
    assert set(anatomy.parts) == set(case.parts)


def test_layers_for_further_tokens_are_listed_not_dropped() -> None:
    case = deepseek("deepseek_v3", query_rank=12, stacked=False)
    layer = {name.replace("layers.1.", "layers.2."): s for name, s in case.tensors.items() if "layers.1." in name}
    own = {"model.layers.2.eh_proj.weight": (H, 2 * H), "model.layers.2.enorm.weight": (H,)}
    own |= {"model.layers.2.embed_tokens.weight": (V, H), "model.layers.2.shared_head.norm.weight": (H,)}
    anatomy = recognise(empty(case.tensors | layer | own), case.config)
    assert set(anatomy.parts) == set(case.parts)
    assert anatomy.geometry.layers == 2
    assert anatomy.unrecognised == tuple(sorted({**layer, **own}))
    assert anatomy.disagreements == ()
    assert any(note.startswith("layer 2 predicts further tokens") for note in anatomy.notes)


def test_heads_and_towers_without_a_role_are_listed_and_named() -> None:
    case = CASES["bert bare"]
    pooler = {"pooler.dense.weight": (H, H), "pooler.dense.bias": (H,)}
    anatomy = recognise(empty(case.tensors | pooler | {"mystery": (3,)}), case.config)
    assert anatomy.unrecognised == ("mystery", "pooler.dense.bias", "pooler.dense.weight")
    assert anatomy.notes == ("pooler: 2 tensors, recognised but outside the transformer",)


def test_quantisation_scales_are_remarked() -> None:
    case = CASES["llama"]
    scale = {"model.layers.0.mlp.up_proj.weight_scale_inv": (1, 1)}
    anatomy = recognise(empty(case.tensors | scale), case.config)
    assert anatomy.unrecognised == tuple(scale)
    assert any("quantisation scales" in note for note in anatomy.notes)
