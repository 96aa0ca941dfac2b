"""A model beside one reference: every figure with its null, what would have been found, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from forebear.evidence.behaviour.chance import capa_of
from forebear.evidence.behaviour.numeric import numeric_agreement
from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.stand_ins import Agreed
from forebear.evidence.behaviour.strength import ANSWERS, FEWEST_CONTROLS, Strength, corrected, strength
from forebear.statistics.conformal import share_reaching
from forebear.statistics.error_vectors import are_boxes
from forebear.statistics.shared_errors import (
    ErrorCounts,
    error_consistency,
    error_consistency_interval,
    shared_errors,
)
from forebear.verdict.behaviour import words
from forebear.verdict.behaviour.contract import BehavedPair, BehaviourPower, Population, SameAnswer, SameWrong
from forebear.verdict.behaviour.planting import power_told
from forebear.verdict.comparison import Verdict

RARELY = 0.02
"""Share of items on which letter case may make the difference before that is told."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the pairs.

    Attributes:
        share: of items copied, for the power, 0-1.
        wanted: power for which items are counted, 0-1.
        seed: of every draw.
        references: p-values are corrected for them.
    """

    share: float = 0.2
    wanted: float = 0.99
    seed: int = 0
    references: int = 1


def judged(panel: Panel, asked: Asked) -> BehavedPair:
    """What the first two models of a panel have in common, its others being controls."""
    found = strength(panel, seed=asked.seed)
    would = power_told(
        panel,
        share=asked.share,
        wanted=asked.wanted,
        references=asked.references,
        seed=asked.seed,
        why_not=_unplantable(found, asked.references),
    )
    verdict, because = _verdict(panel, found, would, asked.references)
    figures, reasons = _figures(panel, found, asked.seed)
    if found.log10_p is None:
        reasons["log10_p"] = words.NOT_THEIR_KIND if found.kind is False else words.NEEDS_THREE_CONTROLS
    return BehavedPair(
        a=panel.names[0],
        b=panel.names[1],
        items=panel.items,
        overlap=float((panel.codes[:, 0] == panel.codes[:, 1]).mean()),
        log10_p=None if found.log10_p is None else corrected(found.log10_p, asked.references),
        population=_population(panel, found),
        power=would,
        verdict=verdict,
        because=because,
        innocent_explanation=words.INNOCENT if verdict == "related" else "",
        warnings=_warnings(panel, found),
        reasons=reasons,
        **figures,
    )


def _unplantable(found: Strength, references: int) -> str | None:
    """Why the power cannot be told by planting on this pair; None where it can."""
    if found.kind is False:
        return words.NOT_THEIR_KIND
    return "the pair itself stands out" if found.fires(references) or found.habit(references) else None


def _verdict(panel: Panel, found: Strength, would: BehaviourPower, references: int) -> tuple[Verdict, str]:
    controls = len(panel.names) - 2
    if controls < FEWEST_CONTROLS:
        return "undetermined", words.few_controls(controls, FEWEST_CONTROLS)
    if found.log10_p is None or found.place is None:
        return "undetermined", words.NOT_THEIR_KIND
    seen = words.seen(found.place.figure, found.place.value, float(found.place.strangers.max()))
    if found.fires(references) and panel.wrong is not None:
        p = words.chance(corrected(found.log10_p, references))
        return "related", f"they agree more than difficulty and popular answers explain ({seen}; p {p})"
    if found.fires(references) or found.habit(references):
        return "undetermined", f"{words.HABIT if found.habit(references) else words.UNSCORED_KIN} ({seen})"
    share = f"{would.stated_share:.0%}"
    if would.detected == would.draws:
        return "independent", f"they agree as strangers do ({seen}), and {share} of the answers copied would have shown"
    needed = "" if would.items_needed is None else f": about {would.items_needed:,} items would do"
    return "undetermined", f"nothing stands out ({seen}), but {share} copied might not have shown{needed}"


def _population(panel: Panel, found: Strength) -> Population:
    controls = len(panel.names) - 2
    needed = FEWEST_CONTROLS if controls < FEWEST_CONTROLS else None
    place = found.place
    if place is None:
        why = words.NEEDS_CONTROLS
        return Population(figure=ANSWERS, value=None, controls=0, in_place_of=None, needed=needed, reason=why)
    return Population(
        figure=place.figure,
        value=place.value,
        controls=controls,
        in_place_of=panel.names[found.exchanged],
        median=float(np.median(place.strangers)),
        highest=float(place.strangers.max()),
        share_reaching=share_reaching(place.value, place.strangers),
        p=place.p,
        p_floor=1.0 / (controls + 1),
        log10_p=place.beyond,
        needed=needed,
        reason=words.NEEDS_THREE_CONTROLS if place.beyond is None else None,
    )


def _figures(panel: Panel, found: Strength, seed: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields that right answers decide, and the reasons for those that are null."""
    mine, yours = panel.codes[:, 0], panel.codes[:, 1]
    if panel.wrong is None:
        both = panel.given[:, 0] & panel.given[:, 1]
        same = _same_answer(int(both.sum()), int((both & (mine == yours)).sum()), found.same)
        return dict.fromkeys(_OF_ERRORS) | {"same_answer": same}, dict.fromkeys(_OF_ERRORS, words.NEEDS_GOLD)
    wrong = panel.wrong[:, 0] & panel.wrong[:, 1]
    counts = ErrorCounts(panel.items, *(int(each.sum()) for each in (*panel.wrong[:, :2].T, wrong)))
    figures, reasons = error_figures(counts, seed)
    same_wrong = int((wrong & panel.given[:, 0] & (mine == yours)).sum())
    figures |= {
        "log10_p_stratified": None if found.shared is None else found.shared.log10_p,
        "expected_stratified": None if found.shared is None else found.shared.expected,
        "capa": capa_of(panel)[0],
        "same_wrong": _same_wrong(counts.shared, same_wrong, found.same),
        "numeric": _numeric(panel, seed),
    }
    if found.shared is None:
        reasons |= dict.fromkeys(("log10_p_stratified", "expected_stratified"), words.NEEDS_CONTROLS)
    if figures["capa"] is None:
        reasons["capa"] = "chance alone gives full agreement"
    if figures["numeric"] is None:
        reasons["numeric"] = "answers are not numbers"
    return figures, reasons


_OF_ERRORS = (
    "shared_errors", "expected_shared_errors", "expected_stratified", "errors_a", "errors_b", "kappa", "kappa_interval",
    "log10_p_equal_difficulty", "log10_p_stratified", "capa", "same_wrong", "numeric",
)  # fmt: skip


def _numeric(panel: Panel, seed: int) -> dict[str, Any] | None:
    if not panel.numeric:
        return None
    vectors = panel.vectors()
    boxes = vectors if are_boxes(vectors) else None
    found: dict[str, Any] = msgspec.to_builtins(numeric_agreement(panel.error_vectors(), 0, 1, boxes=boxes, seed=seed))
    return found


def error_figures(counts: ErrorCounts, seed: int) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields that counts of errors alone give, and the reasons for those that are null."""
    kappa, interval = error_consistency(counts), error_consistency_interval(counts, seed)
    figures = {
        "errors_a": counts.first,
        "errors_b": counts.second,
        "shared_errors": counts.shared,
        "expected_shared_errors": counts.expected,
        "kappa": kappa,
        "kappa_interval": interval,
        "log10_p_equal_difficulty": shared_errors([counts]).log10_p,
    }
    asked = (("kappa", words.NO_KAPPA), ("kappa_interval", words.NO_INTERVAL))
    return figures, {name: why for name, why in asked if figures[name] is None}


def _same_wrong(both_wrong: int, same: int, found: Agreed | None) -> SameWrong:
    rate = same / both_wrong if both_wrong else None
    if found is None or not both_wrong:
        why = words.NEEDS_CONTROLS if both_wrong else "no item that both get wrong"
        return SameWrong(both_wrong=both_wrong, same=same, rate=rate, reason=why)
    return SameWrong(both_wrong=both_wrong, same=same, rate=rate, expected=found.expected, log10_p=found.log10_p)


def _same_answer(items: int, same: int, found: Agreed | None) -> SameAnswer:
    if found is None:
        return SameAnswer(items=items, same=same, reason=words.NEEDS_CONTROLS)
    return SameAnswer(items=items, same=same, expected=found.expected, log10_p=found.log10_p)


def _warnings(panel: Panel, found: Strength) -> list[str]:
    told = [f"left out: {each}" for each in panel.left_out]
    told.append(words.UNSCORED if panel.wrong is None else words.EQUAL_DIFFICULTY)
    if len(panel.names) == 2:
        told.append(words.NO_CONTROLS)
    if found.kind is False:
        told.append(words.NOT_THEIR_KIND)
    elif found.exchanged == 0:
        told.append(words.of_the_models_kind(panel.names[0], panel.names[1]))
    if found.steadier:
        told.append(words.STEADIER)
    return [*told, *(each for each in (_popular(panel), _letter_case(panel)) if each is not None)]


def _letter_case(panel: Panel) -> str | None:
    """A warning where answers of the two would be equal, or right, more often were letter case ignored."""
    if not panel.answers:
        return None
    sides = [[each.value for each in model] for model in panel.answers[:2]]
    for first, second in ((sides[0], sides[1]), *((side, panel.golds) for side in sides if panel.golds)):
        pairs = [pair for pair in zip(first, second, strict=True) if all(isinstance(each, str) for each in pair)]
        apart = sum(str(a).casefold() == str(b).casefold() for a, b in pairs) - sum(a == b for a, b in pairs)
        if apart > RARELY * panel.items:
            return words.letter_case(apart, panel.items)
    return None


def _popular(panel: Panel) -> str | None:
    """A warning where half of the equal answers, wrong ones if that is known, are one and the same."""
    equal = (panel.codes[:, 0] == panel.codes[:, 1]) & panel.given[:, 0]
    if panel.wrong is not None:
        equal &= panel.wrong[:, 0]
    codes, many = np.unique(panel.codes[equal, 0], return_counts=True)
    if many.sum() < 10 or many.max() * 2 < many.sum():
        return None
    place = int(np.flatnonzero(panel.codes[:, 0] == codes[many.argmax()])[0])
    return words.one_answer(str(panel.answers[0][place].value), int(many.max()), int(many.sum()))
