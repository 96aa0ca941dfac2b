"""A reconstructed control: the reference with those steps of the recipe done again that need no model.

Held beside the model, it tells whether what the model does is what the recipe explains: a copy with noise answers no
more like its reference than the reference does with noise of the same amount.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

import forebear
from forebear.alignment.rewriting import SHARD_BYTES, check_empty
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, View
from forebear.anatomy.towers import towers
from forebear.checkpoint.checkpoint import Checkpoint
from forebear.checkpoint.digest import digest
from forebear.checkpoint.documents import CONFIG_NAME, Documents, Kind
from forebear.checkpoint.dtypes import ITEM_SIZES, encode
from forebear.checkpoint.model import Model, open_model
from forebear.checkpoint.writer import write_aside, write_streamed
from forebear.errors import UsageError
from forebear.statistics.arrays import Floats
from forebear.statistics.rounding import TYPES
from forebear.verdict.comparison import Comparison
from forebear.verdict.reapplying import Reapplied, StepTaken, reapplied

RECONSTRUCTION_SCHEMA = "forebear.reconstruction/1"
NOTE_NAME = "reconstruction.json"
_FLOATING = frozenset({*TYPES, "F64"})
_COPIED = (Kind.CONFIG, Kind.TOKENIZER, Kind.LICENCE)
_SPELLING = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


class Reconstructed(msgspec.Struct, frozen=True):
    """What was written, and what of the recipe is in it.

    Attributes:
        tool: name and version of what wrote it.
        model: source of the model that the recipe is of.
        reference: source of what was changed.
        reference_digest: sha256 over its tensors' content.
        folder: where it was written.
        seed: of the noise.
        steps: of the recipe, in order, each with whether it was done again.
        explained: share of the distance between model and reference that these steps account for, 0 to 1; None where
            the result does not say.
        tensors: how many were written.
        changed: how many of them differ from the reference's in value or type.
        limits: what a reader should know.
        schema: version of this contract.
    """

    tool: dict[str, str]
    model: str
    reference: str
    reference_digest: str
    folder: str
    seed: int
    steps: list[StepTaken]
    explained: float | None
    tensors: int
    changed: int
    limits: list[str] = []
    schema: str = RECONSTRUCTION_SCHEMA


def reconstruct(comparison: Comparison, folder: str | Path, *, seed: int = 0) -> Reconstructed:
    """Writes the reference with the recipe's steps done again, and a note of which were.

    Values are changed tensor by tensor, so that one tensor is held at a time. Tensors that no step names keep their
    bytes. The note lies in the folder as ``reconstruction.json``.

    Args:
        comparison: a result with a recipe; its reference is opened as it was named there.
        folder: to be made; an existing one must be empty. Written aside, then renamed into place.
        seed: of the noise, 0 or more.

    Raises:
        UsageError: no recipe, no step that can be done again, a reference that is not the one compared, a quantised
            reference, or a folder that is not empty.
        CheckpointError: the reference cannot be opened.
    """
    target = check_empty(folder)
    recipe = _recipe(comparison)
    with open_model(comparison.reference.source) as opened:
        store = _weights(opened)
        anatomy = towers(store, opened.documents.config).language
        work = _Work(store, anatomy, reapplied(recipe, anatomy), seed)
        _refuse_idle(work.steps)
        found = _checked(comparison, store)
        note = Reconstructed(
            tool={"name": "forebear", "version": forebear.__version__},
            model=comparison.model.source,
            reference=comparison.reference.source,
            reference_digest=found,
            folder=str(folder),
            seed=seed,
            steps=[each.taken for each in work.steps],
            explained=_explained(comparison, work.steps),
            tensors=len(store.names()),
            changed=sum(work.changes(name) for name in store.names()),
            limits=_limits(work.steps),
        )
        _write(target, work, opened.documents, note)
    return note


@dataclass(frozen=True)
class _Work:
    store: Checkpoint
    anatomy: Anatomy
    steps: Sequence[Reapplied]
    seed: int

    @cached_property
    def parts(self) -> Mapping[str, list[tuple[Part, View]]]:
        """By tensor, the parts in it."""
        found = defaultdict(list)
        for part, view in self.anatomy.parts.items():
            found[view.tensor].append((part, view))
        return found

    @property
    def storage(self) -> str | None:
        """Type that all values are left in; None where each stays in its own."""
        return next((each.storage for each in reversed(self.steps) if each.storage is not None), None)

    def planned(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """Storage type and shape of every tensor to be written."""
        infos = [self.store.info(name) for name in self.store.names()]
        return {info.name: (self._type(info.dtype), info.shape) for info in infos}

    def _type(self, dtype: str) -> str:
        return self.storage or dtype if dtype in _FLOATING else dtype

    def changes(self, name: str) -> bool:
        """Whether a tensor is written otherwise than the reference holds it."""
        dtype = self.store.info(name).dtype
        return dtype in _FLOATING and (
            self._type(dtype) != dtype or any(self._views(name, each) for each in self.steps)
        )

    def _views(self, name: str, step: Reapplied) -> list[View | None]:
        """Where a step changes a tensor: nowhere, in all of it (a single None), or in these parts."""
        if step.change is None:
            return []
        inside = self.parts.get(name, [])
        chosen = [view for part, view in inside if step.parts is None or part in step.parts]
        return [None] if chosen and len(chosen) == len(inside) else list(chosen)

    def data(self, name: str) -> Iterator[bytes]:
        """A tensor's bytes as they are written."""
        if not self.changes(name):
            yield from self.store.stream(name)
            return
        info = self.store.info(name)
        values = self.store.read(name).copy()
        for number, step in enumerate(self.steps):
            for view in self._views(name, step):
                assert step.change is not None
                key = int.from_bytes(sha256(f"{number} {view} {name}".encode()).digest()[:8], "little")
                _change(values, view, step, np.random.default_rng([self.seed, key]))
            if step.storage is not None:
                values = np.frombuffer(_encoded(values, step.storage), TYPES[step.storage]).reshape(info.shape)
                values = values.astype(np.float32)
        yield _encoded(values, self._type(info.dtype))


def _change(values: Floats, view: View | None, step: Reapplied, rng: np.random.Generator) -> None:
    """Changes a tensor, or one part of it, in place."""
    assert step.change is not None
    if view is None:
        values[...] = step.change(values, rng)
        return
    inside = values if view.index is None else values[view.index]
    for first, last in view.spans:
        piece = inside[..., first:last] if view.transposed else inside[first:last]
        piece[...] = step.change(np.ascontiguousarray(piece), rng)


def _encoded(values: Floats, storage: str) -> bytes:
    # A value beyond the type becomes infinite, as it did when the model was cast.
    with np.errstate(over="ignore"):
        return encode(values, storage)


def _recipe(comparison: Comparison) -> list[dict[str, Any]]:
    if comparison.weights is None or not comparison.weights.recipe:
        raise UsageError(
            f"the result holds no recipe (verdict: {comparison.verdict})",
            where=comparison.reference.source,
            field="weights.recipe",
            remedy="Give the result of a comparison that found the model derived, related or the same",
        )
    return comparison.weights.recipe


def _weights(model: Model) -> Checkpoint:
    if model.tensors is None:
        raise UsageError("the reference has no weights here", where=model.source)
    infos = map(model.tensors.info, model.tensors.names())
    packed = next((info for info in infos if info.dtype not in ITEM_SIZES), None)
    if packed is not None:
        raise UsageError(
            f"holds {packed.dtype} values, which have no place in plain tensors",
            where=model.source,
            field=f"tensor {packed.name}",
            remedy="Dequantise the reference to BF16 or F32 and compare again",
        )
    return model.tensors


def _refuse_idle(steps: Sequence[Reapplied]) -> None:
    if not any(each.taken.applied for each in steps):
        told = "; ".join(f"{each.taken.step}: {each.taken.why}" for each in steps)
        raise UsageError(f"no step of the recipe can be done again ({told})", field="weights.recipe")


def _checked(comparison: Comparison, store: Checkpoint) -> str:
    """Digest of the reference, which must be the one compared."""
    found, recorded = digest(store), comparison.reference
    same = recorded.digest == found if recorded.digest is not None else recorded.parameters == store.parameters
    if not same:
        raise UsageError(
            "is not the reference that was compared",
            where=recorded.source,
            field="digest" if recorded.digest is not None else "parameters",
            remedy="Compare again, or put back the files that were compared",
        )
    return found


def _explained(comparison: Comparison, steps: Sequence[Reapplied]) -> float | None:
    """Share of the distance that the steps done again account for, each word counted once."""
    claim = comparison.weights
    if claim is None or not claim.reconstruction or not claim.reconstruction.get("distance"):
        return None
    told = claim.reconstruction.get("by_step")
    done = {each.taken.step for each in steps if each.taken.applied}
    done |= {"rounding"} if "cast" in done else set()
    if not isinstance(told, list):
        return None
    shares = [each["share"] for each in told if isinstance(each, dict) and each.get("step") in done]
    if not all(isinstance(share, int | float) for share in shares):
        return None
    return min(max(float(sum(shares)), 0.0), 1.0)


def _limits(steps: Sequence[Reapplied]) -> list[str]:
    limits = []
    if any(each.taken.at_most for each in steps):
        limits.append(
            "an amount is an upper bound, so this copy may lie further from the reference than the model does"
        )
    left = [each.taken.step for each in steps if not each.taken.applied and each.taken.step in _LEARNED]
    if left:
        limits.append(
            f"what was {', '.join(left)} is not in it, so it lies nearer to the reference than the model does"
        )
    return limits


_LEARNED = frozenset({"trained", "low-rank", "merged", "layers", "width", "experts", "vocabulary", "modules"})


def _write(target: Path, work: _Work, documents: Documents, note: Reconstructed) -> None:
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        aside.mkdir(parents=True)
        _copy(documents, work.storage, aside)
        text = json.dumps(msgspec.to_builtins(note), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_aside(aside / NOTE_NAME, [text.encode("utf-8")])
        write_streamed(aside, work.planned(), work.data, shard_bytes=SHARD_BYTES)
        if target.exists():
            target.rmdir()
        aside.replace(target)
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=target) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy(documents: Documents, storage: str | None, folder: Path) -> None:
    """Configuration, tokenizer and licence; where all values were cast, the configuration says so."""
    for document in documents.files:
        if document.kind in _COPIED and document.path != CONFIG_NAME:
            path = folder / document.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write_aside(path, [document.data()])
    if documents.config is None:
        return
    config = dict(documents.config)
    for key in ("torch_dtype", "dtype"):
        if key in config and storage in _SPELLING:
            config[key] = _SPELLING[storage]
    write_aside(folder / CONFIG_NAME, [(json.dumps(config, indent=2) + "\n").encode("utf-8")])
