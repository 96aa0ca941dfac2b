"""One pass of a model over the sample, of which every activation profile takes what it needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role, View
from forebear.evidence.activations.classes import Loaded, UnprobeableError, loaded, refusing
from forebear.evidence.activations.recovered import recovered
from forebear.evidence.activations.sample import LENGTH, SEQUENCES, Sample, shipped
from forebear.evidence.activations.tokenizing import tokenizer_of, untokenised
from forebear.evidence.profiles.score import Score
from forebear.evidence.profiles.side import ProfiledSide
from forebear.statistics.arrays import Floats

if TYPE_CHECKING:
    import torch

KEPT = 128
"""First tokens of each sequence whose keys, values and neurons are kept: 1024 in all."""

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class Activations:
    """What one pass gave; numpy alone, float32.

    Attributes:
        sample: digest of the text.
        tokens: ``(8, length)`` numbers of the tokens read.
        norms: ``(layers,)`` mean over all tokens of the Euclidean length of what each layer gives.
        last: ``(layers, statements, hidden)`` what each layer gives at the last token of each statement.
        keys: of each layer, ``(8, kept, width)`` what the cache holds, heads side by side; empty where there is none.
        values: likewise.
        gate: by layer, ``(8, kept, neurons)`` what the gate matrix gives, before the activation function.
        up: likewise of the up matrix.
    """

    sample: str
    tokens: Tokens
    norms: Floats
    last: Floats
    keys: Sequence[Floats]
    values: Sequence[Floats]
    gate: Mapping[int, Floats]
    up: Mapping[int, Floats]


def activations_of(side: ProfiledSide) -> Activations:
    """A side's activations on its sample, computed once.

    Raises:
        UsageError: the extra is not installed.
        UnprobeableError: the model or its tokenizer cannot be run, and why.
        CheckpointError: a tensor holds a value that is not finite.
    """
    sample = side.sample or shipped()
    key = f"activations {sample.digest}"
    if key not in side.kept:
        with loaded(side) as model:
            side.kept[key] = _run(side, model, sample)
    found = side.kept[key]
    assert isinstance(found, Activations)
    return found


def beside(
    first: ProfiledSide, second: ProfiledSide, *, same_tokens: bool = True
) -> tuple[Activations, Activations] | Score:
    """Both sides' activations, or a score that says why they cannot be held against one another.

    Args:
        first: a model.
        second: another.
        same_tokens: refuse sides whose tokenizers part the sample differently.

    A side whose names tell nothing is run under those that its content shows beside the other.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        mine, yours = _guided(first, second), _guided(second, first)
    except UnprobeableError as error:
        return Score(None, reason=str(error))
    if mine.sample != yours.sample:
        return Score(None, reason="activations were taken on different texts")
    length = min(mine.tokens.shape[1], yours.tokens.shape[1], KEPT)
    if same_tokens and not np.array_equal(mine.tokens[:, :length], yours.tokens[:, :length]):
        return Score(None, reason="the models' tokenizers part the text differently, so that no token has an opposite")
    return mine, yours


def _guided(side: ProfiledSide, guide: ProfiledSide) -> Activations:
    """A side's activations; under the names that the guide's content gives it where its own do not do."""
    try:
        return activations_of(side)
    except UnprobeableError:
        key = f"recovered beside {guide.model.source}"
        if key not in side.kept:
            side.kept[key] = recovered(side, guide)
        named = side.kept[key]
        if not isinstance(named, ProfiledSide):
            raise
        return activations_of(named)


def rows(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Both sides' kept tokens one below the other, as many of each sequence as both have.

    Args:
        first: ``(8, m, p)``.
        second: ``(8, n, q)``.

    Returns:
        ``(8 min(m, n), p)`` and ``(8 min(m, n), q)``.
    """
    length = min(first.shape[1], second.shape[1])
    mine, yours = (side[:, :length].reshape(-1, side.shape[2]) for side in (first, second))
    return mine, yours


def opposite_layers(mine: int, yours: int) -> list[tuple[int, int]]:
    """For each layer of the shallower model, both models' layers at its relative depth."""
    if mine > yours:
        return [(first, second) for second, first in opposite_layers(yours, mine)]
    return [(layer, round(layer * (yours - 1) / max(mine - 1, 1))) for layer in range(mine)]


def _run(side: ProfiledSide, model: Loaded, sample: Sample) -> Activations:
    tokens, statements = _encoded(side, sample, model.positions)
    with refusing(side):
        found = _over_sequences(side, model, tokens)
        last = _over_statements(side, model, statements)
    arrays = [found.norms, last, *found.keys, *found.values, *found.gate.values(), *found.up.values()]
    if not all(np.isfinite(each).all() for each in arrays):
        raise UnprobeableError("its activations overflow", where=side.model.source, remedy="Leave activations out")
    return Activations(sample.digest, tokens, found.norms, last, found.keys, found.values, found.gate, found.up)


def _encoded(side: ProfiledSide, sample: Sample, positions: int | None) -> tuple[Tokens, list[list[int]]]:
    """The sample's sequences, all as long as the shortest, and its statements, as the model's tokenizer parts them."""
    tokenizer = tokenizer_of(side, sample.tokenizer)
    most = min(LENGTH, positions or LENGTH)
    sequences = [each.ids for each in tokenizer.encode_batch(sample.stretches(), add_special_tokens=False)]
    length = min(most, *map(len, sequences))
    statements = [each.ids[:most] for each in tokenizer.encode_batch(sample.statements())]
    known = side.anatomy.geometry.vocabulary or 0
    highest = max(max(ids[:most], default=0) for ids in (*sequences, *statements))
    if length < 2 or not statements or not all(statements) or highest >= known:
        rule = f"numbers up to {highest} for {known} tokens" if highest >= known else "no tokens for parts of the text"
        raise untokenised(side, f"its tokenizer gives {rule}", "Give the tokenizer that belongs to these weights")
    return np.array([ids[:length] for ids in sequences], dtype=np.int64), statements


@dataclass
class _Found:
    norms: Floats
    keys: list[Floats]
    values: list[Floats]
    gate: dict[int, Floats]
    up: dict[int, Floats]


def _over_sequences(side: ProfiledSide, model: Loaded, tokens: Tokens) -> _Found:
    """Norms, keys, values and neurons, a sequence at a time."""
    import torch
    from transformers import DynamicCache

    sums = np.zeros(side.depth)
    taken: dict[tuple[str, int], list[Floats]] = defaultdict(list)
    for sequence in tokens:
        given = torch.from_numpy(sequence)[None].to(model.device)
        cache = DynamicCache()
        with torch.no_grad(), _watched(model, side.depth) as seen:
            model.module(input_ids=given, past_key_values=cache, use_cache=True)
        for layer in range(side.depth):
            sums[layer] += float(seen["hidden", layer].double().norm(dim=-1).mean())
        for (kind, layer), values in seen.items():
            if kind != "hidden":
                taken[kind, layer].append(_kept(values))
        for layer, (keys, values, *_) in enumerate(cache):
            taken["keys", layer].append(_kept(keys.transpose(1, 2).flatten(2)))
            taken["values", layer].append(_kept(values.transpose(1, 2).flatten(2)))
    stacked = {key: np.concatenate(found) for key, found in taken.items()}
    by_kind = {
        kind: {layer: found for (each, layer), found in stacked.items() if each == kind}
        for kind in ("keys", "values", "gate", "up")
    }
    caches = [[by_kind[kind][layer] for layer in sorted(by_kind[kind])] for kind in ("keys", "values")]
    return _Found(sums / SEQUENCES, caches[0], caches[1], by_kind["gate"], by_kind["up"])


def _kept(values: torch.Tensor) -> Floats:
    """``(1, kept, width)`` of the first tokens of a sequence."""
    found: Floats = values[:, :KEPT].float().cpu().numpy().copy()
    return found


def _over_statements(side: ProfiledSide, model: Loaded, statements: Sequence[Sequence[int]]) -> Floats:
    """``(layers, statements, hidden)`` at each statement's last token; those of equal length run together."""
    import torch

    found = np.empty((side.depth, len(statements), side.anatomy.geometry.hidden), dtype=np.float32)
    of_length: dict[int, list[int]] = defaultdict(list)
    for number, ids in enumerate(statements):
        of_length[len(ids)].append(number)
    for numbers in of_length.values():
        for start in range(0, len(numbers), SEQUENCES):
            some = numbers[start : start + SEQUENCES]
            given = torch.tensor([statements[number] for number in some], device=model.device)
            with torch.no_grad(), _watched(model, side.depth) as seen:
                model.module(input_ids=given, use_cache=False)
            for layer in range(side.depth):
                found[layer, some] = seen["hidden", layer][:, -1].float().cpu().numpy()
    return found


@contextmanager
def _watched(model: Loaded, depth: int) -> Iterator[dict[tuple[str, int], torch.Tensor]]:
    """What each layer, gate and up matrix gives while the model runs, by ``(kind, layer)``."""
    seen: dict[tuple[str, int], torch.Tensor] = {}
    with ExitStack() as stack:
        for layer, module in enumerate(_layers(model, depth)):
            stack.enter_context(_hook(module, seen, ("hidden", layer)))
        for part, view in model.anatomy.parts.items():
            if part.role in (Role.GATE, Role.UP) and part.expert is None and view.index is None:
                module = model.module.get_submodule(view.tensor.rpartition(".")[0])
                stack.enter_context(_hook(module, seen, _key(part), view))
        yield seen


def _key(part: Part) -> tuple[str, int]:
    assert part.layer is not None
    return part.role.value, part.layer


@contextmanager
def _hook(
    module: torch.nn.Module, seen: dict[tuple[str, int], torch.Tensor], key: tuple[str, int], view: View | None = None
) -> Iterator[None]:
    """Remember what a module gives; of a fused matrix the share that a view names."""

    def remember(_: torch.nn.Module, __: Any, given: Any) -> None:
        whole = given[0] if isinstance(given, tuple) else given
        if view is not None and len(view.spans) == 1:
            whole = whole[..., slice(*view.spans[0])]
        seen[key] = whole

    handle = module.register_forward_hook(remember)
    try:
        yield
    finally:
        handle.remove()


def _layers(model: Loaded, depth: int) -> torch.nn.ModuleList:
    """The stack of layers: the outermost list of that many modules that holds what the anatomy calls layer 0."""
    from torch.nn import ModuleList

    inside = [view.tensor for part, view in model.anatomy.parts.items() if part.layer == 0]
    for name, module in model.module.named_modules():
        if isinstance(module, ModuleList) and len(module) == depth and any(t.startswith(f"{name}.") for t in inside):
            return module
    raise ValueError("its class has no list of layers")
