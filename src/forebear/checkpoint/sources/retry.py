"""When a request to another machine is made again, how long is waited before, and when it is given up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TypeVar

from forebear.errors import SourceUnreachableError

Result = TypeVar("Result")


class TransientError(Exception):
    """A fault that may be gone the next time; caught by `keep_trying`.

    Args:
        reason: for the user, should it not go away.
        wait: seconds the server asked to wait; None where it asked nothing.
        reached: something answered; False where no connection stood.
    """

    def __init__(self, reason: str, wait: float | None = None, *, reached: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.reached = reached


class GivenUpError(Exception):
    """A request was stopped because what it belongs to was given up; no user ever sees it."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Patience with a server, in seconds.

    Waits double from ``first_wait`` to ``longest_wait`` and are drawn between half and all of that, so that many
    clients that failed together do not come back together.

    Attributes:
        attempts: requests made for one stretch before it is given up.
        unreached: the same where no connection stood in any of them; None for ``attempts``.
        first_wait: before the second attempt.
        longest_wait: between two attempts.
        longest_asked: that a server may ask for with ``Retry-After``; above it the request is given up.
        connect: until a connection stands.
        stall: without a single byte.
        total: for one stretch with all its attempts, besides what its bytes take at ``slowest``.
        slowest: bytes a second below which a server counts as stalled.
        sleep: replaces the wait, for tests; None waits, and stops early when the read is given up.
        clock: seconds that only grow.
        jitter: draws from 0 to 1.
    """

    attempts: int = 6
    unreached: int | None = None
    first_wait: float = 0.5
    longest_wait: float = 8.0
    longest_asked: float = 60.0
    connect: float = 10.0
    stall: float = 10.0
    total: float = 180.0
    slowest: float = 50_000.0
    sleep: Callable[[float], None] | None = None
    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random

    def deadline(self, nbytes: int) -> float:
        """Moment at which a transfer that begins now is given up."""
        return self.clock() + self.total + nbytes / self.slowest

    def wait(self, failures: int, asked: float | None, stop: Event) -> None:
        """Wait before the next attempt.

        Args:
            failures: attempts that failed so far, 1 or more.
            asked: seconds the server asked for; None where it asked nothing.
            stop: set when the read is given up meanwhile.
        """
        growing = min(self.longest_wait, self.first_wait * 2.0 ** (failures - 1))
        seconds = growing * (0.5 + 0.5 * self.jitter()) if asked is None else asked
        if self.sleep is not None:
            self.sleep(seconds)
        else:
            stop.wait(seconds)


def keep_trying(
    policy: RetryPolicy, attempt: Callable[[float], Result], nbytes: int, shown: str | Path, stop: Event
) -> Result:
    """Make a request until it is answered.

    Args:
        policy: how often and how long.
        attempt: one request; told the moment at which it must end. What it got before it failed is its own to keep.
        nbytes: bytes it is to bring.
        shown: file or address that errors name.
        stop: set when the read is given up meanwhile.

    Raises:
        SourceUnreachableError: it failed too often or for too long.
        GivenUpError: ``stop`` was set.
    """
    deadline = policy.deadline(nbytes)
    failures = 0
    reached = policy.unreached is None
    while True:
        if stop.is_set():
            raise GivenUpError
        try:
            return attempt(deadline)
        except TransientError as fault:
            failures += 1
            reached = reached or fault.reached
            most = policy.attempts if reached else min(policy.attempts, policy.unreached or policy.attempts)
            asked = fault.wait
            late = policy.clock() + (asked or 0.0) >= deadline
            if failures >= most or late or (asked or 0.0) > policy.longest_asked:
                raise SourceUnreachableError(
                    _given_up(fault.reason, failures, asked, policy), where=shown, remedy="Check the network, try later"
                ) from None
        policy.wait(failures, asked, stop)


def _given_up(reason: str, failures: int, asked: float | None, policy: RetryPolicy) -> str:
    if asked is not None and asked > policy.longest_asked:
        return f"{reason}, the server asks to wait {asked:.0f} s, limit {policy.longest_asked:.0f}"
    return f"{reason}, given up after {failures} attempt{'s' if failures > 1 else ''}"
