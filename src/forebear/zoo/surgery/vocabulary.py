"""Another vocabulary: rows added, padded, moved or replaced, with the tokenizer that belongs to them."""

from __future__ import annotations

import copy
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import home_of
from forebear.zoo.surgery.changed import Changed, Config, Tensors, share_of, stored_as

Origins = NDArray[np.int64]
NewRows = Literal["fresh", "mean", "zeros"]
_ROLES = (Role.EMBEDDING, Role.OUTPUT, Role.OUTPUT_BIAS)
Tokenizer = dict[str, Any]
MAX_ROWS = 2**22


def extend_vocabulary(
    tensors: Tensors,
    config: Config,
    rows: int,
    *,
    kind: NewRows = "fresh",
    tokenizer: Tokenizer | None = None,
    seed: int = 0,
) -> Changed:
    """Adds tokens at the end.

    Args:
        tensors: the model.
        config: content of its config.json.
        rows: how many.
        kind: new rows are ``"fresh"`` (normal, with the matrix's own deviation), the ``"mean"`` of those there, or
            ``"zeros"``.
        tokenizer: content of tokenizer.json, to which as many new tokens are added; None where there is none.
        seed: of fresh rows.

    Returns:
        The model; truth: ``origins``, old row of each row, -1 for a new one; ``tokenizer``, the new content or None.

    Raises:
        UsageError: a number of rows out of range, no such kind, or no embedding.
    """
    old = _size(tensors)
    if not 0 <= rows <= MAX_ROWS:
        raise UsageError(f"0 to {MAX_ROWS} rows can be added, found {rows}", where="extend vocabulary")
    origins = np.concatenate([np.arange(old), np.full(rows, -1)])
    return _rebuilt(tensors, config, origins, kind=kind, tokenizer=tokenizer, seed=seed)


def pad_vocabulary(tensors: Tensors, config: Config, multiple: int) -> Changed:
    """Adds zero rows up to the next multiple, as done for speed; no token belongs to them. Truth: ``origins``.

    Raises:
        UsageError: a multiple below 1, or no embedding.
    """
    old = _size(tensors)
    if multiple < 1:
        raise UsageError(f"a multiple of 1 or more is needed, found {multiple}", where="pad vocabulary")
    changed = extend_vocabulary(tensors, config, -old % multiple, kind="zeros")
    return Changed(changed.tensors, changed.config, {"origins": changed.truth["origins"]})


def reorder_vocabulary(
    tensors: Tensors, config: Config, *, tokenizer: Tokenizer | None = None, seed: int = 0
) -> Changed:
    """Gives every token another number: the same function behind the matching tokenizer.

    Args:
        tensors: the model.
        config: content of its config.json, whose token numbers follow.
        tokenizer: content of tokenizer.json; None where there is none.
        seed: of the order.

    Returns:
        The model; truth: ``origins``, old number of each token; ``tokenizer``, the matching new content or None.

    Raises:
        UsageError: no embedding, or a tokenizer of unknown make.
    """
    origins = np.random.default_rng(seed).permutation(_size(tensors))
    return _rebuilt(tensors, config, origins, kind="fresh", tokenizer=tokenizer, seed=seed)


def replace_vocabulary(
    tensors: Tensors,
    config: Config,
    rows: int,
    *,
    kept: float = 0.0,
    kind: NewRows = "fresh",
    tokenizer: Tokenizer | None = None,
    seed: int = 0,
) -> Changed:
    """Gives the model another vocabulary, in which some of the old tokens stand at other places.

    Args:
        tensors: the model.
        config: content of its config.json.
        rows: size of the new vocabulary.
        kept: share of the old tokens that it has too, with their rows, 0 to 1.
        kind: of the other rows, see `extend_vocabulary`.
        tokenizer: content of tokenizer.json; None where there is none.
        seed: of choice, places and fresh rows.

    Returns:
        The model; truth: ``origins`` and ``tokenizer`` as `extend_vocabulary`.

    Raises:
        UsageError: not a share, a number of rows out of range, no embedding, or a tokenizer of unknown make.
    """
    old, rng = _size(tensors), np.random.default_rng(seed)
    count = round(share_of(kept, "kept tokens") * old)
    if not max(count, 1) <= rows <= MAX_ROWS:
        raise UsageError(f"{max(count, 1)} to {MAX_ROWS} rows are needed, found {rows}", where="replace vocabulary")
    origins = np.full(rows, -1)
    origins[rng.choice(rows, count, replace=False)] = rng.choice(old, count, replace=False)
    return _rebuilt(tensors, config, origins, kind=kind, tokenizer=tokenizer, seed=seed)


def _rebuilt(
    tensors: Tensors, config: Config, origins: Origins, *, kind: NewRows, tokenizer: Tokenizer | None, seed: int
) -> Changed:
    if kind not in get_args(NewRows):
        raise UsageError(f"one of {', '.join(get_args(NewRows))} is needed, found {kind!r}", where="new rows")
    rng, out = np.random.default_rng([seed, 1]), dict[str, NDArray[Any]](tensors)
    for name in _tables(tensors):
        out[name] = _table(tensors[name], origins, kind, rng)
    places = {int(old): new for new, old in enumerate(origins) if old >= 0}
    updated = {key: _moved(value, places) if key.endswith("_token_id") else value for key, value in config.items()}
    updated["vocab_size"] = len(origins)
    new = None if tokenizer is None else _tokenizer(tokenizer, places, origins)
    return Changed(out, updated, {"origins": origins, "tokenizer": new})


def _tables(tensors: Tensors) -> Arrays:
    homes = {name: home_of(name) for name in tensors}
    return {name: tensors[name] for name, home in homes.items() if home is not None and home[0][0].role in _ROLES}


def _size(tensors: Tensors) -> int:
    sizes = {array.shape[0] for array in _tables(tensors).values()}
    if len(sizes) != 1:
        raise UsageError(f"embedding and output of one number of rows are needed, found {sorted(sizes)}")
    return int(sizes.pop())


def _table(stored: NDArray[Any], origins: Origins, kind: NewRows, rng: np.random.Generator) -> NDArray[Any]:
    old = stored.astype(np.float64)
    new = np.zeros((len(origins), *old.shape[1:]))
    if kind == "mean":
        new[:] = old.mean(axis=0)
    elif kind == "fresh":
        new = rng.standard_normal(new.shape) * old.std()
    new[origins >= 0] = old[origins[origins >= 0]]
    return stored_as(new, stored.dtype)


def _moved(value: Any, places: dict[int, int]) -> Any:
    """Token numbers in a config; those of tokens that are gone become null."""
    if isinstance(value, list):
        return [places[item] for item in value if item in places]
    return places.get(value) if isinstance(value, int) else value


def _tokenizer(tokenizer: Tokenizer, places: dict[int, int], origins: Origins) -> Tokenizer:
    new = copy.deepcopy(tokenizer)
    model = new.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("vocab"), dict):
        raise UsageError("only tokenizers with a table from token to number are known", where="tokenizer.json")
    vocab = {token: places[number] for token, number in model["vocab"].items() if number in places}
    known = set(range(len(origins))) - set(vocab.values()) if np.any(origins < 0) else set[int]()
    vocab |= {f"<new {number}>": number for number in sorted(known) if origins[number] < 0}
    model["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    if isinstance(model.get("merges"), list):
        model["merges"] = [merge for merge in model["merges"] if _holds(merge, vocab)]
    new["added_tokens"] = [
        {**token, "id": places[token["id"]]} for token in new.get("added_tokens") or [] if token["id"] in places
    ]
    special = (new.get("post_processor") or {}).get("special_tokens") or {}
    for token in special.values():
        token["ids"] = [places[number] for number in token["ids"] if number in places]
    return new


def _holds(merge: Any, vocab: dict[str, int]) -> bool:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left in vocab and right in vocab and left + right in vocab
