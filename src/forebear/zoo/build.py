"""Builds the zoo: what is missing or out of date, parents first, some models at a time, resuming where it stopped."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path

import torch

from forebear.zoo import corpus, manifest
from forebear.zoo.folder import read_tensors, write_folder
from forebear.zoo.recipes import RECIPES, Recipe
from forebear.zoo.text import tokens, train_tokenizer
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
    entries, text = manifest.load(zoo), corpus.digest()
    waiting, running = list(recipes), dict[Future[Built], Recipe]()
    done: list[str] = []
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        while waiting or running:
            unfinished = {recipe.path for recipe in (*waiting, *running.values())}
            ready = [recipe for recipe in waiting if _parent_path(recipe) not in unfinished]
            for recipe in ready[: workers - len(running)]:
                waiting.remove(recipe)
                if not manifest.is_current(zoo, recipe, entries.get(recipe.path), ancestors(zoo, recipe, text)):
                    running[pool.submit(make, zoo, recipe, text)] = recipe
            if not running:
                continue
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                recipe, entry, seconds = future.result()
                entries[recipe.path] = entry
                manifest.save(zoo, entries, text)
                done.append(recipe.path)
                losses = f"loss {entry['first_loss']:.3f} -> {entry['final_loss']:.3f}"
                print(f"{recipe.path}: {losses}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return done


def ancestors(zoo: Path, recipe: Recipe, text: str) -> dict[str, str]:
    """sha256 of everything a model is made from: its parent's weights, the text, the tokenizer."""
    found = {"corpus": text, "tokenizer": manifest.sha256_of(zoo / "tokenizer.json")}
    if recipe.parent is not None:
        weights = zoo / recipe.family / recipe.parent / "model.safetensors"
        found["parent"] = manifest.sha256_of(weights) if weights.is_file() else "missing"
    return found


def trained(zoo: Path, recipe: Recipe) -> Trained:
    """Trains one model from its committed parent (or its random start), writing nothing."""
    parent = None if recipe.parent is None else read_tensors(zoo / recipe.family / recipe.parent)
    teacher = parent if recipe.kind == "distilled" else None
    initial = start(recipe.family, recipe.start_seed) if recipe.start_seed is not None else (parent or {})
    return train(recipe, tokens(recipe.data, zoo / "tokenizer.json"), initial, teacher)


def make(zoo: Path, recipe: Recipe, text: str) -> Built:
    """Trains one model and puts its folder in place; returns its record and the seconds it took."""
    began = time.monotonic()
    result = trained(zoo, recipe)
    config = {**ARCHITECTURES[recipe.family].CONFIG}
    write_folder(zoo / recipe.path, result.tensors, config)
    sha256 = manifest.sha256_of(zoo / recipe.path / "model.safetensors")
    losses = (result.first_loss, result.last_loss)
    entry = manifest.entry(recipe, losses, sha256, ancestors(zoo, recipe, text), torch.__version__)
    return recipe, entry, time.monotonic() - began


def _parent_path(recipe: Recipe) -> str | None:
    return None if recipe.parent is None else f"{recipe.family}/{recipe.parent}"
