"""Surgeries that change the shape: depth, width, experts, vocabulary; alone, disguised, and on a trained child."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.accuracy.cases.copies import after, plain, seeded, unseeded, whole
from benchmarks.accuracy.cases.kind import (
    BOTH,
    GATED,
    Change,
    Kind,
    Lineage,
    Make,
    Pair,
    Truth,
    kept,
    surgery_on,
    write_changed,
)
from benchmarks.accuracy.known import ZOO
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder
from forebear.zoo.surgery import Changed
from forebear.zoo.surgery.layers import Insertion

_DERIVED = ("derived",)
_FREE = ("same", "derived")
_SHARES = (0.25, 0.5, 0.75)


def _repeated(tensors: Arrays, config: dict[str, Any], _: int) -> Changed:
    depth = _depth(config)
    return surgery.repeat_layers(tensors, config, [*range(depth - 1), *range(1, depth)])


def _inserted(kind: Insertion) -> Change:
    def change(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
        return surgery.insert_layers(tensors, config, (2, _depth(config)), kind=kind, seed=seed)

    return change


def _dropped(tensors: Arrays, config: dict[str, Any], _: int) -> Changed:
    return surgery.drop_layers(tensors, config, (1, 3))


def _depth(config: dict[str, Any]) -> int:
    return int(config.get("num_hidden_layers") or config["n_layer"])


_EVERYTHING = whole(surgery.everything, signs=False)
_HALF = whole(surgery.prune_neurons, share=0.5, shuffle=True)
_NARROWED = whole(surgery.prune_hidden, share=0.25)
_DEPTH: tuple[tuple[str, Change], ...] = (
    ("layers repeated", _repeated),
    ("layers inserted, fresh", _inserted("fresh")),
    ("layers inserted, identity", _inserted("identity")),
    ("layers inserted, copied", _inserted("copied")),
    ("layers dropped", _dropped),
    ("layers reordered", whole(surgery.reorder_layers)),
)
_WIDTH: tuple[tuple[str, str, Change], ...] = (
    *(
        (f"FFN pruned {share:.0%}{', shuffled' if shuffle else ''}", "width: neurons",
         whole(surgery.prune_neurons, share=share, shuffle=shuffle))
        for share in _SHARES for shuffle in (False, True)
    ),
    *(
        (f"FFN widened, {kind}", "width: neurons", whole(surgery.widen_neurons, share=0.5, kind=kind, shuffle=True))
        for kind in ("fresh", "zeros", "duplicated")
    ),
    ("hidden pruned 25%", "width: hidden", _NARROWED),
    ("hidden widened, zeros", "width: hidden", whole(surgery.widen_hidden, share=0.25, shuffle=True)),
    ("hidden widened, fresh", "width: hidden", whole(surgery.widen_hidden, share=0.25, pad="fresh", shuffle=True)),
    ("heads pruned 50%", "width: heads", whole(surgery.prune_heads, share=0.5)),
)  # fmt: skip
_EXPERTS: tuple[tuple[str, Change], ...] = (
    ("upcycled, copied", whole(surgery.upcycle, experts=4)),
    ("upcycled, noised", whole(surgery.upcycle, experts=4, noise=0.1)),
    ("upcycled, sliced", whole(surgery.upcycle, experts=8, slices=4)),
    ("upcycled, shuffled", whole(surgery.upcycle, experts=4, shuffle=True)),
    ("upcycled, sliced, shuffled, half re-drawn", whole(
        surgery.upcycle, experts=8, slices=4, shuffle=True, redrawn=0.5
    )),
    ("upcycled, shared expert", whole(surgery.upcycle, experts=8, slices=4, shuffle=True, shared=True)),
)  # fmt: skip


def kinds() -> Iterator[Kind]:
    """By group."""
    yield from _of_depth()
    yield from _of_width()
    yield from _of_experts()
    yield from _of_vocabulary()


def _of_depth() -> Iterator[Kind]:
    truth = Truth(_DERIVED, steps=("layers",))
    for name, change in _DEPTH:
        yield Kind(name, "depth", surgery_on("", change), truth)
    for name, change in (_DEPTH[0], _DEPTH[4], _DEPTH[5]):
        yield Kind(f"{name}, continued", "depth", surgery_on("continued", change), truth)
    for name, change in (_DEPTH[0], _DEPTH[4]):
        both = after(change, _EVERYTHING)
        yield Kind(f"{name}, continued, everything", "depth", surgery_on("continued", both), truth)


def _of_width() -> Iterator[Kind]:
    for name, step, change in _WIDTH:
        yield Kind(name, "width", surgery_on("", change), Truth(_DERIVED, steps=(step, "width: key/value heads")))
    for name, change in (("FFN pruned 50%, shuffled", _HALF), ("hidden pruned 25%", _NARROWED)):
        truth = Truth(_DERIVED, steps=("width: hidden" if "hidden" in name else "width: neurons",))
        yield Kind(f"{name}, continued", "width", surgery_on("continued", change), truth)
        both = after(change, _EVERYTHING)
        yield Kind(f"{name}, continued, everything", "width", surgery_on("continued", both), truth)


def _of_experts() -> Iterator[Kind]:
    truth = Truth(_DERIVED, steps=("experts",))
    for name, change in _EXPERTS:
        yield Kind(name, "experts", surgery_on("", change), truth, GATED)
    for name, change in (_EXPERTS[0], _EXPERTS[4]):
        yield Kind(f"{name}, continued", "experts", surgery_on("continued", change), truth, GATED)
    both = after(whole(surgery.everything, signs=False), _EXPERTS[4][1])
    yield Kind("upcycled half re-drawn, continued, everything", "experts", surgery_on("continued", both), truth, GATED)
    moved = Truth(_FREE, None, ("experts",))
    yield Kind("experts shuffled", "experts", _against_sparse(whole(surgery.shuffle_experts)), moved, GATED)
    noised = after(whole(surgery.shuffle_experts), seeded(surgery.add_noise, sigma=0.3, relative=True))
    yield Kind("experts shuffled, noised", "experts", _against_sparse(noised), truth, GATED)
    yield Kind("experts to dense", "experts", _against_sparse(unseeded(surgery.to_dense)), truth, GATED)
    mean = unseeded(surgery.to_dense, expert=None)
    yield Kind("experts to dense, mean", "experts", _against_sparse(mean), truth, GATED)


def _against_sparse(change: Change) -> Make:
    """A change of a trained mixture of experts, against it."""

    def make(lineage: Lineage, room: Path) -> Pair:
        reference = lineage.folder("upcycled-copied")
        return Pair(write_changed(room, reference, change, lineage.seed), reference, kept(reference))

    return make


def _of_vocabulary() -> Iterator[Kind]:
    truth = Truth(_DERIVED, steps=("vocabulary",))
    free = Truth(_FREE, steps=("vocabulary",))
    for name, change, right in (
        ("vocabulary extended", _with(surgery.extend_vocabulary, rows=64), truth),
        ("vocabulary reordered", _with(surgery.reorder_vocabulary), free),
        ("vocabulary replaced, half kept", _with(surgery.replace_vocabulary, rows=1024, kept=0.5), truth),
    ):
        yield Kind(name, "vocabulary", _told("", change), right, BOTH)
        yield Kind(f"{name}, continued", "vocabulary", _told("continued", change), truth, BOTH)
        both = after(change, _EVERYTHING)
        yield Kind(f"{name}, continued, everything", "vocabulary", _told("continued", both), truth, BOTH)
    padded = unseeded(surgery.pad_vocabulary, 96)
    yield Kind("vocabulary padded", "vocabulary", surgery_on("", padded), free, BOTH)
    replaced = _with(surgery.replace_vocabulary, rows=1024)
    yield Kind("vocabulary replaced", "vocabulary", _told("", replaced), Truth(_DERIVED), BOTH)
    copied = surgery_on("", after(plain(dict), unseeded(surgery.extend_vocabulary, 64, kind="mean")))
    yield Kind("vocabulary extended by its mean, no tokenizer", "vocabulary", copied, truth, BOTH)


def _with(function: Any, **amounts: Any) -> Change:
    """A surgery on the vocabulary, told the tokenizer."""
    return lambda tensors, config, seed: function(tensors, config, tokenizer=_tokenizer(), seed=seed, **amounts)


def _tokenizer() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ZOO / "tokenizer.json").read_text(encoding="utf-8"))
    return found


def _told(child: str, change: Change) -> Make:
    """A changed vocabulary; both folders have their tokenizer beside the weights."""

    def make(lineage: Lineage, room: Path) -> Pair:
        source, founder = lineage.folder(child), lineage.folder()
        made = change(read_tensors(source), read_config(source), lineage.seed)
        told = json.dumps(made.truth["tokenizer"]).encode("utf-8")
        write_folder(room / "model", made.tensors, made.config, documents={"tokenizer.json": told})
        known = [ZOO / "tokenizer.json"]
        write_folder(room / "reference", read_tensors(founder), read_config(founder), beside=known)
        return Pair(room / "model", room / "reference", kept(founder))

    return make
