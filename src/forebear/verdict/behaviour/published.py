"""What strangers were seen to score elsewhere, with its source."""

from __future__ import annotations

from forebear.verdict.behaviour.contract import Published


def published() -> list[Published]:
    """The shipped table."""
    return []
