"""What models of the zoo said, as `benchmarks.behaviour.asking_zoo` kept it.

The models share one tokenizer, which makes strangers agree more than strangers elsewhere do. A few of the replies are
committed for the tests: ``python -m benchmarks.behaviour zoo-replies`` writes them.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.behaviour.prompts import SETS, code
from forebear.checkpoint.writer import write_aside
from forebear.zoo.recipes import RECIPES, Recipe

KEPT = Path("tests/zoo/grown/replies")
FIXTURE = Path("tests/evidence/behaviour/data/zoo-replies.json.xz")
SHOWN = (*(f"gated/g{number:02}" for number in range(14)), "gated/g00-finetuned", "gated/g01-finetuned",
         "gated/g00-distilled", "gated/g00-same-start-same-data")  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    """Write the fixture of the tests; takes no arguments."""
    said = {path: (replies_of(path) or {})["greedy"]["code"] for path in SHOWN}
    texts = sorted({text for column in said.values() for text in column})
    places = {text: place for place, text in enumerate(texts)}
    content = {"texts": texts, "said": {path: [places[text] for text in column] for path, column in said.items()}}
    write_aside(FIXTURE, [lzma.compress(json.dumps(content).encode("utf-8"), preset=9)])
    print(f"{FIXTURE}: {len(said)} models, {FIXTURE.stat().st_size:,} bytes")


@cache
def prompts_of(name: str) -> list[dict[str, str]]:
    """Prompts of a shipped set, or ``"code"``: 1000 passages of the text the zoo learns from."""
    if name == "code":
        rng = Random(41)
        drawn = (code(rng) for _ in range(1000))
        return [
            {"id": f"c{number:04}", "prompt": text, "stratum": "code", "gold": rest or ""}
            for number, (text, rest) in enumerate(drawn)
        ]
    lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def kept_at(path: str) -> Path:
    """Where the replies of a model lie, such as those of ``gated/g00``."""
    return KEPT / f"{path.replace('/', '-')}.json.xz"


@cache
def replies_of(path: str) -> dict[str, Any] | None:
    """What a model said; None where it was not asked.

    Returns:
        ``greedy``: by set of prompts one reply a prompt; ``sampled``: for each prompt of the continuations some.
    """
    kept = kept_at(path)
    if not kept.is_file():
        return None
    found: dict[str, Any] = json.loads(lzma.decompress(kept.read_bytes()))
    return found


def asked(family: str) -> list[Recipe]:
    """Models of a family that were asked, strangers first."""
    found = (each for each in RECIPES if each.family == family and replies_of(each.path) is not None)
    return sorted(found, key=lambda each: (each.kind != "stranger", each.path))
