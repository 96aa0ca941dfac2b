"""What is laid side by side, and what is left out and said so."""

from __future__ import annotations

from forebear.evidence.behaviour.panel import side_by_side
from forebear.responses.answers import Answer, Answers


def answers(name: str, letters: str) -> Answers:
    items = {str(place): Answer(str(place), each, "A") for place, each in enumerate(letters)}
    return Answers(name, f"{name}.jsonl", "jsonl", items)


def test_a_control_with_the_answers_of_another_file_is_no_further_stranger():
    pair = [answers("model", "ABAB"), answers("reference", "AABB")]
    strangers = [answers("one", "BBBA"), answers("again", "BBBA"), answers("copy", "ABAB"), answers("two", "BABA")]
    panel = side_by_side(pair, strangers)
    assert panel.names == ("model", "reference", "one", "two")
    assert [each.split(":")[0] for each in panel.left_out] == ["again", "copy"]


def test_items_that_a_control_costs_are_told():
    panel = side_by_side([answers("model", "ABAB"), answers("reference", "AABB")], [answers("one", "BBA")])
    assert panel.items == 3
    assert panel.left_out == ("1 of 4 items: not every control answered them",)
