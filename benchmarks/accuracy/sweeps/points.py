"""Points of the sweeps: how far a child was trained, how few neurons it kept, how much noise was added."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.accuracy.cases.copies import after, seeded, whole
from benchmarks.accuracy.cases.kind import Change, Lineage, NotBuiltError
from benchmarks.accuracy.surgeries import planted
from forebear.verdict.compare import compare
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder
from forebear.zoo.recipes import STEPS, recipe
from forebear.zoo.surgery import Changed

TRAINED = ("finetuned", "continued", "continued-2x", "continued-4x", "continued-8x", "continued-20x")
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01)
SIGMAS = (0.1, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0)
DRAWS = 5
AS_IS, NO_FLIPS, EVERYTHING = "as it is", "disguised", "disguised, flipped"
KEPT, RELABELLED = "labels kept", "neurons reordered"

_DISGUISES: dict[str, Change] = {
    AS_IS: lambda tensors, config, _: Changed(tensors, config),
    NO_FLIPS: whole(surgery.everything, signs=False),
    EVERYTHING: whole(surgery.everything),
}


@dataclass(frozen=True)
class Point:
    """One comparison.

    Attributes:
        sweep: continued, share or noise.
        family: of the founder.
        how: disguise, or what became of the labels.
        at: how much, in the sweep's unit.
        child: model of the zoo that is changed; empty for the founder.
        draw: of what is random.
    """

    sweep: str
    family: str
    how: str
    at: float
    child: str = ""
    draw: int = 0


@dataclass(frozen=True)
class Said:
    """What was said at a point; nothing where the model is not built."""

    point: Point
    verdict: str = ""
    direction: str | None = None
    basis: str | None = None
    log10_p: float | None = None
    missing: str = ""


def points(*, quick: bool, families: Sequence[str]) -> list[Point]:
    """Every point, sweep by sweep."""
    draws = 1 if quick else DRAWS
    found = []
    for family in families:
        letter = family[0]
        for child in TRAINED if letter == "g" else TRAINED[:2]:
            steps = recipe(f"{family}/{letter}02-{child}").steps
            found += [Point("continued", family, how, steps / STEPS, child) for how in _DISGUISES]
        for how in (KEPT, RELABELLED):
            found += [
                Point("share", family, how, share, "continued", draw) for share in SHARES for draw in range(draws)
            ]
        for how in (AS_IS, NO_FLIPS):
            found += [Point("noise", family, how, sigma, "", draw) for sigma in SIGMAS for draw in range(draws)]
    return found


def said_at(point: Point) -> Said:
    """Makes the model of a point and compares it with its founder."""
    letter = point.family[0]
    lineage = Lineage(point.family, f"{letter}02", f"{letter}05")
    make: Callable[[Point, Lineage], Changed] = _MAKERS[point.sweep]
    with TemporaryDirectory() as room:
        folder = Path(room) / "model"
        try:
            made = make(point, lineage)
        except NotBuiltError as missing:
            return Said(point, missing=str(missing))
        write_folder(folder, made.tensors, made.config)
        result = compare(folder, lineage.folder(), full=True)
    claim = result.weights
    if claim is None:
        return Said(point, result.verdict)
    return Said(point, claim.verdict, claim.direction, claim.basis, claim.log10_p)


def _continued(point: Point, lineage: Lineage) -> Changed:
    return _DISGUISES[point.how](*_read(lineage.folder(point.child)), point.draw)


def _share(point: Point, lineage: Lineage) -> Changed:
    """A stranger that took a share of the neurons of each layer from a child of the founder."""
    tensors, config = _read(lineage.stranger)
    source = read_tensors(lineage.folder(point.child))
    relabel = point.how == RELABELLED
    return Changed(planted(tensors, source, point.at, 1.0, seed=point.draw, relabel=relabel), config)


def _noise(point: Point, lineage: Lineage) -> Changed:
    noised = seeded(surgery.add_noise, sigma=point.at, relative=True)
    return after(noised, _DISGUISES[point.how])(*_read(lineage.folder()), point.draw)


_MAKERS: dict[str, Callable[[Point, Lineage], Changed]] = {
    "continued": _continued,
    "share": _share,
    "noise": _noise,
}


def _read(folder: Path) -> tuple[Arrays, dict[str, object]]:
    return read_tensors(folder), read_config(folder)
