"""``forebear replay``: compute again, render, and decide the exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from forebear.report import json
from forebear.report.plain import visible
from forebear.report.replay import Replay, replay

DIFFERS = 3
SHOWN = 20


def run(path: Path, as_json: bool) -> int:
    """Replay a result file, print the outcome, and return the exit code."""
    outcome = replay(path)
    sys.stdout.write(json.encode(outcome) if as_json else text(outcome))
    return 0 if outcome.identical else DIFFERS


def text(outcome: Replay) -> str:
    """The outcome in lines: ``identical``, or the causes and the first differences."""
    if outcome.identical:
        return "identical\n"
    lines = [f"differs: {cause}" for cause in outcome.why]
    for each in outcome.differences[:SHOWN]:
        lines.append(f"  {each.place}: recorded {_short(each.recorded)}, now {_short(each.replayed)}")
    if len(outcome.differences) > SHOWN:
        lines.append(f"  and {len(outcome.differences) - SHOWN} more; --json lists them all")
    return "\n".join(visible(line) for line in lines) + "\n"


def _short(value: object) -> str:
    shown = "nothing" if value is None else str(value)
    return shown if len(shown) <= 72 else f"{shown[:69]}..."
