"""Next-token agreement: does the model go on as one of the references does, more than strangers do?

That a reference is the closest of all proves little: some model always is, and with enough prompts significantly so. So
two things are asked. The reference must be closer than every control by more than prompts leave to chance (a paired
permutation test; the largest p-value, so that choosing the nearest control is paid for); and among controls that could
stand in its place it must lie far beyond what these score (`forebear.evidence.behaviour.strength`).
Source of the question: I. Nikolic, T. Baluta, P. Saxena, Model Provenance Testing for Large Language Models (2025),
arXiv 2502.00706, which holds a reference against each control and corrects by Holm; the tests here are others.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.evidence.behaviour.live import Heard, LiveClaim, live_test
from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.planted import power, smallest_share
from forebear.evidence.behaviour.replied import Replied, replied
from forebear.evidence.behaviour.strength import FEWEST_CONTROLS, LEVEL, Strength, corrected, strength
from forebear.statistics.agreement import Codes, equal_counts, fair_coins_log10_p
from forebear.statistics.conformal import share_reaching
from forebear.statistics.tails import capped, holm
from forebear.statistics.wilson import wilson

FEWEST_PROMPTS = 100
PAIRED_LEVEL = -2.0
"""log10 of the p-value at which a reference is closer to the model than every control."""
SOUGHT = 0.4
"""Share of the model's replies kept from a reference that must be found before its absence counts."""
POWER = 0.99
LIMITS = (
    "Agreement names no direction, and no cause: training on the other's replies (distillation) looks like descent.",
    "Well-known text makes strangers agree; prompts on obscure matters tell more with fewer questions.",
    "A model trained far away from its parent no longer replies as it does.",
    "Controls stand in for the reference: what it shares with the model and no control does, such as data, counts too.",
)
_INNOCENT = (
    "One was trained on the other's replies or both on the same, or they share data, tokenizer or instructions that "
    "the controls do not."
)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A reference among strangers.

    Attributes:
        value: agreement with the model beyond what popular replies give, in standard deviations.
        in_place_of: model that controls stand in for: the reference where they are of its kind, otherwise the model.
        median: of the controls in its place.
        highest: of the controls in its place.
        share_reaching: share of controls that score at least as high, 0-1.
        p: conformal p-value, counted in controls.
        p_floor: ``1 / (controls + 1)``.
        log10_p_dealt: exact, of so many equal replies, were those of reference and controls dealt to them at random.
        log10_p_beyond: of a figure so far above the controls', were theirs a sample of a normal law; None below three.
    """

    value: float
    in_place_of: str
    median: float
    highest: float
    share_reaching: float
    p: float
    p_floor: float
    log10_p_dealt: float
    log10_p_beyond: float | None = None


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A reference, as a parent the model may have.

    Attributes:
        name: of the reference.
        equal: prompts to which both reply the same.
        agreement: their share, 0-1.
        interval: 95 % Wilson interval of the share.
        expected: share that would reply the same were popular replies all they have in common, among the prompts that
            count; None without controls.
        strangers: median and highest share of equal replies of the model and a control; None without controls.
        among: the pair among strangers; None without controls.
        nearest_control: control that is hardest to tell from the reference by its agreement with the model; None
            without controls.
        log10_p_controls: exact paired test against that control: the largest over controls.
        log10_p: the larger of both p-values of ``among``, Holm-corrected for the number of references. None where
            controls are too few or of neither model's kind.
        stands_out: whether ``log10_p`` is at most 1e-3, no control is as close, and ``log10_p_controls``, times the
            number of references, is at most 1e-2.
        share_found: smallest share of replies kept from it that is found in 99 of 100 draws; None where none is, or
            where nothing was planted: because it stands out already, or controls are too few or of another kind.
        prompts_needed: about how many prompts would let the share sought be found; None where enough were asked or no
            number would do.
        reason: why something here is null.
    """

    name: str
    equal: int
    agreement: float
    interval: tuple[float, float]
    expected: float | None = None
    strangers: tuple[float, float] | None = None
    among: Place | None = None
    nearest_control: str | None = None
    log10_p_controls: float | None = None
    log10_p: float | None = None
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

    Null: of each reference, it is one more stranger like the controls.

    Raises:
        UsageError: no reference, models asked in different ways, or at a temperature above 0.
    """
    if heard.model.settings.temperature > 0.0:
        raise UsageError(
            f"asked with temperature {heard.model.settings.temperature:g}: draws of one seed hang together",
            where=heard.model.source,
            field="settings.temperature",
            remedy="Ask every model with --temperature 0",
        )
    found = replied(heard)
    if found.prompts == 0:
        return _claim(found, [], "undetermined", "No prompt got a reply from every model.", "no common prompt")
    strangers = found.names[1 + found.references :]
    panels = [
        panel_of(
            found.codes[:, found.columns(number)],
            (found.names[0], found.names[1 + number], *strangers),
            None if found.wrong is None else found.wrong[:, found.columns(number)],
        )
        for number in range(found.references)
    ]
    tested = [strength(panel) for panel in panels]
    candidates = _corrected([_candidate(*each) for each in zip(panels, tested, strict=True)], tested)
    if found.controls >= FEWEST_CONTROLS and found.prompts >= FEWEST_PROMPTS:
        candidates = [
            each if each.stands_out or each.log10_p is None else _planted(panel, each, found.references, heard.seed)
            for panel, each in zip(panels, candidates, strict=True)
        ]
    candidates.sort(key=lambda each: (not each.stands_out, -each.agreement))
    return _claim(found, candidates, *_verdict(found, candidates))


def panel_of(codes: Codes, names: Sequence[str], wrong: NDArray[np.bool_] | None = None) -> Panel:
    """Replies as a panel of answers.

    Args:
        codes: ``(prompts, models)`` the model, one reference, controls; equal numbers in a row are equal replies.
        names: of the models.
        wrong: likewise, whether a reply goes on otherwise than the text does; None where nothing says how that does.
    """
    unknown = np.zeros(len(codes), dtype=np.int64)
    ids = tuple(map(str, range(len(codes))))
    return Panel(tuple(names), ids, codes.astype(np.int32), wrong, unknown, unknown, ())


def _candidate(panel: Panel, found: Strength) -> Candidate:
    counts = equal_counts(panel.codes.astype(np.int64))
    equal, prompts = int(counts[0, 1]), panel.items
    known = Candidate(name=panel.names[1], equal=equal, agreement=equal / prompts, interval=wilson(equal, prompts))
    if found.same is None or found.place is None:
        return msgspec.structs.replace(known, reason="no controls")
    shares = counts[0, 2:] / prompts
    paired, control = against_controls(panel)
    return msgspec.structs.replace(
        known,
        expected=found.same.expected / prompts,
        strangers=(float(np.median(shares)), float(shares.max())),
        among=_place(panel, found),
        nearest_control=panel.names[control],
        log10_p_controls=capped(paired),
    )


def _place(panel: Panel, found: Strength) -> Place:
    place = found.places[0]
    return Place(
        value=place.value,
        in_place_of=panel.names[found.exchanged],
        median=float(np.median(place.strangers)),
        highest=float(place.strangers.max()),
        share_reaching=share_reaching(place.value, place.strangers),
        p=place.p,
        p_floor=1.0 / (place.strangers.size + 1),
        log10_p_dealt=place.exact,
        log10_p_beyond=place.beyond,
    )


def against_controls(panel: Panel) -> tuple[float, int]:
    """Largest p-value of paired tests of agreement with the model, reference against control; that control's column.

    Args:
        panel: the model, the reference, one control or more.

    Null: on prompts on which one of the two alone agrees with the model, either is as likely to.
    """
    same = panel.codes == panel.codes[:, [0]]
    ahead = (same[:, [1]] & ~same[:, 2:]).sum(axis=0)
    behind = (~same[:, [1]] & same[:, 2:]).sum(axis=0)
    found = [fair_coins_log10_p(int(one), int(one + other)) for one, other in zip(ahead, behind, strict=True)]
    return max(found), 2 + int(np.argmax(found))


def _corrected(candidates: Sequence[Candidate], tested: Sequence[Strength]) -> list[Candidate]:
    """Candidates with p-values paid for by their number; without, where controls cannot tell."""
    paid = holm([0.0 if each.log10_p is None else each.log10_p for each in tested])
    return [
        msgspec.structs.replace(candidate, reason=_why(candidate, found))
        if found.log10_p is None
        else msgspec.structs.replace(
            candidate,
            log10_p=log10_p,
            stands_out=found.fires()
            and log10_p <= LEVEL
            and corrected(candidate.log10_p_controls or 0.0, len(candidates)) <= PAIRED_LEVEL,
        )
        for candidate, found, log10_p in zip(candidates, tested, paid, strict=True)
    ]


def _why(candidate: Candidate, found: Strength) -> str:
    if candidate.reason is not None:
        return candidate.reason
    return _OTHER_KIND if found.kind is False else "three controls or more have a spread"


_OTHER_KIND = (
    "the controls are of neither model's kind: give strangers that reply like the reference as often as they do"
)


def _planted(panel: Panel, candidate: Candidate, references: int, seed: int) -> Candidate:
    share = smallest_share(panel, references=references, seed=seed)
    if share is not None and share <= SOUGHT:
        return msgspec.structs.replace(candidate, share_found=share)
    needed = power(panel, share=SOUGHT, wanted=POWER, references=references, seed=seed).items_needed
    enough = needed is not None and needed <= panel.items
    why = None if share is not None else "no share of replies kept from it would be found"
    return msgspec.structs.replace(candidate, share_found=share, prompts_needed=None if enough else needed, reason=why)


def _verdict(found: Replied, candidates: Sequence[Candidate]) -> tuple[str, str, str | None]:
    """Verdict, the sentence for it, and the reason where nothing can be said."""
    if found.controls < FEWEST_CONTROLS:
        lacking, seen = FEWEST_CONTROLS - found.controls, _counted(found.controls, "control")
        few = "is" if found.controls == 1 else "are"
        told = f"{seen} {few} too few to know what strangers score: give {lacking} more."
        return "undetermined", told, f"{seen}, at least {FEWEST_CONTROLS} are needed"
    if found.prompts < FEWEST_PROMPTS:
        seen = _counted(found.prompts, "prompt")
        told = f"Every model replied to {seen} alone: ask {FEWEST_PROMPTS} or more, better 1000."
        return "undetermined", told, f"{seen}, at least {FEWEST_PROMPTS} are needed"
    best = candidates[0]
    if best.stands_out and found.wrong is None:
        told = (
            f"{found.names[0]} replies as {best.name} does more than the controls do, but prompts that do not say how "
            'they go on leave it open whether both are right: give "gold", the text that follows, with half of them.'
        )
        return "undetermined", told, "right replies are not known"
    if best.stands_out and best.among is not None:
        told = (
            f"{found.names[0]} replies as {best.name} does to {best.agreement:.1%} of {found.prompts} prompts, "
            f"{best.among.value:.1f} standard deviations beyond what popular replies give; controls in the place of "
            f"{best.among.in_place_of} score {best.among.highest:.1f} at most."
        )
        return "related", told, None
    return _none_stands_out(found, candidates)


def _none_stands_out(found: Replied, candidates: Sequence[Candidate]) -> tuple[str, str, str | None]:
    untold = [each for each in candidates if each.log10_p is None]
    if untold:
        names = " and ".join(each.name for each in untold)
        return "undetermined", f"Nothing can be said of {names}: {_OTHER_KIND}.", "controls of another kind"
    nearest = [each for each in candidates if _leads(each)]
    if nearest:
        told = (
            f"{nearest[0].name} is the closest of all to {found.names[0]}, which some model always is, and not far "
            f"enough beyond the controls for {found.prompts} prompts to settle it: ask more, or give more controls."
        )
        return "undetermined", told, "the closest of all, but not beyond doubt"
    weak = [each for each in candidates if each.share_found is None or each.share_found > SOUGHT]
    if weak:
        return "undetermined", _too_weak(found, weak), "too little power"
    worst = max(each.share_found or 0.0 for each in candidates)
    told = (
        f"The parent is not among the candidates: no reference stands out among strangers, and one from which "
        f"{found.names[0]} kept {worst:.0%} of its replies would."
    )
    return "independent", told, None


def _counted(many: int, what: str) -> str:
    return f"{many} {what}{'' if many == 1 else 's'}"


def _leads(candidate: Candidate) -> bool:
    """Whether it is closer than every control beyond doubt, or its chance is small, though it does not stand out."""
    return (candidate.log10_p_controls or 0.0) <= PAIRED_LEVEL or (candidate.log10_p or 0.0) <= LEVEL


def _too_weak(found: Replied, weak: Sequence[Candidate]) -> str:
    needed = [each.prompts_needed for each in weak if each.prompts_needed is not None]
    if len(needed) == len(weak):
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
