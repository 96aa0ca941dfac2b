"""A kind of case: how its pair is made, and what must be said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.accuracy.known import ZOO
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder
from forebear.zoo.manifest import folder_of
from forebear.zoo.recipes import HELD_OUT, RECIPES
from forebear.zoo.surgery import Changed

FORWARD, BACKWARD = "reference to model", "model to reference"
EXACT, CALIBRATED = "exact", "calibrated, not exact"
BOTH = ("gated", "plain")
GATED = ("gated",)
PLAIN = ("plain",)

Layers = tuple[int | None, ...]


class NotBuiltError(Exception):
    """A model of the zoo that a case needs is not there."""


@dataclass(frozen=True)
class Lineage:
    """A founder of the zoo with its children, and a stranger beside it.

    Attributes:
        family, founder: e.g. ``gated`` and ``g02``.
        other: founder of another lineage, for cases that need a stranger; empty where none does.
    """

    family: str
    founder: str
    other: str = ""

    @property
    def seed(self) -> int:
        """Differs from founder to founder."""
        return int(self.founder[1:])

    @property
    def held_out(self) -> bool:
        """Whether no level was set on any model of the case."""
        return {self.founder, self.other or self.founder} <= HELD_OUT

    @property
    def name(self) -> str:
        """As shown."""
        return f"{self.founder} {self.other}".strip()

    def folder(self, child: str = "") -> Path:
        """Where the founder or one of its children lies.

        Raises:
            NotBuiltError: it has not been trained yet, or no recipe knows it.
        """
        return _folder(self.family, f"{self.founder}-{child}" if child else self.founder)

    @property
    def stranger(self) -> Path:
        """Where the stranger lies."""
        return _folder(self.family, self.other)


def _folder(family: str, name: str) -> Path:
    path = f"{family}/{name}"
    recipe = next((one for one in RECIPES if one.path == path), None)
    folder = None if recipe is None else folder_of(ZOO, recipe)
    if folder is None or not (folder / "model.safetensors").is_file():
        raise NotBuiltError(path)
    return folder


@dataclass(frozen=True)
class Pair:
    """Two folders to compare.

    Attributes:
        model, reference: folders.
        layers: reference layer of each layer of the model, None for a new one; None where it is not asked for.
        sigma: name and amount of the noise that was added; None where none was.
        names: the reference's name of each of the model's tensors; None where it is not asked for.
    """

    model: Path
    reference: Path
    layers: Layers | None = None
    sigma: tuple[str, float] | None = None
    names: Mapping[str, str] | None = None


Make = Callable[[Lineage, Path], Pair]
Change = Callable[[Arrays, dict[str, Any], int], Changed]


@dataclass(frozen=True)
class Truth:
    """What must be said.

    Attributes:
        verdicts: words that are right.
        direction: the right one; None where any named one is wrong.
        steps: ways to name the main step, each a step or ``step: what``; empty where there is none to name.
        basis: the right one; None where it is not asked for.
    """

    verdicts: tuple[str, ...]
    direction: str | None = FORWARD
    steps: tuple[str, ...] = ()
    basis: str | None = None


@dataclass(frozen=True)
class Kind:
    """One kind of case.

    Attributes:
        name: as shown and as asked for.
        group: copies, noise, trained, depth, width, experts, vocabulary, values or strangers.
        make: writes what is needed into a room and says what to compare.
        truth: what must be said.
        families: to which it applies.
        every_pair: made for all pairs of founders, not for three founders.
        paired: needs a stranger beside the founder.
        bases: the right basis by family, where it differs from the truth's.
    """

    name: str
    group: str
    make: Make
    truth: Truth
    families: tuple[str, ...] = BOTH
    every_pair: bool = False
    paired: bool = False
    bases: dict[str, str] = field(default_factory=dict)

    def basis_of(self, family: str) -> str | None:
        """The right basis in a family; None where it is not asked for."""
        return self.bases.get(family, self.truth.basis)


def depth_of(folder: Path) -> int:
    """Layers of a model of the zoo."""
    config = read_config(folder)
    return int(config.get("num_hidden_layers") or config["n_layer"])


def kept(folder: Path) -> Layers:
    """The layer map of a model with every layer in its place."""
    return tuple(range(depth_of(folder)))


def write_changed(room: Path, source: Path, change: Change, seed: int, *, shards: int = 1, name: str = "model") -> Path:
    """Writes a changed model.

    Args:
        room: temporary folder.
        source: the model changed.
        change: what is done to it.
        seed: of whatever the change draws.
        shards: number of weight files.
        name: of the folder in the room.
    """
    made = change(read_tensors(source), read_config(source), seed)
    write_folder(room / name, made.tensors, made.config, shards=shards)
    return room / name


def surgery_on(child: str, change: Change, *, shards: int = 1, sigma: tuple[str, float] | None = None) -> Make:
    """Changes the founder or one of its children, against the founder; layers as the surgery's truth tells.

    Args:
        child: which; empty for the founder.
        change: what is done to it.
        shards: number of weight files of the result.
        sigma: name and amount of the noise added.
    """

    def make(lineage: Lineage, room: Path) -> Pair:
        source, reference = lineage.folder(child), lineage.folder()
        made = change(read_tensors(source), read_config(source), lineage.seed)
        write_folder(room / "model", made.tensors, made.config, shards=shards)
        # Names as scrambled tell no order of layers: what was found is held against the names instead.
        names = _known(made.truth.get("names"), reference)
        layers = None if names else tuple(made.truth.get("layer_map", kept(reference)))
        return Pair(room / "model", reference, layers, sigma, names)

    return make


def _known(names: Mapping[str, str] | None, reference: Path) -> Mapping[str, str] | None:
    """Of new names those that stand for a tensor which the reference stores."""
    if names is None:
        return None
    stored = read_tensors(reference)
    return {new: old for new, old in names.items() if old in stored}
