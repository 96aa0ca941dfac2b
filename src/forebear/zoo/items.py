"""Answers of the zoo to items of its own corpus: which token comes next, said freely or chosen among four.

A model of the zoo can do nothing but continue the text it learned from, so the text is its examination: an item is a
stretch of it, and the right answer is the token that follows. Everything that was answered lies packed in one file.
"""

from __future__ import annotations

import io
import lzma
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from forebear.checkpoint.writer import write_aside
from forebear.errors import UsageError
from forebear.responses.answers import Answer, Answers

CONTEXT = 64
"""Tokens before the one asked for."""

OPTIONS = 4
LETTERS = "ABCD"
FREE = "free"
CHOICE = "choice"
STEPS = 63
"""Probabilities are kept in so many steps."""

_FIELDS = ("models", "parts", "free_positions", "free_gold", "choice_positions", "options", "free", "choice", "shares")


@dataclass(frozen=True)
class Items:
    """What is asked.

    Attributes:
        parts: ``(items,)`` part of the text that an item is from, as a letter; the same of free items and of choices.
        free_positions: ``(items,)`` place of the token asked for, in tokens from the beginning of the part.
        free_gold: ``(items,)`` number of that token.
        choice_positions: ``(items,)`` likewise of the choices.
        options: ``(items, OPTIONS)`` token numbers offered, in alphabetical order of their letters.
        right: ``(items,)`` which of them is the right one.
    """

    parts: NDArray[np.str_]
    free_positions: NDArray[np.int32]
    free_gold: NDArray[np.int16]
    choice_positions: NDArray[np.int32]
    options: NDArray[np.int16]
    right: NDArray[np.int8]

    def names(self, form: str) -> list[str]:
        """Ids of the items of one form, such as ``free-A-0007``."""
        return [f"{form}-{part}-{number:04d}" for number, part in enumerate(self.parts.tolist())]


@dataclass(frozen=True)
class Sheet:
    """One model's answers.

    Attributes:
        free: ``(items,)`` number of the likeliest token of all.
        choice: ``(items,)`` which option is likeliest.
        shares: ``(items, OPTIONS)`` probability of each option among the four, in whole steps of one in `STEPS`.
    """

    free: NDArray[np.int16]
    choice: NDArray[np.int8]
    shares: NDArray[np.int8]


def answers(name: str, source: str, items: Items, sheet: Sheet, forms: Collection[str] = (FREE, CHOICE)) -> Answers:
    """A sheet as the answers that tests on behaviour take.

    A free answer is the number of the token as text, for tokens may be white space alone. The stratum is the part of
    the text.

    Args:
        name: of the model.
        source: where they come from.
        items: what was asked.
        sheet: what was answered.
        forms: of the items wanted, ``"free"``, ``"choice"`` or both.
    """
    found: list[Answer] = []
    parts = items.parts.tolist()
    if FREE in forms:
        told = zip(items.names(FREE), sheet.free.tolist(), items.free_gold.tolist(), parts, strict=True)
        found += [Answer(id_, str(said), str(gold), None, part) for id_, said, gold, part in told]
    if CHOICE in forms:
        shares = sheet.shares / sheet.shares.sum(axis=1, keepdims=True)
        chosen = zip(items.names(CHOICE), sheet.choice.tolist(), items.right.tolist(), parts, shares, strict=True)
        found += [
            Answer(id_, LETTERS[said], LETTERS[gold], OPTIONS, part, tuple(of.tolist()), gold)
            for id_, said, gold, part, of in chosen
        ]
    return Answers(name, source, "jsonl", {each.id: each for each in found})


def save(path: Path, items: Items, sheets: Mapping[str, Sheet]) -> None:
    """Packs what was asked and answered into one file.

    Args:
        path: to write, aside first.
        items: what was asked.
        sheets: answers by model, such as ``gated/g00``.
    """
    names = sorted(sheets)
    arrays = {
        "models": np.array(names),
        "parts": items.parts,
        "free_positions": items.free_positions,
        "free_gold": items.free_gold,
        "choice_positions": items.choice_positions,
        "options": items.options,
        "right": items.right,
        # One plane after another: like things side by side pack better.
        **{field: np.stack([getattr(sheets[name], field) for name in names]) for field in ("free", "choice")},
        "shares": np.stack([sheets[name].shares for name in names]).transpose(0, 2, 1).copy(),
    }
    raw = io.BytesIO()
    np.savez(raw, allow_pickle=False, **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_aside(path, [lzma.compress(raw.getvalue(), preset=9 | lzma.PRESET_EXTREME)])


def load(path: Path) -> tuple[Items, dict[str, Sheet]]:
    """What was packed, as arrays: what was asked, and the answers by model.

    Raises:
        UsageError: no such file, or not one that `save` wrote.
    """
    try:
        with np.load(io.BytesIO(lzma.decompress(path.read_bytes())), allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path) from None
    except (lzma.LZMAError, BadZipFile, ValueError) as error:
        raise UsageError(f"not answers of the zoo: {error}", where=path) from None
    missing = [name for name in (*_FIELDS, "right") if name not in arrays]
    if missing:
        raise UsageError("not answers of the zoo: a part is missing", where=path, field=missing[0])
    items = Items(**{name: arrays[name] for name in Items.__dataclass_fields__})
    return items, dict(_sheets(arrays))


def load_answers(
    path: str | Path, *, forms: Collection[str] = (FREE, CHOICE), models: Collection[str] | None = None
) -> dict[str, Answers]:
    """The packed answers, by model in order of name.

    Args:
        path: as `save` wrote it.
        forms: of the items wanted, ``"free"``, ``"choice"`` or both.
        models: those wanted; all when None.

    Raises:
        UsageError: no such file, or not one that `save` wrote.
    """
    items, sheets = load(Path(path))
    return {
        name: answers(name, str(path), items, sheet, forms)
        for name, sheet in sheets.items()
        if models is None or name in models
    }


def _sheets(arrays: Mapping[str, NDArray[np.generic]]) -> Iterator[tuple[str, Sheet]]:
    shares = arrays["shares"].transpose(0, 2, 1)
    told = zip(arrays["models"].tolist(), arrays["free"], arrays["choice"], shares, strict=True)
    for name, free, choice, of in told:
        yield str(name), Sheet(free.astype(np.int16), choice.astype(np.int8), of.astype(np.int8))
