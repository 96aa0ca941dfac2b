"""What a local checkpoint says: prompts continued by its own tensors in its class, greedily or drawn from a seed."""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forebear.checkpoint.digest import sample_digest
from forebear.checkpoint.documents import CONFIG_NAME
from forebear.checkpoint.strict_json import parse_object
from forebear.errors import CheckpointError, UsageError
from forebear.evidence.activations.chatting import chat_texts
from forebear.evidence.activations.classes import Loaded, UnprobeableError, loaded, refusing
from forebear.evidence.activations.tokenizing import tokenizer_of, untokenised
from forebear.evidence.documents.tokenizer.companions import Companions, read_companions
from forebear.evidence.profiles.side import ProfiledSide
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.responses.transcript_file import Asking
from forebear.responses.transcript_writer import Missing, Note, TranscriptWriter, open_transcript

if TYPE_CHECKING:
    import torch

TOKENS_AT_ONCE = 8_192
"""In a batch: prompts of equal length times that length, replies counted."""
ROWS_AT_ONCE = 128
DIGESTED_ROWS = 16
"""First rows of every tensor that name the weights asked."""
_CONTEXT = 8
"""Tokens before a reply with which it is decoded, so that a blank at its start is not lost."""
_TOLD_OF_ENDS = (CONFIG_NAME, "generation_config.json")

Wanted = Sequence[tuple[Prompt, int]]


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A prompt as tokens, and which of the replies to it is wanted."""

    prompt: Prompt
    sample: int
    tokens: list[int]


def ask_local(
    side: ProfiledSide,
    prompts: Prompts,
    settings: Settings,
    path: str | Path,
    *,
    tokenizer: str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> Transcript:
    """Have a local model continue every prompt that a transcript lacks a reply to, and keep each as it comes.

    Prompts are continued as plain text, or with ``kind`` ``"chat"`` as the model's chat template writes them. Replies
    end at the model's end of text, at ``max_tokens`` or where its positions end. Drawn replies depend on the seed, the
    prompt's id and the sample alone; without a seed it is 0.

    Args:
        side: the model.
        prompts: none with a system message, but for chat.
        settings: how; ``kind`` is ``"local"`` or ``"chat"``.
        path: the transcript; gone on with where it is there.
        tokenizer: content of a tokenizer.json, for a model that brings none.
        progress: called with a stage and the fraction done, 0 to 1.

    Raises:
        UsageError: the extra is not installed, or the file holds another run.
        UnprobeableError: the model or its tokenizer cannot be run, and why.
        CheckpointError: a tensor holds a value that is not finite.
    """
    if settings.kind != "chat" and any(each.system is not None for each in prompts.prompts):
        raise UsageError(
            "a local model is given plain text, and takes no system message", where=prompts.name,
            remedy="Leave it out, or ask with --kind chat",
        )  # fmt: skip
    asking = Asking(side.model.source, None, settings, prompts)
    with open_transcript(path, asking) as writer:
        for note in _named(side, tokenizer):
            _check_same(writer, note, side)
            writer.take(Note(note))
        wanted = writer.lacking()
        for event in _said(side, wanted, settings, tokenizer) if wanted else ():
            writer.take(event)
            if progress is not None:
                progress(f"asking {side.name}", writer.replies / writer.wanted)
        writer.close_if_complete()
        return writer.transcript()


def _named(side: ProfiledSide, tokenizer: str | None) -> list[str]:
    """Notes that name weights and tokenizer by their content."""
    rows = {name: np.arange(min(DIGESTED_ROWS, *side.store.info(name).shape[:1])) for name in side.store.names()}
    document = side.model.documents.get("tokenizer.json")
    content = (tokenizer or "").encode("utf-8") if document is None else document.data()
    weights = sample_digest(side.store, {name: some for name, some in rows.items() if some.size})
    return [f"weights: {weights}", f"tokenizer: sha256:{sha256(content).hexdigest()}"]


def _check_same(writer: TranscriptWriter, note: str, side: ProfiledSide) -> None:
    kind = note.partition(" ")[0]
    if note not in writer.notes and any(each.startswith(kind) for each in writer.notes):
        raise UsageError(
            f"holds replies given with other {kind.rstrip(':')}", where=writer.source, field=side.model.source,
            remedy="Give another file",
        )  # fmt: skip


def _said(side: ProfiledSide, wanted: Wanted, settings: Settings, given: str | None) -> Iterator[Reply | Missing]:
    """Replies in the order in which batches run, and why there is none."""
    tokenizer = tokenizer_of(side, given)
    companions = read_companions(side.model.documents)
    ends = _ends(side) | {tokenizer.token_to_id(companions.roles.get("eos_token", ""))}
    texts = _texts(side, companions, wanted, settings)
    with loaded(side) as model:
        alike: dict[int, list[_Encoded]] = defaultdict(list)
        for (prompt, sample), (taken, text) in zip(wanted, texts, strict=True):
            tokens = tokenizer.encode(text, add_special_tokens=settings.kind != "chat").ids if taken else []
            why = _unaskable(side, tokens, model.positions) if taken else f"its chat template refuses it ({text})"
            if why is not None:
                yield Missing(prompt.id, sample, why)
            else:
                alike[len(tokens)].append(_Encoded(prompt, sample, tokens))
        for length, some in sorted(alike.items()):
            step = max(1, min(ROWS_AT_ONCE, TOKENS_AT_ONCE // (length + settings.max_tokens)))
            for start in range(0, len(some), step):
                batch = some[start : start + step]
                for each, (new, finish) in zip(batch, _continued(side, model, batch, settings, ends), strict=True):
                    text = _decoded(tokenizer, each.tokens, new)
                    yield Reply(each.prompt.id, each.sample, text, finish, length, len(new) + (finish == "stop"))


def _texts(side: ProfiledSide, companions: Companions, wanted: Wanted, settings: Settings) -> list[tuple[bool, str]]:
    """What the model is given for each prompt wanted, or why it cannot be."""
    prompts = [prompt for prompt, _ in wanted]
    if settings.kind != "chat":
        return [(True, prompt.text) for prompt in prompts]
    once = {prompt.id: prompt for prompt in prompts}
    rendered = dict(zip(once, chat_texts(side, companions, [*once.values()]), strict=True))
    return [rendered[prompt.id] for prompt in prompts]


def _unaskable(side: ProfiledSide, tokens: list[int], positions: int | None) -> str | None:
    known = side.anatomy.geometry.vocabulary or 0
    if max(tokens, default=0) >= known:
        rule = f"its tokenizer gives numbers up to {max(tokens)} for {known} tokens"
        raise untokenised(side, rule, "Give the tokenizer that belongs to these weights")
    if not tokens:
        return "it has no tokens"
    if positions is not None and len(tokens) > positions:
        return f"{len(tokens)} tokens, the model takes {positions}"
    return None


def _ends(side: ProfiledSide) -> frozenset[int | None]:
    """Tokens that end a reply, as the model's files say."""
    found: set[int | None] = set()
    for name in _TOLD_OF_ENDS:
        document = side.model.documents.get(name)
        try:
            stated = {} if document is None else parse_object(document.data(), document.file.shown, max_depth=32)
        except CheckpointError:
            if name == CONFIG_NAME:
                raise
            stated = {}  # a file that only says how to sample, and does not say even that
        value = stated.get("eos_token_id")
        found.update(each for each in (value if isinstance(value, list) else [value]) if type(each) is int)
    return frozenset(found)


def _continued(
    side: ProfiledSide, model: Loaded, batch: Sequence[_Encoded], settings: Settings, ends: Collection[int | None]
) -> list[tuple[list[int], str]]:
    """New tokens of prompts of equal length, the end of text left off, and why they ended."""
    import torch

    length = len(batch[0].tokens)
    room = settings.max_tokens if model.positions is None else model.positions - length + 1
    steps = min(settings.max_tokens, room)
    draws = [_Draw(settings, each) for each in batch]
    new: list[list[int]] = [[] for _ in batch]
    stopped = [False] * len(batch)
    given = torch.tensor([each.tokens for each in batch], device=model.device)
    whole, cache = given, None
    for step in range(steps):
        with refusing(side), torch.no_grad():
            scores, cache = _scores(model, given, cache, again=step + 1 < steps)
        if not bool(torch.isfinite(scores).all()):
            raise UnprobeableError("its output overflows", where=side.model.source, remedy="Leave this model out")
        chosen = _chosen(scores, draws, settings)
        for row, token in enumerate(chosen):
            stopped[row] = stopped[row] or token in ends
            if not stopped[row]:
                new[row].append(token)
        if all(stopped):
            break
        latest = torch.tensor(chosen, device=model.device)[:, None]
        whole = torch.cat([whole, latest], dim=1)
        given = whole if cache is None else latest
    return [(tokens, "stop" if ended else "length") for tokens, ended in zip(new, stopped, strict=True)]


def _scores(model: Loaded, given: torch.Tensor, cache: Any, *, again: bool) -> tuple[torch.Tensor, Any]:
    """``(batch, vocabulary)`` scores of the next token, and the cache where the class has one and it is needed."""
    more: dict[str, Any] = {"use_cache": again}
    if cache is not None:
        more["past_key_values"] = cache
    if "logits_to_keep" in inspect.signature(model.module.forward).parameters:
        more["logits_to_keep"] = 1
    out = model.module(input_ids=given, **more)
    scores: torch.Tensor = out.logits[:, -1].float()
    return scores, getattr(out, "past_key_values", None) if again else None


class _Draw:
    """Uniform numbers of one reply, from the seed, the prompt's id and the sample: batches do not change them."""

    def __init__(self, settings: Settings, each: _Encoded) -> None:
        named = f"{settings.seed or 0}\n{each.sample}\n{each.prompt.id}"
        seed = int.from_bytes(sha256(named.encode("utf-8", "surrogatepass")).digest()[:16], "little")
        self._drawing = np.random.default_rng(seed)

    def token(self, scores: np.ndarray[Any, np.dtype[np.float64]], settings: Settings) -> int:
        """A token drawn from the fewest most likely ones whose probabilities reach ``top_p``."""
        order = np.argsort(-scores, kind="stable")
        scaled = (scores[order] - scores[order[0]]) / settings.temperature
        sums = np.cumsum(np.exp(scaled))
        kept = int(np.searchsorted(sums, settings.top_p * sums[-1])) + 1
        place = np.searchsorted(sums[:kept], self._drawing.random() * sums[min(kept, len(sums)) - 1], side="right")
        return int(order[min(int(place), kept - 1, len(order) - 1)])


def _chosen(scores: torch.Tensor, draws: Sequence[_Draw], settings: Settings) -> list[int]:
    if settings.temperature == 0:
        found: list[int] = scores.argmax(dim=-1).tolist()
        return found
    rows = scores.double().cpu().numpy()
    return [draw.token(row, settings) for draw, row in zip(draws, rows, strict=True)]


def _decoded(tokenizer: Any, prompt: list[int], new: list[int]) -> str:
    """A reply's text; what it reads like behind the end of the prompt, where that can be told."""
    before = prompt[-_CONTEXT:]
    start: str = tokenizer.decode(before)
    whole: str = tokenizer.decode(before + new)
    if whole.startswith(start):
        return whole[len(start) :]
    alone: str = tokenizer.decode(new)
    return alone
