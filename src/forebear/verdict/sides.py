"""A model made ready for comparison: opened, recognised, its fixed draw planned, its digests taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from forebear.alignment.draw import Draw, Planner
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.reading import storage_rows
from forebear.anatomy.recognise import recognise
from forebear.checkpoint import Checkpoint, Model, digest, open_model, sample_digest
from forebear.checkpoint.store import Rows
from forebear.verdict.comparison import Side

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction done, 0-1."""

Source = str | Path | Model


@dataclass(frozen=True)
class Prepared:
    """One side of a comparison.

    Attributes:
        model: what was opened.
        store: its tensors.
        anatomy: what they are.
        side: how the result describes it.
        complete: every byte fits the budget (or was asked for).
    """

    model: Model
    store: Checkpoint
    anatomy: Anatomy
    side: Side
    complete: bool


def opened(source: Source) -> Model:
    """The model itself, or the one a path leads to."""
    return source if isinstance(source, Model) else open_model(source)


def draw_budget(store: Checkpoint, budget: int, full: bool) -> int:
    """Bytes one draw may read: everything where it fits, else half, so that a second draw fits too."""
    return store.nbytes if full or store.nbytes <= budget else budget // 2


def prepare(model: Model, store: Checkpoint, budget: int, full: bool, seed: int, progress: Progress) -> Prepared:
    """Recognise a model's tensors and take its digests."""
    anatomy = recognise(store, model.documents.config)
    complete = full or store.nbytes <= budget
    fixed = Planner(store, anatomy).plan(fixed_key(seed), draw_budget(store, budget, full))
    progress(f"reading {model.source}", 0.0)
    whole = digest(store, lambda done, total: progress(f"reading {model.source}", done / total)) if complete else None
    side = Side(
        source=model.source,
        sample_digest=sample_digest(store, drawn_rows(store, anatomy, fixed)),
        digest=whole,
        digest_reason=None if complete else "not every byte was read; --full reads them all",
        parameters=store.parameters,
        family=anatomy.family,
        storage=storage(store),
        bytes_total=store.nbytes,
        geometry=msgspec.to_builtins(anatomy.geometry),
        oddities=oddities(model, anatomy),
    )
    return Prepared(model, store, anatomy, side, complete)


def fixed_key(seed: int) -> str:
    """Key of the draw that never depends on the pair."""
    return f"seed {seed}"


def bare_side(model: Model) -> Side:
    """Description of a side that has no tensors."""
    return Side(
        source=model.source,
        digest_reason="no tensors",
        oddities=list(model.notes),
    )


def drawn_rows(store: Checkpoint, anatomy: Anatomy, draw: Draw) -> dict[str, Rows | None]:
    """Stored rows the draw reads, by tensor."""
    rows: dict[str, list[Rows] | None] = {}
    for part, selection in Planner(store, anatomy).selections(draw).items():
        view = anatomy.parts[part]
        touched = storage_rows(store, view, selection.rows, selection.columns)
        earlier = rows.get(view.tensor, [])
        rows[view.tensor] = None if touched is None or earlier is None else [*earlier, touched]
    for view in anatomy.parts.values():
        if len(view.shape) == 1:
            rows.setdefault(view.tensor, None)
    return {name: None if found is None else np.unique(np.concatenate(found)) for name, found in rows.items()}


def storage(store: Checkpoint) -> dict[str, int]:
    """Values by storage type."""
    counts: dict[str, int] = {}
    for name in store.names():
        info = store.info(name)
        counts[info.dtype] = counts.get(info.dtype, 0) + info.size
    return dict(sorted(counts.items()))


def oddities(model: Model, anatomy: Anatomy) -> list[str]:
    """What was noticed on opening and recognising a model."""
    lies = [f"config.json: {odd.key} is {odd.claimed}, the tensors say {odd.found}" for odd in anatomy.disagreements]
    unknown = [f"not recognised: {name}" for name in anatomy.unrecognised]
    return [*model.notes, *lies, *anatomy.notes, *unknown]
