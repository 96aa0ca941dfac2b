"""Options that take every value up to the next option: ``--controls A B`` says ``--controls A --controls B``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from typer.core import TyperCommand

GREEDY = frozenset({"--controls", "--behaviour"})


def spread(arguments: Iterable[str], greedy: Collection[str] = GREEDY) -> Iterator[str]:
    """Arguments with each greedy option repeated before each of its values.

    Values end at the next argument that begins with a dash, so such options stand after what takes no option.

    Args:
        arguments: as a shell gives them.
        greedy: options that take several values.
    """
    current, given = None, False
    for argument in arguments:
        if argument in greedy:
            if current is not None and not given:
                yield current
            current, given = argument, False
        elif current is None or argument.startswith("-"):
            if current is not None and not given:
                yield current
            current = None
            yield argument
        else:
            yield from (current, argument)
            given = True
    if current is not None and not given:
        yield current


class GreedyCommand(TyperCommand):
    """A command whose `GREEDY` options take several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, greedy options spread out first."""
        return super().parse_args(ctx, list(spread(args)))
