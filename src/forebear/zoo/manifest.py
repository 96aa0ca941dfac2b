"""What is recorded of each model of the zoo, and whether a folder still is what the record says."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forebear.checkpoint.writer import write_aside
from forebear.errors import UsageError
from forebear.zoo.recipes import VERSION, Recipe

Entry = dict[str, Any]
SCHEMA = "forebear.zoo/1"
GROWN = "grown"
"""Folder inside the zoo of what is not shipped: itself a zoo, with its own manifest, that git ignores."""
_NUMBERS = re.compile(r"\[\s+(-?\d[-\d\s,]*?)\s+\]")


def folder_of(zoo: Path, recipe: Recipe) -> Path:
    """Where a model lies or shall lie."""
    return (zoo if recipe.shipped else zoo / GROWN) / recipe.path


def parent_of(zoo: Path, recipe: Recipe) -> Path | None:
    """Folder of the model it is made from; None for a stranger. A shipped one comes before a grown one."""
    if recipe.parent is None:
        return None
    places = [home / recipe.family / recipe.parent for home in (zoo, zoo / GROWN)]
    return next((place for place in places if place.is_dir()), places[0])


def load_all(zoo: Path) -> dict[str, Entry]:
    """Entries of what is shipped and of what is grown, by ``family/name``."""
    return {**load(zoo), **load(zoo / GROWN)}


def load(zoo: Path) -> dict[str, Entry]:
    """Entries by ``family/name``; empty where there is no manifest yet.

    Args:
        zoo: folder of the zoo.

    Raises:
        UsageError: the manifest is of another schema.
    """
    path = zoo / "manifest.json"
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if content.get("schema") != SCHEMA:
        raise UsageError(f"not a {SCHEMA} manifest", where=path, field="schema", remedy="Delete it and build again.")
    models: dict[str, Entry] = content["models"]
    return models


def save(zoo: Path, entries: dict[str, Entry], corpus_digest: str) -> None:
    """Writes the manifest aside, then puts it in place."""
    path = zoo / "manifest.json"
    content = {"schema": SCHEMA, "corpus": corpus_digest, "models": dict(sorted(entries.items()))}
    # Long lists of places, as of neurons kept, stand on one line.
    text = _NUMBERS.sub(lambda found: "[" + " ".join(found[1].split()) + "]", json.dumps(content, indent=2))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, [(text + "\n").encode("utf-8")])


def entry(
    recipe: Recipe,
    losses: tuple[float, float],
    sha256: str,
    ancestors: dict[str, str],
    torch: str,
    *,
    truth: Mapping[str, Any] | None = None,
) -> Entry:
    """The record of one model.

    Args:
        recipe: how it was made.
        losses: mean loss of its first and of its last steps, nats a token.
        sha256: of its model.safetensors.
        ancestors: sha256 of what it was made from: its parent (if any), the text, the tokenizer.
        torch: version of torch that made it.
        truth: what a change of shape took from where (see `forebear.zoo.growth.Grown`); None where there was none.
    """
    fields = recipe.history
    parents = [] if recipe.parent is None else [f"{recipe.family}/{recipe.parent}"]
    del fields["name"], fields["parent"]
    if "amounts" in fields:
        fields["amounts"] = dict(recipe.amounts)
    return {
        **fields,
        "parents": parents,
        "first_loss": round(losses[0], 4),
        "final_loss": round(losses[1], 4),
        "sha256": sha256,
        "made_from": ancestors,
        "recipe": recipe.digest,
        "recipe_version": VERSION,
        "torch": torch,
        **({"truth": dict(truth)} if truth else {}),
    }


def sha256_of(path: Path) -> str:
    """sha256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_current(zoo: Path, recipe: Recipe, found: Entry | None, ancestors: dict[str, str]) -> bool:
    """Whether the model lies there, unchanged, made by this recipe from these ancestors."""
    weights = folder_of(zoo, recipe) / "model.safetensors"
    return (
        found is not None
        and found["recipe"] == recipe.digest
        and found["made_from"] == ancestors
        and weights.is_file()
        and sha256_of(weights) == found["sha256"]
    )
