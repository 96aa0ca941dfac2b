"""Transcripts as files: what is written is read, what is cut is kept as far as it goes, anything else is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebear.errors import ForebearError, UsageError
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings
from forebear.responses.transcript_file import Asking, read_transcript
from forebear.responses.transcript_writer import Missing, Note, lacking_in, open_transcript

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
PROMPTS = Prompts("set", [Prompt("a", "one", gold="x", options=4, stratum="s"), Prompt("b", "two\n", gold=(1.0, 2.5))])
ASKING = Asking("model", "https://host/v1", Settings("chat", 0.5, 2, 16, 0.9, 7), PROMPTS)
REPLIES = [
    Reply(prompt, sample, f"{prompt}{sample} é\u2028", "stop", 3, 1) for sample in (1, 0) for prompt in ("b", "a")
]


def written(path: Path, replies: list[Reply] = REPLIES, asking: Asking = ASKING) -> Path:
    with open_transcript(path, asking) as writer:
        for each in replies:
            writer.take(each)
    return path


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def rewritten(path: Path, change: Callable[[list[Any]], object]) -> Path:
    lines: list[Any] = lines_of(path)
    change(lines)
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    found = read_transcript(written(tmp_path / "name.jsonl"))
    assert (found.name, found.model, found.endpoint) == ("name", "model", "https://host/v1")
    assert (found.settings, found.prompts) == (ASKING.settings, replace(PROMPTS, prompts=[*PROMPTS.prompts]))
    assert found.replies == (REPLIES[3], REPLIES[1], REPLIES[2], REPLIES[0])
    assert (found.missing, found.notes) == ((), ())
    assert lines_of(tmp_path / "name.jsonl")[-1] == {"digest": found.digest}
    assert read_transcript(tmp_path / "name.jsonl", "other").name == "other"


def test_replies_that_no_digest_closes_are_noted(tmp_path: Path) -> None:
    path = rewritten(written(tmp_path / "t.jsonl"), lambda lines: lines.pop())
    assert "no digest closes it" in read_transcript(path).notes[0]
    assert read_transcript(written(tmp_path / "part.jsonl", REPLIES[:2])).notes == ()


def test_what_an_empty_file_lacks_is_told_without_beginning_it(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.touch()
    assert len(lacking_in(path, ASKING)) == ASKING.wanted
    assert path.read_bytes() == b""


def test_the_order_of_arrival_changes_no_digest(tmp_path: Path) -> None:
    one, other = written(tmp_path / "a"), written(tmp_path / "b", REPLIES[::-1])
    assert one.read_bytes() != other.read_bytes()
    assert read_transcript(one).digest == read_transcript(other).digest


@given(texts=st.lists(TEXT, min_size=1, max_size=5), ids=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_text_survives(tmp_path: Path, texts: list[str], ids: st.DataObject) -> None:
    path = tmp_path / "t.jsonl"
    path.unlink(missing_ok=True)
    names = ids.draw(st.lists(NAMES, min_size=len(texts), max_size=len(texts), unique=True))
    prompts = Prompts("p", [Prompt(name, text, system=text) for name, text in zip(names, texts, strict=True)])
    replies = [Reply(name, 0, text) for name, text in zip(names, texts, strict=True)]
    found = read_transcript(written(path, replies, Asking("m", None, Settings(), prompts)))
    assert list(found.replies) == replies
    assert found.prompts.digest == prompts.digest


def test_a_file_cut_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.jsonl").read_bytes()
    digest = read_transcript(tmp_path / "whole.jsonl").digest
    header = whole.index(b"\n") + 1
    path = tmp_path / "cut.jsonl"
    for cut in {*range(0, len(whole), 5), *range(len(whole) - 9, len(whole) + 1)}:
        path.write_bytes(whole[:cut])
        if cut >= header:
            found = read_transcript(path)
            kept = whole[header:cut].count(b"\n")
            assert min(kept, 4) <= len(found.replies) <= min(kept + 1, 4)
            assert all(each in REPLIES for each in found.replies)
        with open_transcript(path, ASKING) as writer:
            for prompt, sample in writer.lacking():
                writer.take(next(each for each in REPLIES if (each.prompt, each.sample) == (prompt.id, sample)))
        assert read_transcript(path).digest == digest
        assert not read_transcript(path).notes


def test_a_line_cut_short_is_noted(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", REPLIES[:2])
    path.write_bytes(path.read_bytes()[:-5])
    found = read_transcript(path)
    assert [each.text for each in found.replies] == [REPLIES[0].text]
    assert found.notes == ("its last line was cut short, and left out",)
    assert found.missing == ("3 further replies: not asked for yet",)


def test_what_is_missing_stays_with_its_reason_until_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with open_transcript(path, ASKING) as writer:
        for _ in range(2):
            writer.take(Missing("b", 1, "HTTP 500"))
            writer.take(Note("odd"))
    found = read_transcript(path)
    assert found.missing == ("'b', sample 1: HTTP 500", "3 further replies: not asked for yet")
    assert found.notes == ("odd",)
    assert len(lines_of(path)) == 3
    found = read_transcript(written(path))
    assert (found.missing, len(found.replies)) == ((), 4)


def test_an_interrupted_write_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with open_transcript(path, ASKING) as writer:
        writer.take(REPLIES[0])
        with path.open("ab") as other:
            other.write(b'{"prompt": "b", "sam')
        for each in REPLIES[1:]:
            writer.take(each)
    assert not read_transcript(path).missing


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda lines: lines.__setitem__(0, "{}"), "does not say 'forebear.transcript/1'"),
        (lambda lines: lines[0].update(schema="forebear.transcript/2"), "does not say 'forebear.transcript/1'"),
        (lambda lines: lines[0].update(more=1), "line 1: Object contains unknown field `more`"),
        (lambda lines: lines[0].pop("model"), "line 1: Object missing required field `model`"),
        (lambda lines: lines[0]["settings"].update(samples=0), "line 1: Expected `int` >= 1"),
        (lambda lines: lines[0]["settings"].update(samples=2_000_000), "4,000,000 replies, limit 2,000,000"),
        (lambda lines: lines[0]["prompts"][0].update(text="changed"), "not those that its digest names"),
        (lambda lines: lines[0]["prompts"][1].update(id="a"), "stands there twice"),
        (lambda lines: lines[0].update(prompts=[]), "line 1: Expected `array` of length >= 1"),
        (lambda lines: lines[1].update(prompt="c"), "line 2: answers 'c', sample 1"),
        (lambda lines: lines[1].update(sample=2), "line 2: answers 'b', sample 2"),
        (lambda lines: lines[1].update(sample=True), "line 2: Expected `int`, got `bool`"),
        (lambda lines: lines[1].update(text=None), "line 2: Expected `str`, got `null`"),
        (lambda lines: lines[1].update(text="x" * 1_000_001), "line 2: Expected `str` of length <= 1000000"),
        (lambda lines: lines.insert(2, lines[1]), "line 3: a second reply to 'b', sample 1"),
        (lambda lines: lines[1].update(text="changed"), "line 6: its digest is not that of the replies"),
        (lambda lines: lines.pop(2), "line 5: its digest is not that of the replies"),
        (lambda lines: lines.append({"note": "x"}), "line 7: stands after the line that closes"),
        (lambda lines: lines.insert(2, '{"note": "x", "note": "y"}'), "line 3: duplicate key 'note'"),
        (lambda lines: lines.insert(2, '{"note": NaN}'), "line 3: NaN is not a JSON number"),
        (lambda lines: lines.insert(2, "{"), "line 3: character 1: not valid JSON"),
        (lambda lines: lines.insert(2, ""), "line 3: character 0: not valid JSON"),
        (lambda lines: lines.insert(2, "[" * 50_000), "line 3: JSON nested too deep"),
        (lambda lines: lines.insert(2, {"missing": "c", "sample": 0, "why": ""}), "line 3: answers 'c'"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[list[Any]], object], says: str
) -> None:
    path = rewritten(written(tmp_path / "t.jsonl"), change)
    before = path.read_bytes()
    for refuse in (lambda: read_transcript(path), lambda: lacking_in(path, ASKING)):
        with pytest.raises(ForebearError) as caught:
            refuse()
        assert says in caught.value.line()
        assert "\n" not in caught.value.line()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("asking", "says"),
    [
        (replace(ASKING, model="other"), "model 'model', not 'other'"),
        (replace(ASKING, endpoint=None), "endpoint 'https://host/v1', not None"),
        (replace(ASKING, settings=replace(ASKING.settings, temperature=0.0)), "temperature 0.5, not 0.0"),
        (replace(ASKING, prompts=Prompts("new", PROMPTS.prompts[:1])), "other prompts ('set', not 'new')"),
    ],
)
def test_another_run_is_refused_and_the_difference_named(tmp_path: Path, asking: Asking, says: str) -> None:
    path = written(tmp_path / "t.jsonl")
    with pytest.raises(UsageError) as caught:
        written(path, [], asking)
    assert f"holds another run: {says}. Give another file" in caught.value.line()


@pytest.mark.parametrize(
    "content", [b"notes of mine", b"notes\nof mine\n", b"{}", b"[1]\n", b"\x00" * 9, b'{"schema": 1}']
)
def test_a_file_that_is_no_transcript_is_never_written_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(ForebearError):
        written(path)
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="locks are the kernel's")
def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    with open_transcript(path, ASKING), pytest.raises(UsageError, match="another run is writing it"):
        written(path)
    written(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes by name")
def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "none", tmp_path / "nul\0"):
        with pytest.raises(UsageError):
            read_transcript(path)
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "no" / "folder", tmp_path / "nul\0"):
        with pytest.raises(UsageError):
            written(path)


def test_what_could_not_be_read_again_is_not_begun(tmp_path: Path) -> None:
    for settings_ in (Settings(samples=0), Settings(max_tokens=0), Settings(kind="other"), Settings(top_p=2.0)):
        with pytest.raises(UsageError):
            written(tmp_path / "t.jsonl", [], Asking("m", None, settings_, PROMPTS))
    assert not [*tmp_path.iterdir()]
