"""The reference with the recovered recipe applied, as one more column: does the recipe account for the answers?"""

from __future__ import annotations

from forebear.errors import UsageError
from forebear.responses.answers import Answers
from forebear.statistics.agreement import fair_coins_log10_p
from forebear.verdict.behaviour.contract import ReconstructedColumn

LEVEL = -2.0


def reconstructed_column(model: Answers, reference: Answers, copy: Answers) -> ReconstructedColumn:
    """How often the model, and the reference with the recipe applied, answer as the reference does.

    Args:
        model: the side in question.
        reference: the reference.
        copy: the reference with the recipe applied to it.

    Null of the p-value: where only one of model and copy answers as the reference does, it is either with equal chance.

    Raises:
        UsageError: no item that all three answered.
    """
    common = [each for each in model.items if each in reference.items and each in copy.items]
    if not common:
        raise UsageError("no item that all three answered", where=copy.source, remedy="Ask the copy the same items")
    mine, theirs, yours = ([side.items[each].value for each in common] for side in (model, reference, copy))
    kept = [a == b for a, b in zip(mine, theirs, strict=True)]
    copied = [a == b for a, b in zip(yours, theirs, strict=True)]
    only_mine = sum(a and not b for a, b in zip(kept, copied, strict=True))
    only_copied = sum(b and not a for a, b in zip(kept, copied, strict=True))
    apart = only_mine + only_copied
    log10_p = min(0.0, fair_coins_log10_p(max(only_mine, only_copied), apart) + 0.30103) if apart else 0.0
    rates = sum(kept) / len(common), sum(copied) / len(common)
    return ReconstructedColumn(
        name=copy.name,
        items=len(common),
        model_and_reference=rates[0],
        copy_and_reference=rates[1],
        model_and_copy=sum(a == b for a, b in zip(mine, yours, strict=True)) / len(common),
        log10_p=log10_p,
        says=_says(*rates, log10_p),
    )


def _says(model: float, copy: float, log10_p: float) -> str:
    told = f"the model answers as the reference does to {model:.1%} of the items, the reconstructed copy to {copy:.1%}"
    if log10_p > LEVEL:
        return f"{told}: the recipe accounts for how often the two differ"
    more = "less" if model < copy else "more"
    return f"{told}: the model keeps {more} of the answers than the recipe alone would"
