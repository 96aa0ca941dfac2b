"""Do the items named for a power give it? Named on pairs of strangers, tried on fresh ones with that many items.

    python -m benchmarks.behaviour needed [DRAWS]

A fifth of the answers is copied and a power of 99 % asked for, see ``benchmarks.behaviour.simulated`` for the laws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.behaviour.simulated import answered
from forebear.evidence.behaviour.planted import planted, power
from forebear.evidence.behaviour.strength import strength

SETTINGS = (("Rasch", 10), ("Rasch", 19), ("gradient", 12))
SHARE, WANTED = 0.2, 0.99
ITEMS, NAMED_BY = 600, 8
SEED = 3


def run(arguments: Sequence[str]) -> None:
    """Print the table; the only argument is the number of fresh pairs of each row (80)."""
    draws = int(arguments[0]) if arguments else 80
    print(f"items named by {NAMED_BY} pairs of {ITEMS} items; the middle number tried on {draws} fresh pairs")
    print(f"{'law':10s}{'controls':>9s}{'named':>14s}{'tried':>7s}{'found':>7s}{'controls of the kind':>22s}")
    for law, controls in SETTINGS:
        draw = np.random.default_rng(SEED)
        asked = (answered(law, ITEMS, controls, draw) for _ in range(NAMED_BY))
        told = (power(each, share=SHARE, wanted=WANTED, references=1, seed=0).items_needed for each in asked)
        named = sorted(each for each in told if each is not None)
        items = int(np.median(named))
        fresh = [strength(planted(answered(law, items, controls, draw), SHARE, draw)) for _ in range(draws)]
        found, kind = sum(each.fires() for each in fresh), sum(each.kind is not False for each in fresh)
        print(f"{law:10s}{controls:9d}{f'{named[0]} to {named[-1]}':>14s}{items:7d}{found:7d}{kind:22d}", flush=True)
