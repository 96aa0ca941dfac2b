"""The same-model test: false alarms, power, and what it says of models of the zoo.

``python -m benchmarks.behaviour same-model [--draws N] [--zoo]``; ``--zoo`` samples models of the zoo with torch, and
``--fixture FILE`` writes the replies that the tests read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.behaviour._endpoints import logits, rounded, said
from forebear.checkpoint.writer import write_aside
from forebear.evidence.behaviour.live import Heard
from forebear.evidence.behaviour.same_model import LEVEL, SameModel, SamePair, same_model
from forebear.statistics.hamming_mmd import Compared, hamming_kernel, mmd_test

LEVELS = (0.01, 0.05, 0.1, 0.5)


def run(arguments: Sequence[str]) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour same-model", description=__doc__)
    parser.add_argument("--draws", type=int, default=400, help="pairs of endpoints simulated for each line")
    parser.add_argument("--zoo", action="store_true", help="also sample models of the zoo")
    parser.add_argument("--fixture", type=Path, help="write replies of the zoo's models to this file, and nothing else")
    options = parser.parse_args(arguments)
    if options.fixture is not None:
        _write(options.fixture)
        return
    _null(options.draws)
    _power(max(20, options.draws // 4))
    if options.zoo:
        _zoo()


def p_value(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]], rng: np.random.Generator) -> float:
    """Of two sides' replies, prompt by prompt."""
    compared = [
        Compared(hamming_kernel([*mine, *yours]), len(mine), len(yours))
        for mine, yours in zip(first, second, strict=True)
    ]
    return mmd_test(compared, rng, permutations=199).p


def _write(path: Path) -> None:
    speaking = import_module("benchmarks.behaviour._speaking")
    asked = speaking.zoo_transcripts(speaking.zoo_prompts(100), 6)
    lines = []
    for name in ("g00", "again", "finetuned", "stranger"):
        replies = [asked[name].texts(prompt.id) for prompt in asked[name].prompts.prompts]
        lines.append(json.dumps({"name": name, "replies": replies}, ensure_ascii=False))
    write_aside(path, [f"{line}\n".encode() for line in lines])


def _null(draws: int) -> None:
    print(f"One model asked twice, {draws} times: share of p-values at most so large\n")
    print(f"{'prompts':>8} {'replies':>8} " + "".join(f"{level:>8}" for level in LEVELS))
    for prompts, samples, spread in ((1, 5, 3.0), (5, 2, 3.0), (20, 10, 3.0), (20, 10, 12.0)):
        found = []
        for seed in range(draws):
            rng = np.random.default_rng([seed, prompts])
            model = logits(prompts, spread=spread, seed=seed)
            found.append(p_value(said(model, samples, rng), said(model, samples, rng), rng))
        shares = "".join(f"{np.mean(np.array(found) <= level):8.3f}" for level in LEVELS)
        print(f"{prompts:>8} {samples:>8} {shares}" + (" (nearly certain of each letter)" if spread > 3 else ""))


def _power(draws: int) -> None:
    print(f"\nShare of {draws} pairs found different at {LEVEL}; 10 replies to each prompt\n")
    print(f"{'changed':<34}" + "".join(f"{prompts:>6} prompts" for prompts in (5, 25, 100)))
    changes: dict[str, tuple[float, float]] = {
        "nothing": (0.0, 1.0),
        "temperature 1 to 0.9": (0.0, 0.9),
        "temperature 1 to 0.7": (0.0, 0.7),
        "temperature 1 to 0.5": (0.0, 0.5),
        "logits off by 0.1": (0.1, 1.0),
        "logits off by 0.3": (0.3, 1.0),
        "logits off by 1": (1.0, 1.0),
    }
    for name, (error, temperature) in changes.items():
        line = ""
        for prompts in (5, 25, 100):
            found = 0
            for seed in range(draws):
                rng = np.random.default_rng([seed, prompts, 1])
                model = logits(prompts, seed=seed)
                other = said(rounded(model, error, seed + 1), 10, rng, temperature)
                found += p_value(said(model, 10, rng), other, rng) <= LEVEL
            line += f"{found / draws:14.2f}"
        print(f"{name:<34}{line}")


def _zoo() -> None:
    speaking = import_module("benchmarks.behaviour._speaking")
    for count, samples in ((100, 6), (100, 20)):
        asked = speaking.zoo_transcripts(speaking.zoo_prompts(count), samples)
        print(
            f"\ng00 of the zoo beside others: {count} prompts, {samples} replies of {speaking.TOKENS} tokens to each\n"
        )
        for name in ("again", "eight-bits", "colder", "finetuned", "stranger"):
            controls = () if name == "stranger" else (asked["stranger"],)
            claim = same_model(Heard(asked["g00"], (asked[name],), controls))
            if isinstance(claim, SameModel):
                print(f"  {name:<11} {_line(claim.pairs[0])}")


def _line(pair: SamePair) -> str:
    power = "" if pair.power is None else f", smallest share found {pair.power.smallest_share}"
    return f"p {pair.p:.3f}  MMD^2 {pair.mmd_squared:+.5f}  {pair.outcome}{power}"
