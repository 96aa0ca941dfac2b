"""Shapes must say what a table would, or at least leave it open: the tables' own cases under names nobody knows."""

import hashlib
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import recognise
from forebear.anatomy.structure import UNNAMED, propose
from tests.anatomy.cases import CASES
from tests.anatomy.families import Case, Shapes
from tests.anatomy.stores import empty
from tests.models import zoo_config, zoo_tensors

NUMBER = re.compile(r"(?<![0-9A-Za-z_])[0-9]+(?![0-9A-Za-z_])")


def word(text: str) -> str:
    return "t" + "".join(chr(97 + int(digit, 16)) for digit in hashlib.sha256(text.encode()).hexdigest()[:10])


def whole(name: str) -> str:
    """One word for the whole name, then its numbers."""
    return ".".join([word(NUMBER.sub("#", name)), *NUMBER.findall(name)])


def segments(name: str) -> str:
    """One word for each segment, numbers where they were."""
    return ".".join(part if part.isdigit() else word(part) for part in name.split("."))


def roles(anatomy: Anatomy) -> dict[str, set[tuple[Role, int | None, int | None]]]:
    found: dict[str, set[tuple[Role, int | None, int | None]]] = {}
    for part, view in anatomy.parts.items():
        found.setdefault(view.tensor, set()).add((part.role, part.layer, part.expert))
    return found


def proposed(shapes: Shapes, config: dict[str, object]) -> Anatomy:
    anatomy = propose(empty(dict(sorted(shapes.items()))), config)
    assert anatomy is not None
    return anatomy


@pytest.mark.parametrize("style", [whole, segments, str])
@pytest.mark.parametrize("name", CASES)
def test_what_a_table_says_is_among_what_shapes_allow(name: str, style: Callable[[str], str]) -> None:
    case = CASES[name]
    truth = roles(recognise(empty(case.tensors), case.config))
    anatomy = proposed({style(key): shape for key, shape in case.tensors.items()}, case.config)
    assert (anatomy.family, anatomy.geometry.hidden, anatomy.geometry.layers) == (UNNAMED, 16, 2)
    found = roles(anatomy)
    for tensor, places in truth.items():
        assert {role for role, _, _ in places} <= anatomy.candidates[style(tensor)], tensor
        here = found.get(style(tensor))
        assert here is None or {place[1:] for place in here} == {place[1:] for place in places}, tensor


@pytest.mark.parametrize("name", ["gated/g00", "plain/p00"])
@pytest.mark.parametrize("style", [whole, segments])
def test_zoo_models_are_read_without_their_names(name: str, style: Callable[[str], str]) -> None:
    shapes = {key: array.shape for key, array in zoo_tensors(name).items()}
    truth = roles(recognise(empty(shapes), zoo_config(name)))
    anatomy = proposed({style(key): shape for key, shape in shapes.items()}, zoo_config(name))
    for tensor, places in truth.items():
        assert {role for role, _, _ in places} <= anatomy.candidates[style(tensor)], tensor
    assert not anatomy.disagreements


@pytest.mark.parametrize("name", [name for name in CASES if "bert" not in name and "deepseek" not in name])
def test_hints_settle_what_shapes_leave_open(name: str) -> None:
    case = CASES[name]
    anatomy = proposed(case.tensors, case.config)
    truth = recognise(empty(case.tensors), case.config)
    assert set(anatomy.parts) == set(truth.parts)
    assert {part: view.tensor for part, view in anatomy.parts.items()} == {
        part: view.tensor for part, view in truth.parts.items()
    }


def regrouped(case: Case) -> Shapes:
    def move(match: re.Match[str]) -> str:
        return f"net.stage.{int(match[1]) // 2}.unit.{int(match[1]) % 2}."

    return {re.sub(r"^model\.layers\.([0-9]+)\.", move, name): shape for name, shape in case.tensors.items()}


def test_layers_in_groups_are_counted_through() -> None:
    case = CASES["qwen2"]
    extra = {name.replace(f".layers.{n}.", f".layers.{n + 2}."): s for name, s in case.tensors.items() for n in (0, 1)}
    six = {**case.tensors, **extra}
    anatomy = recognise(empty(regrouped(Case("qwen2", "", six, case.config, {}))), case.config)
    assert (anatomy.family, anatomy.geometry.layers) == (UNNAMED, 4)
    assert anatomy.find(Role.DOWN, 2) is not None
    assert anatomy.parts[Part(Role.DOWN, 2)].tensor.startswith("net.stage.1.unit.0.")
    assert any("through groups" in note for note in anatomy.notes)


def test_numbers_that_do_not_run_from_zero_are_ranked() -> None:
    tensors = {
        name.replace("model.layers.", "body_").replace("_0.", "_3.").replace("_1.", "_7."): shape
        for name, shape in CASES["llama"].tensors.items()
    }
    anatomy = recognise(empty(tensors), None)
    assert anatomy.geometry.layers == 2
    assert anatomy.parts[Part(Role.UP, 1)].tensor.startswith("body_7.")


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "bert", "phi3", "qwen2"])
def test_names_without_numbers_are_dealt_out_by_shape(name: str) -> None:
    case = CASES[name]
    anatomy = recognise(empty({word(key): shape for key, shape in case.tensors.items()}), case.config)
    assert anatomy.geometry.layers == 2
    assert all(anatomy.find(role, layer) for role in (Role.DOWN, Role.UP) for layer in (0, 1))
    assert any("dealt out" in note for note in anatomy.notes)


def test_tables_win_where_they_fit() -> None:
    anatomy = recognise(empty(CASES["llama"].tensors), CASES["llama"].config)
    assert anatomy.family == "llama"
    assert not anatomy.candidates


@pytest.mark.parametrize(
    "shapes", [{}, {"a": (4,)}, {"a.0": (4, 4), "a.1": (4, 4)}, {"a.0.b": (0, 3), "a.1.b": (3, 0)}]
)
def test_what_makes_no_transformer_is_not_proposed(shapes: Shapes) -> None:
    assert propose(empty(shapes)) is None


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
    anatomy = propose(empty({segments(key): np.zeros(shape).shape for key, shape in tensors.items()}), case.config)
    if anatomy is not None:
        used = {view.tensor for view in anatomy.parts.values()}
        assert used | set(anatomy.unrecognised) == {segments(key) for key in tensors}
        assert not used & set(anatomy.unrecognised)
