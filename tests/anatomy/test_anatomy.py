from dataclasses import replace

import pytest

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from forebear.errors import AnatomyError
from tests.anatomy.cases import CASES
from tests.anatomy.stores import empty


@pytest.mark.parametrize(
    ("name", "part", "norm"),
    [
        ("llama", Part(Role.V, 1), Part(Role.ATTENTION_NORM, 1)),
        ("llama", Part(Role.GATE, 0), Part(Role.FFN_NORM, 0)),
        ("llama", Part(Role.OUTPUT), Part(Role.FINAL_NORM)),
        ("llama", Part(Role.DOWN, 0), None),
        ("llama", Part(Role.O, 0), None),
        ("llama", Part(Role.EMBEDDING), None),
        ("gemma2", Part(Role.UP, 1), Part(Role.FFN_NORM, 1)),
        ("gpt2", Part(Role.K, 1), Part(Role.ATTENTION_NORM, 1)),
        ("gpt2", Part(Role.Q_BIAS, 1), None),
        ("olmo2", Part(Role.Q, 0), None),
        ("olmo2", Part(Role.UP, 1), None),
        ("olmo2", Part(Role.OUTPUT), Part(Role.FINAL_NORM)),
        ("mixtral stacked", Part(Role.UP, 1, 2), Part(Role.FFN_NORM, 1)),
        ("mixtral apart", Part(Role.ROUTER, 0), Part(Role.FFN_NORM, 0)),
        ("qwen2_moe apart", Part(Role.SHARED_ROUTER, 0), Part(Role.FFN_NORM, 0)),
        ("deepseek_v3 apart", Part(Role.Q_A, 1), Part(Role.ATTENTION_NORM, 1)),
        ("deepseek_v3 apart", Part(Role.Q, 1), Part(Role.Q_A_NORM, 1)),
        ("deepseek_v3 apart", Part(Role.V, 1), Part(Role.KV_A_NORM, 1)),
        ("deepseek_v3 apart", Part(Role.K_ROTARY, 0), Part(Role.ATTENTION_NORM, 0)),
        ("deepseek_v2 apart", Part(Role.Q, 0), Part(Role.ATTENTION_NORM, 0)),
        ("bert", Part(Role.Q, 0), Part(Role.EMBEDDING_NORM)),
        ("bert", Part(Role.Q, 1), Part(Role.FFN_POST_NORM, 0)),
        ("bert", Part(Role.UP, 1), Part(Role.ATTENTION_POST_NORM, 1)),
        ("bert", Part(Role.DOWN, 1), None),
    ],
)
def test_the_norm_a_part_is_read_through(name: str, part: Part, norm: Part | None) -> None:
    case = CASES[name]
    anatomy = recognise(empty(case.tensors), case.config)
    assert part in anatomy.parts
    assert anatomy.norm_of(part) == norm


def test_a_norm_that_was_not_found_is_not_named() -> None:
    case = CASES["llama"]
    tensors = {name: shape for name, shape in case.tensors.items() if name != "model.layers.1.input_layernorm.weight"}
    anatomy = recognise(empty(tensors), case.config)
    assert anatomy.norm_of(Part(Role.Q, 1)) is None
    assert anatomy.norm_of(Part(Role.Q, 0)) == Part(Role.ATTENTION_NORM, 0)


def test_layers_and_experts_are_counted_where_they_are() -> None:
    case = CASES["deepseek_v3 stacked"]
    anatomy = recognise(empty(case.tensors), case.config)
    assert (anatomy.experts(0), anatomy.experts(1)) == ((), (0, 1, 2))
    assert anatomy.find(Role.UP, 1) is None
    assert anatomy.find(Role.UP, 1, 2) == anatomy.parts[Part(Role.UP, 1, 2)]


def test_an_anatomy_that_contradicts_itself_cannot_be_made() -> None:
    case = CASES["llama"]
    anatomy = recognise(empty(case.tensors), case.config)
    with pytest.raises(AnatomyError, match="not both exist"):
        replace(anatomy, reads={Part(Role.Q, 0): Part(Role.Q_A_NORM, 0)})
    with pytest.raises(AnatomyError, match="outside the 2 layers"):
        replace(anatomy, parts={**anatomy.parts, Part(Role.Q, 2): anatomy.parts[Part(Role.Q, 0)]})
