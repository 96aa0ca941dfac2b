"""Builds the zoo: what is missing or out of date, parents first, some models at a time, resuming where it stopped."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from forebear.zoo import corpus, manifest
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.growth import Grown, grow
from forebear.zoo.recipes import RECIPES, Recipe
from forebear.zoo.text import VOCABULARY, tokens, train_tokenizer
from forebear.zoo.training import ARCHITECTURES, Trained, start, train

Built = tuple[Recipe, manifest.Entry, float]


def build(zoo: Path, workers: int = 2, recipes: Sequence[Recipe] = RECIPES) -> list[str]:
    """Builds the models that are missing, changed on disk, or whose recipe or ancestors changed.

    The manifest is saved after every model, so an interrupted build loses at most the models in the making.

    Args:
        zoo: folder of the zoo; made when missing.
        workers: processes, each on one core.
        recipes: models to build, each after its parent if that is among them.

    Returns:
        Paths of the models built, in the order in which they were finished.
    """
    if not (zoo / "tokenizer.json").is_file():
        train_tokenizer(zoo / "tokenizer.json")
    homes, text = {True: zoo, False: zoo / manifest.GROWN}, corpus.digest()
    entries = {shipped: manifest.load(home) for shipped, home in homes.items()}
    waiting, running = list(recipes), dict[Future[Built], Recipe]()
    done: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        while waiting or running:
            unfinished = {recipe.path for recipe in (*waiting, *running.values())}
            ready = [recipe for recipe in waiting if _parent_path(recipe) not in unfinished]
            for recipe in ready[: workers - len(running)]:
                waiting.remove(recipe)
                found = entries[recipe.shipped].get(recipe.path)
                if not manifest.is_current(zoo, recipe, found, ancestors(zoo, recipe, text)):
                    running[pool.submit(make, zoo, recipe, text)] = recipe
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                recipe, entry, seconds = future.result()
                entries[recipe.shipped][recipe.path] = entry
                manifest.save(homes[recipe.shipped], entries[recipe.shipped], text)
                done.append(recipe.path)
                losses = f"loss {entry['first_loss']:.3f} -> {entry['final_loss']:.3f}"
                print(f"{recipe.path}: {losses}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return done


def ancestors(zoo: Path, recipe: Recipe, text: str) -> dict[str, str]:
    """sha256 of everything a model is made from: its parent's weights, the text, the tokenizer."""
    found = {"corpus": text, "tokenizer": manifest.sha256_of(zoo / "tokenizer.json")}
    parent = manifest.parent_of(zoo, recipe)
    if parent is not None:
        weights = parent / "model.safetensors"
        found["parent"] = manifest.sha256_of(weights) if weights.is_file() else "missing"
    return found


def trained(zoo: Path, recipe: Recipe) -> tuple[Trained, Grown]:
    """Trains one model from its parent (or its random start), without writing it.

    Returns:
        The trained tensors; what they were before, with their config and the truth of a change of shape.
    """
    folder = manifest.parent_of(zoo, recipe)
    fresh = Grown(start(recipe.family, recipe.start_seed or 0), {**ARCHITECTURES[recipe.family].CONFIG}, {})
    parent = fresh if folder is None else Grown(read_tensors(folder), read_config(folder), {})
    teacher = parent.tensors if recipe.kind == "distilled" else None
    if recipe.growth:
        initial = grow(recipe.growth, parent, fresh, recipe.start_seed or 0, dict(recipe.amounts))
    else:
        initial = parent if recipe.start_seed is None else fresh
    learned = _tokens(recipe.data, _tokenizer(zoo, initial.config["vocab_size"]))
    return train(recipe, learned, initial.tensors, initial.config, teacher), initial


def make(zoo: Path, recipe: Recipe, text: str) -> Built:
    """Trains one model and puts its folder in place; returns its record and the seconds it took."""
    began = time.monotonic()
    result, initial = trained(zoo, recipe)
    folder, vocabulary = manifest.folder_of(zoo, recipe), initial.config["vocab_size"]
    beside = [] if vocabulary == VOCABULARY else [_tokenizer(zoo, vocabulary)]
    write_folder(folder, result.tensors, initial.config, beside=beside)
    sha256 = manifest.sha256_of(folder / "model.safetensors")
    losses = (result.first_loss, result.last_loss)
    made_from = ancestors(zoo, recipe, text)
    entry = manifest.entry(recipe, losses, sha256, made_from, torch.__version__, truth=initial.truth)
    return recipe, entry, time.monotonic() - began


def _tokenizer(zoo: Path, vocabulary: int) -> Path:
    """The zoo's tokenizer, or the same with more merges, which is made where it is missing."""
    if vocabulary == VOCABULARY:
        return zoo / "tokenizer.json"
    path = zoo / manifest.GROWN / f"vocabulary-{vocabulary}" / "tokenizer.json"
    if not path.is_file():
        train_tokenizer(path, vocabulary)
    return path


@lru_cache(maxsize=2)
def _tokens(part: str, tokenizer: Path) -> NDArray[np.int64]:
    return tokens(part, tokenizer)


def _parent_path(recipe: Recipe) -> str | None:
    return None if recipe.parent is None else f"{recipe.family}/{recipe.parent}"
