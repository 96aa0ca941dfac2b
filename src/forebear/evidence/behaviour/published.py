"""What strangers were seen to score elsewhere: a sourced table that orients a reader and is no null for a pair at hand.

Only figures that were read in the source stand in it; a null must come from controls that answered the same items.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from math import isfinite

import msgspec

_TABLE = "strangers.json"


class PublishedFigure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row; at least one of the figures stands in it.

    Attributes:
        figure: ``"same_wrong"``, equal answers among items that both get wrong; ``"error_consistency"``, kappa;
            ``"parent_not_closest"``, ``"wrongly_named_parent"``, ``"endpoints_differing"`` and
            ``"identity_confusion"``, shares of models.
        setting: what was measured, on what.
        models: how many.
        source: authors, title or venue, and where in it.
        arxiv: number of the preprint; None for a measurement of one's own.
        note: what a reader should know.
        mean: of all pairs, or the share.
        median: of all pairs.
        p95: which 5 % of pairs exceed.
        p99: which 1 % of pairs exceed.
        highest: of all pairs.
        chance: what guessing would give.
    """

    figure: str
    setting: str
    models: int
    source: str
    arxiv: str | None = None
    note: str = ""
    mean: float | None = None
    median: float | None = None
    p95: float | None = None
    p99: float | None = None
    highest: float | None = None
    chance: float | None = None

    def __post_init__(self) -> None:
        told = [getattr(self, name) for name in ("mean", "median", "p95", "p99", "highest")]
        known = [value for value in (*told, self.chance) if value is not None]
        if all(value is None for value in told) or not all(isfinite(value) and -1 <= value <= 1 for value in known):
            raise ValueError(f"{self.figure}: a row needs a figure, each from -1 to 1")
        if self.models < 2 or not self.source or not self.setting:
            raise ValueError(f"{self.figure}: a row needs a source, a setting and two models or more")


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    figures: list[PublishedFigure]


def published_figures(more: Sequence[PublishedFigure] = ()) -> list[PublishedFigure]:
    """Every row of the shipped table.

    Args:
        more: rows of one's own, such as what the strangers of a zoo score; they come last.
    """
    return [*_table().figures, *more]


@cache
def _table() -> _Table:
    shipped = files(__package__).joinpath(_TABLE).read_bytes()
    return msgspec.json.decode(shipped, type=_Table)
