import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from forebear.anatomy.tables import LANGUAGE, load_families
from forebear.anatomy.towers import Kind, Towers, towers
from tests.anatomy.cases import CASES, renamed
from tests.anatomy.encoders import H as ENCODER
from tests.anatomy.encoders import encoders
from tests.anatomy.families import LAYERS, Case, H, Shapes
from tests.anatomy.stores import MemoryStore, empty

TEXT = CASES["qwen2"]


def beside(encoder: Case, prefix: str, text: Case = TEXT, **more: tuple[int, ...]) -> tuple[Shapes, dict[str, object]]:
    """A language model with an encoder and further tensors, configured as released ones are."""
    section = "audio_config" if encoder.family.startswith("whisper") else "vision_config"
    tensors = text.tensors | {prefix + name: shape for name, shape in encoder.tensors.items()} | more
    return tensors, {"model_type": "tiny_vl", "text_config": text.config, section: encoder.config}


def parts_of(found: Towers, name: str) -> dict[Part, tuple[int, ...]]:
    anatomy = found.others[name].anatomy
    assert anatomy is not None
    return {part: view.shape for part, view in anatomy.parts.items()}


def names_of(found: Towers) -> list[str]:
    """Every tensor of a model, from its towers."""
    language = {view.tensor for view in found.language.parts.values()}
    rest = [name for tower in found.others.values() for name in tower.tensors]
    return sorted([*language, *found.language.unrecognised, *found.language.buffers, *rest])


def test_every_table_of_an_encoder_has_an_instance() -> None:
    assert {family.name for family in load_families() if family.tower != LANGUAGE} == set(encoders())


@pytest.mark.parametrize("name", encoders())
@pytest.mark.parametrize("prefix", ["vision_tower.vision_model.", "model.visual.", "vpm.", "x.1."])
def test_an_encoder_beside_a_language_model_has_its_parts(name: str, prefix: str) -> None:
    case = encoders()[name]
    tensors, config = beside(case, prefix)
    found = towers(empty(tensors), config)
    assert found.language.family == TEXT.family
    assert {part: view.shape for part, view in found.language.parts.items()} == TEXT.parts
    assert (found.language.unrecognised, found.language.disagreements) == ((), ())
    (only,) = found.others
    tower = found.others[only]
    assert parts_of(found, only) == case.parts
    assert tower.anatomy is not None
    assert (tower.anatomy.family, tower.anatomy.disagreements, tower.prefix) == (name, (), prefix)
    assert tower.anatomy.geometry.heads == (3 if name != "vit_timm" else None)
    assert tower.parameters == sum(int(np.prod(shape)) for shape in case.tensors.values())
    assert names_of(found) == sorted(tensors)


@pytest.mark.parametrize("name", encoders())
def test_an_encoder_alone_is_no_language_tower(name: str) -> None:
    case = encoders()[name]
    found = towers(empty(case.tensors), case.config)
    assert (found.language.family, found.language.unrecognised) == (None, ())
    assert parts_of(found, "audio" if name == "whisper_encoder" else "vision") == case.parts


@pytest.mark.parametrize("name", ["qwen2", "gpt2", "bert bare", "deepseek_v3 apart", "gemma3 multimodal"])
def test_a_language_model_alone_has_no_other_tower(name: str) -> None:
    case = CASES[name]
    found = towers(empty(case.tensors), case.config)
    assert dict(found.others) == {}
    assert found.language == recognise(empty(case.tensors), case.config)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("multi_modal_projector.linear_1", "multi_modal_projector.linear_2"),
        ("model.mm_projector.0", "model.mm_projector.2"),
        ("mlp1.1", "mlp1.3"),
        ("visual.merger.mlp.0", "visual.merger.mlp.2"),
        ("nothing_telling.b", "nothing_telling.a"),
    ],
)
def test_a_projector_is_two_linear_layers_into_the_language_tower(first: str, second: str) -> None:
    pair = {f"{first}.weight": (24, ENCODER), f"{second}.weight": (H, 24)}
    vectors = {f"{first}.bias": (24,), f"{second}.bias": (H,)}
    tensors, config = beside(encoders()["qwen2_vision"], "visual.", **pair, **vectors)
    found = towers(empty(tensors), config)
    projector = found.others["projector"]
    assert projector.chain == (f"{first}.weight", f"{second}.weight")
    assert set(projector.tensors) == {*pair, *vectors}
    assert set(found.others) == {"vision", "projector"}
    assert names_of(found) == sorted(tensors)


def test_a_resampler_is_a_projector_without_a_chain() -> None:
    shapes = {"resampler.attn.in_proj_weight": (3 * H, H), "resampler.attn.out_proj.weight": (H, H)}
    more = {"resampler.query": (4, H), "resampler.kv_proj.weight": (H, ENCODER), "resampler.ln_q.weight": (H,)}
    tensors, config = beside(encoders()["vit_timm"], "vpm.", **shapes, **more)
    found = towers(empty(tensors), config)
    assert found.others["projector"].chain is None
    assert set(found.others["projector"].tensors) == {*shapes, *more}


def test_layers_beyond_the_stack_are_a_prediction_head_with_an_anatomy() -> None:
    case = CASES["deepseek_v3 apart"]
    start = f"{case.prefix}layers."
    last = {name: shape for name, shape in case.tensors.items() if name.startswith(f"{start}{LAYERS - 1}.")}
    extra = {name.replace(f"{start}{LAYERS - 1}.", f"{start}{LAYERS}."): shape for name, shape in last.items()}
    own = {f"{start}{LAYERS}.eh_proj.weight": (H, 2 * H), f"{start}{LAYERS}.enorm.weight": (H,)}
    found = towers(empty(case.tensors | extra | own), case.config)
    assert found.language.geometry.layers == LAYERS
    assert found.language.unrecognised == ()
    head = found.others["prediction head"]
    assert head.kind is Kind.PREDICTION
    assert set(head.tensors) == {*extra, *own}
    assert parts_of(found, "prediction head") == {
        Part(part.role, 0, part.expert): shape for part, shape in case.parts.items() if part.layer == LAYERS - 1
    }
    assert head.anatomy is not None
    assert set(head.anatomy.unrecognised) == set(own)


def test_a_further_layer_of_many_experts_does_not_hide_the_family() -> None:
    """It alone holds more tensors than the attention that only its own table explains."""
    case = CASES["deepseek_v3 apart"]
    start = f"{case.prefix}layers.{LAYERS}."
    ffn = {"gate_proj": (10, H), "up_proj": (10, H), "down_proj": (H, 10)}
    experts = {f"{start}mlp.experts.{n}.{name}.weight": shape for n in range(40) for name, shape in ffn.items()}
    own = {f"{start}eh_proj.weight": (H, 2 * H), f"{start}mlp.gate.weight": (40, H)}
    assert recognise(empty(case.tensors | experts | own), case.config).family == "deepseek_v3"


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("v_head.summary.weight",), Kind.VALUE),
        (("score.weight",), Kind.VALUE),
        (("medusa_head.0.0.linear.weight", "medusa_head.0.1.weight"), Kind.PREDICTION),
        (("model.layers.0.self_attn.q_proj.lora_A.weight", "model.layers.1.mlp.up_proj.lora_B.weight"), Kind.ADAPTER),
        (("branch.a.weight", "branch.b.weight"), Kind.OTHER),
        (("vision_tower.odd.0.weight", "vision_tower.odd.1.weight"), Kind.VISION),
    ],
)
def test_branches_are_told_by_their_names(names: tuple[str, ...], kind: Kind) -> None:
    found = towers(empty(TEXT.tensors | dict.fromkeys(names, (7, 5))), TEXT.config)
    assert [(tower.kind, set(tower.tensors)) for tower in found.others.values()] == [(kind, set(names))]
    assert found.language.unrecognised == ()


@pytest.mark.parametrize("name", ["odd.weight", "odd", "model.layers.1.mlp.odd.weight", "model.layers.0.odd"])
def test_a_single_odd_tensor_stays_with_the_language_tower(name: str) -> None:
    found = towers(empty(TEXT.tensors | {name: (7, 5)}), TEXT.config)
    assert (found.language.unrecognised, dict(found.others)) == ((name,), {})


def test_several_towers_of_a_kind_are_numbered_by_size() -> None:
    clip, timm = encoders()["vit_clip"], encoders()["vit_timm"]
    tensors, config = beside(clip, "a.vision.")
    tensors |= {f"b.vision.{name}": shape for name, shape in timm.tensors.items()}
    found = towers(empty(tensors), config)
    sizes = [tower.parameters for tower in found.others.values()]
    assert set(found.others) == {"vision", "vision 2"}
    assert sizes == sorted(sizes, reverse=True)


def test_an_encoder_of_an_unknown_layout_is_proposed_from_shapes() -> None:
    case = encoders()["vit_intern"]
    words = {"encoder": "u", "layers": "v", "attn": "w", "qkv": "x", "proj": "y", "mlp": "z", "embeddings": "e"}
    tensors = {}
    for name, shape in case.tensors.items():
        tensors["eyes." + ".".join(words.get(word, word) for word in name.split("."))] = shape
    found = towers(empty(TEXT.tensors | tensors), {"text_config": TEXT.config})
    (tower,) = found.others.values()
    assert tower.anatomy is not None
    assert (tower.anatomy.geometry.hidden, tower.anatomy.geometry.layers) == (ENCODER, 3)
    assert tower.anatomy.geometry.vocabulary is None
    assert {Role.UP, Role.DOWN} <= {part.role for part in tower.anatomy.parts}
    assert names_of(found) == sorted(TEXT.tensors | tensors)


def test_a_language_tower_of_an_unknown_layout_is_found_beside_a_named_encoder() -> None:
    case = encoders()["vit_clip"]
    words = {"model": "m", "layers": "v", "self_attn": "w", "mlp": "z", "embed_tokens": "e", "lm_head": "top"}
    renamed_text = {".".join(words.get(word, word) for word in name.split(".")): s for name, s in TEXT.tensors.items()}
    tensors = renamed_text | {f"vision_tower.{name}": shape for name, shape in case.tensors.items()}
    found = towers(empty(tensors), {"text_config": TEXT.config, "vision_config": case.config})
    assert set(found.others) == {"vision"}
    assert parts_of(found, "vision") == case.parts
    assert (found.language.geometry.hidden, found.language.geometry.layers) == (H, LAYERS)
    assert names_of(found) == sorted(tensors)


def test_a_larger_encoder_does_not_pass_for_the_language_tower() -> None:
    case = encoders()["vit_clip"]
    many = {name.replace("layers.0.", f"layers.{n}."): s for n in range(20) for name, s in case.tensors.items()}
    tensors, config = beside(replace(case, tensors=case.tensors | many), "model.vision_tower.")
    found = towers(empty(tensors), config)
    assert found.language.family == TEXT.family
    assert len(found.others["vision"].tensors) > len(TEXT.tensors)


def test_a_table_of_text_does_not_take_an_encoder_that_shares_names_with_it() -> None:
    """CLIP's projections bear Llama's names, its norms and FFN do not."""
    case = encoders()["vit_clip"]
    assert recognise(empty(case.tensors)).family is None


def test_order_of_tensors_changes_nothing() -> None:
    tensors, config = beside(
        encoders()["vit_clip"], "vision_tower.", **{"mm.0.weight": (9, ENCODER), "mm.2.weight": (H, 9)}
    )
    order = list(tensors)
    random.Random(3).shuffle(order)
    arrays = {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}
    one, two = towers(MemoryStore(arrays), config), towers(MemoryStore(arrays, order), config)
    assert one == two
    assert list(one.others) == list(two.others)


segments = st.sampled_from(
    ["model", "layers", "0", "1", "blocks", "lora_A", "vision", "score", "mlp", "up_proj", "", "é"]
)


@settings(max_examples=60)
@given(
    names=st.dictionaries(
        st.lists(segments, min_size=1, max_size=5).map(".".join),
        st.lists(st.integers(0, 4), max_size=3).map(tuple),
        max_size=12,
    ),
    with_text=st.booleans(),
)
def test_any_names_are_parted_without_loss(names: Shapes, with_text: bool) -> None:
    tensors = names | (TEXT.tensors if with_text else {})
    found = towers(empty(tensors), TEXT.config)
    assert names_of(found) == sorted(tensors)


def test_a_section_speaks_for_its_tower_only() -> None:
    case = encoders()["vit_clip"]
    lies = {"vision_config": case.config | {"hidden_size": 13}, "text_config": TEXT.config}
    found = towers(empty(beside(case, "vision_tower.")[0]), lies)
    assert found.language.disagreements == ()
    vision = found.others["vision"].anatomy
    assert vision is not None
    assert [each.key for each in vision.disagreements] == ["hidden_size"]
    assert found.language.find(Role.UP, 0) is not None


def test_other_prefixes_of_the_language_tower() -> None:
    moved = renamed(TEXT, "model.", "language_model.model.")
    tensors, config = beside(encoders()["vit_clip"], "vision_tower.vision_model.", moved)
    found = towers(empty(tensors), config)
    assert found.language.prefix == "language_model.model."
    assert set(found.others) == {"vision"}
