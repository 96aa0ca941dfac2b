"""One model against several references."""

from __future__ import annotations

from collections.abc import Sequence

from forebear.alignment.draw import DEFAULT_BUDGET
from forebear.verdict.compare import TOOL, compare
from forebear.verdict.comparison import VERDICTS, Comparison, Ranking
from forebear.verdict.sides import Progress, Source, opened


def rank(
    model: Source,
    references: Sequence[Source],
    *,
    budget: int = DEFAULT_BUDGET,
    full: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Ranking:
    """Compare a model with every reference, strongest evidence first.

    Args:
        model: folder, file or opened model.
        references: the same, at least one.
        budget, full, seed, progress: as in `forebear.compare`.

    Every p-value is corrected for the number of references, so that holding a model against many does not make a
    chance agreement more likely; this is at least as strict as Holm's procedure over the references.
    """
    mine = opened(model)
    found = [
        compare(mine, other, budget=budget, full=full, seed=seed, progress=progress, references=len(references))
        for other in references
    ]
    return Ranking(tool=TOOL, comparisons=sorted(found, key=_strength))


def _strength(comparison: Comparison) -> tuple[int, float, float]:
    claim = comparison.weights
    kept = claim.inherited.neurons if claim else None
    log10_p = claim.log10_p if claim else None
    return VERDICTS.index(comparison.verdict), 0.0 if log10_p is None else log10_p, -(kept or 0.0)
