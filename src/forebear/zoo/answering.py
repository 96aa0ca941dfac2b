"""``python -m forebear.zoo answers``: lets models of the zoo answer items of the text, and writes what they said."""

from __future__ import annotations

import argparse
import json
import multiprocessing
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from forebear.checkpoint.writer import write_aside
from forebear.errors import UsageError
from forebear.responses.answers import Answers
from forebear.zoo.corpus import PARTS
from forebear.zoo.folder import read_config, read_tensors
from forebear.zoo.items import CHOICE, CONTEXT, FREE, LETTERS, OPTIONS, STEPS, Items, Sheet, answers, save
from forebear.zoo.manifest import folder_of
from forebear.zoo.recipes import RECIPES, Recipe, recipe
from forebear.zoo.text import VOCABULARY, tokens
from forebear.zoo.training import ARCHITECTURES

PROMPTS = "prompts.jsonl"
_BATCH = 64


def main(arguments: Sequence[str]) -> int:
    """Runs the command; errors are raised, not printed.

    Raises:
        UsageError: a model that the zoo does not have or that was not built.
    """
    options = _parser().parse_args(arguments)
    chosen = [recipe(path) for path in options.models] or [each for each in RECIPES if _built(options.zoo, each)]
    missing = next((each.path for each in chosen if not _built(options.zoo, each)), None)
    if missing or not chosen:
        raise UsageError(f"{missing or 'no model'} was not built", where=options.zoo, remedy="make zoo")
    texts = {part: tokens(part, options.zoo / "tokenizer.json") for part in PARTS}
    items = draw(texts, options.items, options.seed)
    options.output.mkdir(parents=True, exist_ok=True)
    write_prompts(options.output / PROMPTS, items, texts, options.zoo / "tokenizer.json")
    folders = {each.path: (each, folder_of(options.zoo, each)) for each in chosen}
    sheets = {}
    for path, sheet in _answered(folders, items, contexts(items, texts), options.workers):
        target = options.output / f"{path.replace('/', '-')}.jsonl"
        write_answers(target, answers(path, str(target), items, sheet), items)
        sheets[path] = sheet
        print(f"{path}: {len(sheets)} of {len(chosen)}", flush=True)
    if options.pack:
        save(options.pack, items, sheets)
    return 0


def draw(texts: dict[str, NDArray[np.int64]], count: int, seed: int = 0) -> Items:
    """Draws items from every part of the text, as many from each.

    The wrong options of a choice are drawn from the tokens that follow the same token elsewhere, as often as they do
    there, without repetition; a place whose last token has fewer than three other successors is not asked about.

    Args:
        texts: token numbers of each part.
        count: items of each form from each part.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    followers = _followers(texts)
    free, chosen, offered, right = [], [], [], []
    for text in texts.values():
        places = rng.permutation(np.arange(CONTEXT, len(text)))
        free.append(places[:count])
        kept: list[int] = []
        for place in places[count:].tolist():
            options = _options(followers[int(text[place - 1])], int(text[place]), rng)
            if options is not None:
                kept.append(place)
                offered.append(options)
                right.append(options.index(int(text[place])))
            if len(kept) == count:
                break
        chosen.append(np.array(kept))
    gold = [text[places] for text, places in zip(texts.values(), free, strict=True)]
    return Items(
        np.repeat(np.array(list(texts)), count),
        np.concatenate(free).astype(np.int32),
        np.concatenate(gold).astype(np.int16),
        np.concatenate(chosen).astype(np.int32),
        np.array(offered, dtype=np.int16),
        np.array(right, dtype=np.int8),
    )


def contexts(items: Items, texts: dict[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """The tokens before each one asked for, ``(items, CONTEXT)`` of each form."""
    reach = np.arange(-CONTEXT, 0)
    places = {FREE: items.free_positions, CHOICE: items.choice_positions}
    return {
        form: np.stack([texts[part][place + reach] for part, place in zip(items.parts.tolist(), of, strict=True)])
        for form, of in places.items()
    }


def answer(model: Recipe, folder: Path, items: Items, before: dict[str, NDArray[np.int64]]) -> Sheet:
    """Lets one model answer, in float32 and on one thread.

    A model with a longer vocabulary answers from the part of it that all share.

    Args:
        model: its recipe.
        folder: where it lies.
        items: what is asked.
        before: see `contexts`.
    """
    torch.set_num_threads(1)
    config = read_config(folder)
    tensors = {name: torch.from_numpy(each.astype(np.float32)) for name, each in read_tensors(folder).items()}

    def last(form: str) -> NDArray[np.float32]:
        asked, found = torch.from_numpy(before[form]), []
        with torch.inference_mode():
            for batch in (asked[at : at + _BATCH] for at in range(0, len(asked), _BATCH)):
                found.append(ARCHITECTURES[model.family].logits(tensors, batch, config)[:, -1, :VOCABULARY])
            logits: NDArray[np.float32] = torch.cat(found).numpy()
        return logits

    offered = np.take_along_axis(last(CHOICE), items.options.astype(np.int64), axis=1).astype(np.float64)
    odds = np.exp(offered - offered.max(axis=1, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    return Sheet(last(FREE).argmax(axis=1).astype(np.int16), shares.argmax(axis=1).astype(np.int8), _in_steps(shares))


def write_answers(path: Path, said: Answers, items: Items) -> None:
    """One line an answer: id, answer, gold, options, stratum, and probabilities of a choice."""
    offered = dict(zip(items.names(CHOICE), items.options.tolist(), strict=True))
    lines = []
    for each in said.items.values():
        line: dict[str, object] = {"id": each.id, "answer": each.value, "gold": each.gold, "stratum": each.stratum}
        if each.id in offered:
            line |= {"options": list(LETTERS), "probabilities": [round(share, 9) for share in each.probabilities]}
        lines.append(json.dumps(line) + "\n")
    write_aside(path, ["".join(lines).encode()])


def write_prompts(path: Path, items: Items, texts: dict[str, NDArray[np.int64]], tokenizer: Path) -> None:
    """One line an item: id, text before the token asked for (and the options, quoted), right answer and stratum.

    The models of the zoo see the tokens of the text alone; what they choose is the likeliest option.
    """
    decoder, before = Tokenizer.from_file(str(tokenizer)), contexts(items, texts)
    parts, lines = items.parts.tolist(), []
    for form in (FREE, CHOICE):
        shown = decoder.decode_batch(before[form].tolist(), skip_special_tokens=False)
        for number, (id_, text, part) in enumerate(zip(items.names(form), shown, parts, strict=True)):
            line: dict[str, object] = {"id": id_, "text": text, "gold": str(items.free_gold[number]), "stratum": part}
            if form == CHOICE:
                offered = [decoder.decode([each], skip_special_tokens=False) for each in items.options[number].tolist()]
                asked = [f"{letter}: {json.dumps(each)}" for letter, each in zip(LETTERS, offered, strict=True)]
                line |= {"text": "\n".join((text, *asked)), "gold": LETTERS[items.right[number]], "options": OPTIONS}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    write_aside(path, ["".join(lines).encode("utf-8")])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m forebear.zoo answers",
        description="Lets models of the zoo answer which token comes next, freely and among four.",
        allow_abbrev=False,
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help="as family/name; default: all that were built")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="folder for a file a model")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="also pack all answers into one file")
    parser.add_argument("--items", type=int, default=500, help="of each form from each part (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of items (default: 0)")
    parser.add_argument("--zoo", type=Path, default=Path("tests/zoo"), help="folder of the zoo (default: tests/zoo)")
    parser.add_argument("--workers", type=int, default=2, help="models answering at a time (default: 2)")
    return parser


def _built(zoo: Path, model: Recipe) -> bool:
    return (folder_of(zoo, model) / "model.safetensors").is_file()


def _answered(
    folders: dict[str, tuple[Recipe, Path]], items: Items, before: dict[str, NDArray[np.int64]], workers: int
) -> Iterator[tuple[str, Sheet]]:
    if workers < 2 or len(folders) < 2:
        for path, (model, folder) in folders.items():
            yield path, answer(model, folder, items, before)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(answer, model, folder, items, before) for model, folder in folders.values()]
        for path, future in zip(folders, running, strict=True):
            yield path, future.result()


def _followers(texts: dict[str, NDArray[np.int64]]) -> dict[int, Counter[int]]:
    """How often each token follows each, in all parts."""
    found: dict[int, Counter[int]] = {number: Counter() for number in range(VOCABULARY)}
    for text in texts.values():
        pairs, counts = np.unique(text[:-1] * VOCABULARY + text[1:], return_counts=True)
        for pair, times in zip(pairs.tolist(), counts.tolist(), strict=True):
            found[pair // VOCABULARY][pair % VOCABULARY] += times
    return found


def _options(following: Counter[int], right: int, rng: np.random.Generator) -> list[int] | None:
    """The right token among others, in random order; None where too few others follow."""
    others = {token: times for token, times in following.items() if token != right}
    if len(others) < OPTIONS - 1:
        return None
    weights = np.array(list(others.values()), dtype=np.float64)
    drawn = rng.choice(list(others), OPTIONS - 1, replace=False, p=weights / weights.sum())
    options: list[int] = rng.permutation([right, *drawn.tolist()]).tolist()
    return options


def _in_steps(shares: NDArray[np.float64]) -> NDArray[np.int8]:
    """Shares as whole numbers of steps that sum to `STEPS`: rounded down, the rest to the largest remainders."""
    scaled = shares * STEPS
    whole = np.floor(scaled).astype(np.int64)
    order = np.argsort(-(scaled - whole), axis=1, kind="stable")
    ranks = np.argsort(order, axis=1, kind="stable")
    whole += ranks < (STEPS - whole.sum(axis=1, keepdims=True))
    return whole.astype(np.int8)
