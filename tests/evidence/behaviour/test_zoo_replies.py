"""Next-token agreement on what tiny models with a known history said."""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from forebear.evidence.behaviour.next_token import next_token, panel_of
from forebear.evidence.behaviour.strength import Strength, strength
from forebear.statistics.agreement import Codes
from tests.evidence.behaviour.replying import heard

DATA = Path(__file__).parent / "data" / "zoo-replies.json.xz"


@cache
def said() -> dict[str, list[str]]:
    content = json.loads(lzma.decompress(DATA.read_bytes()))
    return {path: [content["texts"][each] for each in column] for path, column in content["said"].items()}


def strangers() -> list[str]:
    return [path for path in said() if "-" not in path]


def codes_of(paths: Sequence[str]) -> Codes:
    texts = [said()[each] for each in paths]
    places = {text: place for place, text in enumerate(sorted({text for column in texts for text in column}))}
    return np.array([[places[text] for text in column] for column in texts]).T


def held(model: str, reference: str) -> Strength:
    paths = [model, reference, *(each for each in strangers() if each not in (model, reference))]
    return strength(panel_of(codes_of(paths), paths))


@pytest.mark.parametrize(
    ("child", "parent"),
    [("gated/g00-finetuned", "gated/g00"), ("gated/g01-finetuned", "gated/g01"), ("gated/g00-distilled", "gated/g00")],
)
def test_children_and_students_stand_out_beside_their_parent_alone(child: str, parent: str) -> None:
    assert [each for each in strangers() if held(child, each).fires()] == [parent]


def test_a_child_agrees_less_with_its_parent_than_strangers_do_with_one_another() -> None:
    codes = codes_of(["gated/g00-finetuned", "gated/g00", *(each for each in strangers() if each != "gated/g00")])
    assert (codes[:, 0] == codes[:, 1]).mean() < (codes[:, 2] == codes[:, 3]).mean()
    assert held("gated/g00-finetuned", "gated/g00").fires()


def test_a_common_start_is_not_found() -> None:
    assert not held("gated/g00-same-start-same-data", "gated/g00").fires()


def test_no_two_strangers_fire() -> None:
    assert [pair for pair in combinations(strangers(), 2) if held(*pair).fires()] == []


def test_the_claim_names_the_parent() -> None:
    controls = [each for each in strangers() if each not in ("gated/g00", "gated/g02")]
    models = {each: said()[each] for each in ("gated/g00-distilled", "gated/g00", *controls)}
    claim = next_token(heard(models, 1))
    assert claim.verdict == "related"
    assert claim.candidates[0].name == "gated/g00"
