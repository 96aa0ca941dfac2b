"""How many at once, how many a minute, how many in all."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.checkpoint.sources.retry import GivenUpError
from forebear.responses.asking import ask_endpoint
from forebear.responses.endpoints import Crowd, Pace
from forebear.responses.prompts import Prompt
from forebear.responses.transcript import Reply, Settings
from tests.responses.endpoints.asking import CHAT, Time, ask, endpoint_of, prompts_named
from tests.responses.endpoints.server import PATIENCE, Handler, Server, answer


@pytest.mark.parametrize("concurrency", [1, 3, 4])
def test_the_server_sees_as_many_at_once_as_were_allowed(server: Server, tmp_path: Path, concurrency: int) -> None:
    together = Barrier(concurrency)

    def wait_for_the_others(handler: Handler) -> None:
        together.wait(PATIENCE)
        answer(handler)

    server.always = wait_for_the_others
    done = ask(server, tmp_path / "t.jsonl", prompts_named(*map(str, range(12))), concurrency=concurrency)
    assert len(done.transcript.replies) == 12
    assert server.most_at_once == concurrency


@given(per_minute=st.floats(0.5, 600.0), idle=st.lists(st.floats(0.0, 30.0), min_size=2, max_size=40))
def test_no_minute_has_more_turns_than_allowed(per_minute: float, idle: list[float]) -> None:
    time = Time()
    pace = Pace(time.policy(), per_minute)
    begun = []
    for seconds in idle:
        time.now += seconds
        pace.turn(Event())
        begun.append(time.now)
    assert begun == sorted(begun)
    for begin in begun:
        assert sum(begin <= each < begin + 60.0 - 1e-6 for each in begun) <= per_minute + 1


def test_turns_are_evenly_spread() -> None:
    time = Time()
    pace = Pace(time.policy(), 30.0)
    for _ in range(5):
        pace.turn(Event())
    assert time.waits == [2.0] * 4
    assert pace.made == 5


def test_a_rate_is_kept_over_real_requests(server: Server, tmp_path: Path) -> None:
    time = Time()
    ask(server, tmp_path / "t.jsonl", prompts_named(*"abcdefgh"), per_minute=60.0, policy=time.policy(), concurrency=1)
    assert time.now == pytest.approx(7.0)


def test_a_wait_that_one_was_asked_for_holds_the_others_back() -> None:
    time = Time()
    pace = Pace(time.policy(longest_asked=100.0))
    pace.hold(40.0)
    pace.turn(Event())
    assert time.waits == [40.0]
    pace.hold(1e9)
    pace.turn(Event())
    assert time.waits == [40.0, 100.0]


def test_turns_end() -> None:
    pace = Pace(Time().policy(), most=2)
    pace.turn(Event())
    pace.turn(Event())
    assert pace.spent
    with pytest.raises(GivenUpError):
        pace.turn(Event())
    stopped = Event()
    stopped.set()
    with pytest.raises(GivenUpError):
        Pace(Time().policy()).turn(stopped)


def test_a_bound_on_requests_is_kept_and_the_next_run_goes_on(server: Server, tmp_path: Path) -> None:
    path, prompts = tmp_path / "t.jsonl", prompts_named(*"abcdefghij")
    first = ask(server, path, prompts, most_requests=4)
    assert (first.requests, first.spent, len(first.transcript.replies)) == (4, True, 4)
    assert first.transcript.missing == ("6 further replies: not asked for yet",)
    second = ask(server, path, prompts)
    assert (second.requests, second.spent, second.transcript.missing) == (6, False, ())
    assert set(server.asked.values()) == {1}
    assert ask(server, path, prompts).requests == 0


def test_progress_is_told_reply_by_reply(server: Server, tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    prompts = prompts_named(*"abcd")
    arguments = (endpoint_of(server), prompts, CHAT, tmp_path / "t.jsonl")
    ask_endpoint(*arguments, policy=Time().policy(), progress=lambda stage, done: told.append((stage, done)))
    assert told == [("asking a-model", share) for share in (0.25, 0.5, 0.75, 1.0)]


class Broken:
    def reply(self, prompt: Prompt, sample: int, settings: Settings, stop: Event) -> Reply:
        raise ZeroDivisionError


def test_a_bug_in_a_thread_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setattr("threading.excepthook", lambda given: seen.append(given.exc_type))
    crowd = Crowd(Broken(), CHAT, [(Prompt("a", "a"), 0)], 1)
    with crowd, pytest.raises(RuntimeError, match="a thread that asks has ended"):
        list(crowd)
    for thread in crowd._threads:
        thread.join()
    assert seen == [ZeroDivisionError]
