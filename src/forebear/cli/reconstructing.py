"""``forebear reconstruct``: read a result, write the reconstructed control, and say what is in it."""

from __future__ import annotations

import sys
from pathlib import Path

from forebear.errors import UsageError
from forebear.report import json
from forebear.report.plain import visible
from forebear.verdict.comparison import Comparison
from forebear.verdict.reapplying import StepTaken
from forebear.verdict.reconstructing import Reconstructed, reconstruct


def run(path: Path, folder: Path, seed: int, as_json: bool) -> None:
    """Reconstruct from a result file and print what was done."""
    result, _ = json.read(path)
    if not isinstance(result, Comparison):
        raise UsageError(
            "no comparison with a single reference",
            where=path,
            field="schema",
            remedy="Compare the model with one of them: forebear compare MODEL REFERENCE --json",
        )
    written = reconstruct(result, folder, seed=seed)
    sys.stdout.write(json.encode(written) if as_json else text(written))


def text(written: Reconstructed) -> str:
    """The outcome in lines: where it lies, every step of the recipe, and what of the distance that explains."""
    lines = [f"{written.folder}: {written.changed} of {written.tensors} tensors of {written.reference} changed"]
    lines += [_step(each) for each in written.steps]
    if written.explained is not None:
        lines.append(f"the steps done again account for {written.explained:.0%} of the distance to the model")
    lines += [f"limit: {limit}" for limit in written.limits]
    return "\n".join(visible(line) for line in lines) + "\n"


def _step(taken: StepTaken) -> str:
    if not taken.applied:
        return f"  {taken.step}: left out, {taken.why}"
    amounts = ", ".join(f"{name.replace('_', ' ')} {amount}" for name, amount in taken.amounts.items())
    return f"  {taken.step}: done again, {amounts}"
