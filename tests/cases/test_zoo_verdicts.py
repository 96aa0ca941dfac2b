"""Every child of the zoo against its forebear, and strangers: the verdict each kind of history must get."""

from __future__ import annotations

import json

import pytest

from forebear.verdict.compare import compare
from tests.models import ZOO

MODELS = json.loads((ZOO / "manifest.json").read_text(encoding="utf-8"))["models"]

DESCENT = {"derived"}
EXPECTED = {
    "finetuned": DESCENT,
    "continued": DESCENT,
    "frozen": DESCENT,
    "grandchild": DESCENT,
    "sibling": DESCENT,  # of g00-continued; to its own parent it is a child
    "sibling-same-data": DESCENT,
    "deepened": DESCENT,
    "shuffled": DESCENT,
    "upcycled-sliced": DESCENT,
    "same-start-other-data": {"shared start"},
    "same-start-same-data": {"shared start", "related", "undetermined"},
    "distilled": {"independent"},
}
MAY_LACK_DIRECTION = ("finetuned", "frozen", "deepened")  # a light touch, or two changed layers of four


def founder(name: str) -> str:
    parents = MODELS[name]["parents"]
    return founder(parents[0]) if parents else name


CHILDREN = [name for name, record in MODELS.items() if record["parents"]]
STRANGERS = [
    *((f"gated/g{i:02}", f"gated/g{i + 1:02}") for i in range(1, 11, 2)),
    *((f"plain/p{i:02}", f"plain/p{i + 1:02}") for i in (1, 3, 5)),
    ("gated/g00-continued", "gated/g01-continued"),
    ("gated/g00-sibling", "gated/g01-sibling"),
    ("gated/g00-same-start-other-data", "gated/g01-same-start-other-data"),
    ("plain/p00-continued", "plain/p01-continued"),
]
RELATIVES = [
    ("gated/g00-continued", "gated/g00-sibling"),
    ("gated/g01-continued", "gated/g01-sibling"),
]


@pytest.mark.parametrize("name", CHILDREN)
def test_a_child_against_its_founder(name: str) -> None:
    kind = MODELS[name]["kind"]
    found = compare(ZOO / name, ZOO / founder(name))
    assert found.weights is not None
    assert found.verdict in EXPECTED[kind], found.weights.because
    if EXPECTED[kind] == DESCENT:
        allowed = {"reference to model", None} if kind in MAY_LACK_DIRECTION else {"reference to model"}
        assert found.weights.direction in allowed, found.weights.because
    else:
        assert found.weights.direction is None


@pytest.mark.parametrize(("model", "reference"), STRANGERS)
def test_strangers(model: str, reference: str) -> None:
    found = compare(ZOO / model, ZOO / reference)
    assert found.weights is not None
    assert found.verdict == "independent", found.weights.because


@pytest.mark.parametrize(("model", "reference"), RELATIVES)
def test_children_of_one_parent_descend_from_each_other_in_no_direction(model: str, reference: str) -> None:
    found = compare(ZOO / model, ZOO / reference)
    assert found.weights is not None
    assert found.verdict in ("related", "derived"), found.weights.because
    assert found.weights.direction is None, found.weights.because


def test_a_frozen_child_names_what_was_kept() -> None:
    found = compare(ZOO / "gated/g00-frozen", ZOO / "gated/g00").weights
    assert found is not None
    frozen = next(step for step in found.recipe if step["step"] == "frozen")
    assert 0.0 < frozen["share"] < 1.0
    assert "layers 0-2" in frozen["parts"]
