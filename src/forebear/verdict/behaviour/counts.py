"""What published summary counts alone allow one to say."""

from __future__ import annotations

from forebear import __version__
from forebear.statistics.shared_errors import ErrorCounts
from forebear.verdict.behaviour.contract import BehavedModel, BehavedPair, Behaviour
from forebear.verdict.behaviour.pairs import error_figures
from forebear.verdict.behaviour.published import published
from forebear.verdict.behaviour.words import EQUAL_DIFFICULTY, INNOCENT, NO_CONTROLS, ONLY_COUNTS

MODEL, REFERENCE = "model", "reference"
NEEDS_ITEMS = "needs the items, and controls that answered them"


def behaviour_from_counts(items: int, errors_a: int, errors_b: int, shared: int, *, seed: int = 0) -> Behaviour:
    """What counts say: kappa, and a p-value under the assumption, printed with it, that all items are equally hard.

    Args:
        items: how many both models answered.
        errors_a: errors of the model.
        errors_b: errors of the reference.
        shared: items both get wrong.
        seed: of the bootstrap.

    Returns:
        One pair, *undetermined*: counts hold no control.

    Raises:
        UsageError: counts that no two models can have.

    Example:
        >>> from forebear.verdict.behaviour.counts import behaviour_from_counts
        >>> pair = behaviour_from_counts(1000, 236, 194, 182).pairs[0]
        >>> round(pair.expected_shared_errors, 1), round(pair.kappa, 3), round(pair.log10_p_equal_difficulty)
        (45.8, 0.805, -132)
    """
    figures, reasons = error_figures(ErrorCounts(items, errors_a, errors_b, shared), seed)
    pair = BehavedPair(
        a=MODEL,
        b=REFERENCE,
        items=items,
        overlap=None,
        log10_p_stratified=None,
        verdict="undetermined",
        because="only counts were given, and no stranger's: hard items could explain them",
        innocent_explanation=INNOCENT,
        warnings=[EQUAL_DIFFICULTY, NO_CONTROLS],
        reasons=dict.fromkeys(("overlap", "capa", "same_wrong"), ONLY_COUNTS)
        | dict.fromkeys(("log10_p_stratified", "log10_p", "power"), NEEDS_ITEMS)
        | reasons,
        **figures,
    )
    models = [
        BehavedModel(name=MODEL, role=MODEL, items=items, errors=errors_a),
        BehavedModel(name=REFERENCE, role=REFERENCE, items=items, errors=errors_b),
    ]
    record = {"counts": [items, errors_a, errors_b, shared], "seed": seed}
    return Behaviour(
        tool={"name": "forebear", "version": __version__},
        test="errors",
        models=models,
        pairs=[pair],
        published=published(),
        computation=record,
    )
