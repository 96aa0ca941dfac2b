"""Do p-values keep their word where items are unequally hard? Strangers are simulated under several laws of error.

    python -m benchmarks.behaviour null [DRAWS]

Every row is a law; figures are the share of pairs of strangers with p at most 0.05, 0.01 and 0.001. The naive test
takes all items for equally hard; the others are those of ``forebear behaviour``: shared errors by difficulty, equal
wrong answers, and the p-value that decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.behaviour.simulated import LAWS, answered
from forebear.evidence.behaviour.strength import strength
from forebear.statistics.shared_errors import ErrorCounts, shared_errors

ITEMS, CONTROLS = 1000, 10
LEVELS = (0.05, 0.01, 0.001)
SEED = 7


def run(arguments: Sequence[str]) -> None:
    """Print the table; the only argument is the number of draws of each law (400)."""
    draws = int(arguments[0]) if arguments else 400
    print(f"{draws} pairs of strangers a law, {ITEMS} items, {CONTROLS} controls, seed {SEED}")
    print("share of p at most 0.05, 0.01, 0.001; then pairs called related, and pairs whose controls were refused\n")
    heads = ("naive", "by difficulty", "same wrong", "decides")
    print(f"{'law':17s}" + "".join(f"{head:^21s}" for head in heads) + f"{'related':>8s}{'refused':>8s}")
    for number, law in enumerate(LAWS):
        figures, related, refused = drawn(law, draws, np.random.default_rng([SEED, number]))
        shares = "".join(
            "  ".join(f"{np.mean(column <= np.log10(level) + 1e-12):5.3f}" for level in LEVELS).center(21)
            for column in figures.T
        )
        print(f"{law:17s}{shares}{related:8d}{refused:8d}", flush=True)


def drawn(law: str, draws: int, draw: np.random.Generator) -> tuple[np.ndarray, int, int]:
    """``(draws, 4)`` log10 p of each test on pairs of strangers, how many were called related, how many refused."""
    figures, related, refused = [], 0, 0
    for _ in range(draws):
        panel = answered(law, ITEMS, CONTROLS, draw)
        found = strength(panel)
        assert panel.wrong is not None and found.shared is not None and found.same is not None
        mine, yours = panel.wrong[:, 0], panel.wrong[:, 1]
        naive = shared_errors([ErrorCounts(ITEMS, int(mine.sum()), int(yours.sum()), int((mine & yours).sum()))])
        decides = 0.0 if found.log10_p is None else found.log10_p
        figures.append((naive.log10_p, found.shared.log10_p, found.same.log10_p, decides))
        related += found.fires()
        refused += found.kind is False
    return np.array(figures), related, refused
