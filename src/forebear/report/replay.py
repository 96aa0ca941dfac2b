"""A result computed again from its own record, and what differs then.

A result that cannot be repeated is an opinion. The record of a comparison holds its seed, budget and extent; with the
files it names, every figure must come out the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from forebear.errors import UsageError
from forebear.report import json
from forebear.verdict.behaviour.contract import Behaviour
from forebear.verdict.comparison import Comparison

REPLAY_SCHEMA = "forebear.replay/1"
Kind = TypeVar("Kind")
_DIGESTS = ("sample_digest", "digest")
_REASONS = {
    "files": "the files are not those the result was computed from",
    "tool": "another version of Forebear computed the result",
    "computation": "the same files and version give other figures on this machine",
}


class Named(msgspec.Struct, frozen=True):
    """A further model of the record."""

    source: str


class Settings(msgspec.Struct, frozen=True):
    """What a comparison was computed with."""

    seed: int
    budget: int
    full: bool
    memory: int | None = None
    adapter_base: str | None = None
    only: list[str] = []
    claimed_sources: list[str] = []
    base_code: list[str] = []
    redact_names: bool = False
    dates: str | None = None
    scan_licences: bool = False
    behaviour: list[str] = []
    also: list[Named] = []
    bases: list[Named] = []

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of ``compare`` and ``rank``; further models only where there were some."""
        further: dict[str, Any] = {
            "also": [one.source for one in self.also],
            "bases": [one.source for one in self.bases],
        }
        plain: dict[str, Any] = {"seed": self.seed, "budget": self.budget, "full": self.full}
        plain |= {} if self.memory is None else {"memory": self.memory}
        plain |= {} if self.adapter_base is None else {"adapter_base": self.adapter_base}
        beside = {
            "only": self.only,
            "claimed_sources": self.claimed_sources,
            "base_code": self.base_code,
            "redact_names": self.redact_names,
            "dates": self.dates,
            "scan_licences": self.scan_licences,
            "behaviour": self.behaviour,
        }
        return plain | {name: given for name, given in (further | beside).items() if given}


class Behaved(msgspec.Struct, frozen=True):
    """What a result on behaviour was computed with: counts, transcripts of a live test, or files of answers."""

    seed: int
    counts: tuple[int, int, int, int] | None = None
    test: str | None = None
    model: str | None = None
    references: list[str] = []
    controls: list[str] = []
    gold: str | None = None
    reconstructed: str | None = None
    share: float = 0.2
    power: float = 0.99

    def __post_init__(self) -> None:
        if self.counts is None and self.model is None:
            raise ValueError("neither counts nor files")


class Difference(msgspec.Struct, frozen=True):
    """One value that did not repeat: its place, and both values (null also where a key is missing)."""

    place: str
    recorded: Any
    replayed: Any


class Replay(msgspec.Struct, frozen=True):
    """Outcome of a replay.

    Attributes:
        identical: whether everything repeated.
        why: causes, most telling first: files, tool, or neither of them.
        differences: every value that did not repeat.
    """

    identical: bool
    why: list[str]
    differences: list[Difference]
    schema: str = REPLAY_SCHEMA


def replay(path: str | Path) -> Replay:
    """Compute a result file again and compare.

    Args:
        path: a file written by ``forebear compare --json`` or ``forebear behaviour --json``.

    Raises:
        UsageError: the file is no result, or its record lacks what a replay needs.
        CheckpointError: a source cannot be opened any more.
    """
    recorded, raw = json.read(path)
    return contrast(raw, json.document(_again(recorded, path)))


def contrast(recorded: dict[str, Any], replayed: dict[str, Any]) -> Replay:
    """Compare two result documents."""
    found = list(_differences(recorded, replayed, ""))
    return Replay(not found, list(_causes(found)), found)


def _again(recorded: json.Result, path: str | Path) -> json.Result:
    import forebear  # compare and rank are loaded when first used

    if isinstance(recorded, Behaviour):
        return _behaved(_recorded(recorded.computation, Behaved, path))
    if isinstance(recorded, Comparison):
        settings = _settings(recorded, path)
        return forebear.compare(recorded.model.source, recorded.reference.source, **settings.arguments())
    if not recorded.comparisons:
        raise UsageError("a ranking without comparisons", where=path, field="comparisons")
    first = recorded.comparisons[0]
    settings = _settings(first, path)
    for each in recorded.comparisons:
        if each.model.source != first.model.source or _settings(each, path) != settings:
            raise UsageError("its comparisons differ in model or settings", where=path, field="comparisons")
    references = [each.reference.source for each in recorded.comparisons]
    return forebear.rank(first.model.source, references, **settings.arguments())


def _behaved(told: Behaved) -> Behaviour:
    import forebear  # as above

    if told.counts is not None:
        return forebear.behaviour_from_counts(*told.counts, seed=told.seed)
    assert told.model is not None
    if told.test is not None:
        return forebear.listen(told.test, told.model, told.references, controls=told.controls, seed=told.seed)
    return forebear.behaviour(
        told.model,
        told.references,
        controls=told.controls,
        gold=told.gold,
        reconstructed=told.reconstructed,
        share=told.share,
        power=told.power,
        seed=told.seed,
    )


def _settings(comparison: Comparison, path: str | Path) -> Settings:
    return _recorded(comparison.computation, Settings, path)


def _recorded(computation: dict[str, Any], kind: type[Kind], path: str | Path) -> Kind:
    try:
        return msgspec.convert(computation, kind)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"the record does not say how to repeat it: {error}", where=path, field="computation"
        ) from None


def _differences(recorded: Any, replayed: Any, place: str) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for key in dict.fromkeys([*recorded, *replayed]):
            yield from _differences(recorded.get(key), replayed.get(key), f"{place}.{key}" if place else key)
    elif isinstance(recorded, list) and isinstance(replayed, list) and len(recorded) == len(replayed):
        for index, pair in enumerate(zip(recorded, replayed, strict=True)):
            yield from _differences(*pair, f"{place}[{index}]")
    elif recorded != replayed or isinstance(recorded, bool) != isinstance(replayed, bool):
        yield Difference(place, recorded, replayed)


def _causes(differences: list[Difference]) -> Iterator[str]:
    places = [each.place for each in differences]
    files = any(place.endswith(_DIGESTS) for place in places)
    tool = any("tool." in place for place in places)
    if files:
        yield _REASONS["files"]
    if tool:
        yield _REASONS["tool"]
    if differences and not files and not tool:
        yield _REASONS["computation"]
