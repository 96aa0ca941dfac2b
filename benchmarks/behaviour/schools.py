"""Strangers of one school among controls of another: when does what both learned from read as kinship?

    python -m benchmarks.behaviour schools [DRAWS]

The pair finds other items hard than the controls do; the correlation between the two schools' difficulties is told.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from benchmarks.behaviour.simulated import Chances, answering
from forebear.evidence.behaviour.strength import strength

CORRELATIONS = (1.0, 0.97, 0.95, 0.9, 0.8, 0.6)
SEED = 13


def run(arguments: Sequence[str]) -> None:
    """Print the table; the only argument is the number of draws of each cell (50)."""
    draws = int(arguments[0]) if arguments else 50
    print(f"of {draws} pairs of strangers: called related / controls refused; Rasch's law, seed {SEED}\n")
    print(f"{'items':>6s}{'controls':>10s}" + "".join(f"{each:>10.2f}" for each in CORRELATIONS))
    for items in (300, 1000, 5000):
        for controls in (10, 19):
            draw = np.random.default_rng([SEED, items, controls])
            cells = [cell(items, controls, each, draws, draw) for each in CORRELATIONS]
            print(f"{items:6d}{controls:10d}" + "".join(f"{each:>10s}" for each in cells), flush=True)


def cell(items: int, controls: int, correlation: float, draws: int, draw: np.random.Generator) -> str:
    """How many of the pairs are called related, and how many have their controls refused."""
    found = [strength(answering(schools(items, controls, correlation, draw), draw)) for _ in range(draws)]
    return f"{sum(each.fires() for each in found)} / {sum(each.kind is False for each in found)}"


def schools(items: int, controls: int, correlation: float, draw: np.random.Generator) -> Chances:
    """Chances of error of a pair of one school and of controls of another."""
    theirs, own = draw.normal(0, 2, (2, items, 1))
    ours = correlation * theirs + (1 - correlation**2) ** 0.5 * own
    hard = np.concatenate([np.repeat(ours, 2, axis=1), np.repeat(theirs, controls, axis=1)], axis=1)
    return np.asarray(expit(hard - draw.normal(0, 0.5, controls + 2)))
