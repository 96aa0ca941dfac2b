"""Short names for files, each its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from forebear.responses.reading import plain_name


def distinct(paths: Sequence[Path]) -> list[str]:
    """A short name for each file: its own without endings, its folder's before it where two are called the same."""
    short = [plain_name(path) for path in paths]
    longer = [
        f"{path.parent.name}/{name}" if short.count(name) > 1 else name for path, name in zip(paths, short, strict=True)
    ]
    return [
        f"{name} ({longer[:at].count(name) + 1})" if longer.count(name) > 1 else name for at, name in enumerate(longer)
    ]
