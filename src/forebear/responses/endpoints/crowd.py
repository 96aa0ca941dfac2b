"""Many requests at once: threads that ask, one that takes what they bring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum, auto
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Protocol, Self

from forebear.checkpoint.sources.retry import GivenUpError
from forebear.errors import ForebearError, SourceUnreachableError
from forebear.responses.endpoints.client import PromptRefusedError
from forebear.responses.prompts import Prompt
from forebear.responses.transcript import Reply, Settings
from forebear.responses.transcript_writer import Missing, Note

FEWEST_IN_A_ROW = 8
"""Prompts without a reply, one after another, after which an endpoint that has answered before is given up; twice as
many as are asked at once, should that be more."""


class _End(Enum):
    """How a thread ended."""

    DONE = auto()
    BROKEN = auto()


class Asks(Protocol):
    """What a crowd asks with."""

    def reply(self, prompt: Prompt, sample: int, settings: Settings, stop: Event) -> Reply:
        """Ask until there is a reply."""
        ...


class Crowd:
    """Asks for replies, some at a time, and yields what comes as it comes; a context manager.

    Args:
        client: asks for one reply.
        settings: how.
        wanted: prompts and samples, in order.
        concurrency: how many at once.
        answered: replies this endpoint gave before; with none, the first failure ends the run.
    """

    def __init__(
        self,
        client: Asks,
        settings: Settings,
        wanted: Sequence[tuple[Prompt, int]],
        concurrency: int,
        answered: int = 0,
    ) -> None:
        self._client, self._settings = client, settings
        self._wanted = iter(wanted)
        self._lock = Lock()
        self._stop = Event()
        self._brought: SimpleQueue[Reply | Missing | Note | ForebearError | _End] = SimpleQueue()
        # Threads that wait for a server must not keep the process.
        self._threads = [
            Thread(target=self._work, daemon=True, name=f"forebear-ask-{number}")
            for number in range(min(concurrency, len(wanted)))
        ]
        self._answered = answered
        self._in_a_row = 0
        self._most_in_a_row = max(FEWEST_IN_A_ROW, 2 * concurrency)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def note(self, text: str) -> None:
        """Have a note yielded; called from any thread."""
        self._brought.put(Note(text))

    def __iter__(self) -> Iterator[Reply | Missing | Note]:
        """Everything that comes, until all is asked or no turn is left.

        Raises:
            ForebearError: the endpoint cannot be reached, or refuses whatever is asked.
        """
        left = len(self._threads)
        while left:
            brought = self._brought.get()
            if brought is _End.BROKEN:
                raise RuntimeError("a thread that asks has ended by a fault of its own, shown above")
            if brought is _End.DONE:
                left -= 1
            elif isinstance(brought, ForebearError):
                raise brought
            elif not isinstance(brought, _End):
                yield brought

    def received(self) -> Iterator[Reply | Missing | Note]:
        """What came and was not yielded yet; nothing more is asked."""
        self._stop.set()
        while True:
            try:
                brought = self._brought.get_nowait()
            except Empty:
                return
            if isinstance(brought, Reply | Missing | Note):
                yield brought

    def _work(self) -> None:
        end = _End.BROKEN
        try:
            while (wanted := self._next()) is not None:
                self._brought.put(self._ask(*wanted))
            end = _End.DONE
        except GivenUpError:
            end = _End.DONE
        finally:
            self._brought.put(end)

    def _next(self) -> tuple[Prompt, int] | None:
        with self._lock:
            return None if self._stop.is_set() else next(self._wanted, None)

    def _ask(self, prompt: Prompt, sample: int) -> Reply | Missing | ForebearError:
        try:
            reply = self._client.reply(prompt, sample, self._settings, self._stop)
        except ForebearError as error:
            return self._judged(prompt, sample, error)
        with self._lock:
            self._answered += 1
            self._in_a_row = 0
        return reply

    def _judged(self, prompt: Prompt, sample: int, error: ForebearError) -> Missing | ForebearError:
        """A prompt without a reply, or the error that ends the run: then nobody asks anything more."""
        passing = isinstance(error, SourceUnreachableError | PromptRefusedError)
        with self._lock:
            self._in_a_row += 1
            if passing and self._answered and self._in_a_row <= self._most_in_a_row:
                return Missing(prompt.id, sample, error.rule)
            self._stop.set()
        return error
