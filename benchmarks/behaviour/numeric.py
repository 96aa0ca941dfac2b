"""Whether agreement of error vectors keeps its null, and what it finds: ``python -m benchmarks.behaviour numeric``.

Every setting draws errors of strangers as ``bias of the item + spread of the model * noise``; in a setting of the
null the pair is two of them, in a setting of power a share of the one model's errors is the other's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forebear.evidence.behaviour.numeric import numeric_agreement
from forebear.statistics.arrays import Floats


@dataclass(frozen=True, slots=True)
class Setting:
    """How strangers err.

    Attributes:
        name: what the table calls it.
        bias: spread of what an item does to all models.
        freedom: degrees of freedom of Student's t that noise and bias follow; 0 for a normal law.
        spreads: spread of the pair, then the range that the controls' spreads are drawn from.
        zeros: share of answers that are exactly right.
        models: the pair and its controls.
        dimensions: numbers of one answer.
    """

    name: str
    bias: float = 1.0
    freedom: int = 0
    spreads: tuple[float, float, float] = (1.0, 1.0, 1.0)
    zeros: float = 0.0
    models: int = 10
    dimensions: int = 2


SETTINGS = (
    Setting("all alike"),
    Setting("strong bias of items", bias=10.0),
    Setting("heavy tails", freedom=2),
    Setting("pair four times as accurate", spreads=(0.25, 1.0, 1.0)),
    Setting("pair four times less accurate", spreads=(4.0, 1.0, 1.0)),
    Setting("accuracies spread, heavy tails", freedom=3, bias=3.0, spreads=(2.0, 0.3, 3.0)),
    Setting("two controls, unequal", models=4, spreads=(3.0, 0.5, 1.0)),
    Setting("boxes, thirty controls", models=32, dimensions=4, bias=2.0),
    Setting("one number, mostly right", zeros=0.7, dimensions=1, bias=0.0),
)


def drawn(setting: Setting, items: int, copied: float, rng: np.random.Generator) -> Floats:
    """Errors of strangers, ``(items, models, dimensions)``; a share of the second's are the first's."""

    def noise(*shape: int) -> Floats:
        values: Floats = rng.standard_t(setting.freedom, shape) if setting.freedom else rng.standard_normal(shape)
        return values

    pair, low, high = setting.spreads
    spreads = np.exp(rng.uniform(np.log(low), np.log(high), setting.models))
    spreads[:2] = pair
    errors = noise(items, setting.models, setting.dimensions) * spreads[:, None]
    errors[rng.random((items, setting.models)) < setting.zeros] = 0.0
    taken = rng.random(items) < copied
    errors[taken, 1] = errors[taken, 0]
    found: Floats = errors + setting.bias * noise(items, 1, setting.dimensions)
    return found


def ps(setting: Setting, items: int, copied: float, trials: int, seed: int) -> tuple[Floats, Floats]:
    """log10 p of the products and of the agreeing outliers in each trial."""
    found = []
    for trial in range(trials):
        errors = drawn(setting, items, copied, np.random.default_rng([seed, trial]))
        result = numeric_agreement(errors, 0, 1, seed=trial)
        assert result.outliers is not None
        found.append((result.log10_p, result.outliers.log10_p))
    first, second = np.array(found, dtype=np.float64).T
    return first, second


def run(arguments: Sequence[str]) -> None:
    """Print the table of the null and the table of power."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour numeric")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    print(f"null: share of {given.trials} pairs of strangers with p at most 0.05 and 0.01, {given.items} items")
    for setting in SETTINGS:
        both = ps(setting, given.items, 0.0, given.trials, given.seed)
        shares = "  ".join(f"{np.mean(p <= np.log10(level)):.3f}" for p in both for level in (0.05, 0.01))
        print(f"  {setting.name:34s} products, outliers: {shares}")
    print("power: share found at p at most 1e-3, and the median log10 p, by share of errors copied")
    for setting in (SETTINGS[0], SETTINGS[5], SETTINGS[6]):
        for copied in (0.05, 0.1, 0.2, 0.5):
            first, second = ps(setting, given.items, copied, max(20, given.trials // 4), given.seed + 1)
            print(f"  {setting.name:34s} {copied:4.2f}  products {np.mean(first <= -3):.2f} {np.median(first):7.1f}"
                  f"  outliers {np.mean(second <= -3):.2f} {np.median(second):7.1f}")  # fmt: skip
