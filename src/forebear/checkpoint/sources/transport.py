"""Requests to a hub and to where it redirects: bounded in time, hops and bytes, the token kept to the hub itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from threading import Event
from urllib.parse import SplitResult, urljoin, urlsplit

import httpx2

from forebear import __version__
from forebear.checkpoint.sources.retry import GivenUpError, RetryPolicy, TransientError, keep_trying
from forebear.checkpoint.strict_json import quoted
from forebear.errors import CheckpointError, ForebearError, SourceUnreachableError, UsageError

MAX_HOPS = 5
MAX_ADDRESS = 8192
FIRST_CONNECTIONS = 3
"""Tried before a hub that nothing is known of yet counts as out of reach: in about a second, not in ten."""
RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PLAIN = {"User-Agent": f"forebear/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_PORTS = {"http": 80, "https": 443}
_FAULTS: tuple[tuple[type[httpx2.TransportError], str], ...] = (
    (httpx2.ConnectTimeout, "no connection in time"),
    (httpx2.TimeoutException, "no answer in time"),
    (httpx2.ConnectError, "no connection"),
    (httpx2.ProxyError, "the proxy refused the connection"),
    (httpx2.NetworkError, "the connection was cut"),
    (httpx2.RemoteProtocolError, "the connection was cut, or the answer is not HTTP"),
)

Origin = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose body has not been read.

    Attributes:
        response: status, headers and body.
        url: that gave it, after redirects.
        own: the hub itself gave it, not a server it redirected to.
        hops: headers of the hub's own answers on the way, the last one's included.
    """

    response: httpx2.Response
    url: str
    own: bool
    hops: tuple[httpx2.Headers, ...]


@dataclass(frozen=True, slots=True)
class Transport:
    """The way to one hub.

    Attributes:
        endpoint: its address; the headers go to nothing but this scheme, host and port.
        headers: for the hub itself, the token among them.
        policy: when to wait, try again and give up.
        refusal: the error that a status of 400 and more from the hub means, given status, headers and what was asked.
    """

    endpoint: str
    headers: Mapping[str, str] = field(repr=False)
    policy: RetryPolicy
    refusal: Callable[[int, Mapping[str, str], str], ForebearError]

    @contextmanager
    def open(self, url: str, shown: str, extra: Mapping[str, str] | None = None) -> Iterator[Reply]:
        """Ask for an address and follow redirects.

        Args:
            url: the address.
            shown: what errors name; addresses can hold secrets.
            extra: headers for every server on the way.

        Raises:
            TransientError: the connection failed, before the answer or while its body was read.
            CheckpointError: redirected too often or to something else than a web server.
        """
        home = origin(self.endpoint)
        hops: list[httpx2.Headers] = []
        for _ in range(MAX_HOPS + 1):
            own = origin(url) == home
            sent = {**_PLAIN, **(self.headers if own else {}), **(extra or {}), "Accept-Encoding": "identity"}
            with self._ask(url, sent, shown) as response:
                if own:
                    hops.append(response.headers)
                if response.status_code not in _REDIRECTS:
                    yield Reply(response, url, own, tuple(hops))
                    return
                url = _target(url, response.headers.get("Location"), shown)
        raise CheckpointError(f"redirected more than {MAX_HOPS} times", where=shown, remedy="Try another endpoint")

    def document(self, url: str, shown: str, limit: int) -> bytes:
        """All of a small answer of the hub.

        Args:
            url: the address.
            shown: what errors name.
            limit: the most bytes it may have.

        Raises:
            SourceUnreachableError: the hub did not answer.
            ForebearError: the hub refused, or its answer is too large.
        """

        def attempt(deadline: float) -> bytes:
            with self.open(url, shown, {"Accept": "application/json"}) as reply:
                self.check_status(reply, shown)
                if reply.response.status_code != 200:
                    raise _unexpected(reply, shown)
                check_encoding(reply, shown)
                return b"".join(self.body(reply, shown, limit, deadline, never))

        never = Event()
        return keep_trying(replace(self.policy, unreached=FIRST_CONNECTIONS), attempt, 0, shown, never)

    def body(self, reply: Reply, shown: str, limit: int, deadline: float, stop: Event) -> Iterator[bytes]:
        """The body as it comes, undecoded.

        Raises:
            CheckpointError: more than ``limit`` bytes.
            TransientError: the connection failed or ``deadline`` has come.
            GivenUpError: ``stop`` was set.
        """
        got = 0
        for chunk in reply.response.iter_raw():
            got += len(chunk)
            if got > limit:
                raise CheckpointError(
                    f"the answer is longer than it must be, limit {limit} bytes", where=shown, remedy="Try again later"
                )
            if stop.is_set():
                raise GivenUpError
            if self.policy.clock() > deadline:
                raise TransientError("too slow")
            yield chunk

    def check_status(self, reply: Reply, shown: str) -> None:
        """Refuse a status of 400 and more.

        Raises:
            TransientError: one that may be gone the next time.
            ForebearError: any other.
        """
        status = reply.response.status_code
        if status in RETRIED:
            raise TransientError(f"HTTP {status}", _asked(reply.response.headers.get("Retry-After")))
        if status >= 400 and reply.own:
            raise self.refusal(status, reply.response.headers, shown)
        if status >= 400:
            raise _unexpected(reply, shown)

    @contextmanager
    def _ask(self, url: str, headers: Mapping[str, str], shown: str) -> Iterator[httpx2.Response]:
        timeout = httpx2.Timeout(self.policy.stall, connect=self.policy.connect)
        try:
            with _client().stream("GET", url, headers=headers, timeout=timeout, follow_redirects=False) as response:
                yield response
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL, UnicodeError):
            # The library's words may quote a header, and so the token.
            raise UsageError(
                "a request to it cannot be written", where=shown, remedy="Check the address of the hub and the token"
            ) from None
        except httpx2.TransportError as error:
            raise transient(error, url) from None


def transient(error: httpx2.TransportError, url: str) -> TransientError:
    """A fault of the connection as one that may be gone the next time.

    Args:
        error: what the library raised.
        url: what was asked; its host is named.
    """
    reason = next((reason for kind, reason in _FAULTS if isinstance(error, kind)), type(error).__name__)
    return TransientError(f"{reason} ({_host(url)})", reached=not isinstance(error, httpx2.ConnectError))


def origin(url: str) -> Origin:
    """Scheme, host and port of an address.

    Raises:
        UsageError: it is none of a web server.
    """
    parts = _split(url)
    if parts is None or parts.scheme not in _PORTS or not parts.hostname:
        raise UsageError(
            f"{quoted(url)} is not the address of a web server", remedy="Write it as https://host, see HF_ENDPOINT"
        )
    return parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme]


def check_encoding(reply: Reply, shown: str) -> None:
    """Refuse a body that is compressed on the way: its bytes are not the file's.

    Raises:
        CheckpointError: it is.
    """
    encoding = reply.response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise CheckpointError(
            f"the server sends it as {quoted(encoding)}, Content-Encoding must be identity",
            where=shown,
            remedy="Try another endpoint or proxy",
        )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _host(url: str) -> str:
    return quoted(origin(url)[1]).strip("'")


def _target(url: str, location: str | None, shown: str) -> str:
    """Where a redirect leads: to a web server, and not from an encrypted connection to an open one."""
    named = location if location and len(location) <= MAX_ADDRESS and _split(location) is not None else ""
    target = urljoin(url, named) if named else ""
    parts = _split(target)
    fault = ""
    if not target or parts is None or parts.scheme not in _PORTS or not parts.hostname:
        fault = "redirected to something that is no web address"
    elif parts.username is not None or parts.password is not None:
        fault = "redirected to an address with a user name"
    elif url.startswith("https:") and parts.scheme != "https":
        fault = "redirected from an encrypted to an open connection"
    if fault:
        raise CheckpointError(fault, where=shown, remedy="Try another endpoint")
    return target


def _asked(retry_after: str | None) -> float | None:
    """Seconds that a server asks to wait; None where it asks nothing, or names a date."""
    text = (retry_after or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _unexpected(reply: Reply, shown: str) -> SourceUnreachableError:
    return SourceUnreachableError(
        f"HTTP {reply.response.status_code} from {_host(reply.url)}", where=shown, remedy="Try later"
    )


@lru_cache(maxsize=1)
def _client() -> httpx2.Client:
    """Connections of this process, kept open between requests; proxies and certificates as the environment says."""
    return httpx2.Client(limits=httpx2.Limits(max_connections=64, max_keepalive_connections=32))


if hasattr(os, "register_at_fork"):  # connections must not be shared with a child
    os.register_at_fork(after_in_child=_client.cache_clear)
