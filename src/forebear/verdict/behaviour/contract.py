"""What models' behaviour says of their kinship: the shape of the contract ``forebear.behaviour/1``."""

from __future__ import annotations

from typing import Any

import msgspec

from forebear.evidence.behaviour.published import PublishedFigure
from forebear.verdict.comparison import Verdict

BEHAVIOUR_SCHEMA = "forebear.behaviour/1"


class BehavedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model.

    Attributes:
        name: as the rest of the result calls it; unique.
        source: file as the user named it; empty where only counts were given.
        role: ``"model"``, ``"reference"``, ``"control"`` or ``"reconstructed"``.
        form: form of its file.
        digest: sha256 over its answers, or over its transcript; None where only counts were given.
        items: answers it gave to items that all models answered.
        errors: how many of them are wrong; None without right answers.
        notes: what was left out, and why.
    """

    name: str
    role: str
    source: str = ""
    form: str = ""
    digest: str | None = None
    items: int = 0
    errors: int | None = None
    notes: list[str] = []


class SameWrong(msgspec.Struct, frozen=True, kw_only=True):
    """Equal wrong answers among the items both get wrong.

    Attributes:
        both_wrong: items both get wrong.
        same: how many of them have the same wrong answer.
        rate: ``same / both_wrong``; None where there is none.
        expected: what is expected where, item by item, wrong answers are dealt to models at random; None without
            controls.
        log10_p: of at least as many; None without controls.
        reason: why something here is null.
    """

    both_wrong: int
    same: int
    rate: float | None = None
    expected: float | None = None
    log10_p: float | None = None
    reason: str | None = None


class SameAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Equal answers among all items, where no right answer is known.

    Attributes:
        items: items both answered with something.
        same: how many of them have equal answers.
        expected: what is expected where, item by item, answers are dealt to models at random; None without controls.
        log10_p: of at least as many; None without controls.
        reason: why something here is null.
    """

    items: int
    same: int
    expected: float | None = None
    log10_p: float | None = None
    reason: str | None = None


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """The pair's figure beside that of strangers: each control in the place of one of the pair.

    Attributes:
        figure: what is compared.
        value: the pair's.
        controls: models the user vouches for as strangers.
        in_place_of: name of the model that they stand in for: the reference where they are of its kind, otherwise the
            model; None without controls.
        median: what the middle control scores.
        highest: what the highest scores.
        share_reaching: share of controls that score at least as high, 0-1.
        p: conformal p-value counted in controls, never below ``p_floor``.
        p_floor: ``1 / (controls + 1)``.
        log10_p: of a figure so far above the strangers', were theirs a sample of a normal law.
        needed: how many controls a verdict needs; None where there are enough.
        reason: why something here is null.
    """

    figure: str
    value: float | None
    controls: int
    in_place_of: str | None
    median: float | None = None
    highest: float | None = None
    share_reaching: float | None = None
    p: float | None = None
    p_floor: float | None = None
    log10_p: float | None = None
    needed: int | None = None
    reason: str | None = None


class BehaviourPower(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been found.

    Attributes:
        stated_share: share of items on which the one's answer is the other's, 0-1.
        detected: draws in which so much copying was found.
        draws: draws made.
        items_needed: items at which so much copying would be found in a share ``wanted`` of all draws.
        wanted: share of draws, 0-1.
        reason: why something here is null.
    """

    stated_share: float
    detected: int | None = None
    draws: int | None = None
    items_needed: int | None = None
    wanted: float = 0.99
    reason: str | None = None


class BehavedPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models.

    Attributes:
        a: name of the model.
        b: name of the other.
        items: items both answered.
        overlap: share of equal answers, 0-1.
        errors_a: errors of the one.
        errors_b: errors of the other.
        shared_errors: items both get wrong.
        expected_shared_errors: ``errors_a errors_b / items``, what independence at equal difficulty would give.
        expected_stratified: what independence within strata of difficulty would give.
        kappa: error consistency, agreement on right and wrong beyond chance.
        kappa_interval: 95 % bootstrap interval over items.
        capa: chance-adjusted probabilistic agreement.
        same_wrong: equal wrong answers; None without right answers.
        same_answer: equal answers; None where right answers are known.
        numeric: agreement of error vectors, where answers are numbers.
        log10_p_equal_difficulty: of the shared errors, were all items equally hard.
        log10_p_stratified: of the shared errors within strata of difficulty that the controls tell.
        log10_p: of the weaker of two: the exact tests taken together, and the pair beside strangers; corrected for the
            number of references.
        population: the pair beside strangers.
        power: what would have been found.
        verdict: *related*, *independent* or *undetermined*, of behaviour alone.
        because: one sentence.
        innocent_explanation: the strongest reading without a common origin.
        warnings: what the figures assume, and what a reader must not conclude.
        reasons: for each figure that is null, why.
    """

    a: str
    b: str
    items: int
    overlap: float | None
    shared_errors: int | None
    expected_shared_errors: float | None
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    log10_p_equal_difficulty: float | None
    log10_p_stratified: float | None
    verdict: Verdict
    warnings: list[str]
    errors_a: int | None = None
    errors_b: int | None = None
    expected_stratified: float | None = None
    capa: float | None = None
    same_wrong: SameWrong | None = None
    same_answer: SameAnswer | None = None
    numeric: dict[str, Any] | None = None
    log10_p: float | None = None
    population: Population | None = None
    power: BehaviourPower | None = None
    because: str = ""
    innocent_explanation: str = ""
    reasons: dict[str, str] = {}


class ReconstructedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """The reference with the recovered recipe applied to it, beside model and reference.

    Attributes:
        name: of the copy.
        items: that all three answered.
        model_and_reference: share of equal answers, 0-1.
        copy_and_reference: likewise.
        model_and_copy: likewise; as far apart as two independent copies of the recipe are.
        log10_p: of model and copy keeping so unequally many of the reference's answers by chance, two-sided.
        says: in words.
    """

    name: str
    items: int
    model_and_reference: float
    copy_and_reference: float
    model_and_copy: float
    log10_p: float
    says: str


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """A result.

    Attributes:
        tool: name and version of what computed it.
        test: ``"errors"``, or a live test's name.
        models: every model, the one in question first.
        pairs: the model with each reference.
        overlap: share of equal answers of every two models, rows and columns as in ``models``; None where a pair has
            no item in common.
        reconstructed: what a reconstructed control shows; None where none was given.
        published: what strangers were seen to score elsewhere.
        live: claim of the live test; None for ``"errors"``.
        computation: what a replay needs.
        schema: version of this contract.
    """

    tool: dict[str, str]
    test: str
    models: list[BehavedModel] = []
    pairs: list[BehavedPair] = []
    overlap: list[list[float | None]] = []
    reconstructed: ReconstructedColumn | None = None
    published: list[PublishedFigure] = []
    live: dict[str, Any] | None = None
    computation: dict[str, Any] = {}
    schema: str = BEHAVIOUR_SCHEMA
