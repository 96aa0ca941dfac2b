"""Where an endpoint is: its base URL, split into what may be shown and what may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, urlsplit

from forebear.errors import UsageError

OPTION = "--base-url"
LONGEST = 2_000
INSTEAD = "[query]"
SECRET_FROM = 16
"""Characters; shorter ones, such as a date that names a version, may stand in any reply."""
_TAILS = ("/chat/completions", "/completions")


@dataclass(frozen=True, slots=True)
class Address:
    """An endpoint's base URL.

    Attributes:
        base: scheme, host and path, without a slash at its end; shown, and kept in transcripts.
        query: what stood behind ``?``, such as a version of the interface; sent, and neither shown nor kept.
        scheme: ``"http"`` or ``"https"``.
        host: name or number of the machine, small letters.
    """

    base: str
    scheme: str
    host: str
    query: str = field(default="", repr=False)

    def hidden(self, text: str) -> str:
        """Text without the query and without values of it that may be keys, as a server may quote them."""
        values = [value for _, value in parse_qsl(self.query)] + [self.query]
        for each in sorted(values, key=len, reverse=True):
            if len(each) >= SECRET_FROM:
                text = text.replace(each, INSTEAD)
        return text

    def url(self, path: str) -> str:
        """The address of a path below it."""
        return f"{self.base}/{path}" + (f"?{self.query}" if self.query else "")

    @property
    def here(self) -> bool:
        """It is on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """An address as the user wrote it, such as ``https://host/v1``; a path of the interface at its end is left off.

    Raises:
        UsageError: it is no address of a web server, is too long, or holds a user name or password.
    """
    parts = _split(text)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        # Not quoted: what is no address may be a key.
        raise UsageError("is not the address of a web server", where=OPTION, remedy="Write it as https://host/v1")
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "holds a user name or a password", where=OPTION, remedy="Give the key in an environment variable instead"
        )
    path = parts.path.rstrip("/")
    for tail in _TAILS:
        path = path.removesuffix(tail)
    return Address(f"{parts.scheme}://{parts.netloc}{path}", parts.scheme, parts.hostname.lower(), parts.query)


def _split(text: str) -> SplitResult | None:
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        return None
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts
