"""A run that is killed, or interrupted, goes on without asking again for what it has."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from forebear.cli import run
from forebear.responses.transcript_file import read_transcript
from tests.responses.endpoints.asking import KEY
from tests.responses.endpoints.server import PATIENCE, Handler, Server, answer, said

# What a shell starts in the background ignores SIGINT, and so does all that this starts in its turn.
PROGRAM = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from forebear.cli import main; main()"
)
TEXTS = [f"prompt {number}" for number in range(10)]
GIVEN = 5


def arguments(server: Server, folder: Path) -> list[str]:
    prompts = folder / "prompts.txt"
    prompts.write_text("\n".join(TEXTS) + "\n")
    where = ["--transcript", str(folder / "t.jsonl"), "--base-url", server.url, "--key-env", "SOME_KEY"]
    return ["ask", "a-model", str(prompts), *where, "--concurrency", "2"]


def until(condition: Callable[[], bool]) -> None:
    """Look until something is so; fails where it does not come to be."""
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end
        Event().wait(0.01)


def started(server: Server, folder: Path) -> subprocess.Popen[str]:
    """A run of which some replies are in the transcript, and which waits for others."""
    gate = Event()

    def few(handler: Handler) -> None:
        if sum(server.asked.values()) > GIVEN:
            gate.wait(PATIENCE)
        answer(handler)

    server.always = few
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments(server, folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SOME_KEY": KEY, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    server.wait_until(lambda: sum(server.asked.values()) == GIVEN + 2)
    until(lambda: (folder / "t.jsonl").read_bytes().count(b"\n") >= GIVEN)
    server.released = gate
    return process


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_it_goes_on_where_it_stopped(
    server: Server,
    tmp_path: Path,
    sent: signal.Signals,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = started(server, tmp_path)
    process.send_signal(sent)
    out, err = process.communicate(timeout=PATIENCE)
    if sent == signal.SIGINT:
        assert process.returncode == 130
        assert "t.jsonl; the same command asks for the rest\n" in err
    assert "Traceback" not in err
    server.released.set()
    kept = {each.prompt: each.text for each in read_transcript(tmp_path / "t.jsonl").replies}
    assert len(kept) >= GIVEN - 1
    server.wait_until(lambda: server.at_once == 0)
    server.asked.clear()
    server.always = None
    monkeypatch.setenv("SOME_KEY", KEY)
    assert run(arguments(server, tmp_path)) == 0
    asked_again = {str(number) for number, text in enumerate(TEXTS, 1) if text in server.asked}
    assert asked_again.isdisjoint(kept)
    assert asked_again | kept.keys() == {str(number) for number in range(1, 11)}
    assert set(server.asked.values()) == {1}
    whole = read_transcript(tmp_path / "t.jsonl")
    assert not whole.missing
    assert [each.text for each in whole.replies] == [said(text) for text in TEXTS]
    printed = capsys.readouterr()
    for text in (out, err, printed.out, printed.err, (tmp_path / "t.jsonl").read_text()):
        assert KEY not in text
