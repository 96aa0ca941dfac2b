"""Behaviour as a strand of a comparison: what answers say, and how that goes together with what the weights say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from forebear.errors import UsageError
from forebear.evidence.documents.claim import StrandClaim, Trace
from forebear.verdict.behaviour.contract import BehavedPair
from forebear.verdict.behaviour.files import behaviour
from forebear.verdict.behaviour.words import INNOCENT, LIMITS, chance
from forebear.verdict.comparison import Comparison
from forebear.verdict.sides import Progress

STRAND = "behaviour"
_INHERITED = ("same", "derived", "related")


class BehaviourClaim(StrandClaim, frozen=True, kw_only=True):
    """What answers say, beside the weights.

    Attributes:
        beside_the_weights: one sentence that reconciles the two verdicts.
        pair: every figure, as in ``forebear.behaviour/1``.
        digests: of the answers, by the name of their model.
    """

    beside_the_weights: str
    pair: BehavedPair
    digests: dict[str, str | None] = {}


def check_files(files: Sequence[str], references: int) -> None:
    """Refuse what cannot be laid beside a comparison, before it begins.

    Raises:
        UsageError: one file alone, or files for several references.
    """
    if files and references > 1:
        remedy = "Compare with one reference, or use 'forebear behaviour'"
        raise UsageError("takes a single reference", where="--behaviour", remedy=remedy)
    if len(files) == 1:
        remedy = "Name the model's answers, the reference's, then those of strangers"
        raise UsageError("one file has nothing to be held against", where="--behaviour", remedy=remedy)


def with_behaviour(result: Comparison, files: Sequence[str], progress: Progress) -> Comparison:
    """A comparison with the strand of behaviour.

    Args:
        result: of the weights.
        files: answers of the model, of the reference, and of strangers; empty for none.
        progress: told what is being done.

    Raises:
        ForebearError: a file is refused.
    """
    if not files:
        return result
    found = behaviour(files[0], files[1], controls=files[2:], seed=result.computation.get("seed", 0), progress=progress)
    pair = found.pairs[0]
    weights = None if result.weights is None else result.weights.verdict
    sentence = reconciled(pair.verdict, weights)
    claim = BehaviourClaim(
        verdict=pair.verdict,
        because=f"{pair.because}. {sentence}",
        agreements=_traces(pair, files) if pair.verdict == "related" else [],
        innocent_explanation=INNOCENT,
        limits=[LIMITS, *pair.warnings],
        beside_the_weights=sentence,
        pair=pair,
        digests={each.name: each.digest for each in found.models},
    )
    plain: dict[str, Any] = msgspec.to_builtins(claim)
    return msgspec.structs.replace(result, strands=result.strands | {STRAND: plain})


def reconciled(behaviour_says: str, weights_say: str | None) -> str:
    """One sentence on the two verdicts together.

    Args:
        behaviour_says: verdict of behaviour alone.
        weights_say: verdict of the weights; None where they were not compared.
    """
    if behaviour_says == "undetermined":
        return "Behaviour adds nothing to what the weights say yet"
    if weights_say is None or weights_say == "undetermined":
        if behaviour_says == "related":
            return (
                "The weights say nothing, and behaviour alone does not tell inherited weights from distillation, "
                "shared data or a test both have seen"
            )
        return "The weights say nothing; on these items the two behave as strangers do"
    if behaviour_says == "related":
        return _related(weights_say)
    if weights_say in _INHERITED:
        return (
            "The weights have a common origin all the same: training changes answers sooner than weights, so unlike "
            "answers do not speak against it"
        )
    return "The weights say so too"


def _related(weights_say: str) -> str:
    if weights_say in _INHERITED:
        return "That is what the common origin of the weights leads one to expect; it adds no direction"
    return (
        "The weights share nothing that training leaves arbitrary, so they were not inherited: distillation from one "
        "another or from a third model, shared data, or a test both have seen explain related behaviour without them"
        if weights_say == "independent"
        else "The weights share a random start, which explains no common answers: distillation, shared data or a test "
        "both have seen do"
    )


def _traces(pair: BehavedPair, files: Sequence[str]) -> list[Trace]:
    where = f"{files[0]} and {files[1]}"
    found = []
    if pair.shared_errors is not None and pair.expected_stratified is not None:
        shared = f"{pair.shared_errors} shared errors where difficulty explains {pair.expected_stratified:.1f}"
        found.append(Trace(shared, where))
    same = pair.same_wrong
    if same is not None and same.expected is not None and same.log10_p is not None:
        told = (
            f"{same.same} equal wrong answers of {same.both_wrong} where their popularity explains {same.expected:.1f}"
        )
        found.append(Trace(f"{told} (p {chance(same.log10_p)})", where))
    equal = pair.same_answer
    if equal is not None and equal.expected is not None:
        found.append(Trace(f"{equal.same} equal answers where their popularity explains {equal.expected:.1f}", where))
    return found
