"""What is left when neurons, signs and residual stream are all changed at random: an effect size, not a p-value.

Neurons are matched by what they read (by their gates where gated). Where one is the other's copy, what is left out of
the matching agrees too: the product of the cosines of up and down, which no flip changes, or the cosine of down in an
ungated FFN. Directions that lead in both models are shared by strangers and are left out first. There is no exact
null: the effect is held against that of strangers, shipped in `controls.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from math import sqrt

import msgspec
import numpy as np

from forebear.alignment.align import Alignment
from forebear.alignment.sampled import Ffn, Missing
from forebear.evidence.finding import Finding, listed
from forebear.evidence.registry import test
from forebear.evidence.weights.pair import Pair
from forebear.statistics.arrays import Floats, row_cosines, unit_rows
from forebear.statistics.leading import leading_directions
from forebear.statistics.matching import mutual_nearest
from forebear.statistics.planting import until_failure

NAME = "t4.consistency"
CALIBRATED_Z = 6.0
CALIBRATED_EFFECT = 0.4
"""Smallest z and effect that read as descent where no exact test is left. The effect does not grow with the number of
neurons, z does. Strangers reach 0.22, ungated ones under a fitted rotation about 0.1 on average; descendants stay
above 0.75, models from one random start near 0.3: `python -m benchmarks.accuracy controls` prints them."""

_MOST_ROWS = 128
MOST_LEADING = 32
"""Leading shared directions left out, at most half of them all."""


class Controls(msgspec.Struct, frozen=True):
    """Effects of pairs of strangers, each fitted as if related, ascending; the command that made them; which pairs."""

    command: str
    effects: list[float]
    pairs: str = ""


@cache
def controls() -> Controls:
    """The shipped effects of strangers."""
    data = resources.files("forebear.evidence.weights").joinpath("controls.json").read_bytes()
    return msgspec.json.decode(data, type=Controls)


@test(strand="weights", needs=Pair, order=40)
def consistency(pair: Pair) -> Finding:
    """Agreement of what the matching of neurons did not look at; calibrated on strangers, not exact."""
    title = "Do matched neurons agree in what they were not matched by? (calibrated, not exact)"
    if pair.alignment.spent is None:
        return Finding(NAME, title, reason="exact tests are left where no frame was fitted")
    coins, reasons = consistency_coins(pair.alignment)
    squares = float(np.square(coins).sum())
    if squares == 0.0:
        return Finding(NAME, title, reason=listed(reasons) or "no FFN on both sides")
    z = float(coins.sum()) / sqrt(squares)
    effect = z / sqrt(coins.size)
    known = controls().effects
    return Finding(
        NAME,
        title,
        value=z,
        effect={
            "effect": effect,
            "controls": float(len(known)),
            "conformal_p": (1 + sum(other >= effect for other in known)) / (1 + len(known)),
        },
    )


def speaks_of_descent(finding: Finding) -> bool:
    """Whether the effect lies beyond what strangers were seen to reach."""
    effect = finding.effect.get("effect")
    return (
        finding.test == NAME
        and finding.value is not None
        and effect is not None
        and finding.value >= CALIBRATED_Z
        and effect >= CALIBRATED_EFFECT
    )


class PlantedConsistency:
    """Power of the effect when neurons, signs and residual stream are all changed.

    Leading directions are taken out of both sides before neurons are planted, so that they are found once.

    Args:
        blocks: FFNs of both sides, in one frame; unrelated.
        places: FFNs of the whole comparison, each taken to be like these.
        rng: source of planted neurons.
    """

    def __init__(self, blocks: Sequence[tuple[Ffn, Ffn]], places: int, rng: np.random.Generator) -> None:
        self.places = places
        self.rng = rng
        # Squares of the second side's rows by the first's, and of the first's among themselves, role by role.
        self._blocks: list[list[tuple[Floats, Floats]]] = [
            [(mine @ mine.T, yours @ mine.T) for mine, yours in _rows_without_leading(*block)] for block in blocks
        ]

    def detected(self, share: float, cosine: float) -> int:
        """Draws detected before the first failure, ``DRAWS`` if none failed."""
        return until_failure(self._fires, share, cosine)

    def _fires(self, share: float, cosine: float) -> bool:
        coins = np.concatenate([self._coins(block, share, cosine) for block in self._blocks])
        squares = float(np.square(coins).sum())
        if squares == 0.0:
            return False
        effect = float(coins.sum()) / sqrt(squares * coins.size)
        drawn = coins.size * self.places / len(self._blocks)
        return effect >= CALIBRATED_EFFECT and effect * sqrt(drawn) >= CALIBRATED_Z

    def _coins(self, block: list[tuple[Floats, Floats]], share: float, cosine: float) -> Floats:
        """Coins of one FFN into whose second side neurons of the first were planted; rows are the second side's."""
        theirs, mine = block[0][1].shape
        count = round(share * min(theirs, mine))
        source = np.full(theirs, -1)
        source[self.rng.permutation(theirs)[:count]] = self.rng.permutation(mine)[:count]
        target = np.flatnonzero(source >= 0)
        rest = np.float32(sqrt(1.0 - cosine**2))
        similarity = block[0][1].copy()
        similarity[target] = np.float32(cosine) * block[0][0][source[target]] + rest * similarity[target]
        rows, columns = mutual_nearest(similarity)
        planted = source[rows] >= 0
        coins: Floats = np.square(np.maximum(similarity[rows, columns], 0.0))
        # A flip turns up and down together and leaves their product.
        for own, cross in block[1:]:
            strange = cross[rows, columns]
            coins = coins * np.where(planted, cosine * own[source[rows], columns] + rest * strange, strange)
        return coins


def _rows_without_leading(mine: Ffn, yours: Ffn) -> list[tuple[Floats, Floats]]:
    """Unit rows of both sides, what neurons are matched by first, then what is held against each other."""
    gated = mine.gate is not None and yours.gate is not None
    roles = [(mine.gate, yours.gate)] if gated else []
    roles += [(mine.up, yours.up), (mine.down, yours.down)]
    found = []
    for first, second in roles:
        if first is not None and second is not None:
            stripped = without_leading(first[:_MOST_ROWS], second[:_MOST_ROWS])
            found.append((unit_rows(stripped[0]).astype(np.float32), unit_rows(stripped[1]).astype(np.float32)))
    return found


def consistency_coins(alignment: Alignment) -> tuple[Floats, list[str]]:
    """Weighted agreements of all matched neurons, and why some FFNs have none."""
    found: list[Floats] = []
    reasons = []
    for place in alignment.places():
        ffns = alignment.ffns(place, any_width=True)
        if isinstance(ffns, Missing):
            reasons.append(ffns.reason)
        else:
            found.append(_coins(*ffns))
    return (np.concatenate(found) if found else np.zeros(0)), reasons


def _coins(mine: Ffn, yours: Ffn) -> Floats:
    keys = (mine.up, yours.up) if mine.gate is None or yours.gate is None else (mine.gate, yours.gate)
    first, second = without_leading(*keys)
    similarity = unit_rows(first) @ unit_rows(second).T
    rows, columns = mutual_nearest(similarity)
    weight = np.square(np.maximum(similarity[rows, columns], 0.0))
    agreement = weight * _agreement(mine.down, yours.down, rows, columns)
    return agreement if mine.gate is None else agreement * _agreement(mine.up, yours.up, rows, columns)


def _agreement(mine: Floats, yours: Floats, rows: np.ndarray, columns: np.ndarray) -> Floats:
    first, second = without_leading(mine, yours)
    return row_cosines(first[rows], second[columns])


def without_leading(mine: Floats, yours: Floats) -> tuple[Floats, Floats]:
    """Rows with the directions taken out that hold most energy over both.

    Args:
        mine, yours: ``(n, p)`` and ``(m, p)``.
    """
    scaled = [side / max(float(np.linalg.norm(side)), 1e-30) for side in (mine, yours)]
    leading = leading_directions(np.concatenate(scaled), min(MOST_LEADING, mine.shape[1] // 2))
    first, second = (side - (side @ leading) @ leading.T for side in (mine, yours))
    return first, second
