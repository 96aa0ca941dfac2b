"""``forebear demo``: play the stories and tell them in plain text."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from forebear.demo.stories import Scene, scenes
from forebear.report import json
from forebear.report.plain import visible
from forebear.report.steps import step_text
from forebear.report.wording import paragraph

COLUMNS = 88


def run(output: Path, as_json: bool) -> None:
    """Play every scene; print the story, or with ``as_json`` one JSON list of the comparisons."""
    played: list[Scene] = []
    for scene in scenes(output):
        played.append(scene)
        if not as_json:
            print(_told(scene), flush=True)
    if as_json:
        sys.stdout.write(json.dumps([json.document(scene.comparison) for scene in played]))
    else:
        print(_summary(played))


def _told(scene: Scene) -> str:
    curve = f"Correlation of the std curves of Q, K, V and O (arXiv:2507.03014): {scene.curve:.3f}."
    verdict = f"Verdict: {scene.comparison.verdict}"
    lines = [scene.title, "-" * len(scene.title), _wrapped(scene.told), _wrapped(curve), "", verdict]
    lines.append(_wrapped(paragraph(scene.comparison)))
    claim = scene.comparison.weights
    if claim is not None and claim.recipe:
        lines.append(_wrapped("Steps from reference to model: " + "; ".join(step_text(step) for step in claim.recipe)))
    return "\n".join([*lines, ""])


def _summary(played: list[Scene]) -> str:
    width = max(len(scene.title) for scene in played)
    lines = ["What was found", "--------------"]
    for scene in played:
        lines.append(f"{scene.title:<{width}}  curves {scene.curve:.3f}  verdict {scene.comparison.verdict}")
    lines += ["", "Reports (open the HTML in a browser; replay a JSON with 'forebear replay'):"]
    for scene in played:
        lines += [f"  {scene.page}", f"  {scene.record}"]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(visible(text), COLUMNS)
