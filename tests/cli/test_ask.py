"""``forebear ask`` as a user runs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebear.responses.asking import Effort
from forebear.responses.transcript_file import read_transcript
from tests.cli.conftest import Command
from tests.models import ZOO
from tests.responses.endpoints import server as faults
from tests.responses.endpoints.asking import KEY, Time
from tests.responses.endpoints.server import Server, said, serving

TEXTS = ["one", "two", "three"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setattr(Effort, "policy", lambda self: Time().policy(attempts=3))
    with serving() as found:
        yield found


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(TEXTS))
    return str(path)


def test_replies_are_kept_and_told(command: Command, server: Server, prompts: str, tmp_path: Path) -> None:
    path = str(tmp_path / "t.jsonl")
    done = command("ask", "m", prompts, "--transcript", path, "--base-url", server.url, "--key-env", "MY_KEY")
    assert done.code == 0
    assert f"3 of 3 replies of m in {path}\ndigest {read_transcript(path).digest}\n" in done.out
    assert "forebear: 3 requests, about 16 tokens to send, at most 768 to receive" in done.err
    assert "key from MY_KEY" in done.err
    assert KEY not in done.out + done.err + Path(path).read_text()
    again = command("ask", "m", prompts, "--transcript", path, "--base-url", server.url, "--json")
    outcome = json.loads(again.out)
    assert (outcome["schema"], outcome["replies"], outcome["requests"]) == ("forebear.asked/1", 3, 0)
    assert outcome["digest"] == read_transcript(path).digest
    assert len(server.requests) == 3


def test_tokens_that_are_not_told_are_not_counted(
    command: Command, server: Server, prompts: str, tmp_path: Path
) -> None:
    server.always = faults.sending(b'{"choices": [{"message": {"content": "x"}}], "usage": null}')
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url)
    assert "it does not say how many tokens" in command("ask", "m", prompts, *where, "--max-requests", "1").out
    outcome = json.loads(command("ask", "m", prompts, *where, "--json").out)
    assert (outcome["prompt_tokens"], outcome["reply_tokens"]) == (None, None)


def test_settings_reach_the_endpoint(command: Command, server: Server, prompts: str, tmp_path: Path) -> None:
    how = ("--temperature", "0.7", "--samples", "2", "--max-tokens", "9", "--top-p", "0.5", "--seed", "3")
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url, "--system", "be brief")
    assert command("ask", "m", prompts, *where, *how, "--concurrency", "1", "--per-minute", "600").code == 0
    assert server.requests[1][2] == {
        "model": "m",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "one"}],
        "max_tokens": 9,
        "temperature": 0.7,
        "top_p": 0.5,
        "seed": 4,
    }
    assert read_transcript(tmp_path / "t.jsonl").texts("2") == [said("two", 3), said("two", 4)]


def test_a_dry_run_asks_nothing_and_says_the_price(
    command: Command, server: Server, prompts: str, tmp_path: Path
) -> None:
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url, "--max-tokens", "100")
    price = ("--price-in", "1000000", "--price-out", "10000")
    done = command("ask", "m", prompts, *where, *price, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert "3 requests, about 16 tokens to send, at most 300 to receive, at most 19.00 by the prices given" in done.out
    estimate = json.loads(command("ask", "m", prompts, *where, "--dry-run", "--max-requests", "2", "--json").out)
    assert estimate["asked"] is False
    assert estimate["estimate"] | {"basis": ""} == {
        "requests": 2, "prompt_tokens": 10, "reply_tokens": 200, "cost": None, "basis": "",
    }  # fmt: skip
    assert not server.requests
    assert not (tmp_path / "t.jsonl").exists()


def test_a_bound_stops_it_without_an_error(command: Command, server: Server, prompts: str, tmp_path: Path) -> None:
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url)
    done = command("ask", "m", prompts, *where, "--max-requests", "2")
    assert done.code == 0
    assert "2 of 3 replies" in done.out
    assert "missing: 1 further replies: not asked for yet\nThe same command asks for what is missing.\n" in done.out


def test_what_is_missing_is_an_exit_code(command: Command, server: Server, prompts: str, tmp_path: Path) -> None:
    server.faults["two"] = [faults.refusing(500, f"no \x1b[2J {KEY}")] * 3
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url, "--key-env", "MY_KEY")
    done = command("ask", "m", prompts, *where, "--concurrency", "1")
    assert done.code == 4
    assert "missing: '2', sample 0: HTTP 500: no [2J [key], given up after 3 attempts\n" in done.out


def test_an_endpoint_out_of_reach_is_an_exit_code(
    command: Command, prompts: str, tmp_path: Path, server: Server
) -> None:
    with serving() as gone:
        url = gone.url
    done = command("ask", "m", prompts, "--transcript", str(tmp_path / "t.jsonl"), "--base-url", url)
    assert (done.code, done.out) == (4, "")
    assert done.err.splitlines()[-1].startswith(f"forebear: {url}: no connection")


def test_a_wrong_key_is_one_line(command: Command, prompts: str, tmp_path: Path, server: Server) -> None:
    server.always = faults.refusing(401, f"Incorrect API key provided: {KEY}.")
    where = ("--transcript", str(tmp_path / "t.jsonl"), "--base-url", server.url, "--key-env", "MY_KEY")
    done = command("ask", "m", prompts, *where, "--json")
    assert (done.code, done.out) == (2, "")
    line = f"forebear: {server.url}: HTTP 401: Incorrect API key provided: [key]. Check the key and the variable"
    assert done.err.splitlines()[-1].startswith(line)
    assert KEY not in done.err


def test_a_local_checkpoint_is_asked(command: Command, prompts: str, tmp_path: Path) -> None:
    path, model = str(tmp_path / "t.jsonl"), str(ZOO / "gated/g00")
    local = ("--transcript", path, "--tokenizer", str(ZOO / "tokenizer.json"), "--max-tokens", "1")
    assert "Nothing was asked" in command("ask", model, prompts, *local, "--dry-run").out
    done = command("ask", model, prompts, *local)
    assert (done.code, done.err) == (0, "")
    found = read_transcript(path)
    assert (found.settings.kind, found.endpoint, len(found.replies)) == ("local", None, 3)
    assert "note: weights: sample-sha256-v1:" in done.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("m", "nonsense", "--base-url", "http://h"), "there is no file and no set of prompts 'nonsense'"),
        (("m", "PROMPTS", "--base-url", "h"), "--base-url: is not the address of a web server"),
        (("m", "PROMPTS", "--base-url", "http://u:p@h"), "--base-url: holds a user name or a password"),
        (("m", "PROMPTS", "--base-url", "http://h", "--key-env", "NONE"), "--key-env: the environment variable 'NONE'"),
        (("m", "PROMPTS", "--base-url", "http://h", "--tokenizer", "t"), "--tokenizer: an endpoint has its own"),
        (
            ("m", "PROMPTS", "--base-url", "http://h", "--kind", "completions", "--system", "s"),
            "--kind: completions take",
        ),
        (("m", "PROMPTS", "--key-env", "X"), "--key-env: is for endpoints"),
        ((str(ZOO / "gated/g00"), "PROMPTS", "--system", "x"), "prompts.txt: a local model is given plain text"),
        (("m", "PROMPTS", "--max-requests", "3"), "--max-requests: is for endpoints"),
        (("m", "PROMPTS", "--samples", "0", "--base-url", "http://h"), "Invalid value for '--samples'"),
    ],
)
def test_mistakes_are_refused_in_one_line(
    command: Command, prompts: str, tmp_path: Path, arguments: tuple[str, ...], line: str
) -> None:
    given = [prompts if each == "PROMPTS" else each for each in arguments]
    done = command("ask", *given, "--transcript", str(tmp_path / "t.jsonl"))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"forebear: {line}")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "t.jsonl").exists()
