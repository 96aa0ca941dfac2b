"""What a test says: a number with its null, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

import msgspec


class Assumption(msgspec.Struct, frozen=True):
    """One thing a test takes for granted, and what checking it in these models showed.

    Attributes:
        name: short name, e.g. ``"no duplicated neurons in model"``.
        holds: False refuses the test that stands on it.
        detail: the figure seen and the level it was held against.
    """

    name: str
    holds: bool
    detail: str


class Finding(msgspec.Struct, frozen=True):
    """Result of one test.

    Attributes:
        test: stable identifier, e.g. ``"t1.neurons"``.
        title: the question in a few plain words.
        value: the statistic (a standardised score unless the title says otherwise); None if not computable.
        log10_p: log10 of the p-value under the test's null, capped below at -300; None where the finding has
            no null (an exact identity, a shape) or is not computable.
        reason: why not computable; None where it is.
        answers: the disguise class whose absence or presence this test decides (``"labels kept"``,
            ``"relabelled"``); None where it decides none.
        effect: named effect sizes.
        by_layer: the statistic for each layer of the model (None where a layer has none).
        assumptions: what was checked first.
        frame: ``"fixed"`` where everything was held against its own number, ``"fitted"`` where the residual stream,
            layers or experts were laid out by content first.
    """

    test: str
    title: str
    value: float | None = None
    log10_p: float | None = None
    reason: str | None = None
    answers: str | None = None
    effect: dict[str, float | None] = {}
    by_layer: list[float | None] = []
    assumptions: list[Assumption] = []
    frame: str = "fixed"

    def __post_init__(self) -> None:
        numbers = [self.value, self.log10_p, *self.effect.values(), *self.by_layer]
        if not all(number is None or isfinite(number) for number in numbers):
            raise ValueError(f"finding {self.test} holds a number that is not finite")
        if self.value is None and self.reason is None:
            raise ValueError(f"finding {self.test} has neither a value nor the reason why not")
        if self.value is not None and self.reason is not None:
            raise ValueError(f"finding {self.test} has both a value and a reason why not")


def listed(reasons: Iterable[str], most: int = 3) -> str:
    """Different reasons in one line, the first few of them; empty if there is none."""
    different = list(dict.fromkeys(reasons))
    more = [f"and {len(different) - most} more"] if len(different) > most else []
    return "; ".join([*different[:most], *more])
