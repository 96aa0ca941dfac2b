"""Next-token agreement: does the model reply as one of the references does, more than strangers do?

Null: of each reference, the model is one more stranger. The claim is *related* only where a reference stands out in
every way that `forebear.evidence.behaviour.closest` asks for, *independent* only where none does and descent at the
share sought would have been found, and *undetermined* otherwise, with what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from forebear.evidence.behaviour.closest import FEWEST_CONTROLS, LEVEL, Beside, Closeness
from forebear.evidence.behaviour.live import Heard, LiveClaim, live_test
from forebear.evidence.behaviour.planted import prompts_needed, smallest_share
from forebear.evidence.behaviour.replied import Replied, replied
from forebear.statistics.agreement import equal_counts, wilson_interval
from forebear.statistics.conformal import share_reaching
from forebear.statistics.tails import capped, holm

FEWEST_PROMPTS = 100
SOUGHT = 0.4
"""Share of the model's choices kept from a reference that must be found before its absence counts."""
LIMITS = (
    "Agreement names no direction, and no cause: training on the other's replies (distillation) looks like descent.",
    "Well-known text makes strangers agree; prompts on obscure matters tell more with fewer questions.",
    "A model trained far away from its parent no longer replies as it does.",
)
_INNOCENT = (
    "One was trained on the other's replies or both on the same, or they share data, tokenizer or instructions that "
    "the controls do not."
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A figure beside that of strangers.

    Attributes:
        value: the pair's.
        pairs: pairs of which one at least is a control.
        median: of those pairs.
        highest: of those pairs.
        share_reaching: share of those pairs that score at least as high, 0-1.
        p: conformal p-value, counted in controls.
        p_floor: ``1 / (controls + 1)``.
    """

    value: float
    pairs: int
    median: float
    highest: float
    share_reaching: float
    p: float
    p_floor: float


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, as a parent the model may have.

    Attributes:
        name: of the reference.
        equal: prompts to which both reply the same.
        agreement: their share, 0-1.
        interval: 95 % Wilson interval of the share.
        expected: share that two of the models drawn at random have, prompt by prompt; None without controls.
        among: ``agreement`` beside strangers; None without controls.
        beyond_habit: how many times as often the two agree as their agreement with all models gives, beside strangers;
            None without controls.
        nearest_control: control that is hardest to tell from the reference by its agreement with the model; None
            without controls.
        log10_p_controls: exact paired test against that control: the largest over controls.
        nearest_pair: strangers that are hardest to tell from the two by agreement beyond habit.
        log10_p_strangers: paired test against them: the largest over all pairs.
        log10_p_exchange: of so many shared replies, were replies dealt to models at random; strangers of unequal skill
            break that null, so that it decides nothing.
        log10_p: ``log10_p_strangers``, Holm-corrected for the number of references; it decides.
        unlike_controls: whether model and reference both agree with the controls less than any of these with the
            others, so that the controls say nothing of strangers of their kind.
        stands_out: whether it does, by everything asked.
        share_found: smallest share of replies kept from it that is found in 99 of 100 draws; None where none is, or
            where nothing was planted because it stands out already or controls are too few.
        prompts_needed: about how many prompts would let the share sought be found; None where enough were asked or no
            number would do.
        reason: why something here is null.
    """

    name: str
    equal: int
    agreement: float
    interval: tuple[float, float]
    expected: float | None = None
    among: Place | None = None
    beyond_habit: Place | None = None
    nearest_control: str | None = None
    log10_p_controls: float | None = None
    nearest_pair: tuple[str, str] | None = None
    log10_p_strangers: float | None = None
    log10_p_exchange: float | None = None
    log10_p: float | None = None
    unlike_controls: bool = False
    stands_out: bool = False
    share_found: float | None = None
    prompts_needed: int | None = None
    reason: str | None = None


class NextTokenClaim(LiveClaim, frozen=True, kw_only=True):
    """What next-token agreement says.

    Attributes:
        prompts: that every model replied to.
        controls: how many.
        controls_needed: how many more are needed; None where there are enough.
        rule: what of a reply is compared.
        candidates: the references, the closest first.
        share_sought: share of replies kept that a reference is ruled out at.
        left_out: prompts and controls left out, and why.
    """

    prompts: int
    controls: int
    controls_needed: int | None = None
    rule: str
    candidates: list[Candidate]
    share_sought: float = SOUGHT
    left_out: list[str] = []


@live_test("next-token", "whether the model goes on as a reference does, more than strangers do")
def next_token(heard: Heard) -> NextTokenClaim:
    """Hold the model's replies against each reference's, beside those of strangers.

    Args:
        heard: transcripts of the same prompts, one reference or more, ten controls or more for a verdict.

    Raises:
        UsageError: no reference, or models asked in different ways.
    """
    found = replied(heard)
    if found.prompts == 0:
        return _claim(found, [], "undetermined", "No prompt got a reply from every model.", "no common prompt")
    candidates = _corrected([_candidate(found, number) for number in range(found.references)])
    if found.controls >= FEWEST_CONTROLS and found.prompts >= FEWEST_PROMPTS:
        candidates = [
            each if each.stands_out else _planted(found, number, each, heard.seed)
            for number, each in enumerate(candidates)
        ]
    candidates.sort(key=lambda each: (not each.stands_out, -each.agreement))
    return _claim(found, candidates, *_verdict(found, candidates))


def _candidate(found: Replied, number: int) -> Candidate:
    codes = found.beside(number)
    name, equal = found.names[1 + number], int(equal_counts(codes)[0, 1])
    share, interval = equal / found.prompts, wilson_interval(equal, found.prompts)
    if found.controls == 0:
        return Candidate(name=name, equal=equal, agreement=share, interval=interval, reason="no controls")
    close = Closeness(codes)
    columns = [found.names[0], name, *found.names[1 + found.references :]]
    over_controls, control = close.paired_controls()
    over_pairs, (first, second) = close.paired()
    return Candidate(
        name=name,
        equal=equal,
        agreement=share,
        interval=interval,
        expected=float(np.mean(close.chances)),
        among=_place(close.agreement),
        beyond_habit=_place(close.habit, times=True),
        nearest_control=columns[control],
        log10_p_controls=capped(over_controls),
        nearest_pair=(columns[first], columns[second]),
        log10_p_strangers=capped(over_pairs),
        log10_p_exchange=capped(close.exchange),
        unlike_controls=not close.alike,
        stands_out=found.controls >= FEWEST_CONTROLS and close.alike and close.habit.highest,
    )


def _place(beside: Beside, *, times: bool = False) -> Place:
    """A place in the contract; ``times`` for figures that are logarithms of ratios."""
    told = np.exp if times else np.asarray
    return Place(
        value=float(told(beside.value)),
        pairs=beside.strangers.size,
        median=float(told(np.median(beside.strangers))),
        highest=float(told(np.max(beside.strangers))),
        share_reaching=share_reaching(beside.value, beside.strangers),
        p=beside.p,
        p_floor=1.0 / (beside.controls + 1),
    )


def _corrected(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates with p-values paid for by their number; as they are without controls."""
    raw = [each.log10_p_strangers for each in candidates if each.log10_p_strangers is not None]
    if len(raw) < len(candidates):
        return list(candidates)
    return [
        msgspec.structs.replace(each, log10_p=log10_p, stands_out=each.stands_out and log10_p <= LEVEL)
        for each, log10_p in zip(candidates, holm(raw), strict=True)
    ]


def _planted(found: Replied, number: int, candidate: Candidate, seed: int) -> Candidate:
    level = LEVEL - float(np.log10(found.references))
    codes = found.beside(number)
    share = smallest_share(codes, level, seed)
    if share is not None and share <= SOUGHT:
        return msgspec.structs.replace(candidate, share_found=share)
    needed = prompts_needed(Closeness(codes), SOUGHT, level)
    enough = needed is not None and needed <= found.prompts
    why = None if share is not None else "no share of replies kept from it would be found"
    return msgspec.structs.replace(candidate, share_found=share, prompts_needed=None if enough else needed, reason=why)


def _verdict(found: Replied, candidates: Sequence[Candidate]) -> tuple[str, str, str | None]:
    """Verdict, the sentence for it, and the reason where nothing can be said."""
    lacking = FEWEST_CONTROLS - found.controls
    if lacking > 0:
        because = f"Too few controls ({found.controls}) to know what strangers score: give {lacking} more."
        return "undetermined", because, f"{found.controls} controls, at least {FEWEST_CONTROLS} are needed"
    if found.prompts < FEWEST_PROMPTS:
        because = f"Every model replied to {found.prompts} prompts alone: ask {FEWEST_PROMPTS} or more, better 1000."
        return "undetermined", because, f"{found.prompts} prompts, at least {FEWEST_PROMPTS} are needed"
    best = candidates[0]
    if best.stands_out and best.beyond_habit is not None:
        return "related", _related(found, best, best.beyond_habit), None
    return _without_kin(found, candidates)


def _without_kin(found: Replied, candidates: Sequence[Candidate]) -> tuple[str, str, str | None]:
    """Likewise where no reference stands out."""
    strange = [each for each in candidates if each.unlike_controls and (each.log10_p or 0.0) <= LEVEL]
    if strange:
        return "undetermined", _unlike(found, strange[0]), "the controls are of another kind"
    nearest = [each for each in candidates if _leads(each)]
    if nearest:
        return "undetermined", _nearest_alone(found, nearest[0]), "the closest of all, but not beyond doubt"
    weak = [each for each in candidates if each.share_found is None or each.share_found > SOUGHT]
    if weak:
        return "undetermined", _too_weak(found, weak), "too little power"
    worst = max(each.share_found or 0.0 for each in candidates)
    because = (
        f"The parent is not among the candidates: no reference stands out among strangers, and one from which "
        f"{found.names[0]} kept {worst:.0%} of its replies would."
    )
    return "independent", because, None


def _related(found: Replied, best: Candidate, place: Place) -> str:
    return (
        f"{found.names[0]} replies as {best.name} does to {best.agreement:.1%} of {found.prompts} prompts, "
        f"{place.value:.2f} times as often as their agreement with all others gives; no two strangers exceed "
        f"{place.highest:.2f} times."
    )


def _unlike(found: Replied, strange: Candidate) -> str:
    return (
        f"{found.names[0]} and {strange.name} reply alike, but both reply less like the controls than any of these "
        "does: what they share may be data or a task that the controls never saw. Give controls of their kind."
    )


def _leads(candidate: Candidate) -> bool:
    """Whether it is the closest of all by one measure, though it does not stand out."""
    place = candidate.beyond_habit
    first = place is not None and place.p <= place.p_floor * (1.0 + 1e-9)
    return first or (candidate.log10_p_controls or 0.0) <= LEVEL


def _nearest_alone(found: Replied, nearest: Candidate) -> str:
    first, second = nearest.nearest_pair or ("", "")
    return (
        f"{nearest.name} is the closest of all to {found.names[0]}, which some model always is, and strangers are as "
        f"close to one another within the reach of {found.prompts} prompts ({first} and {second}). If those two are "
        "kin, leave one out; else ask more prompts."
    )


def _too_weak(found: Replied, weak: Sequence[Candidate]) -> str:
    needed = [each.prompts_needed for each in weak if each.prompts_needed is not None]
    if weak[0].unlike_controls:
        remedy = "both reply less like the controls than any of these does, so give controls of their kind"
    elif len(needed) == len(weak):
        remedy = f"about {max(needed):,} prompts like these are needed"
    else:
        remedy = "ask prompts on which strangers agree less, or more of them"
    return (
        f"No reference stands out, but a model that kept {SOUGHT:.0%} of its replies from {weak[0].name} would not "
        f"surely be found with {found.prompts} prompts: {remedy}."
    )


def _claim(
    found: Replied, candidates: list[Candidate], verdict: str, because: str, reason: str | None
) -> NextTokenClaim:
    return NextTokenClaim(
        verdict=verdict,
        because=because,
        innocent_explanation=_INNOCENT if verdict == "related" else "",
        limits=list(LIMITS),
        reason=reason,
        prompts=found.prompts,
        controls=found.controls,
        controls_needed=max(0, FEWEST_CONTROLS - found.controls) or None,
        rule=found.rule,
        candidates=candidates,
        left_out=list(found.left_out),
    )
