"""Several models' answers to the same items, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.evidence.behaviour.numeric import wrong_of
from forebear.responses.answers import Answer, Answers, Value
from forebear.statistics.arrays import Floats

Codes = NDArray[np.int32]
Wrong = NDArray[np.bool_]

FEWEST = 0.5
"""A control that answered less than this share of what model and references all answered is left out."""


@dataclass(frozen=True)
class Panel:
    """Answers to items that every model answered.

    Attributes:
        names: of the models, the model first, then references, then controls.
        ids: of the items, in the model's order.
        codes: ``(items, models)``; equal numbers in a row are equal answers.
        wrong: ``(items, models)`` whether an answer is wrong; None without right answers.
        strata: ``(items,)`` number of the stratum that the files give.
        options: ``(items,)`` answers an item offers; 0 where free.
        answers: the answers themselves, by model and in the order of ``ids``.
        golds: right answers, in the order of ``ids``; empty without.
        left_out: controls that answered too few of the items, and items without a right answer, and why.
        why_unscored: why ``wrong`` is None; None where it is not.
        blank: ``(items, models)`` whether nothing was answered, which equals nothing.
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    codes: Codes
    wrong: Wrong | None
    strata: NDArray[np.int64]
    options: NDArray[np.int64]
    answers: tuple[tuple[Answer, ...], ...]
    golds: tuple[Value, ...] = ()
    left_out: tuple[str, ...] = ()
    why_unscored: str | None = None
    blank: Wrong | None = None

    @property
    def given(self) -> Wrong:
        """``(items, models)`` whether something was answered."""
        return np.ones(self.codes.shape, dtype=np.bool_) if self.blank is None else ~self.blank

    @property
    def items(self) -> int:
        """How many items all answered."""
        return len(self.ids)

    @property
    def numeric(self) -> bool:
        """Whether every answer and every right answer is a number, or all are lists of equally many."""
        values = [each.value for model in self.answers for each in model] + list(self.golds)
        sizes = {len(value) if isinstance(value, tuple) else 0 for value in values}
        return bool(self.golds) and len(sizes) == 1 and 0 not in sizes

    def vectors(self) -> Floats:
        """``(items, models, numbers)`` the answers themselves; only where `numeric`."""
        given = np.array([[each.value for each in model] for model in self.answers], dtype=np.float64)
        return given.transpose(1, 0, 2)

    def error_vectors(self) -> Floats:
        """``(items, models, numbers)`` answer minus right answer; only where `numeric`."""
        return self.vectors() - np.array(self.golds, dtype=np.float64)[:, None, :]

    def among(self, kept: Wrong) -> Panel:
        """The same models on some of the items.

        Args:
            kept: ``(items,)`` whether an item stays.
        """
        return replace(
            self,
            ids=tuple(compress(self.ids, kept)),
            codes=self.codes[kept],
            wrong=None if self.wrong is None else self.wrong[kept],
            strata=self.strata[kept],
            options=self.options[kept],
            answers=tuple(tuple(compress(model, kept)) for model in self.answers),
            golds=tuple(compress(self.golds, kept)),
            blank=None if self.blank is None else self.blank[kept],
        )


def side_by_side(models: Sequence[Answers], controls: Sequence[Answers]) -> Panel:
    """Lay answers side by side.

    Args:
        models: the model, then its references; all items they have in common are taken.
        controls: strangers; one that answered too few of those items is left out.

    Raises:
        UsageError: no item in common, two files that state different right answers for an item, or a name twice.
    """
    common = [each for each in models[0].items if all(each in other.items for other in models[1:])]
    if not common:
        raise UsageError(
            "no item in common",
            where=f"{models[0].source} and {models[-1].source}",
            field="id",
            remedy="Give both models the same items under the same ids",
        )
    kept: list[Answers] = []
    left_out: list[str] = []
    for control in controls:
        share = sum(each in control.items for each in common) / len(common)
        twin = next((each.name for each in (*models, *kept) if _same_answers(control, each)), None)
        if share < FEWEST:
            left_out.append(f"{control.name}: answered {share:.0%} of the items")
        elif twin is not None:
            left_out.append(f"{control.name}: its answers are those of {twin}, so it is no further stranger")
        else:
            kept.append(control)
    everyone = (*models, *kept)
    ids = [each for each in common if all(each in other.items for other in kept)]
    if not ids:
        raise UsageError("no item that every model and control answered", where="--controls", remedy="Leave some out")
    if len(ids) < len(common):
        left_out.append(f"{len(common) - len(ids)} of {len(common)} items: not every control answered them")
    golds = {each: gold for each in ids if (gold := _gold(each, everyone)) is not None}
    if golds and len(golds) < len(ids):
        left_out.append(f"{len(ids) - len(golds)} of {len(ids)} items: no right answer is known")
    return _laid(everyone, tuple(golds or ids), golds, tuple(left_out))


def _same_answers(one: Answers, other: Answers) -> bool:
    """Whether two models gave the same answers to the same items, none aside."""
    return one.items.keys() == other.items.keys() and all(
        each.value == other.items[key].value for key, each in one.items.items()
    )


def _laid(
    everyone: Sequence[Answers], ids: tuple[str, ...], golds: Mapping[str, Value], left_out: tuple[str, ...]
) -> Panel:
    names = tuple(each.name for each in everyone)
    if len(set(names)) != len(names):
        raise UsageError("two files are called the same", where=", ".join(names), remedy="Rename one")
    answers = tuple(tuple(model.items[each] for each in ids) for model in everyone)
    known = tuple(golds.values())
    wrong = None
    if known:
        wrong = np.array(
            [[wrong_of(each.value, gold) for each, gold in zip(model, known, strict=True)] for model in answers]
        ).T
    return Panel(
        names,
        ids,
        _codes(answers),
        wrong,
        _numbered([_first(each, everyone, "stratum") for each in ids]),
        np.array([_first(each, everyone, "options") or 0 for each in ids], dtype=np.int64),
        answers,
        known,
        left_out,
        None if known else "no right answer is known of any item",
        np.array([[each.value == "" for each in model] for model in answers]).T,
    )


def _gold(item: str, everyone: Sequence[Answers]) -> Value | None:
    """The right answer to an item, from whichever file states it."""
    found: Value | None = None
    said = ""
    for model in everyone:
        gold = model.items[item].gold
        if gold is None:
            continue
        if found is not None and gold != found:
            raise UsageError(
                f"another right answer than in {said}",
                where=model.source,
                field=f"item {item}",
                remedy="State the right answers once, with --gold",
            )
        found, said = gold, model.source
    return found


def _first(item: str, everyone: Sequence[Answers], field: str) -> str | int | None:
    """What the first file that says it says of an item."""
    for model in everyone:
        value: str | int | None = getattr(model.items[item], field)
        if value is not None:
            return value
    return None


def _numbered(values: Sequence[str | int | None]) -> NDArray[np.int64]:
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    return np.array([numbers[value] for value in values], dtype=np.int64)


def _codes(answers: Sequence[Sequence[Answer]]) -> Codes:
    """A number for each different answer; which number is of no meaning."""
    numbers: dict[Value, int] = {}
    return np.array(
        [[numbers.setdefault(each.value, len(numbers)) for each in model] for model in answers], dtype=np.int32
    ).T.copy()
