"""What ``forebear inspect`` shows, in the shape of the JSON contract ``forebear.inspect/1``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TextIO

import msgspec
from rich.table import Table
from rich.text import Text

from forebear import __version__
from forebear.alignment.planning import DEFAULT_BUDGET
from forebear.anatomy.summary import describe
from forebear.checkpoint.adapters import Adapter
from forebear.checkpoint.model import Model
from forebear.checkpoint.quantisation.schemes import bits_of
from forebear.report.plain import count, visible, volume
from forebear.report.terminal import bare_table, console
from forebear.verdict.extent import extent

INSPECT_SCHEMA = "forebear.inspect/1"
_SIZES = ("hidden", "layers", "heads", "neurons")


class StorageLine(msgspec.Struct, frozen=True):
    """Tensors, values and bytes stored in one type."""

    tensors: int
    values: int
    bytes: int


class RoleLine(msgspec.Struct, frozen=True):
    """One role.

    Attributes:
        role: what its parts do.
        count: how many parts have it.
        layers: in how many layers; None outside the layers.
        experts: the most a layer has; None outside experts.
        shapes: logical shapes, the commonest first.
        storage: how it lies (fused, transposed, stacked ...); empty where each part is a tensor of its own.
    """

    role: str
    count: int
    layers: int | None
    experts: int | None
    shapes: list[list[int]]
    storage: list[str]


class DisagreementLine(msgspec.Struct, frozen=True):
    """A key of config.json that the tensors contradict."""

    key: str
    claimed: str
    found: str


class DocumentLine(msgspec.Struct, frozen=True):
    """A file beside the weights."""

    path: str
    kind: str
    size: int


class QuantisationLine(msgspec.Struct, frozen=True):
    """Tensors stored under one quantisation scheme.

    Attributes:
        scheme: as the storage names it.
        bits: per value; None where it is not known.
        tensors: how many.
        values: in all of them.
    """

    scheme: str
    bits: float | None
    tensors: int
    values: int


class AdapterLine(msgspec.Struct, frozen=True):
    """A PEFT adapter.

    Attributes:
        base: that its configuration names, a claim; None where it names none.
        targets: matrices it changes.
        replaced: tensors that stand in for the base's own.
        ranks: ranks of its changes, ascending.
        parameters: values in all its tensors.
    """

    base: str | None
    targets: int
    replaced: int
    ranks: list[int]
    parameters: int


class ReadingLine(msgspec.Struct, frozen=True):
    """What a comparison would read; see `forebear.verdict.extent.Extent`."""

    budget: int
    reads: int
    layers: int | None
    enough: int | None
    whole: int
    memory: int


class TowerLine(msgspec.Struct, frozen=True):
    """A tower beside the language tower.

    Attributes:
        name: its kind, numbered where there are several.
        kind: what it is for.
        prefix: beginning of its tensors' names.
        tensors: how many it has.
        parameters: values in all of them.
        family: family table that recognised it; None where none did.
        geometry: sizes inferred from shapes; None where no table explains it.
        roles: by role.
        unrecognised: tensors without a part.
    """

    name: str
    kind: str
    prefix: str
    tensors: int
    parameters: int
    family: str | None
    geometry: dict[str, int | bool | str | None] | None
    roles: list[RoleLine]
    unrecognised: list[str]


class Inspection(msgspec.Struct, frozen=True):
    """What a model is made of, told without reading a tensor.

    Attributes:
        tool: name and version.
        source: as the user named it.
        formats: of the weight files.
        quantisation: by scheme; empty where every tensor holds plain numbers.
        adapter: the adapter that came alone or was laid onto a base; None where there is none.
        reading: how much a comparison would read; None without tensors.
        family: family table that recognised it; None where none did.
        prefix: prefix of the tensors' names that the family's own names follow.
        geometry: sizes inferred from shapes; None where no family was recognised.
        parts: how many parts were recognised.
        parameters: values in all tensors that are not buffers; None without tensors.
        storage: by storage type.
        roles: by role.
        towers: encoders, projectors and heads beside the language tower, of which the fields around this one speak.
        disagreements: what config.json claims against the tensors.
        unrecognised: tensors without a part.
        buffers: tensors that are no parameters.
        documents: files beside the weights.
        notes: what was noticed while opening and recognising.
    """

    tool: dict[str, str]
    source: str
    family: str | None
    prefix: str | None
    geometry: dict[str, int | bool | str | None] | None
    parts: int
    parameters: int | None
    storage: dict[str, StorageLine]
    roles: list[RoleLine]
    towers: list[TowerLine]
    disagreements: list[DisagreementLine]
    unrecognised: list[str]
    buffers: list[str]
    documents: list[DocumentLine]
    notes: list[str]
    formats: list[str] = []
    quantisation: list[QuantisationLine] = []
    adapter: AdapterLine | None = None
    reading: ReadingLine | None = None
    schema: str = INSPECT_SCHEMA


def inspection(model: Model, budget: int = DEFAULT_BUDGET) -> Inspection:
    """Describe an opened model.

    Args:
        model: opened; no tensor is read.
        budget: bytes that a comparison might read, for ``reading``.
    """
    reading = extent(model, budget)
    described = describe(model)
    noticed = described["notes"] if model.tensors is not None or not model.notes else []
    documents = [{"path": each.path, "kind": str(each.kind), "size": each.size} for each in model.documents.files]
    return msgspec.convert(
        {
            **described,
            "tool": {"name": "forebear", "version": __version__},
            "source": model.source,
            "documents": documents,
            "formats": list(model.formats),
            "quantisation": _quantised(model),
            "adapter": None if model.adapter is None else _adapter(model.adapter),
            "reading": None if reading is None else asdict(reading),
            "notes": list(dict.fromkeys([*model.notes, *noticed])),
        },
        Inspection,
    )


def _quantised(model: Model) -> list[dict[str, object]]:
    entries = [] if model.tensors is None else [one.info for one in model.tensors.entries.values()]
    return [
        {
            "scheme": scheme,
            "bits": bits_of(scheme),
            "tensors": sum(info.dtype == scheme for info in entries),
            "values": sum(info.size for info in entries if info.dtype == scheme),
        }
        for scheme in model.quantisation
    ]


def _adapter(adapter: Adapter) -> dict[str, object]:
    return {
        "base": adapter.base_name,
        "targets": len(adapter.targets),
        "replaced": len(adapter.replaced),
        "ranks": sorted({delta.rank for delta in adapter.targets.values()}),
        "parameters": adapter.parameters,
    }


def show(found: Inspection, stream: TextIO) -> None:
    """Print an inspection."""
    out = console(stream)
    out.print(Text(visible(found.source), "bold"))
    family = found.family or "not recognised"
    stored = ", ".join(f"{name} {volume(line.bytes)}" for name, line in found.storage.items()) or "no tensors"
    if found.storage or found.adapter is None:
        out.print(Text(f"family {family}; {count(found.parameters)} parameters; {stored}"))
    for line in _storage_lines(found):
        out.print(Text(visible(line)))
    if found.geometry:
        known = [f"{key} {value}" for key, value in found.geometry.items() if value is not None]
        out.print(Text(", ".join(known)))
    if found.roles:
        out.print()
        out.print(_roles(found.roles))
    for tower in found.towers:
        out.print(Text(f"\n{_tower_text(tower)}"))
        if tower.roles:
            out.print(_roles(tower.roles))
    disagreements = [
        f"{each.key}: config.json says {each.claimed}, the tensors {each.found}" for each in found.disagreements
    ]
    documents = [f"{each.path} ({each.kind}, {volume(each.size)})" for each in found.documents]
    lists = {
        "Disagreements (the tensors win)": disagreements,
        "Not recognised": [
            *found.unrecognised,
            *(name for tower in found.towers if tower.family for name in tower.unrecognised),
        ],
        "Buffers": found.buffers,
        "Documents": documents,
        "Notes": found.notes,
    }
    for title, lines in lists.items():
        if lines:
            out.print(Text(f"\n{title}:", "bold"))
        for line in lines:
            out.print(Text(f"  - {visible(line)}"))


def _storage_lines(found: Inspection) -> Iterator[str]:
    """Format, quantisation, adapter, and what a comparison would read."""
    if found.formats:
        yield f"format {', '.join(found.formats)}"
    for each in found.quantisation:
        bits = "" if each.bits is None else f", {each.bits:g} bits a value"
        yield f"quantised {each.scheme}: {each.tensors} tensors, {count(each.values)} values{bits}"
    if found.adapter is not None:
        one = found.adapter
        ranks = ", ".join(map(str, one.ranks)) or "none"
        changed = f"{one.targets} matrices changed (rank {ranks}), {one.replaced} replaced"
        yield f"adapter: {count(one.parameters)} parameters; {changed}; names {one.base or 'no base'}"
    if found.reading is not None:
        yield _reading_text(found.reading)


def _reading_text(reading: ReadingLine) -> str:
    if reading.reads == reading.whole:
        return f"a comparison with a budget of {volume(reading.budget)} reads all {volume(reading.whole)}"
    layers = "" if reading.layers is None else f" from {reading.layers} layers"
    enough = "" if reading.enough is None else f"; about {volume(reading.enough)} are enough to clear a stranger"
    return (
        f"a comparison with a budget of {volume(reading.budget)} reads {volume(reading.reads)} a draw{layers} of "
        f"{volume(reading.whole)}{enough}; all of it is held in {volume(reading.memory)} of memory"
    )


def _tower_text(tower: TowerLine) -> str:
    """One line on a tower: what it is for, where it lies, how large it is."""
    sizes = [f"{key} {value}" for key, value in (tower.geometry or {}).items() if key in _SIZES and value is not None]
    where = f" below {visible(tower.prefix)}" if tower.prefix else ""
    known = ", ".join([tower.family, *sizes]) if tower.family else "known by its tensors alone"
    return f"tower {tower.name}{where}: {known}; {tower.tensors} tensors, {count(tower.parameters)} parameters"


def _roles(roles: list[RoleLine]) -> Table:
    table = bare_table()
    for heading in ("role", "parts", "layers", "experts", "shape", "stored"):
        table.add_column(heading, justify="right" if heading in ("parts", "layers", "experts") else "left")
    for each in roles:
        shapes = "; ".join("x".join(map(str, shape)) for shape in each.shapes[:3])
        more = f" and {len(each.shapes) - 3} more" if len(each.shapes) > 3 else ""
        table.add_row(
            each.role,
            str(each.count),
            str(each.layers or ""),
            str(each.experts or ""),
            shapes + more,
            ", ".join(each.storage),
        )
    return table
