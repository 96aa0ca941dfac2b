"""Answers of simulated strangers: items of unequal difficulty, wrong answers of unequal popularity."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtr

from forebear.evidence.behaviour.panel import Panel

Chances = NDArray[np.float64]
OPTIONS = 4


def equal(items: int, models: int, draw: np.random.Generator) -> Chances:
    """All items equally hard, all models equally able: what the naive test assumes."""
    return np.full((items, models), 0.3)


def gradient(items: int, models: int, draw: np.random.Generator) -> Chances:
    """From items that none misses to items that all miss; models equally able."""
    return np.repeat(np.linspace(0.02, 0.98, items)[:, None], models, axis=1)


def rasch(items: int, models: int, draw: np.random.Generator) -> Chances:
    """Unequal items, unequal models, logistic."""
    return expit(draw.normal(0, 2, (items, 1)) - draw.normal(0, 1, models))


def probit(items: int, models: int, draw: np.random.Generator) -> Chances:
    """The same through the normal law."""
    return ndtr(draw.normal(0, 2, (items, 1)) - draw.normal(0, 1, models))


def guessing(items: int, models: int, draw: np.random.Generator) -> Chances:
    """Rasch's law, and a quarter of what is not known guessed right."""
    return 0.75 * rasch(items, models, draw)


def unequally_sharp(items: int, models: int, draw: np.random.Generator) -> Chances:
    """Some models part hard from easy items more sharply than others (the two-parameter law)."""
    sharpness = draw.uniform(0.5, 2, models)
    return expit(sharpness * (draw.normal(0, 2, (items, 1)) - draw.normal(0, 1, models)))


def able_pair(items: int, models: int, draw: np.random.Generator) -> Chances:
    """The pair far more able than every control."""
    able = np.r_[1.5, 1.5, draw.normal(-1.5, 0.5, models - 2)]
    return expit(draw.normal(0, 2, (items, 1)) - able)


def sharp_pair(items: int, models: int, draw: np.random.Generator) -> Chances:
    """The pair three times as sharp as every control: their totals then tell little of difficulty."""
    return expit(np.r_[3.0, 3.0, np.ones(models - 2)] * draw.normal(0, 2, (items, 1)))


def other_schools(items: int, models: int, draw: np.random.Generator) -> Chances:
    """The pair learned from one body of text, the controls from another: each finds other items hard."""
    theirs, ours = draw.normal(0, 2, (2, items, 1))
    both = 0.6 * theirs + 0.8 * ours
    return expit(np.concatenate([np.repeat(both, 2, axis=1), np.repeat(theirs, models - 2, axis=1)], axis=1))


LAWS: Mapping[str, Callable[[int, int, np.random.Generator], Chances]] = {
    "equal difficulty": equal,
    "gradient": gradient,
    "Rasch": rasch,
    "probit": probit,
    "guessing": guessing,
    "unequally sharp": unequally_sharp,
    "able pair": able_pair,
    "sharp pair": sharp_pair,
    "other schools": other_schools,
}


def answered(law: str, items: int, controls: int, draw: np.random.Generator) -> Panel:
    """A pair of strangers and their controls; code 0 is the right answer to every item.

    Args:
        law: name in `LAWS`.
        items: how many.
        controls: models beside the pair.
        draw: generator of everything random.
    """
    return answering(LAWS[law](items, controls + 2, draw), draw)


def answering(chances: Chances, draw: np.random.Generator) -> Panel:
    """Models that err with given chances, ``(items, models)``; wrong answers of an item are unequally popular."""
    items, models = chances.shape
    wrong = draw.random((items, models)) < chances
    popular = np.cumsum(draw.dirichlet(np.full(OPTIONS - 1, 0.7), items), axis=1)[:, None, :]
    chosen = (draw.random((items, models, 1)) > popular).sum(axis=2).clip(0, OPTIONS - 2)
    codes = np.where(wrong, 1 + chosen, 0).astype(np.int32)
    return Panel(
        names=tuple(map(str, range(models))),
        ids=tuple(map(str, range(items))),
        codes=codes,
        wrong=wrong,
        strata=np.zeros(items, dtype=np.int64),
        options=np.full(items, OPTIONS, dtype=np.int64),
        answers=(),
    )
