"""Transcripts as answers."""

from __future__ import annotations

import pytest

from forebear.responses.answers import Answer
from forebear.responses.formats.offered import offered_mark
from forebear.responses.formats.transcript import transcript_answers
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript


@pytest.mark.parametrize(
    ("reply", "mark"),
    [
        ("B", "B"), ("b", "B"), ("B.", "B"), ("(c)", "C"), ("(C) because", "C"), ("d) it is", "D"), ("2: x", "2"),
        ("A good question", "A good question"), ("E.", "E."), ("3.14", "3.14"), ("5", "5"), ("I. think", "I. think"),
        ("", ""), ("B.C.", "B.C."),
    ],
)  # fmt: skip
def test_a_mark_at_the_beginning_is_the_answer(reply: str, mark: str) -> None:
    assert offered_mark(reply, 4, None) == mark


def test_replies_to_free_prompts_and_to_targets_that_are_no_marks_stay_whole() -> None:
    assert offered_mark("B.", None, "B") == "B."
    assert offered_mark("B.", 4, "Paris") == "B."
    assert offered_mark("B.", 4, "C") == "B"


def test_the_first_reply_to_each_prompt() -> None:
    prompts = Prompts("p", [Prompt("a", "?", gold="B", options=3, stratum="s"), Prompt("b", "?"), Prompt("c", "?")])
    replies = [Reply("a", 0, " (B) x\n"), Reply("a", 1, "C"), Reply("b", 0, " yes ")]
    transcript = Transcript("m", "f", "m", None, Settings(samples=2), prompts, replies)
    notes: list[str] = []
    assert list(transcript_answers(transcript, notes)) == [Answer("a", "B", "B", 3, "s"), Answer("b", "yes")]
    assert notes == ["left out, for want of a reply: 1 prompts", "the first of 2 replies to each prompt"]
