"""One reply a prompt of several models, side by side, compared letter by letter after one stated rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.evidence.behaviour.live import Heard, same_prompts
from forebear.responses.transcript import Transcript
from forebear.statistics.agreement import Codes

AS_GIVEN = "the reply as received, white space included: one token was asked for"
FIRST_WORD = "the first word of the reply, up to white space: more than one token was asked for"
_CUT = ("length", "content_filter", "tool_calls", "function_call")
"""Ends at which an empty reply is none: no text was let through, as where a model reasons first or a filter stands."""
FEWEST = 0.5
"""A control that replied to less than this share of what model and references replied to is left out."""


@dataclass(frozen=True)
class Replied:
    """Replies to prompts that every model replied to.

    Attributes:
        names: the model, then references, then controls.
        codes: ``(prompts, models)``; equal numbers in a row are equal replies.
        references: how many there are.
        rule: what of a reply is compared.
        left_out: what was left out, and why.
        wrong: ``(prompts, models)`` whether a reply goes on otherwise than its text does; None where less than half of
            the prompts say how they go on. To one that does not, every reply is wrong: none is more right than another.
    """

    names: tuple[str, ...]
    codes: Codes
    references: int
    rule: str
    left_out: tuple[str, ...]
    wrong: NDArray[np.bool_] | None = None

    @property
    def prompts(self) -> int:
        """How many prompts every model replied to."""
        return len(self.codes)

    @property
    def controls(self) -> int:
        """How many controls are left."""
        return len(self.names) - 1 - self.references

    def columns(self, reference: int) -> list[int]:
        """Columns of the model, one reference and every control.

        Args:
            reference: its number among the references.
        """
        return [0, 1 + reference, *range(1 + self.references, len(self.names))]


def replied(heard: Heard) -> Replied:
    """Replies side by side; only the first of several replies to a prompt counts.

    An empty reply is no reply where several tokens were asked for; where one was, it may be the token that ends, unless
    the endpoint says that something else ended it.

    Raises:
        UsageError: no reference; other prompts, another temperature, chat beside completions, or one token beside
            several.
    """
    same_prompts(heard)
    same_asking(heard)
    single = heard.model.settings.max_tokens == 1
    needed = (heard.model, *heard.references)
    said = [_said(each, single) for each in (*needed, *heard.controls)]
    ids = [each.id for each in heard.model.prompts.prompts]
    common = [each for each in ids if all(each in words for words in said[: len(needed)])]
    controls, left_out = _answering(heard.controls, said[len(needed) :], common)
    words = [*said[: len(needed)], *(said[len(needed) + number] for number in controls)]
    kept = [each for each in common if all(each in of for of in words)]
    if len(kept) < len(ids):
        left_out.append(f"{len(ids) - len(kept)} of {len(ids)} prompts: some model gave no reply to them")
    names = [*(each.name for each in needed), *(heard.controls[number].name for number in controls)]
    rule = AS_GIVEN if single else FIRST_WORD
    golds = {each.id: each.gold for each in heard.model.prompts.prompts if isinstance(each.gold, str)}
    told = sum(each in golds for each in kept)
    wrong = _wrong(words, kept, golds) if told and told >= FEWEST * len(kept) else None
    return Replied(tuple(names), _codes(words, kept), len(heard.references), rule, tuple(left_out), wrong)


def same_asking(heard: Heard) -> None:
    """Refuse transcripts whose models were asked in different ways: how one asks makes replies alike.

    Raises:
        UsageError: no reference, or a transcript whose settings differ from the model's in what matters.
    """
    if not heard.references:
        raise UsageError("no reference to hold the model against", where=heard.model.source, remedy="Name one or more")
    mine = heard.model.settings
    kinds = {each.settings.kind for each in (heard.model, *heard.references, *heard.controls)} - {"local"}
    for other in (*heard.references, *heard.controls):
        its = other.settings
        for name, differs in (
            ("temperature", its.temperature != mine.temperature),
            ("top_p", its.top_p != mine.top_p and mine.temperature > 0.0),
            ("max_tokens", (its.max_tokens == 1) != (mine.max_tokens == 1)),
            ("kind", len(kinds) > 1 and its.kind != mine.kind),
        ):
            if differs:
                raise UsageError(
                    f"asked with {name} {getattr(its, name)}, {heard.model.source} with {getattr(mine, name)}",
                    where=other.source,
                    field=f"settings.{name}",
                    remedy="Ask every model in the same way",
                )


def _said(transcript: Transcript, single: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in transcript.replies:
        if each.prompt not in found:
            words = each.text.split(maxsplit=1)
            if words or (single and (each.text or each.finish not in _CUT)):
                found[each.prompt] = each.text if single else words[0]
    return found


def _answering(
    controls: Sequence[Transcript], said: Sequence[dict[str, str]], common: Sequence[str]
) -> tuple[list[int], list[str]]:
    """Numbers of the controls that replied to enough, and what is said of the others."""
    kept, left_out = [], []
    for number, (each, words) in enumerate(zip(controls, said, strict=True)):
        count = sum(prompt in words for prompt in common)
        if count < FEWEST * len(common):
            left_out.append(f"control {each.name}: it replied to {count} of {len(common)} prompts")
        else:
            kept.append(number)
    return kept, left_out


def _codes(words: Sequence[dict[str, str]], ids: Sequence[str]) -> Codes:
    seen: dict[str, int] = {}
    rows = [[seen.setdefault(of[each], len(seen)) for of in words] for each in ids]
    return np.array(rows, dtype=np.int64).reshape(len(ids), len(words))


def _wrong(words: Sequence[dict[str, str]], ids: Sequence[str], golds: Mapping[str, str]) -> NDArray[np.bool_]:
    """Whether a reply does not begin the way its prompt goes on, outer white space aside."""
    rows = [[not begins(golds.get(each, ""), of[each]) for of in words] for each in ids]
    return np.array(rows, dtype=np.bool_).reshape(len(ids), len(words))


def begins(text: str, reply: str) -> bool:
    """Whether a reply is how a text begins, outer white space aside; an empty one is not."""
    said = reply.strip()
    return bool(said) and text.strip().startswith(said)
