"""Copies under everything that keeps the function, and the same on a child trained as long as its parent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.accuracy.cases.kind import (
    BOTH,
    CALIBRATED,
    EXACT,
    GATED,
    PLAIN,
    Change,
    Kind,
    Truth,
    surgery_on,
)
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery import Changed

SAME = ("same",)
ROUNDED = ("same", "derived")
"""A copy whose values were rounded anew; whichever is said must not name the wrong side."""

_HIDE = {"model.": "body.", "transformer.": "body."}


@dataclass(frozen=True)
class Copy:
    """One way to change a file and not the function.

    Attributes:
        name: of the kind.
        change: what is done.
        verdicts: right words for a copy of the founder.
        steps: ways to name the main step.
        families: to which it applies.
        shards: weight files written.
        bases: right basis by family, where it is asked for.
    """

    name: str
    change: Change
    verdicts: tuple[str, ...] = SAME
    steps: tuple[str, ...] = ()
    families: tuple[str, ...] = BOTH
    shards: int = 1
    bases: tuple[tuple[str, str], ...] = ()


def plain(function: Callable[..., Arrays], **amounts: Any) -> Change:
    """A surgery on tensors alone that draws nothing."""
    return lambda tensors, config, _: Changed(function(tensors, **amounts), config)


def seeded(function: Callable[..., Arrays], **amounts: Any) -> Change:
    """A surgery on tensors alone."""
    return lambda tensors, config, seed: Changed(function(tensors, seed=seed, **amounts), config)


def whole(function: Callable[..., Changed], **amounts: Any) -> Change:
    """A surgery that gives a config and a truth."""
    return lambda tensors, config, seed: function(tensors, config, seed=seed, **amounts)


def unseeded(function: Callable[..., Changed], *given: Any, **amounts: Any) -> Change:
    """The same for a surgery that draws nothing."""
    return lambda tensors, config, _: function(tensors, config, *given, **amounts)


def in_heads(function: Callable[..., Arrays], **amounts: Any) -> Change:
    """A surgery that needs the numbers of heads."""
    return lambda tensors, config, seed: Changed(function(tensors, config, seed=seed, **amounts), config)


def after(*changes: Change) -> Change:
    """One change after another; truths are joined."""

    def apply(tensors: Arrays, config: dict[str, Any], seed: int) -> Changed:
        made = Changed(tensors, config)
        for change in changes:
            done = change(made.tensors, made.config, seed)
            made = Changed(done.tensors, done.config, {**made.truth, **done.truth})
        return made

    return apply


_STREAM = ("permuted: residual stream",)
_TURNED = ("rotated: residual stream",)
_EVERYTHING = whole(surgery.everything)
_NO_FLIPS = whole(surgery.everything, signs=False)
_NO_EXACT = (("gated", CALIBRATED), ("plain", CALIBRATED))

COPIES = (
    Copy("identical", plain(dict), steps=("copied",)),
    Copy("renamed", plain(surgery.rename, prefixes=_HIDE), steps=("renamed",)),
    Copy("prefixed", plain(surgery.prefix_names, prefix="module."), steps=("renamed",)),
    Copy("names scrambled", whole(surgery.scramble_names), steps=("renamed",)),
    Copy("names and layer numbers scrambled", whole(surgery.scramble_names, numbered=True), steps=("renamed",)),
    Copy("layers regrouped", unseeded(surgery.regroup_layers), steps=("renamed",)),
    Copy("fused", plain(surgery.fuse), steps=("renamed",), families=GATED),
    Copy("split", plain(surgery.split), steps=("renamed",), families=PLAIN),
    Copy("reordered in the file", seeded(surgery.reorder), steps=("copied",)),
    Copy("resharded", plain(dict), steps=("resharded",), shards=3),
    Copy("cast F16", plain(surgery.cast, dtype="F16"), ROUNDED, ("cast",)),
    Copy("cast F32", plain(surgery.cast, dtype="F32"), SAME, ("cast",)),
    Copy("permuted neurons", seeded(surgery.permute_neurons), SAME, ("permuted: neurons",)),
    Copy("permuted residual", seeded(surgery.permute_residual), SAME, _STREAM),
    Copy("flipped residual", seeded(surgery.permute_residual, signs=True), SAME, _STREAM, GATED),
    Copy("rotated residual", whole(surgery.rotate_residual), ROUNDED, _TURNED),
    Copy("permuted heads", in_heads(surgery.permute_heads), SAME, ("permuted: heads",)),
    Copy(
        "mixed values",
        in_heads(surgery.mix_values),
        ROUNDED,
        ("rotated: values and outputs inside heads",),
    ),
    Copy("mixed queries", in_heads(surgery.mix_queries), ROUNDED, ("rotated: queries and keys inside heads",)),
    Copy("rescaled norms", seeded(surgery.rescale_norms), ROUNDED, ("rescaled: norms",)),
    Copy("rescaled neurons", seeded(surgery.rescale_neurons), SAME, ("rescaled: neurons",), GATED),
    Copy(
        "rescaled heads",
        in_heads(surgery.rescale_heads),
        SAME,
        ("rescaled: values and outputs inside heads", "rescaled: queries and keys inside heads"),
    ),
    Copy("flipped neurons", seeded(surgery.flip_signs), SAME, ("sign-flipped: neurons",), GATED),
    Copy(
        "flipped heads",
        in_heads(surgery.flip_heads),
        SAME,
        ("sign-flipped: values and outputs inside heads", "sign-flipped: queries and keys inside heads"),
    ),
    Copy("everything lossless", whole(surgery.everything, rotate=False, mix=False), ROUNDED, _STREAM),
    Copy("everything without flips", _NO_FLIPS, ROUNDED, _TURNED, bases=(("gated", EXACT),)),
    Copy("everything", _EVERYTHING, ROUNDED, _TURNED, bases=_NO_EXACT),
    Copy(
        "everything without flips, renamed, resharded",
        after(_NO_FLIPS, whole(surgery.scramble_names)),
        ROUNDED,
        _TURNED,
        shards=3,
        bases=(("gated", EXACT),),
    ),
    Copy(
        "everything, renamed, resharded",
        after(_EVERYTHING, whole(surgery.scramble_names)),
        ROUNDED,
        _TURNED,
        shards=3,
        bases=_NO_EXACT,
    ),
)


def kinds() -> Iterator[Kind]:
    """Each on the founder, then on a child trained as long as the founder."""
    for copy in COPIES:
        for child in ("", "continued"):
            verdicts, steps = (("derived",), ("trained",)) if child else (copy.verdicts, copy.steps)
            yield Kind(
                f"{copy.name}, continued" if child else copy.name,
                "continued copies" if child else "copies",
                surgery_on(child, copy.change, shards=copy.shards),
                Truth(verdicts, None if verdicts == SAME else "reference to model", steps),
                copy.families,
                bases=dict(copy.bases),
            )
