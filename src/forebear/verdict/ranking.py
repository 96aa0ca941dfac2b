"""One model against several references."""

from __future__ import annotations

from collections.abc import Sequence
from math import log10
from pathlib import Path

from forebear.alignment.planning import DEFAULT_BUDGET
from forebear.checkpoint.model import Model, Warn
from forebear.verdict.adapting import STRAND
from forebear.verdict.behaviour.strand import check_files
from forebear.verdict.compare import TOOL, compare_weights, silent, with_documents
from forebear.verdict.comparison import VERDICTS, Comparison, Ranking
from forebear.verdict.decide import FIRES_AT
from forebear.verdict.memory import DEFAULT_MEMORY
from forebear.verdict.papers import Asked
from forebear.verdict.sides import Progress, Source, opened, opened_all


def rank(
    model: Source,
    references: Sequence[Source],
    *,
    budget: int = DEFAULT_BUDGET,
    full: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
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
) -> Ranking:
    """Compare a model with every reference, strongest evidence first.

    Args:
        model: folder, file or opened model.
        references: the same, at least one.
        budget, full, seed, progress, also, bases, memory, adapter_base, only, claimed_sources, base_code, redact_names,
            dates, scan_licences, warn: as in `forebear.compare`.
        behaviour: as there; files of answers stand beside a single reference only.

    P-values are corrected by Holm's procedure over the references, so that holding a model against many does not make
    a chance agreement more likely. Power is told at the strictest step, as if every reference had come first, and so
    is the p-value of a pair whose verdict a later step would not change.
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
    check_files(asked.behaviour, len(references))
    mine, *others = opened_all((model, *references), warn, adapter_base)
    further = [opened(each, warn) for each in also]
    ancestors = [opened(each, warn) for each in bases]

    def against(other: Model, price: int) -> Comparison:
        return compare_weights(
            (mine, other),
            budget=budget,
            full=full,
            seed=seed,
            progress=progress,
            references=price,
            also=further,
            bases=ancestors,
            memory=memory,
            record=asked.record | ({} if adapter_base is None else {"adapter_base": str(adapter_base)}),
            wanted=asked.weights,
        )

    strictest = [against(other, len(others)) for other in others]
    found = [
        first if price == len(others) or not _would_change(first, len(others), price) else against(other, price)
        for first, other, price in zip(strictest, others, _prices(strictest), strict=True)
    ]
    whole = [
        with_documents(each, (model, source), (mine, other), asked, progress=progress or silent, warn=warn)
        for each, source, other in zip(found, references, others, strict=True)
    ]
    return Ranking(tool=TOOL, comparisons=sorted(whole, key=_strength))


def _prices(comparisons: Sequence[Comparison]) -> list[int]:
    """Holm's multiplier of each comparison: all for the smallest p-value, one fewer for each that fired before it."""
    order = sorted(range(len(comparisons)), key=lambda index: _log10_p(comparisons[index]))
    prices = [0] * len(comparisons)
    price = len(comparisons)
    for index in order:
        prices[index] = price
        price -= int(_log10_p(comparisons[index]) <= FIRES_AT)
    return prices


def _would_change(comparison: Comparison, paid: int, price: int) -> bool:
    """Whether the smaller multiplier lets a pair fire that did not."""
    log10_p = _log10_p(comparison)
    return log10_p > FIRES_AT >= log10_p - log10(paid / price)


def _log10_p(comparison: Comparison) -> float:
    claim = comparison.weights
    return 0.0 if claim is None or claim.log10_p is None else claim.log10_p


def _strength(comparison: Comparison) -> tuple[int, float, float]:
    kept = comparison.weights.inherited.neurons if comparison.weights else None
    alone = (comparison.strands.get(STRAND) or {}).get("finding") or {}
    return VERDICTS.index(comparison.verdict), min(_log10_p(comparison), alone.get("log10_p") or 0.0), -(kept or 0.0)
