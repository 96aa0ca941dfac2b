"""What further models declared with a pair add to its claim: other candidate parents, and legitimate bases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from forebear.errors import UsageError
from forebear.evidence.weights.beyond import Beyond, measure_beyond
from forebear.evidence.weights.merge import estimate_merge
from forebear.evidence.weights.mixtures import mixtures_of
from forebear.verdict.beyond import judge_beyond
from forebear.verdict.candidates import Laid, laid_beside
from forebear.verdict.further import BeyondBase, MergeClaim
from forebear.verdict.merging import beyond_by_merge, merge_claim
from forebear.verdict.sides import Prepared, Progress, Settings, Source, opened, prepare


@dataclass(frozen=True)
class Further:
    """Models declared with a pair: other candidate parents and legitimate ancestors, made ready."""

    also: tuple[Prepared, ...] = ()
    bases: tuple[Prepared, ...] = ()


@dataclass(frozen=True)
class Declared:
    """Claims that need more than the pair.

    Attributes:
        beyond_base: what is shared beyond the bases; None where none was declared.
        merge: whether the model was merged from reference and candidates; None without other candidates.
        record: source and digests of every further model, for a replay.
    """

    beyond_base: BeyondBase | None = None
    merge: MergeClaim | None = None
    record: dict[str, list[dict[str, str | None]]] = field(default_factory=dict)


def open_further(
    reference: Prepared, also: Sequence[Source], bases: Sequence[Source], settings: Settings, progress: Progress
) -> Further:
    """Open the further models.

    Args:
        reference: the first candidate parent.
        also: further candidate parents.
        bases: declared legitimate ancestors.
        settings: what was asked for.
        progress: told what is being done.

    Raises:
        UsageError: one of them holds no tensors, or is named twice.
    """
    further = Further(_prepared(also, "--also", settings, progress), _prepared(bases, "--base", settings, progress))
    _refuse_repeats(_names([reference, *further.also]), "--also")
    _refuse_repeats(_names(further.bases), "--base")
    return further


def declared_claims(
    mine: Prepared, yours: Prepared, further: Further, settings: Settings, progress: Progress
) -> Declared:
    """Lay the further models beside the model and say what they show.

    Args:
        mine, yours: model and reference.
        further: the further models.
        settings: what was asked for.
        progress: told what is being done.
    """
    if not further.also and not further.bases:
        return Declared()
    progress("laying further models beside", 0.0)
    candidates = [yours, *further.also]
    parents = [laid_beside(mine, side, settings) for side in candidates]
    below = [laid_beside(mine, side, settings) for side in further.bases]
    rng = np.random.default_rng(settings.seed)
    beyond = measure_beyond(mixtures_of([one.pairs for one in (parents[0], *below)]), rng) if below else None
    merge = _merge(parents, _names(candidates), _common(beyond, below), rng) if further.also else None
    claim = judge_beyond(beyond, _names(further.bases), mine.anatomy.geometry.layers) if below else None
    return Declared(
        None if claim is None else beyond_by_merge(claim, merge, yours.side.source),
        merge,
        {"also": _digests(further.also), "bases": _digests(further.bases)},
    )


def _prepared(sources: Sequence[Source], option: str, settings: Settings, progress: Progress) -> tuple[Prepared, ...]:
    found = []
    for source in sources:
        model = opened(source)
        if model.tensors is None:
            raise UsageError(
                "no tensors that this version reads", where=model.source, field=option, remedy="Name one with weights"
            )
        found.append(prepare(model, model.tensors, settings, progress))
    return tuple(found)


def _refuse_repeats(names: Sequence[str], option: str) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise UsageError("named more than once", where=repeated, field=option, remedy="Name each model once")


def _merge(parents: Sequence[Laid], names: Sequence[str], base: Laid | None, rng: np.random.Generator) -> MergeClaim:
    mixtures = mixtures_of([one.pairs for one in parents], None if base is None else base.pairs)
    return merge_claim(estimate_merge(mixtures, rng), names, [one.layer_map for one in parents])


def _common(beyond: Beyond | None, below: Sequence[Laid]) -> Laid | None:
    """The base that explains most parts best."""
    if beyond is None:
        return None
    return below[max(beyond.bases, key=lambda index: beyond.bases[index])]


def _names(sides: Sequence[Prepared]) -> list[str]:
    return [side.side.source for side in sides]


def _digests(sides: Sequence[Prepared]) -> list[dict[str, str | None]]:
    return [
        {"source": one.side.source, "sample_digest": one.side.sample_digest, "digest": one.side.digest} for one in sides
    ]
