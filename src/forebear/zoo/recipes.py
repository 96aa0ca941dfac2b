"""Every model of the zoo and how it came to be; the table from which all of them are built."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps
from typing import Literal

from forebear.errors import UsageError

VERSION = 1
"""Goes up with every change to the training that the fields of a recipe do not show."""

Family = Literal["gated", "plain"]
Kind = Literal[
    "stranger",
    "finetuned",
    "continued",
    "frozen",
    "grandchild",
    "sibling",
    "distilled",
    "same-start-other-data",
    "same-start-same-data",
]

STEPS = 900
BATCH = 16
LENGTH = 96
RATE = 2e-3
LOW_RATE = 2e-4
SHORT = 200


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model's history.

    Attributes:
        name: folder name inside the family, unique in it.
        family: architecture.
        kind: relation to ``parent`` (to no one for a stranger).
        parent: model it starts from, or whose logits or start it takes; None for a stranger.
        start_seed: seed of the random start; None where the parent's committed weights are the start.
        data: part of the text.
        order_seed: seed of the order in which the text is seen.
        steps: optimiser steps, each of ``BATCH`` sequences of ``LENGTH`` tokens.
        rate: peak learning rate.
        frozen_layers: leading layers that, with the embedding, stay as they are.
    """

    name: str
    family: Family
    kind: Kind
    parent: str | None
    start_seed: int | None
    data: str
    order_seed: int = 1
    steps: int = STEPS
    rate: float = RATE
    frozen_layers: int = 0

    @property
    def digest(self) -> str:
        """sha256 of the fields and of the version: another recipe is another digest."""
        fields = {**asdict(self), "version": VERSION, "batch": BATCH, "length": LENGTH}
        return hashlib.sha256(dumps(fields, sort_keys=True).encode("utf-8")).hexdigest()

    @property
    def path(self) -> str:
        """Folder of the model inside the zoo."""
        return f"{self.family}/{self.name}"


def _stranger(family: Family, number: int) -> Recipe:
    letter, base = ("g", 100) if family == "gated" else ("p", 200)
    return Recipe(f"{letter}{number:02d}", family, "stranger", None, base + number, "A")


def _start(parent: str) -> int:
    return (100 if parent[0] == "g" else 200) + int(parent[1:3])


def _child(family: Family, parent: str, kind: Kind, data: str, order_seed: int, **more: float) -> Recipe:
    """A child of a stranger, or of a child where ``parent`` is one; named after the stranger and the kind."""
    start = _start(parent) if kind.startswith("same-start") else 900 if kind == "distilled" else None
    recipe = Recipe(f"{parent[:3]}-{kind}", family, kind, parent, start, data, order_seed)
    fields = {**asdict(recipe), **more}
    return Recipe(**fields)


def _children(family: Family, parent: str, kinds: Sequence[Kind]) -> list[Recipe]:
    frozen = 3 if family == "gated" else 2
    made = {
        "finetuned": _child(family, parent, "finetuned", "B", 2, steps=SHORT, rate=LOW_RATE),
        "continued": _child(family, parent, "continued", "B", 3),
        "frozen": _child(family, parent, "frozen", "B", 4, steps=STEPS // 2, frozen_layers=frozen),
        "grandchild": _child(family, f"{parent}-continued", "grandchild", "C", 5, steps=STEPS // 2),
        "sibling": _child(family, parent, "sibling", "C", 6, steps=STEPS // 2),
        "same-start-other-data": _child(family, parent, "same-start-other-data", "B", 7),
        "same-start-same-data": _child(family, parent, "same-start-same-data", "A", 8),
        "distilled": _child(family, parent, "distilled", "A", 9),
    }
    return [made[kind] for kind in kinds]


def _all() -> tuple[Recipe, ...]:
    gated = [_stranger("gated", number) for number in range(12)]
    plain = [_stranger("plain", number) for number in range(8)]
    of_g00 = _children(
        "gated",
        "g00",
        (
            "finetuned",
            "continued",
            "frozen",
            "grandchild",
            "sibling",
            "same-start-other-data",
            "same-start-same-data",
            "distilled",
        ),
    )
    of_g01 = _children("gated", "g01", ("finetuned", "continued", "sibling", "same-start-other-data"))
    of_p00 = _children("plain", "p00", ("finetuned", "continued", "frozen", "same-start-other-data"))
    of_p01 = _children("plain", "p01", ("continued",))
    # In the order of building: what most tests lean on comes first.
    first = (*gated[:2], *plain[:2], *of_g00[:2], *of_p00[:2])
    return (*first, *gated[2:4], *of_g00[2:], *of_g01, *of_p00[2:], *gated[4:], *plain[2:], *of_p01)


RECIPES: tuple[Recipe, ...] = _all()


def recipe(path: str) -> Recipe:
    """The recipe of one model.

    Args:
        path: ``family/name``, e.g. ``gated/g00``.

    Raises:
        UsageError: the zoo has no such model.
    """
    for candidate in RECIPES:
        if candidate.path == path:
            return candidate
    raise UsageError(
        f"no model {path!r} in the zoo", remedy="`python -m forebear.zoo list` names them, as family/name."
    )
