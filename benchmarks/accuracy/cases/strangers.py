"""Models with nothing in common, alike or not, plain or disguised."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.accuracy.cases.copies import plain, whole
from benchmarks.accuracy.cases.kind import BOTH, GATED, Change, Kind, Lineage, Make, Pair, Truth, write_changed
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery import Changed

_INDEPENDENT = Truth(("independent",), None)


def kinds() -> Iterator[Kind]:
    """All pairs of founders as they are and with one side disguised, then some of other shapes."""
    yield Kind("strangers", "strangers", _as_they_are, _INDEPENDENT, (*BOTH, "deep"), every_pair=True, paired=True)
    disguised = _against(whole(surgery.everything))
    yield Kind("strangers, one disguised", "strangers", disguised, _INDEPENDENT, every_pair=True, paired=True)
    for name, change, families in (
        ("strangers, deeper", _deeper, BOTH),
        ("strangers, FFN pruned 50%", whole(surgery.prune_neurons, share=0.5), BOTH),
        ("strangers, FFN widened", whole(surgery.widen_neurons, share=0.5), BOTH),
        ("strangers, hidden pruned 25%", whole(surgery.prune_hidden, share=0.25), BOTH),
        ("strangers, heads pruned", whole(surgery.prune_heads, share=0.5), BOTH),
        ("strangers, dense and experts", whole(surgery.upcycle, experts=4, shuffle=True), GATED),
        ("strangers, names scrambled", whole(surgery.scramble_names), BOTH),
        ("strangers, cast F16", plain(surgery.cast, dtype="F16"), BOTH),
    ):
        yield Kind(name, "strangers", _against(change), _INDEPENDENT, families, paired=True)
    yield Kind("strangers, two continued", "strangers", _continued, _INDEPENDENT, paired=True)


def _as_they_are(lineage: Lineage, _: Path) -> Pair:
    return Pair(lineage.folder(), lineage.stranger)


def _continued(lineage: Lineage, _: Path) -> Pair:
    return Pair(lineage.folder("continued"), lineage.stranger)


def _against(change: Change) -> Make:
    """A changed founder against a stranger."""

    def make(lineage: Lineage, room: Path) -> Pair:
        return Pair(write_changed(room, lineage.folder(), change, lineage.seed), lineage.stranger)

    return make


def _deeper(tensors: Arrays, config: dict[str, Any], _: int) -> Changed:
    depth = int(config.get("num_hidden_layers") or config["n_layer"])
    return surgery.repeat_layers(tensors, config, [*range(depth), *range(1, depth - 1)])
