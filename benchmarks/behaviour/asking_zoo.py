"""Asks models of the zoo what comes next, and keeps the replies: ``python -m benchmarks.behaviour asking-zoo``.

Greedy single tokens to the shipped prompts and to code of the kind the models were trained on, and sampled
continuations, each model on its own: no endpoint is needed.
"""

from __future__ import annotations

import argparse
import json
import lzma
import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from tokenizers import Tokenizer

from benchmarks.behaviour.zoo_replies import kept_at, prompts_of, replies_of
from benchmarks.profiles.zoo import ZOO, opened
from forebear.checkpoint.writer import write_aside
from forebear.evidence.activations.classes import Loaded, UnprobeableError, loaded
from forebear.zoo.manifest import folder_of
from forebear.zoo.recipes import RECIPES, Recipe

SAMPLES = 16
LONGEST = 4
"""Tokens of a sampled continuation."""
CONTEXT = 120
"""Most tokens of a prompt that a model is given, its last ones; fewer where it takes fewer."""
_BATCH = 256


def run(arguments: Sequence[str]) -> None:
    """Ask every model that was built and not yet asked, or those named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour asking-zoo", description=__doc__)
    parser.add_argument("models", nargs="*", help="such as gated/g00; default: all")
    given = parser.parse_args(arguments)
    built = [each for each in RECIPES if folder_of(ZOO, each).is_dir()]
    for recipe in sorted(built, key=lambda each: (each.family == "deep", each.kind != "stranger", each.path)):
        if (not given.models or recipe.path in given.models) and replies_of(recipe.path) is None:
            try:
                packed = lzma.compress(json.dumps(_ask(recipe)).encode("utf-8"))
            except UnprobeableError as error:
                print(f"{recipe.path}: {error.line()}", flush=True)
                continue
            kept = kept_at(recipe.path)
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_aside(kept, [packed])
            print(recipe.path, flush=True)


def _ask(recipe: Recipe) -> dict[str, Any]:
    side = opened(folder_of(ZOO, recipe), recipe.path)
    with loaded(side) as model, torch.no_grad():
        greedy = {name: _greedy(model, name) for name in ("next-token", "code")}
        sampled = _sampled(model, zlib.crc32(recipe.path.encode("utf-8")))
    return {"greedy": greedy, "sampled": sampled}


def _greedy(model: Loaded, name: str) -> list[str]:
    found = []
    for rows in _batches([_tokens(model, each["prompt"]) for each in prompts_of(name)]):
        found += _last(model.module, rows).argmax(dim=-1).tolist()
    return [_text([token]) for token in found]


def _sampled(model: Loaded, seed: int) -> list[list[str]]:
    draw = torch.Generator().manual_seed(seed)
    found = []
    for prompt in prompts_of("continuations"):
        logits, cache = _step(model.module, torch.tensor([_tokens(model, prompt["prompt"])]), None)
        cache.batch_repeat_interleave(SAMPLES)
        logits, said = logits.repeat(SAMPLES, 1), []
        for place in range(LONGEST):
            said.append(torch.multinomial(torch.softmax(logits, dim=-1), 1, generator=draw))
            if place + 1 < LONGEST:
                logits, cache = _step(model.module, said[-1], cache)
        found.append([_text(row) for row in torch.cat(said, dim=1).tolist()])
    return found


def _step(module: torch.nn.Module, tokens: torch.Tensor, cache: Any) -> tuple[torch.Tensor, Any]:
    """Logits behind the last token, and the cache to go on from."""
    given = module(tokens, past_key_values=cache, use_cache=True)
    return given.logits[:, -1], given.past_key_values


def _last(module: torch.nn.Module, rows: list[list[int]]) -> torch.Tensor:
    """Logits behind the last token of each row; padding to the right does not reach it."""
    longest = max(map(len, rows))
    padded = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    body: Any = module
    states = body.base_model(padded, use_cache=False).last_hidden_state
    last = states[torch.arange(len(rows)), torch.tensor([len(row) - 1 for row in rows])]
    logits: torch.Tensor = body.get_output_embeddings()(last)
    return logits


def _batches(rows: list[list[int]]) -> list[list[list[int]]]:
    return [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]


@cache
def _tokenizer() -> Any:
    return Tokenizer.from_file(str(ZOO / "tokenizer.json"))


def _tokens(model: Loaded, text: str) -> list[int]:
    """The last tokens of a text, as many as leave room for a continuation."""
    most = min(CONTEXT, (model.positions or CONTEXT + LONGEST) - LONGEST)
    return list(_tokenizer().encode(text).ids)[-most:]


def _text(tokens: list[int]) -> str:
    return str(_tokenizer().decode(tokens))
