"""Steps of a recipe as changes of a reference's values: those that can be done again without the model.

A recipe is read from a result file, so nothing in it is trusted. A step that says too little to be done again (what
was learned, an update of low rank, values taken from elsewhere) is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

import msgspec
import numpy as np

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part
from forebear.statistics.arrays import Floats
from forebear.statistics.rounding import TYPES
from forebear.verdict.naming import parts_named

Change = Callable[[Floats, np.random.Generator], Floats]
"""From values as they are stored, one tensor or the part of one that a step names, to new ones."""

MOST_BITS = 16

_FREE = "what the model computes does not depend on it"
_NOT_HELD = {
    "copied": "nothing to do: these values are equal",
    "frozen": "nothing to do: these values are equal",
    "resharded": _FREE,
    "renamed": _FREE,
    "permuted": _FREE,
    "rotated": _FREE,
    "sign-flipped": _FREE,
    "trained": "the record says how far training moved the values, not where to",
    "low-rank": "the record says the rank of the update, not the update",
    "merged": "it takes values of further models",
    "layers": "the record does not hold what other layers learned from their new places",
    "width": "values that are not the reference's came in, or some of its own went",
    "experts": "values that are not the reference's came in, or some of its own went",
    "vocabulary": "values that are not the reference's came in, or some of its own went",
    "modules": "values that are not the reference's came in",
}
_SHAPING = frozenset({"layers", "width", "experts", "vocabulary"})


class StepTaken(msgspec.Struct, frozen=True):
    """One step of the recipe, and whether it was done again.

    Attributes:
        step: the contract's word.
        applied: whether it was.
        amounts: with what, as recorded.
        why: why not; None where it was.
        at_most: the amount recorded is an upper bound.
    """

    step: str
    applied: bool
    amounts: dict[str, float | int | str] = {}
    why: str | None = None
    at_most: bool = False


@dataclass(frozen=True)
class Reapplied:
    """A step ready to be done again.

    Attributes:
        taken: what is told of it.
        change: of values; None where only the storage type changes, or nothing.
        parts: of the reference that it changes; None for all.
        storage: type in which it leaves all values; None leaves each in its own.
    """

    taken: StepTaken
    change: Change | None = None
    parts: frozenset[Part] | None = None
    storage: str | None = None


def reapplied(recipe: list[dict[str, Any]], anatomy: Anatomy) -> list[Reapplied]:
    """Every step of a recipe, ready or with the reason why it is left out, in order.

    Args:
        recipe: as a claim carries it.
        anatomy: of the reference.
    """
    shaped = any(str(step.get("step")) in _SHAPING for step in recipe)
    return [_restricted(_read(step), step, anatomy, shaped=shaped) for step in recipe]


def _read(step: Mapping[str, Any]) -> Reapplied:
    word = step.get("step")
    reader = _READERS.get(word) if isinstance(word, str) else None
    if reader is not None:
        return reader(step)
    return _left_out(step, _NOT_HELD.get(str(word), "not a step that this version can do again"))


def _restricted(found: Reapplied, step: Mapping[str, Any], anatomy: Anatomy, *, shaped: bool) -> Reapplied:
    """A step with the parts it names; left out where the record does not name them all."""
    names = step.get("parts")
    if not found.taken.applied or names is None:
        return found
    if shaped:
        return _left_out(step, "its parts are counted in the model's layout, which is not the reference's")
    parts = None
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        parts = parts_named(names, anatomy.parts.keys())
    if not parts:
        return _left_out(step, "the record does not name all the parts it changed")
    return Reapplied(found.taken, found.change, parts, found.storage)


def _left_out(step: Mapping[str, Any], why: str) -> Reapplied:
    return Reapplied(StepTaken(str(step.get("step")), applied=False, why=why))


def _noise(step: Mapping[str, Any]) -> Reapplied:
    """Independent normal noise; relative noise is in units of the deviation of each tensor, or part of a fused one."""
    for amount in ("sigma", "relative_sigma"):
        scalar = _number(step, amount)
        if scalar is not None and scalar > 0:
            taken = StepTaken("noise", applied=True, amounts={amount: scalar}, at_most=step.get("at_most") is True)
            return Reapplied(taken, _noise_of(scalar, relative=amount == "relative_sigma"))
    return _left_out(step, "the record does not say how much")


def _noise_of(scalar: float, *, relative: bool) -> Change:
    def change(values: Floats, rng: np.random.Generator) -> Floats:
        finite = values[np.isfinite(values)]
        scale = scalar * (float(finite.std(dtype=np.float64)) if finite.size else 0.0) if relative else scalar
        noised: Floats = values + rng.standard_normal(values.shape, np.float32) * np.float32(scale)
        return noised

    return change


def _cast(step: Mapping[str, Any]) -> Reapplied:
    """To a storage type; where only some parts were cast, they keep the type they are stored in."""
    target = step.get("to")
    if not isinstance(target, str) or target not in TYPES:
        return _left_out(step, "not a storage type that this version can write")
    taken = StepTaken("cast", applied=True, amounts={"to": target})
    if step.get("parts") is None:
        return Reapplied(taken, storage=target)
    return Reapplied(taken, lambda values, _: _rounded(values, target))


def _rounded(values: Floats, storage: str) -> Floats:
    with np.errstate(over="ignore"):
        found: Floats = values.astype(TYPES[storage]).astype(np.float32)
    return found


def _rescaled(step: Mapping[str, Any]) -> Reapplied:
    if step.get("what") != "values":
        return _left_out(step, _FREE)
    factor = _number(step, "factor")
    if factor is None or "factors" in step:
        return _left_out(step, "the factors differ, and the record does not hold each")
    taken = StepTaken("rescaled", applied=True, amounts={"factor": factor})
    return Reapplied(taken, lambda values, _: values * np.float32(factor))


def _pruned(step: Mapping[str, Any]) -> Reapplied:
    """The smallest values of each tensor to zero."""
    share = _number(step, "share")
    if step.get("pattern") != "unstructured" or step.get("by") != "magnitude" or share is None or not 0 < share <= 1:
        return _left_out(step, "the record does not say which values went")
    taken = StepTaken("pruned", applied=True, amounts={"share": share})
    return Reapplied(taken, lambda values, _: _without_smallest(values, share))


def _without_smallest(values: Floats, share: float) -> Floats:
    pruned = values.copy()
    smallest = np.argsort(np.abs(values), axis=None, kind="stable")[: round(share * values.size)]
    pruned.reshape(-1)[smallest] = 0
    return pruned


def _quantised(step: Mapping[str, Any]) -> Reapplied:
    """To the nearest of evenly spaced levels, symmetric about zero, the largest magnitude of a block the last one."""
    bits, block = step.get("bits"), step.get("block")
    if step.get("schemes"):
        return _left_out(step, "the record names the storage, not how its quantiser chose the scales")
    if step.get("codebook") is not None or step.get("symmetric") is not True:
        return _left_out(step, "the record does not say where the levels lie")
    whole = isinstance(bits, int | float) and not isinstance(bits, bool) and bits in range(2, MOST_BITS + 1)
    known = block in ("row", "tensor") or (isinstance(block, int) and not isinstance(block, bool) and block > 0)
    if not whole or not known or not isinstance(bits, int | float) or block is None:
        return _left_out(step, "the record does not say which values share a scale")
    taken = StepTaken("quantised", applied=True, amounts={"bits": int(bits), "block": block})
    return Reapplied(taken, lambda values, _: _on_lattice(values, int(bits), block))


def _on_lattice(values: Floats, bits: int, block: int | str) -> Floats:
    """Rounded to levels, in blocks along the last axis as stored; a width not divisible ends in a short block."""
    if values.ndim < 2 or not values.size:
        return values
    top = 2 ** (bits - 1) - 1
    width = values.shape[-1]
    rows = values.reshape(1, -1) if block == "tensor" else values.reshape(-1, width)
    size = rows.shape[-1] if isinstance(block, str) else min(block, rows.shape[-1])
    out = np.empty_like(rows)
    for at in range(0, rows.shape[-1], size):
        piece = rows[:, at : at + size].astype(np.float64)
        step = np.abs(piece).max(axis=1, keepdims=True) / top
        levels = np.round(np.divide(piece, step, out=np.zeros_like(piece), where=step > 0))
        out[:, at : at + size] = levels * step
    return out.reshape(values.shape)


def _number(step: Mapping[str, Any], key: str) -> float | None:
    """A finite number of the record; None where it holds none under this key."""
    value = step.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


_READERS: dict[str, Callable[[Mapping[str, Any]], Reapplied]] = {
    "noise": _noise,
    "cast": _cast,
    "rescaled": _rescaled,
    "pruned": _pruned,
    "quantised": _quantised,
}
