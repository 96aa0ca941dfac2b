"""The key to an endpoint: taken from the environment, sent to that endpoint alone, and shown nowhere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from forebear.errors import UsageError
from forebear.responses.endpoints.address import Address

USUAL = "OPENAI_API_KEY"
OPTION = "--key-env"
INSTEAD = "[key]"
SECRET_FROM = 8
"""Characters; a shorter one, such as the ``none`` that some local servers want, is no secret and may be a word."""
_LONGEST = 4_096
_WORD = re.compile(r"\S+")
_STARS = "***"
_SHOWN_START = 4


@dataclass(frozen=True, slots=True)
class Key:
    """A key, or none.

    Attributes:
        secret: itself; None where nothing is sent.
        variable: the environment variable it comes from.
        note: why there is none although one is set.
    """

    secret: str | None = field(default=None, repr=False)
    variable: str | None = None
    note: str | None = None

    def hidden(self, text: str) -> str:
        """Text without the key."""
        if self.secret is None or len(self.secret) < SECRET_FROM:
            return text
        return text.replace(self.secret, INSTEAD)

    def hidden_in_error(self, text: str) -> str:
        """Text of an error without the key, and without what servers show of it: its start, or stars in the middle."""
        if self.secret is None:
            return text
        text = _WORD.sub(_unstarred, text.replace(self.secret, INSTEAD))
        if len(self.secret) < SECRET_FROM:
            return text
        return re.sub(re.escape(self.secret[:_SHOWN_START]) + r"\S*", INSTEAD, text)


def _unstarred(word: re.Match[str]) -> str:
    return INSTEAD if _STARS in word[0] else word[0]


def find_key(variable: str | None, address: Address, environment: Mapping[str, str]) -> Key:
    """The key for an endpoint.

    Without a variable named, `USUAL` is taken where it is set, for encrypted connections to another machine alone: a
    local server needs none, and an open connection shows it to everyone on the way.

    Args:
        variable: named by the user; None for the usual one.
        address: where it would be sent.
        environment: variables and their values.

    Raises:
        UsageError: the variable named is not set, or its value cannot be a key.
    """
    name = variable or USUAL
    secret = environment.get(name, "").strip()
    if not secret:
        if variable is None:
            return Key()
        raise UsageError(f"the environment variable {name[:80]!r} is not set", where=OPTION, remedy="Set it to the key")
    if variable is None and address.here:
        return Key()
    if variable is None and address.scheme != "https":
        return Key(note=f"the key in {USUAL} is not sent over an open connection; name it with {OPTION} to send it")
    if len(secret) > _LONGEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise UsageError(
            f"the value of {name[:80]!r} cannot be a key: ASCII without blanks is wanted", where=OPTION,
            remedy="Set it to the key alone",
        )  # fmt: skip
    return Key(secret, name)
