"""A key is sent to one address, and stands in nothing that is printed, written or raised."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from forebear.errors import ForebearError, UsageError
from forebear.responses.asking import Effort, Endpoint, ask_endpoint
from forebear.responses.endpoints import Key, find_key, parse_address
from tests.responses.endpoints import server as faults
from tests.responses.endpoints.asking import CHAT, KEY, Time, ask, endpoint_of, prompts_named
from tests.responses.endpoints.server import Server

FAR = parse_address("https://host.example/v1")
MASKED = f"Incorrect API key provided: {KEY[:8]}************{KEY[-4:]}. Find it at your provider."


@pytest.mark.parametrize(
    "fault",
    [
        faults.refusing(401, f"your key {KEY} is wrong"),
        faults.refusing(401, MASKED),
        faults.refusing(400, f"Bearer {KEY}"),
        faults.refusing(500, f"{KEY}{KEY}" * 100),
        faults.refusing(302, Location=f"http://other.example/{KEY}"),
        faults.sending(b'{"error": "' + KEY.encode() + b'"}'),
    ],
)
def test_an_error_that_echoes_the_key_is_told_without_it(
    server: Server, tmp_path: Path, fault: faults.Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    server.always = fault
    with pytest.raises(ForebearError) as caught:
        ask(server, tmp_path / "t.jsonl", prompts_named("a"), key=KEY, policy=Time().policy(attempts=2))
    assert server.requests[0][1]["Authorization"] == f"Bearer {KEY}"
    chain: BaseException | None = caught.value
    shown = caplog.text + (tmp_path / "t.jsonl").read_text()
    while chain is not None:
        shown += repr(chain) + str(chain)
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)
    assert KEY not in shown
    assert KEY[:8] not in shown
    assert KEY[-4:] not in shown
    assert "[key]" in shown


def test_a_key_in_a_reply_or_in_what_is_missing_is_taken_out(server: Server, tmp_path: Path) -> None:
    server.faults = {"a": [faults.replying(f"it is {KEY}, keep it")], "b": [faults.refusing(400, f"no {KEY}")]}
    done = ask(server, tmp_path / "t.jsonl", prompts_named("a", "b"), key=KEY, concurrency=1)
    assert done.transcript.texts("p0") == ["it is [key], keep it"]
    assert done.transcript.missing == ("'p1', sample 0: HTTP 400: no [key]",)
    assert done.transcript.notes == ("the key stood in a reply, and was taken out of it",)
    assert KEY not in (tmp_path / "t.jsonl").read_text()


def test_what_stands_behind_the_question_mark_is_kept_nowhere(server: Server, tmp_path: Path) -> None:
    address = parse_address(f"{server.url}?version=2024-06-01&key={KEY}%2B")
    server.faults = {
        "a": [faults.replying(f"POST ?version=2024-06-01&key={KEY}%2B of 2024-06-01")],
        "b": [faults.refusing(400, f"the key {KEY}+ is wrong")],
    }
    ask_endpoint(Endpoint(address, "m"), prompts_named("a", "b"), CHAT, tmp_path / "t.jsonl", Effort(concurrency=1))
    assert f"key={KEY}%2B" in server.requests[0][0]
    kept = (tmp_path / "t.jsonl").read_text()
    assert KEY not in kept
    assert "POST ?[query] of 2024-06-01" in kept
    assert "the key [query] is wrong" in kept


def test_a_short_key_is_no_secret_and_changes_no_reply(server: Server, tmp_path: Path) -> None:
    server.always = faults.replying("none of them")
    assert ask(server, tmp_path / "t.jsonl", prompts_named("a"), key="none").transcript.texts("p0") == ["none of them"]


def test_nothing_that_holds_a_key_shows_it(server: Server) -> None:
    endpoint = endpoint_of(server, KEY)
    assert KEY not in repr(endpoint) + str(endpoint)


def test_the_key_comes_from_the_variable_named() -> None:
    assert find_key("MINE", FAR, {"MINE": f" {KEY}\n", "OPENAI_API_KEY": "other"}).secret == KEY
    assert find_key(None, FAR, {"OPENAI_API_KEY": KEY}) == Key(KEY, "OPENAI_API_KEY")
    assert find_key(None, FAR, {}).secret is None
    with pytest.raises(UsageError, match="'MINE' is not set"):
        find_key("MINE", FAR, {"OPENAI_API_KEY": KEY})


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/v1", "http://127.0.0.1/v1", "https://[::1]:80", "http://a.localhost"]
)
def test_the_usual_key_stays_away_from_local_servers(url: str) -> None:
    assert find_key(None, parse_address(url), {"OPENAI_API_KEY": KEY}) == Key()
    assert find_key("OPENAI_API_KEY", parse_address(url), {"OPENAI_API_KEY": KEY}).secret == KEY


def test_the_usual_key_is_not_sent_over_an_open_connection() -> None:
    found = find_key(None, parse_address("http://host.example/v1"), {"OPENAI_API_KEY": KEY})
    assert found.secret is None
    assert found.note is not None
    assert KEY not in found.note


@pytest.mark.parametrize("value", [f"{KEY}\r\nHost: x", "clé-secrète-12345", "two words here", "x" * 5000])
def test_what_cannot_be_a_key_is_refused_unseen(value: str) -> None:
    with pytest.raises(UsageError, match="'MINE' cannot be a key") as caught:
        find_key("MINE", FAR, {"MINE": value})
    assert value not in caught.value.line()


@pytest.mark.parametrize(
    ("text", "base", "query"),
    [
        ("https://host/v1", "https://host/v1", ""),
        ("https://host/v1/", "https://host/v1", ""),
        ("https://host/v1/chat/completions", "https://host/v1", ""),
        ("http://host:8000/v1/completions?version=1", "http://host:8000/v1", "version=1"),
        ("http://[::1]:80", "http://[::1]:80", ""),
    ],
)
def test_addresses(text: str, base: str, query: str) -> None:
    found = parse_address(text)
    assert (found.base, found.query) == (base, query)
    assert found.url("completions") == f"{base}/completions" + (f"?{query}" if query else "")
    assert not query or query not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host/v1",
        "ftp://host",
        "https://",
        "https://host:x",
        "https://h\nost",
        "https://hôst",
        KEY,
        "https://[",
        "h" * 3000,
    ],
)
def test_what_is_no_address_is_refused_unseen(text: str) -> None:
    with pytest.raises(UsageError, match="--base-url: is not the address of a web server") as caught:
        parse_address(text)
    assert len(text) < 10 or text not in caught.value.line()


def test_users_and_passwords_are_refused_unseen() -> None:
    with pytest.raises(UsageError, match="holds a user name or a password") as caught:
        parse_address(f"https://user:{KEY}@host/v1")
    assert KEY not in caught.value.line()
