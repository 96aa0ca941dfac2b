"""One model against one reference, from opening to verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

import forebear
from forebear.alignment.planning import DEFAULT_BUDGET
from forebear.checkpoint import Model
from forebear.checkpoint.model import Warn
from forebear.verdict.adapting import STRAND, adapter_strand
from forebear.verdict.behaviour.strand import check_files, with_behaviour
from forebear.verdict.comparison import Comparison, Side, WeightsClaim
from forebear.verdict.declared import declared_claims, open_further
from forebear.verdict.memory import DEFAULT_MEMORY, check_memory
from forebear.verdict.merging import with_merge
from forebear.verdict.papers import Asked, with_papers
from forebear.verdict.renaming import renaming_table, settle_names
from forebear.verdict.sides import Prepared, Progress, Settings, Source, described, opened, opened_all, prepare
from forebear.verdict.towers import reading, together, weigh_towers
from forebear.verdict.untrained import with_untrained
from forebear.verdict.weighing import Weighing, too_small_claim

TOOL = {"name": "forebear", "version": forebear.__version__}


def compare(
    model: Source,
    reference: Source,
    *,
    budget: int = DEFAULT_BUDGET,
    full: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    references: int = 1,
    also: Sequence[Source] = (),
    bases: Sequence[Source] = (),
    memory: int = DEFAULT_MEMORY,
    adapter_base: str | Path | None = None,
    only: Sequence[str] = (),
    claimed_sources: Sequence[str | Path] = (),
    base_code: Sequence[str | Path] = (),
    redact_names: bool = False,
    dates: str | Path | None = None,
    scan_licences: bool = False,
    behaviour: Sequence[str | Path] = (),
    warn: Warn | None = None,
) -> Comparison:
    """Compare one model with one reference.

    Args:
        model, reference: folder, file, name of a model on a hub, or an opened model.
        budget: bytes of tensor data read per model (default 64 MB).
        full: read every byte, whatever the budget.
        seed: keys which rows are drawn.
        progress: told what is being done and how far it is; with a method ``read(stage, done, total)`` it is told
            bytes where some are read.
        references: how many references the model is held against; p-values are corrected for them.
        also: further candidate parents, for a model that may have been merged from several.
        bases: declared legitimate ancestors; a second claim then says what is shared beyond them.
        memory: bytes of memory the comparison may take at its peak (default 4 GB); what it does not hold is tested by
            samples.
        adapter_base: the model that a side which is an adapter is laid onto; without it an adapter is held against the
            other side as its possible base.
        only: kinds of evidence to take: ``"weights"``, ``"documents"``, or single strands such as ``"tokenizer"``; all
            where empty.
        claimed_sources: repositories the model says it comes from; they compete with the reference for every trace in
            the documents.
        base_code: folders of Python code that any model may hold; what they share counts for nothing.
        redact_names: leave names of people out of excerpts.
        dates: JSON file of dates of the model's files that the user vouches for.
        scan_licences: have scancode-toolkit, where it is installed, look for licences too.
        behaviour: files of answers to the same items: the model's, the reference's, then those of strangers; see
            `forebear.behaviour`.
        warn: told, one line each, of what costs time or bytes, such as a download.

    Returns:
        The result; its verdict is that of the weights, and *undetermined* where a side has no tensors or nothing could
        be tested. What travels beside the weights stands under ``strands`` and never changes the verdict.

    Raises:
        ForebearError: a source is refused.
    """
    asked = Asked.of(
        only,
        claimed_sources,
        base_code,
        redact_names=redact_names,
        dates=dates,
        scan_licences=scan_licences,
        behaviour=behaviour,
    )
    check_files(asked.behaviour, 1)
    sides = opened_all((model, reference), warn, adapter_base)
    result = compare_weights(
        sides,
        budget=budget,
        full=full,
        seed=seed,
        progress=progress,
        references=references,
        also=also,
        bases=bases,
        memory=memory,
        record=asked.record | ({} if adapter_base is None else {"adapter_base": str(adapter_base)}),
        wanted=asked.weights,
        warn=warn,
    )
    return with_documents(
        result, (model, reference), (sides[0], sides[1]), asked, progress=progress or silent, warn=warn
    )


def with_documents(
    result: Comparison,
    sources: tuple[Source, Source],
    sides: tuple[Model, Model],
    asked: Asked,
    *,
    progress: Progress,
    warn: Warn | None,
) -> Comparison:
    """A comparison of weights with what travels beside them.

    Args:
        result: of the weights.
        sources: model and reference as they were given.
        sides: the same, opened.
        asked: what is asked of their documents.
        progress: told what is being done.
        warn: told of what costs time or bytes.
    """
    whole = with_papers(result, sources, asked, reference=sides[1].source, progress=progress, warn=warn)
    read = result.computation
    told = with_untrained(whole, sides, result.model.bytes_total or 0 if read["full"] else read["budget"])
    return with_behaviour(told, asked.behaviour, progress)


def compare_weights(
    sides: Sequence[Model],
    *,
    budget: int,
    full: bool,
    seed: int,
    progress: Progress | None,
    references: int,
    also: Sequence[Source],
    bases: Sequence[Source],
    memory: int,
    record: dict[str, Any],
    wanted: bool = True,
    warn: Warn | None = None,
) -> Comparison:
    """What the weights of two opened models say; arguments as in `compare`.

    Args:
        sides: model and reference.
        record: what a replay needs beside the settings.
        wanted: False gives the result of a comparison that nobody asked to look at weights.
    """
    check_memory(memory)
    told, settings = progress or silent, Settings(budget, full, seed, references, memory)
    if not wanted:
        return _unasked(sides, settings, record)
    # One thread: matrices are small, and results then do not depend on how many cores there are.
    with threadpool_limits(limits=1, user_api="blas"):
        beside = [opened(each, warn) for each in also], [opened(each, warn) for each in bases]
        return _on_weights(sides, beside, settings, told, record)


def _on_weights(
    sides: Sequence[Model],
    beside: tuple[Sequence[Source], Sequence[Source]],
    settings: Settings,
    told: Progress,
    record: dict[str, Any],
) -> Comparison:
    """What the weights say, as far as there are any."""
    stores = [side.tensors for side in sides]
    if stores[0] is None or stores[1] is None:
        return _without_tensors(sides, settings, told, record)
    pair = prepare(sides[0], stores[0], settings, told), prepare(sides[1], stores[1], settings, told)
    unread = too_small_claim(*pair)
    if unread is not None:
        return _unread(pair, unread, asdict(settings) | record)
    return _weighed(pair, beside, settings, told, record)


def _unasked(sides: Sequence[Model], settings: Settings, record: dict[str, Any]) -> Comparison:
    """A comparison whose weights nobody asked for."""
    model, reference = (Side(source=side.source, oddities=list(side.notes)) for side in sides)
    return Comparison(
        tool=TOOL,
        model=model,
        reference=reference,
        verdict="undetermined",
        weights=None,
        weights_reason="weights were not asked for",
        computation=asdict(settings) | record,
    )


def _unread(pair: tuple[Prepared, Prepared], claim: WeightsClaim, computation: dict[str, Any]) -> Comparison:
    mine, yours = (side.after_reading([]) for side in pair)
    return Comparison(
        tool=TOOL, model=mine, reference=yours, verdict=claim.verdict, weights=claim, computation=computation
    )


def _weighed(
    pair: tuple[Prepared, Prepared],
    beside: tuple[Sequence[Source], Sequence[Source]],
    settings: Settings,
    told: Progress,
    record: dict[str, Any],
) -> Comparison:
    """Every claim on a pair, with further parents and bases beside it."""
    mine, yours, renaming = settle_names(*pair, told)
    further = open_further(yours, *beside, settings, told)
    weighing = Weighing(mine, yours, settings, told, renaming)
    others = weigh_towers(mine, yours, settings, told)
    claim, towers = together(weighing, others)
    declared = declared_claims(mine, yours, further, settings, told)
    claim = with_merge(claim, declared.merge, yours.side.source)
    return Comparison(
        tool=TOOL,
        model=reading(mine.after_reading(weighing.keys), others.bytes_read[0]),
        reference=reading(yours.after_reading(weighing.keys), others.bytes_read[1]),
        verdict=claim.verdict,
        weights=claim,
        towers=towers,
        beyond_base=declared.beyond_base,
        merge=declared.merge,
        renaming=renaming_table(renaming),
        computation=asdict(settings) | record | declared.record,
    )


def _without_tensors(sides: Sequence[Model], settings: Settings, told: Progress, record: dict[str, Any]) -> Comparison:
    lacking: dict[str, list[str]] = {}
    for name, side in zip(("model", "reference"), sides, strict=True):
        if side.tensors is None:
            lacking.setdefault(_lacks(side), []).append(name)
    told_lacking = "; ".join(f"the {' and '.join(names)} {why}" for why, names in lacking.items())
    adapters = [side.adapter for side in sides if side.tensors is None and side.adapter is not None]
    bases = [side for side in sides if side.tensors is not None]
    return Comparison(
        tool=TOOL,
        model=described(sides[0], settings, told),
        reference=described(sides[1], settings, told),
        verdict="undetermined",
        weights=None,
        weights_reason=f"no tensors to compare: {told_lacking}",
        strands={STRAND: adapter_strand(adapters[0], bases[0], settings)} if adapters and bases else {},
        computation=asdict(settings) | record,
    )


def _lacks(side: Model) -> str:
    if side.adapter is None:
        return "came without weights that this version reads"
    return "came as an adapter without its base (lay it onto one with --adapter-base)"


def silent(_doing: str, _done: float) -> None:
    """A `Progress` that tells nobody."""
