"""What the zoo trained: children, siblings, models of one start, students."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.accuracy.cases.kind import (
    BACKWARD,
    BOTH,
    FORWARD,
    GATED,
    Kind,
    Layers,
    Lineage,
    Make,
    Pair,
    Truth,
    kept,
)
from benchmarks.accuracy.known import ZOO
from forebear.zoo.manifest import load_all

_DERIVED, _RELATED, _START = ("derived",), ("related",), ("shared start",)


def kinds() -> Iterator[Kind]:
    """Every trained kind of the zoo against its founder, or two of them against each other."""
    for name, step in (
        ("finetuned", "trained"),
        ("continued", "trained"),
        ("frozen", "frozen"),
        ("grandchild", "trained"),
        ("low-rank-4", "low-rank"),
        ("low-rank-8", "low-rank"),
        ("decayed", "trained"),
        ("shuffled", "trained"),
        ("partial-attention", "modules"),
        ("partial-ffn", "modules"),
        ("partial-embeddings", "modules"),
    ):
        yield Kind(name, "trained", _pair(name), Truth(_DERIVED, steps=(step,)))
    for name, group, step, families in (
        ("deepened", "depth", "layers", BOTH),
        ("layers-dropped", "depth", "layers", GATED),
        ("ffn-pruned", "width", "width: neurons", BOTH),
        ("ffn-widened", "width", "width: neurons", GATED),
        ("hidden-pruned", "width", "width: hidden", GATED),
        ("vocabulary-extended", "vocabulary", "vocabulary", GATED),
        ("upcycled-copied", "experts", "experts", GATED),
        ("upcycled-sliced", "experts", "experts", GATED),
    ):
        yield Kind(f"{name}, trained", group, _pair(name), Truth(_DERIVED, steps=(step,)), families)
    yield Kind("founder against its child", "trained", _pair("", "continued"), Truth(_DERIVED, BACKWARD))
    yield from _beside()


def _beside() -> Iterator[Kind]:
    """Relatives of which neither is the other's parent."""
    for name, first, second in (
        ("siblings", "sibling", "continued"),
        ("siblings, same data", "sibling-same-data", "continued"),
        ("siblings, same order", "sibling-same-order", "continued"),
    ):
        yield Kind(name, "siblings", _pair(first, second), Truth(_RELATED, None))
    # A barely changed sibling of the true parent lies whole inside its siblings, as the parent does: a stated limit.
    contained = Truth((*_RELATED, *_DERIVED), BACKWARD)
    yield Kind("siblings, one barely changed", "siblings", _pair("finetuned", "continued"), contained)
    yield Kind("early split, one's parent", "trained", _pair("early-split-b", "early"), Truth(_DERIVED, FORWARD))
    split = Truth((*_RELATED, *_START), None)
    yield Kind("early split, siblings", "siblings", _pair("early-split-b", "early-split-c"), split)
    for name in ("same-start-other-data", "same-start-same-data"):
        yield Kind(name, "shared start", _pair(name), Truth(_START, None))
    yield Kind("distilled", "strangers", _pair("distilled"), Truth(("independent",), None))


def _pair(model: str, reference: str = "") -> Make:
    def make(lineage: Lineage, _: Path) -> Pair:
        mine, yours = lineage.folder(model), lineage.folder(reference)
        return Pair(mine, yours, _layers(f"{lineage.family}/{mine.name}", yours))

    return make


def _layers(path: str, reference: Path) -> Layers:
    """The layer map that the manifest tells, or every layer in its place."""
    truth = load_all(ZOO)[path].get("truth", {})
    return tuple(truth["layer_map"]) if "layer_map" in truth else kept(reference)
