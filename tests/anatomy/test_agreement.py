import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from tests.anatomy.cases import CASES
from tests.anatomy.families import H, N
from tests.anatomy.stores import empty


@pytest.mark.parametrize(
    ("name", "tensor", "shape", "lost"),
    [
        ("llama", "model.layers.0.self_attn.o_proj.weight", (H, 12), {Role.O}),
        ("llama", "model.layers.1.self_attn.v_proj.weight", (12, H), {Role.V}),
        ("llama", "model.layers.0.self_attn.q_proj.weight", (12, H), {Role.Q}),
        ("llama", "model.layers.0.mlp.down_proj.weight", (H, N + 1), {Role.DOWN}),
        ("llama", "model.layers.0.mlp.gate_proj.weight", (N, H + 1), {Role.GATE}),
        ("llama", "model.layers.0.input_layernorm.weight", (H, H), {Role.ATTENTION_NORM}),
        ("llama", "model.layers.0.input_layernorm.weight", (0,), {Role.ATTENTION_NORM}),
        ("qwen2", "model.layers.1.self_attn.k_proj.bias", (9,), {Role.K_BIAS}),
        ("qwen3", "model.layers.1.self_attn.q_norm.weight", (7,), {Role.Q_NORM}),
        ("olmo2", "model.layers.0.self_attn.k_norm.weight", (4,), {Role.K_NORM}),
        ("phi3", "model.layers.0.self_attn.qkv_proj.weight", (16, H), {Role.Q, Role.K, Role.V}),
        ("phi3", "model.layers.0.mlp.gate_up_proj.weight", (2 * N + 1, H), {Role.GATE, Role.UP}),
        ("mixtral apart", "model.layers.0.block_sparse_moe.gate.weight", (5, H), {Role.ROUTER}),
        ("deepseek_v3 apart", "model.layers.0.self_attn.kv_b_proj.weight", (44, 9), {Role.K, Role.V}),
        ("deepseek_v3 apart", "model.layers.0.self_attn.q_a_layernorm.weight", (13,), {Role.Q_A_NORM}),
    ],
)
def test_a_part_that_fits_nothing_beside_it_is_listed_with_the_reason(
    name: str, tensor: str, shape: tuple[int, ...], lost: set[Role]
) -> None:
    case = CASES[name]
    anatomy = recognise(empty(case.tensors | {tensor: shape}), case.config)
    layer = int(tensor.split(".")[2])
    assert set(case.parts) - set(anatomy.parts) == {Part(role, layer) for role in lost}
    assert anatomy.unrecognised == (tensor,)
    assert any(note.startswith("not used: ") and tensor in note for note in anatomy.notes)


def test_a_layer_of_its_own_width_is_kept_and_remarked() -> None:
    case = CASES["llama"]
    narrow = {f"model.layers.1.mlp.{name}_proj.weight": (N - 4, H) for name in ("gate", "up")}
    narrow |= {"model.layers.1.mlp.down_proj.weight": (H, N - 4)}
    anatomy = recognise(empty(case.tensors | narrow), case.config)
    assert set(anatomy.parts) == set(case.parts)
    assert any("FFN widths differ" in note for note in anatomy.notes)


def test_two_tensors_for_one_part_are_not_both_used() -> None:
    stacked, apart = CASES["qwen3_moe stacked"], CASES["qwen3_moe apart"]
    anatomy = recognise(empty(stacked.tensors | apart.tensors), stacked.config)
    assert set(anatomy.parts) == set(stacked.parts)
    used = {view.tensor for view in anatomy.parts.values()}
    assert used | set(anatomy.unrecognised) == set(stacked.tensors | apart.tensors)
    assert any("already lies in" in note for note in anatomy.notes)


def test_a_missing_layer_is_remarked() -> None:
    case = CASES["llama"]
    kept = {name.replace("layers.1.", "layers.3."): shape for name, shape in case.tensors.items()}
    anatomy = recognise(empty(kept), case.config)
    assert anatomy.geometry.layers == 4
    assert "layers without any tensor: 1, 2" in anatomy.notes


@pytest.mark.parametrize(
    "tensors",
    [
        {},
        {"weight": (3, 3)},
        {"h.#.attn.c_attn.weight": (4, 12), "layers.{layer}.mlp.up_proj.weight": (4, 4)},
        {"model.layers.99999999999.mlp.up_proj.weight": (4, 4), "model.layers.01.mlp.up_proj.weight": (4, 4)},
        {"model.layers.\u0661.mlp.up_proj.weight": (4, 4), "": (1,), "...": (1,)},
    ],
)
def test_what_no_family_fits_is_listed_whole(tensors: dict[str, tuple[int, ...]]) -> None:
    anatomy = recognise(empty(tensors), {"model_type": "llama"})
    assert anatomy.family is None
    assert not anatomy.parts
    assert anatomy.unrecognised == tuple(sorted(tensors))
    assert anatomy.notes


@given(
    name=st.sampled_from(sorted(CASES)),
    picks=st.lists(st.tuples(st.integers(0, 10**6), st.lists(st.integers(0, 40), max_size=4)), max_size=6),
)
def test_any_shapes_give_an_anatomy_that_accounts_for_every_tensor(
    name: str, picks: list[tuple[int, list[int]]]
) -> None:
    case = CASES[name]
    names = sorted(case.tensors)
    tensors = case.tensors | {names[pick % len(names)]: tuple(shape) for pick, shape in picks}
    anatomy = recognise(empty(tensors), case.config)
    used = {view.tensor for view in anatomy.parts.values()}
    assert used | set(anatomy.unrecognised) | set(anatomy.buffers) == set(tensors)
    assert not used & set(anatomy.unrecognised)
