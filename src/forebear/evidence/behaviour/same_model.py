"""Do two endpoints give the same replies, in distribution: sampled replies to the same prompts, by permutation.

Null: for every prompt, the replies of both are independent draws from one distribution. Rejecting it says that the two
endpoints do not give the same distribution, for whatever reason, and nothing of descent; not rejecting it says as much
as the stated power does. Greedy replies have no distribution: they are counted as equal or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

import msgspec
import numpy as np

from forebear.errors import UsageError
from forebear.evidence.behaviour.live import Heard, LiveClaim, live_test, same_prompts
from forebear.responses.transcript import Transcript
from forebear.statistics.hamming_mmd import (
    FEWEST_TEXTS,
    Compared,
    MmdTest,
    hamming_kernel,
    interval_over_prompts,
    mmd_test,
    planted_power,
)
from forebear.statistics.tails import holm

LEVEL = 0.01
STATED_SHARE = 0.2
"""Share of replies from elsewhere that a test must be able to find for its silence to count."""
WANTED = 0.99
DRAWS = 100
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
LONGEST = 1000
"""Characters of a reply that are compared."""
MOST_REPLIES = 100
"""Replies to one prompt, of each side."""
MOST_CELLS = 50_000_000
"""Pairs of replies to the same prompt, over all prompts: 400 MB."""

_INNOCENT_DIFFERENCE = (
    "One model served twice differs too: by quantisation, another system prompt, chat template, sampling default, "
    "software or hardware, a watermark, a newer version, or filters before and after it."
)
_INNOCENT_LIKENESS = (
    "Unrelated models give the same short or memorised replies, and a difference that the prompts do not bring out, or "
    "one smaller than the power allows, stays unseen."
)
_LIMITS = [
    "Says nothing on descent: a fine-tune differs from its parent, and so does a stranger.",
    f"Compares which character stands at each of the first {LONGEST:,} places; replies that agree in this are never "
    "told apart, and white space around them is left out.",
    "Assumes that replies are drawn independently: an endpoint that caches, or that fixes its seed, breaks this.",
]


class SamePower(msgspec.Struct, frozen=True, kw_only=True):
    """Which mixtures would have been found.

    Attributes:
        planted: what took the place of replies: ``"controls"``, replies of the controls, or ``"typical reply"``, the
            prompt's most typical reply, as a cache or a colder model would repeat it.
        stated_share: share of replies replaced that the test must find, 0-1.
        detected: draws in which it found that share.
        draws: made of each share.
        smallest_share: smallest share tried that it found in ``wanted`` of the draws; None where it found none.
        wanted: 0-1.
    """

    planted: str
    stated_share: float
    detected: int
    draws: int
    smallest_share: float | None
    wanted: float = WANTED


class SamePair(msgspec.Struct, frozen=True, kw_only=True):
    """The model and one reference.

    Attributes:
        a: name of the model.
        b: name of the reference.
        kind: ``"sampled"`` or ``"greedy"``.
        outcome: sampled: ``"differ"``, ``"not told apart"`` or ``"undetermined"``; greedy: ``"identical"`` or
            ``"not identical"``; None where nothing could be compared.
        because: one sentence.
        prompts: compared.
        replies: compared, of each side.
        identical: prompts with equal replies; greedy alone.
        repeating: prompts to which each side gave one reply over and over, and not the same; sampled alone.
        mmd_squared: mean over prompts of the unbiased squared discrepancy.
        interval: its 95 % bootstrap interval over prompts.
        p: of at least such a discrepancy, by permutation; not below ``p_floor``.
        p_adjusted: by Holm over the references.
        p_floor: ``1 / (permutations + 1)``.
        power: which mixtures would have been found.
        reason: why something here is null.
    """

    a: str
    b: str
    kind: str
    because: str
    outcome: str | None = None
    prompts: int = 0
    replies: tuple[int, int] = (0, 0)
    identical: int | None = None
    repeating: int | None = None
    mmd_squared: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    p_adjusted: float | None = None
    p_floor: float | None = None
    power: SamePower | None = None
    reason: str | None = None


class SameModel(LiveClaim, frozen=True, kw_only=True):
    """What the same-model test says.

    Attributes:
        pairs: the model with each reference.
        level: at which two endpoints count as different, Holm-adjusted over the references.
    """

    pairs: list[SamePair] = []
    level: float = LEVEL


@live_test("same-model", "whether two endpoints give the same distribution of replies")
def same_model(heard: Heard) -> SameModel:
    """Compare the model's replies with each reference's.

    Controls, where given, are not tested; they serve to state power.

    Raises:
        UsageError: no reference, other prompts, other settings, or more replies than can be compared.
    """
    if not heard.references:
        raise UsageError("nothing to compare with", where=heard.model.source, remedy="Name a reference")
    same_prompts(heard)
    for other in (*heard.references, *heard.controls):
        _same_settings(heard.model, other)
    for other in heard.references:
        _drawn_apart(heard.model, other)
    if heard.model.settings.temperature == 0:
        pairs = [_greedy(heard.model, reference) for reference in heard.references]
    else:
        pairs = _sampled(heard)
    first = pairs[0]
    told = [pair.outcome for pair in pairs if pair.outcome not in (None, "undetermined")]
    differing = any(outcome in ("differ", "not identical") for outcome in told)
    return SameModel(
        verdict=None if told else "undetermined",
        because=" ".join(dict.fromkeys(pair.because for pair in pairs)),
        innocent_explanation=_INNOCENT_DIFFERENCE if differing else _INNOCENT_LIKENESS,
        limits=[*_LIMITS, *_warnings(heard, pairs)],
        reason=first.because if all(pair.outcome is None for pair in pairs) else None,
        pairs=pairs,
    )


def _same_settings(model: Transcript, other: Transcript) -> None:
    """Raises:
    UsageError: asked at another temperature, nucleus or length.
    """
    for name in ("temperature", "top_p", "max_tokens"):
        mine, yours = getattr(model.settings, name), getattr(other.settings, name)
        if mine != yours:
            raise UsageError(
                f"{name} is {yours:g}, that of {model.source} {mine:g}",
                where=other.source,
                field=name,
                remedy="Ask both with the same settings",
            )


def _drawn_apart(model: Transcript, other: Transcript) -> None:
    """Raises:
    UsageError: both drawn on this machine with one seed.
    """
    local = model.endpoint is None and other.endpoint is None
    # A local model's draws hang on the seed alone, which is 0 where none was given.
    if local and model.settings.temperature > 0 and (model.settings.seed or 0) == (other.settings.seed or 0):
        raise UsageError(
            f"drawn with the seed {model.settings.seed or 0}, as {model.source} was: replies are not independent",
            where=other.source,
            field="seed",
            remedy="Ask one of them with another --seed",
        )


def _warnings(heard: Heard, pairs: Sequence[SamePair]) -> list[str]:
    found = []
    kinds = {each.settings.kind for each in (heard.model, *heard.references)}
    if len(kinds) > 1:
        kind = " and ".join(sorted(kinds))
        found.append(f"The sides were asked in different ways ({kind}): prompts may have reached them differently.")
    seed = heard.model.settings.seed
    if seed is not None and any(each.settings.seed == seed for each in heard.references):
        found.append(
            "Both sides were asked with one seed; endpoints that heed it give replies that are not independent."
        )
    for pair in pairs:
        if pair.repeating:
            found.append(
                f"{pair.a} and {pair.b} each gave one and the same reply, and not the other's, every time to "
                f"{pair.repeating} of {pair.prompts} prompts: two caches in front of one model look like this."
            )
    if heard.model.settings.temperature == 0:
        found.append("Greedy replies of one model differ between machines and batches; sampled ones can be tested.")
    return found


def _greedy(model: Transcript, reference: Transcript) -> SamePair:
    mine, yours = _replies(model, 1), _replies(reference, 1)
    shared = [prompt for prompt in mine if prompt in yours]
    if not shared:
        return _nothing(model, reference, "greedy", "no prompt was answered by both")
    equal = sum(mine[prompt] == yours[prompt] for prompt in shared)
    return SamePair(
        a=model.name,
        b=reference.name,
        kind="greedy",
        outcome="identical" if equal == len(shared) else "not identical",
        because=f"{model.name} and {reference.name} give the same greedy reply to {equal} of {len(shared)} prompts.",
        prompts=len(shared),
        replies=(len(shared), len(shared)),
        identical=equal,
        reason="greedy replies have no distribution to test",
    )


def _nothing(model: Transcript, reference: Transcript, kind: str, reason: str) -> SamePair:
    because = f"{model.name} and {reference.name} could not be compared: {reason}."
    return SamePair(a=model.name, b=reference.name, kind=kind, because=because, reason=reason)


@dataclass(frozen=True, slots=True)
class _Tested:
    """A reference whose replies were compared."""

    reference: Transcript
    compared: list[Compared]
    test: MmdTest


def _sampled(heard: Heard) -> list[SamePair]:
    rng = np.random.default_rng(heard.seed)
    controls = [_replies(each, MOST_REPLIES) for each in heard.controls]
    found: dict[str, _Tested] = {}
    for reference in heard.references:
        compared = _compared(heard.model, reference, controls)
        if compared:
            found[reference.name] = _Tested(reference, compared, mmd_test(compared, rng))
    adjusted = dict(zip(found, holm([log10(each.test.p) for each in found.values()]), strict=True))
    reason = f"no prompt has {FEWEST_TEXTS} replies of both"
    return [
        _pair(heard, found[each.name], min(1.0, 10.0 ** adjusted[each.name]), rng)
        if each.name in found
        else _nothing(heard.model, each, "sampled", reason)
        for each in heard.references
    ]


def _replies(transcript: Transcript, most: int) -> dict[str, list[str]]:
    """Replies by prompt, so many of each at most, cut to what is compared."""
    found: dict[str, list[str]] = {}
    for each in transcript.replies:
        texts = found.setdefault(each.prompt, [])
        if len(texts) < most:
            texts.append(each.text.strip()[:LONGEST])
    return found


def _compared(model: Transcript, reference: Transcript, controls: Sequence[dict[str, list[str]]]) -> list[Compared]:
    """One for each prompt with enough replies of both sides, the controls' replies after theirs.

    Raises:
        UsageError: more pairs of replies than `MOST_CELLS`.
    """
    mine, yours = _replies(model, MOST_REPLIES), _replies(reference, MOST_REPLIES)
    texts: list[tuple[list[str], int, int]] = []
    for prompt in (each.id for each in model.prompts.prompts):
        first, second = mine.get(prompt, []), yours.get(prompt, [])
        if min(len(first), len(second)) >= FEWEST_TEXTS:
            others = [text for control in controls for text in control.get(prompt, [])]
            spread = others[:: max(1, len(others) // len(second))][: len(second)]
            texts.append(([*first, *second, *spread], len(first), len(second)))
    if sum(len(each) ** 2 for each, _, _ in texts) > MOST_CELLS:
        raise UsageError(
            f"more than {MOST_CELLS:,} pairs of replies",
            where=reference.source,
            remedy="Give fewer prompts, or fewer replies to each",
        )
    return [Compared(hamming_kernel(each), first, second) for each, first, second in texts]


def _pair(heard: Heard, tested: _Tested, adjusted: float, rng: np.random.Generator) -> SamePair:
    compared, test = tested.compared, tested.test
    interval = interval_over_prompts(test.by_prompt, rng)
    differ = adjusted <= LEVEL
    power = None if differ else _power(compared, rng, with_controls=bool(heard.controls))
    return SamePair(
        a=heard.model.name,
        b=tested.reference.name,
        kind="sampled",
        outcome="differ" if power is None else "not told apart" if _enough(power) else "undetermined",
        because=_because(heard.model.name, tested.reference.name, power),
        prompts=len(compared),
        replies=(sum(each.first for each in compared), sum(each.second for each in compared)),
        repeating=sum(map(_repeating, compared)),
        mmd_squared=test.value,
        interval=interval,
        p=test.p,
        p_adjusted=adjusted,
        p_floor=1.0 / (test.permutations + 1),
        power=power,
        reason=None if interval else f"{len(compared)} prompts are too few for an interval over prompts",
    )


def _repeating(each: Compared) -> bool:
    """Whether each side repeats one reply, and not the other's."""
    first, second = slice(0, each.first), slice(each.first, each.sides)
    alone = all(float(each.kernel[side, side].min()) == 1.0 for side in (first, second))
    return alone and float(each.kernel[0, each.first]) < 1.0


def _power(compared: list[Compared], rng: np.random.Generator, *, with_controls: bool) -> SamePower:
    known: dict[float, int] = {}

    def detected(share: float) -> int:
        if share not in known:
            known[share] = planted_power(compared, share, rng, level=LEVEL, draws=DRAWS)
        return known[share]

    low, high = 0, len(SHARES)
    while low < high:
        middle = (low + high) // 2
        if detected(SHARES[middle]) >= WANTED * DRAWS:
            high = middle
        else:
            low = middle + 1
    return SamePower(
        planted="controls" if with_controls else "typical reply",
        stated_share=STATED_SHARE,
        detected=detected(STATED_SHARE),
        draws=DRAWS,
        smallest_share=SHARES[low] if low < len(SHARES) else None,
    )


def _enough(power: SamePower) -> bool:
    return power.detected >= power.wanted * power.draws


def _because(model: str, reference: str, power: SamePower | None) -> str:
    if power is None:
        return f"{model} and {reference} do not give the same distribution of replies."
    where = "the controls" if power.planted == "controls" else "a cache or a colder model"
    if power.smallest_share is None:
        can = f"even if all replies of one came from {where}, that would have been missed too often"
    else:
        can = f"if {power.smallest_share:.0%} of the replies of one came from {where}, that would have been found"
    few = "" if _enough(power) else f"; {power.stated_share:.0%} should be, so more prompts or replies are needed"
    return f"{model} and {reference} were not told apart: {can}{few}."
