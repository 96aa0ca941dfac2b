"""Writing a report so that a reader never sees half of one."""

from __future__ import annotations

import os
from pathlib import Path

from forebear.checkpoint.writer import write_aside
from forebear.errors import UsageError


def check_writable(path: str | Path) -> Path:
    """Refuse a report's path before the work begins rather than after it.

    Raises:
        UsageError: the path is a folder, or its folder does not exist or may not be written.
    """
    target = Path(path)
    if target.is_dir():
        raise UsageError("is a folder", where=target, remedy="Name a file in it")
    if not target.parent.is_dir():
        raise UsageError("its folder does not exist", where=target, remedy="Create the folder first")
    if not os.access(target.parent, os.W_OK):
        raise UsageError("its folder may not be written", where=target, remedy="Choose another folder")
    return target


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text aside, then rename it to its place.

    Raises:
        UsageError: the file cannot be written.
    """
    target = Path(path)
    try:
        write_aside(target, [text.encode("utf-8")])
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=target) from None
    return target
