"""A progress bar on stderr, for a person who waits; nothing at all where stderr is not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, float], None]


@contextmanager
def progress() -> Iterator[Report | None]:
    """Yield what a long call reports to (stage, fraction done from 0 to 1), or None where nobody watches."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # only where it is shown
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=1.0)
        yield lambda stage, fraction: bar.update(task, description=stage, completed=fraction)
