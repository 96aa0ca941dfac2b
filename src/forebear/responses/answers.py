"""One model's answers to items, whatever file they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps
from math import isfinite
from types import MappingProxyType

from forebear.errors import UsageError

MOST_ITEMS = 60_000
LONGEST_ANSWER = 100_000
"""Characters."""

Value = str | tuple[float, ...]
"""Text, or numbers: one for a quantity, four for a box (left, top, right, bottom)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one model answered to one item.

    Attributes:
        id: of the item, the same in every model's file.
        value: the answer: text with outer white space gone, or numbers.
        gold: the right answer, where the file knows it.
        options: how many answers the item offers; None for a free answer.
        stratum: kind of item, such as a subject, as the file says it.
        probabilities: the model's probability of each offered answer, in the item's order; empty where unknown. They
            sum to one.
        right: position of the right answer among the offered, for `probabilities`; None where unknown.
    """

    id: str
    value: Value
    gold: Value | None = None
    options: int | None = None
    stratum: str | None = None
    probabilities: tuple[float, ...] = ()
    right: int | None = None

    def __post_init__(self) -> None:
        for each in (self.value, self.gold):
            if isinstance(each, tuple) and not (each and all(map(isfinite, each))):
                raise ValueError(f"item {self.id!r}: numbers must be finite, at least one")
        if self.options is not None and self.options < 2:
            raise ValueError(f"item {self.id!r}: an item offers two answers or more")
        if self.probabilities and abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError(f"item {self.id!r}: probabilities do not sum to one")
        if self.right is not None and not 0 <= self.right < len(self.probabilities):
            raise ValueError(f"item {self.id!r}: no such offered answer")


@dataclass(frozen=True, slots=True)
class Answers:
    """One model's answers.

    Attributes:
        name: what results call the model; unique among those compared.
        source: file as the user named it.
        form: ``"jsonl"``, ``"csv"``, ``"lm-eval"``, ``"inspect"`` or ``"transcript"``.
        items: by id, in the order of the file.
        notes: what was left out, and why.
    """

    name: str
    source: str
    form: str
    items: Mapping[str, Answer] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", MappingProxyType(dict(self.items)))

    @property
    def digest(self) -> str:
        """sha256 over ids and answers in the order of ids: neither file format nor order of lines changes it."""
        seen = sha256()
        for each in sorted(self.items.values(), key=lambda answer: answer.id):
            seen.update(dumps([each.id, each.value], ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return seen.hexdigest()


def collected(name: str, source: str, form: str, answers: Iterable[Answer], notes: Iterable[str] = ()) -> Answers:
    """Answers as they come out of a file.

    Raises:
        UsageError: an id twice, no item at all, or more than `MOST_ITEMS`.
    """
    items: dict[str, Answer] = {}
    for each in answers:
        if each.id in items:
            raise UsageError(
                f"the item {each.id!r} stands there twice", where=source, field="id", remedy="Give every item an id"
            )
        if len(items) == MOST_ITEMS:
            raise UsageError(f"more than {MOST_ITEMS:,} items", where=source, remedy="Give a sample of them")
        items[each.id] = each
    if not items:
        raise UsageError("no answers in it", where=source, remedy="Give one answer a line")
    return Answers(name, source, form, items, tuple(notes))
