"""Panels for tests: from arrays of codes, from the zoo's answers, from simulated strangers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from forebear.evidence.behaviour.panel import Panel, side_by_side
from forebear.responses.answers import Answers
from forebear.zoo.items import load_answers

ZOO_ANSWERS = Path(__file__).parents[2] / "zoo/answers/answers.npz.xz"


def coded(codes: np.ndarray, strata: np.ndarray | None = None) -> Panel:
    """A panel of answers as numbers, of which 0 is right."""
    items, models = codes.shape
    return Panel(
        names=tuple(map(str, range(models))),
        ids=tuple(map(str, range(items))),
        codes=codes.astype(np.int32),
        wrong=codes != 0,
        strata=np.zeros(items, dtype=np.int64) if strata is None else strata,
        options=np.zeros(items, dtype=np.int64),
        answers=(),
    )


@cache
def zoo_answers(form: str) -> dict[str, Answers]:
    """Answers of all models of the zoo to items of one form."""
    return load_answers(ZOO_ANSWERS, forms=[form])


def reordered(panel: Panel, order: Sequence[int]) -> Panel:
    """The same models in another order; their answers are left out, which only numbers need."""
    assert panel.wrong is not None
    names = tuple(panel.names[each] for each in order)
    return replace(panel, names=names, codes=panel.codes[:, order], wrong=panel.wrong[:, order], answers=(), blank=None)


def founders(family: str, without: Sequence[str] = ()) -> list[str]:
    """Strangers of a family."""
    letter = family[0]
    return [name for each in range(20) if (name := f"{family}/{letter}{each:02d}") not in without]


def zoo_panel(model: str, reference: str, form: str, controls: int = 19) -> Panel:
    """A model of the zoo, a reference, and strangers of the reference's family."""
    family = reference.split("/", maxsplit=1)[0]
    founder = f"{model.split('/', maxsplit=1)[0]}/{model.split('/')[1][:3]}"
    held = zoo_answers(form)
    strangers = founders(family, (reference, founder))[:controls]
    return side_by_side([held[model], held[reference]], [held[each] for each in strangers])
