"""Identity probes: which names a model claims when asked who it is, by language, with and without a system message.

A lead and no more: the verdict is always None. Models name others for many innocent reasons; of 27 models examined
25.93 % misstate who they are, laid to hallucination and not to reuse (K. Li et al., I'm Spartacus, No, I'm Spartacus:
Measuring and Understanding LLM Identity Confusion, 2024, arXiv 2411.10683).

Replies to one prompt are not independent, so that prompts are counted: each gives its share of replies that make the
claim, and the interval is Wilson's for so many prompts. A share being at most as scattered as a yes or no, the
interval is rather too wide than too narrow, for prompts like those asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from forebear.errors import UsageError
from forebear.evidence.behaviour.claims import Identity, claimed, identities
from forebear.evidence.behaviour.live import Heard, LiveClaim, live_test, same_prompts
from forebear.responses.prompts_file import shipped_prompts
from forebear.responses.transcript import Transcript
from forebear.statistics.wilson import wilson

_LIMITS = [
    "A lead, never evidence of descent: models learn names from text about other models, and 25.93 % of 27 models "
    "examined misstate who they are, by hallucination and not by reuse (arXiv 2411.10683).",
    "A system message, a filter before the model or a fine-tune on a few hundred replies changes every figure here.",
    "Names are recognised by a table; a name that it lacks is not counted, and a sentence that names another model "
    "in passing may be.",
    "Questions asked in several languages are translations of one another: the intervals hold for prompts like these.",
]


class IdentityRate(msgspec.Struct, frozen=True, kw_only=True):
    """How often one identity is claimed.

    Attributes:
        identity: name in the table.
        kind: ``"family"`` or ``"maker"``.
        rate: mean over prompts of the share of replies that claim it, 0-1.
        interval: Wilson's 95 % interval, prompts as trials.
        replies: that claim it.
    """

    identity: str
    kind: str
    rate: float
    interval: tuple[float, float]
    replies: int


class IdentityGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Prompts of one language, with or without a system message, or all of them.

    Attributes:
        language: stratum of the prompts; None for all, or where prompts have none.
        system: whether a system message came first; None for both.
        prompts: answered.
        replies: to them.
        nameless: replies that claim no identity.
        several: replies that claim more than one family; each of them counts.
        rates: identities claimed at least once, the most frequent first.
    """

    language: str | None
    system: bool | None
    prompts: int
    replies: int
    nameless: int
    several: int
    rates: list[IdentityRate] = []


class IdentityModel(msgspec.Struct, frozen=True, kw_only=True):
    """One model.

    Attributes:
        name: of the model.
        role: ``"model"``, ``"reference"`` or ``"control"``.
        overall: all prompts.
        groups: by language, and by whether a system message came first.
    """

    name: str
    role: str
    overall: IdentityGroup
    groups: list[IdentityGroup] = []


class IdentityClaim(LiveClaim, frozen=True, kw_only=True):
    """What identity probes say.

    Attributes:
        models: the model first, then references and controls.
        table_version: of the identities.
        lead: always true: this is a lead, capped below every verdict.
    """

    models: list[IdentityModel] = []
    table_version: int
    lead: bool = True


@dataclass(frozen=True, slots=True)
class _Said:
    """What replies to one prompt claim."""

    language: str | None
    system: bool
    replies: Sequence[Sequence[Identity]]


@live_test("identity", "who a model says it is, by language, with and without a system message: a lead")
def identity(heard: Heard) -> IdentityClaim:
    """Count the identities that each model claims.

    Raises:
        UsageError: transcripts answer different prompts, or one holds no reply.
    """
    same_prompts(heard)
    sides = [(heard.model, "model"), *((each, "reference") for each in heard.references)]
    sides += [(each, "control") for each in heard.controls]
    models = [_model(transcript, role) for transcript, role in sides]
    return IdentityClaim(
        verdict=None,
        because=" ".join(_because(each) for each in models if each.role != "control"),
        innocent_explanation="Text about well-known models is in everyone's training data, and replies of such models "
        "are in much of what is used for fine-tuning.",
        limits=[*_LIMITS, *_other_questions(heard.model)],
        models=models,
        table_version=identities().version,
    )


def _other_questions(transcript: Transcript) -> list[str]:
    if transcript.prompts.digest == shipped_prompts("identity").digest:
        return []
    return ["The prompts are not the questions that come with Forebear: rates may be of anything but identity."]


def _model(transcript: Transcript, role: str) -> IdentityModel:
    said = _said(transcript)
    if not said:
        raise UsageError("no reply in it", where=transcript.source, remedy="Ask the model first")
    languages = list(dict.fromkeys(each.language for each in said))
    groups = [
        _group([each for each in said if each.language == language and each.system is system], language, system=system)
        for language in languages
        for system in (False, True)
    ]
    return IdentityModel(
        name=transcript.name,
        role=role,
        overall=_group(said, None, system=None),
        groups=[group for group in groups if group.prompts],
    )


def _said(transcript: Transcript) -> list[_Said]:
    replies: dict[str, list[list[Identity]]] = {}
    for each in transcript.replies:
        replies.setdefault(each.prompt, []).append(claimed(each.text))
    return [
        _Said(prompt.stratum, prompt.system is not None, replies[prompt.id])
        for prompt in transcript.prompts.prompts
        if prompt.id in replies
    ]


def _group(said: Sequence[_Said], language: str | None, *, system: bool | None) -> IdentityGroup:
    replies = [reply for each in said for reply in each.replies]
    rates = [rate for each in identities().identities if (rate := _rate(each, said)) is not None]
    return IdentityGroup(
        language=language,
        system=system,
        prompts=len(said),
        replies=len(replies),
        nameless=sum(not reply for reply in replies),
        several=sum(sum(each.kind == "family" for each in reply) > 1 for reply in replies),
        rates=sorted(rates, key=lambda each: (-each.rate, each.kind, each.identity)),
    )


def _rate(identity: Identity, said: Sequence[_Said]) -> IdentityRate | None:
    counts = [sum(identity in reply for reply in each.replies) for each in said]
    if not any(counts):
        return None
    shares = sum(count / len(each.replies) for count, each in zip(counts, said, strict=True))
    return IdentityRate(
        identity=identity.name,
        kind=identity.kind,
        rate=shares / len(said),
        interval=wilson(min(shares, float(len(said))), len(said)),
        replies=sum(counts),
    )


def _because(model: IdentityModel) -> str:
    families = [each for each in model.overall.rates if each.kind == "family"]
    asked = f"Asked who it is by {model.overall.prompts} prompts, {model.name}"
    if not families:
        return f"{asked} names no model family of the table."
    first = families[0]
    low, high = first.interval
    told = f"names {first.identity} most often, in {first.rate:.0%} of replies ({low:.0%} to {high:.0%})"
    others = f", and {len(families) - 1} other families" if len(families) > 1 else ""
    return f"{asked} {told}{others}."
