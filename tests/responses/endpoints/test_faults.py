"""Whatever a server does to single answers, the transcript is that of a server without faults."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from forebear.errors import SourceUnreachableError, UsageError
from forebear.responses.asking import Endpoint, ask_endpoint
from forebear.responses.endpoints import Key, PromptRefusedError, parse_address
from forebear.responses.endpoints.client import seconds_asked
from forebear.responses.transcript import Settings
from forebear.responses.transcript_file import read_transcript
from tests.responses.endpoints import server as faults
from tests.responses.endpoints.asking import CHAT, KEY, Time, ask, prompts_named
from tests.responses.endpoints.server import Fault, Server, serving

PASSING: dict[str, list[Fault]] = {
    "none": [],
    "429": [faults.refusing(429), faults.refusing(429)],
    "429 with a wait": [faults.refusing(429, Retry_After="7")],
    "500s": [faults.refusing(status) for status in (500, 502, 503, 504, 529)],
    "408": [faults.refusing(408)],
    "stall": [faults.stall],
    "stall midway": [faults.stall_midway],
    "truncated": [faults.truncate_json],
    "cut midway": [faults.disconnect_midway],
    "hung up": [faults.hang_up, faults.hang_up],
    "a page": [faults.sending(b"<html>wait</html>", Content_Type="text/html")],
    "giant": [faults.send_without_end],
    "deep": [faults.sending(b'{"choices":' + b"[" * 90_000 + b"]" * 90_000 + b"}")],
    "not UTF-8": [faults.sending(b'{"choices": "\xff"}')],
    "twice the same key": [faults.sending(b'{"choices": [], "choices": []}')],
    "a number out of range": [faults.sending(b'{"choices": [1e999]}')],
    "error in a 200": [faults.sending(b'{"error": {"message": "overloaded"}}')],
    "no choices": [faults.sending(b'{"choices": []}')],
    "no text": [faults.sending(b'{"choices": [{"message": {}}]}')],
    "empty": [faults.sending(b"")],
    "compressed": [faults.sending(b"\x1f\x8b\x08\x00", Content_Encoding="gzip")],
}


def test_every_fault_that_passes_is_survived(server: Server, tmp_path: Path) -> None:
    prompts = prompts_named(*PASSING)
    with serving() as faultless:
        plain = ask(faultless, tmp_path / "plain.jsonl", prompts).transcript
    server.faults = {text: [*some] for text, some in PASSING.items()}
    time = Time()
    done = ask(server, tmp_path / "faults.jsonl", prompts, policy=time.policy(stall=0.5))
    assert not done.transcript.missing
    assert done.transcript.replies == plain.replies
    assert done.transcript.digest == plain.digest
    again = read_transcript(tmp_path / "faults.jsonl")
    assert (again.digest, again.replies, again.missing) == (plain.digest, plain.replies, ())
    assert done.requests >= len(PASSING) + sum(map(len, PASSING.values()))
    assert 7.0 in time.waits


def test_a_reply_of_another_content_type_is_a_reply(server: Server, tmp_path: Path) -> None:
    server.always = lambda handler: handler.reply(200, faults.right(handler), Content_Type="text/plain")
    done = ask(server, tmp_path / "t.jsonl", prompts_named("a"))
    assert done.transcript.texts("p0") == [faults.said("a")]
    assert done.requests == 1


@pytest.mark.parametrize(("status", "kind"), [(400, PromptRefusedError), (401, UsageError), (403, UsageError)])
def test_a_refusal_ends_the_run_at_once(server: Server, tmp_path: Path, status: int, kind: type[UsageError]) -> None:
    server.always = faults.refusing(status, "you may\nnot " + "x" * 900)
    with pytest.raises(kind) as caught:
        ask(server, tmp_path / "t.jsonl", prompts_named(*"abcdefgh"), concurrency=2)
    line = caught.value.line()
    assert f"HTTP {status}: you may not x" in line
    assert "\n" not in line
    assert len(line) < 400
    assert len(server.requests) <= 2


def test_no_such_model_names_the_remedy(server: Server, tmp_path: Path) -> None:
    server.always = faults.refusing(404, "no such model")
    with pytest.raises(UsageError, match=r"HTTP 404: no such model\. Check --base-url and the model's name"):
        ask(server, tmp_path / "t.jsonl", prompts_named("a"))


def test_an_account_without_credit_is_not_asked_again(server: Server, tmp_path: Path) -> None:
    server.always = faults.refusing(429, "quota", code="insufficient_quota")
    with pytest.raises(UsageError, match="until the account has credit"):
        ask(server, tmp_path / "t.jsonl", prompts_named("a"))
    assert len(server.requests) == 1


def test_one_prompt_refused_among_others_is_missing_with_the_reason(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    ask(server, path, prompts_named("a", "bad", "c"), most_requests=1, concurrency=1)
    server.faults = {"bad": [faults.refusing(400, "filtered")] * 2}
    done = ask(server, path, prompts_named("a", "bad", "c"), concurrency=1)
    assert [each.prompt for each in done.transcript.replies] == ["p0", "p2"]
    assert done.transcript.missing == ("'p1', sample 0: HTTP 400: filtered",)
    assert not ask(server, path, prompts_named("a", "bad", "c"), concurrency=1).transcript.replies[2:]
    assert not ask(server, path, prompts_named("a", "bad", "c"), concurrency=1).transcript.missing


def test_an_endpoint_that_stops_answering_is_given_up(server: Server, tmp_path: Path) -> None:
    prompts = prompts_named(*map(str, range(40)))
    ask(server, tmp_path / "t.jsonl", prompts, most_requests=2, concurrency=1)
    server.always = faults.refusing(500, "gone")
    with pytest.raises(SourceUnreachableError, match="HTTP 500: gone, given up after 2 attempts"):
        ask(server, tmp_path / "t.jsonl", prompts, policy=Time().policy(attempts=2), concurrency=2)
    kept = read_transcript(tmp_path / "t.jsonl")
    assert len(kept.replies) == 2
    assert sum("HTTP 500: gone" in each for each in kept.missing) == 8
    assert kept.missing[-1] == "30 further replies: not asked for yet"


def test_a_closed_port_is_given_up_soon(tmp_path: Path) -> None:
    with serving() as gone:
        url = gone.url
    endpoint = Endpoint(parse_address(url), "m")
    time = Time()
    with pytest.raises(SourceUnreachableError, match=r"no connection .*given up after 3 attempts"):
        ask_endpoint(endpoint, prompts_named("a"), CHAT, tmp_path / "t.jsonl", policy=time.policy())
    assert len(time.waits) == 2


def test_a_wait_that_is_too_long_is_not_waited(server: Server, tmp_path: Path) -> None:
    server.always = faults.refusing(429, Retry_After="9999")
    time = Time()
    with pytest.raises(SourceUnreachableError, match="asks to wait 9999 s, limit 300"):
        ask(server, tmp_path / "t.jsonl", prompts_named("a"), policy=time.policy())
    assert not time.waits


def test_a_redirect_takes_nothing_to_another_host(server: Server, tmp_path: Path) -> None:
    with serving() as other:
        for status in (301, 302, 303, 307, 308):
            server.always = faults.refusing(status, Location=f"{other.url}/chat/completions?token=x")
            with pytest.raises(UsageError, match=r"redirects to .http://127.*/chat/completions., and the key"):
                ask(server, tmp_path / f"{status}.jsonl", prompts_named("a"), key=KEY)
        assert not other.requests
    assert len(server.requests) == 5


def test_fields_an_endpoint_refuses_are_renamed_or_left_out(server: Server, tmp_path: Path) -> None:
    def picky(handler: faults.Handler) -> None:
        body = handler.body
        if "max_tokens" in body:
            rule = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            return faults.refusing(400, rule, param="max_tokens")(handler)
        if "temperature" in body:
            return faults.refusing(400, "Unsupported value: 'temperature' does not support 0.", param="temperature")(
                handler
            )
        return faults.answer(handler)

    server.always = picky
    done = ask(server, tmp_path / "t.jsonl", prompts_named(*"abcd"), concurrency=1)
    assert len(done.transcript.replies) == 4
    assert done.requests == 6
    assert server.requests[-1][2].keys() == {"model", "max_completion_tokens", "messages"}
    assert done.transcript.notes == (
        "asked with max_completion_tokens for max_tokens",
        "the endpoint refuses temperature; it was left to the endpoint, 0.0 was wanted",
    )


def test_completions_samples_and_seeds(server: Server, tmp_path: Path) -> None:
    settings = Settings("completions", temperature=1.0, samples=3, max_tokens=5, top_p=0.9, seed=40)
    done = ask(server, tmp_path / "t.jsonl", prompts_named("a"), settings)
    assert done.transcript.texts("p0") == [faults.said("a", seed) for seed in (40, 41, 42)]
    path, _, body = server.requests[0]
    assert path == "/v1/completions"
    seed = body.pop("seed")
    assert seed in (40, 41, 42)
    assert body == {"model": "a-model", "prompt": "a", "max_tokens": 5, "temperature": 1.0, "top_p": 0.9}


def test_waits_are_seconds_or_dates() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    later = format_datetime(now + timedelta(seconds=30), usegmt=True)
    assert seconds_asked(later, now.timestamp()) == 30.0
    assert seconds_asked(format_datetime(now - timedelta(days=1), usegmt=True), now.timestamp()) == 0.0
    assert [seconds_asked(text, 0.0) for text in ("5", "1.5", "0", "9" * 60)] == [5.0, 1.5, 0.0, 1e9]
    assert {seconds_asked(text, 0.0) for text in (None, "", "soon", "-1", "nan", "1" * 65, "1e3")} == {None}


def test_an_answer_that_is_compressed_is_told_as_such(server: Server, tmp_path: Path) -> None:
    server.always = faults.sending(b"\x1f\x8b", Content_Encoding="gzip")
    with pytest.raises(SourceUnreachableError, match="encoding 'gzip', which was not asked for"):
        ask(server, tmp_path / "t.jsonl", prompts_named("a"), policy=Time().policy(attempts=2))


def test_keys_are_not_needed(server: Server, tmp_path: Path) -> None:
    assert Key().secret is None
    ask(server, tmp_path / "t.jsonl", prompts_named("a"))
    assert "Authorization" not in server.requests[0][1]
    ask(server, tmp_path / "u.jsonl", prompts_named("a"), key=KEY)
    assert server.requests[1][1]["Authorization"] == f"Bearer {KEY}"
