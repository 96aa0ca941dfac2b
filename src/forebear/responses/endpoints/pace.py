"""How fast requests follow one another, and how many there may be; shared by all that ask one endpoint."""

from __future__ import annotations

from threading import Event, Lock

from forebear.checkpoint.sources.retry import GivenUpError, RetryPolicy


class Pace:
    """Gives out turns to make one request each.

    Args:
        policy: whose clock and waiting are used.
        per_minute: the most requests that begin in a minute, evenly spread; None for no limit.
        most: requests in all, repeated ones included; None for no limit.
    """

    def __init__(self, policy: RetryPolicy, per_minute: float | None = None, most: int | None = None) -> None:
        self._policy = policy
        self._every = 0.0 if per_minute is None else 60.0 / per_minute
        self._most = most
        self._lock = Lock()
        self._next = policy.clock()
        self.made = 0
        """Turns given out."""

    @property
    def spent(self) -> bool:
        """No turn is left."""
        return self._most is not None and self.made >= self._most

    def turn(self, stop: Event) -> None:
        """Wait for a turn.

        Args:
            stop: set when the run is given up meanwhile.

        Raises:
            GivenUpError: it was, or no turn is left.
        """
        with self._lock:
            if self.spent or stop.is_set():
                raise GivenUpError
            self.made += 1
            now = self._policy.clock()
            begin = max(now, self._next)
            self._next = begin + self._every
        if begin > now:
            self._policy.wait(1, begin - now, stop)
        if stop.is_set():
            raise GivenUpError

    def hold(self, seconds: float) -> None:
        """Give no turn for some seconds, as the server asked; at most as many as the policy allows."""
        with self._lock:
            self._next = max(self._next, self._policy.clock() + min(seconds, self._policy.longest_asked))
