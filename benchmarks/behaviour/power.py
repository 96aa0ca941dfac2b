"""How much copying is found: the reference's answers are put in the model's place on a share of the items.

    python -m benchmarks.behaviour power [DRAWS]

Pairs and controls are simulated strangers under Rasch's law (see ``benchmarks.behaviour.simulated``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.behaviour.simulated import answered
from forebear.evidence.behaviour.planted import planted
from forebear.evidence.behaviour.strength import strength

SHARES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
SEED = 11


def run(arguments: Sequence[str]) -> None:
    """Print the table; the only argument is the number of draws of each cell (50)."""
    draws = int(arguments[0]) if arguments else 50
    print(f"share of {draws} draws called related, by share of answers copied; Rasch's law, seed {SEED}\n")
    print(f"{'items':>6s}{'controls':>10s}" + "".join(f"{share:>8.0%}" for share in SHARES))
    for items in (300, 1000, 3000):
        for controls in (10, 19):
            draw = np.random.default_rng([SEED, items, controls])
            found = [found_share(items, controls, share, draws, draw) for share in SHARES]
            print(f"{items:6d}{controls:10d}" + "".join(f"{each:8.2f}" for each in found), flush=True)


def found_share(items: int, controls: int, share: float, draws: int, draw: np.random.Generator) -> float:
    """Share of draws in which so much copying is called related."""
    panels = (planted(answered("Rasch", items, controls, draw), share, draw) for _ in range(draws))
    return float(np.mean([strength(panel).fires() for panel in panels]))
