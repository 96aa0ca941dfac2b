"""What a reader sees of the distance over continuations."""

from __future__ import annotations

from io import StringIO

import msgspec

from forebear.evidence.behaviour.continuations import continuations
from forebear.report.behaviour.continuations import show
from tests.evidence.behaviour.replying import SAMPLED, heard
from tests.evidence.behaviour.test_continuations import PROMPTS, laws, said


def shown(models: dict[str, list[list[str]]], references: int) -> str:
    stream = StringIO()
    show(msgspec.to_builtins(continuations(heard(models, references, SAMPLED))), stream)
    return stream.getvalue()


def test_references_strangers_and_tree_are_shown() -> None:
    given = laws(13, 0)
    given[:, 0] = given[:, 1]
    told = shown(said(given, 0), 1)
    assert "Verdict on continuations: related" in told
    assert "Tree by neighbour joining" in told
    assert told.count("m12") >= 1
    assert told.count("strangers") >= 3


def test_what_has_no_distance_is_listed_with_its_reason() -> None:
    models = {**said(laws(4, 1), 0), "al\x1bien": [["zzzz"] * 8 for _ in range(PROMPTS)]}
    told = shown(models, 1)
    assert "Verdict on continuations: none, findings alone" in told
    assert "the two never continued a prompt in the same way" in told
    assert "Not in the tree" in told
    assert "\x1b" not in told
