"""The two disputes, carried out: models made, compared, reports written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import forebear
from forebear.checkpoint import open_model
from forebear.demo.curves import correlation, std_curves
from forebear.demo.models import COPIED, DESCENDANT, DISPUTED, REFERENCE, shipped
from forebear.errors import UsageError
from forebear.report import html, json
from forebear.report.files import write_text
from forebear.verdict.comparison import Comparison
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.surgery import add_noise, rename

NOISE = 0.005
PREFIX = "llm."


@dataclass(frozen=True, slots=True)
class Scene:
    """One comparison of a story.

    Attributes:
        name: stem of its report files.
        title: what is compared, in words.
        told: what the story says before the verdict.
        comparison: the result.
        page: where its HTML report lies.
        record: where its JSON lies.
        curve: correlation of the std curves of both models.
    """

    name: str
    title: str
    told: str
    comparison: Comparison
    page: Path
    record: Path
    curve: float


def scenes(output: Path) -> Iterator[Scene]:
    """Play every scene, one at a time, writing reports as they come.

    Args:
        output: folder for the models made and the reports; made if it does not exist.

    Raises:
        UsageError: the folder cannot be made or written, or a shipped model is missing.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        copy = _disguised(shipped(COPIED), output / "renamed-noised-copy")
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=output, remedy="Choose --output") from None
    yield _scene(
        output,
        "renamed-noised-copy",
        "The copy of 2024, renamed and noised",
        f"A model is copied, every tensor gets the prefix {PREFIX!r} and noise of standard deviation {NOISE} is added "
        "to every value, so that no name and no byte agrees any more.",
        model=copy,
        reference=shipped(COPIED),
    )
    yield _scene(
        output,
        "curves-alike-strangers",
        "The dispute of 2025: two models with curves alike",
        "Two models were trained from different random starts. The standard deviations of their attention matrices, "
        "drawn along the layers, run alike; in 2025 such curves were read as a sign of descent.",
        model=shipped(DISPUTED),
        reference=shipped(REFERENCE),
    )
    yield _scene(
        output,
        "descendant",
        "Beside them: a model that does descend",
        "A third model was trained on from the reference. Its curves run alike too, if less than the stranger's, "
        "and its weights agree.",
        model=shipped(DESCENDANT),
        reference=shipped(REFERENCE),
    )


def _scene(output: Path, name: str, title: str, told: str, *, model: Path, reference: Path) -> Scene:
    with open_model(model) as first, open_model(reference) as second:
        curve = correlation(std_curves(first), std_curves(second))
    result = forebear.compare(str(model), str(reference))
    page = html.write(result, output / f"{name}.html")
    record = write_text(output / f"{name}.json", json.encode(result))
    return Scene(name, title, told, result, page, record, curve)


def _disguised(parent: Path, folder: Path) -> Path:
    tensors = rename(add_noise(read_tensors(parent), NOISE), {"": PREFIX})
    write_folder(folder, tensors, read_config(parent))
    return folder
