"""What a result says of its files, whichever test it is of."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from forebear.report.behaviour.terminal import MOST_NOTES, show_behaviour
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings
from forebear.responses.transcript_file import Asking
from forebear.responses.transcript_writer import Missing, Note, open_transcript
from forebear.verdict.behaviour.hearing import listen

PROMPTS = Prompts("set", [Prompt(f"q{number}", "Who are you?") for number in range(30)])
ASKING = Asking("m", None, Settings("local"), PROMPTS)


def shown(path: Path, *events: Reply | Missing | Note) -> str:
    with open_transcript(path, ASKING) as writer:
        for each in (Reply("q0", 0, "hello"), *events):
            writer.take(each)
    stream = StringIO()
    show_behaviour(listen("identity", path), stream)
    return " ".join(stream.getvalue().split())


def test_notes_of_a_transcript_are_shown_without_digests(tmp_path: Path) -> None:
    refused = "the endpoint refuses temperature\x1b[2J; it was left to the endpoint, 0.0 was wanted"
    text = shown(tmp_path / "t.jsonl", Note("weights: abc"), Note(refused))
    assert "t: the endpoint refuses temperature" in text
    assert "29 further replies: not asked for yet" in text
    assert "abc" not in text
    assert "\x1b" not in text


def test_of_many_notes_some_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    lacking = [Missing(each.id, 0, "HTTP 500") for each in PROMPTS.prompts[1:]]
    text = shown(tmp_path / "t.jsonl", *lacking, *(Note(f"heard {number}") for number in range(20)))
    assert text.count("heard") == MOST_NOTES
    assert f"{21 - MOST_NOTES} more, --json has all" in text
    assert "no reply: 'q1', sample 0: HTTP 500, and 28 more" in shown(tmp_path / "missing.jsonl", *lacking)


def test_without_notes_nothing_is_said_of_them(tmp_path: Path) -> None:
    complete = [Reply(each.id, 0, "x") for each in PROMPTS.prompts[1:]]
    assert "Notes:" not in shown(tmp_path / "whole.jsonl", *complete)
