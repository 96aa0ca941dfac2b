"""Prompts from a file, one a line, and the sets that come with Forebear."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec

from forebear.errors import UsageError
from forebear.responses.answers import Value
from forebear.responses.lines import Line, lines_of, parsed, refused, regular, row
from forebear.responses.prompts import Prompt, Prompts

MOST_PROMPTS = 200_000
LONGEST_PROMPT = 1_000_000
"""Characters."""
LONGEST_ID = 512
REMEDY = 'Give one {"id": ..., "prompt": ...} a line, or a .txt with one prompt a line'
SETS = Path(__file__).parent / "sets"

Text = Annotated[str, msgspec.Meta(max_length=LONGEST_PROMPT)]
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
Options = Annotated[int, msgspec.Meta(ge=2, le=10_000)]
Gold = Text | Annotated[list[float], msgspec.Meta(min_length=1, max_length=1_000)]


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line as it stands in a file."""

    id: Short | int | None = None
    prompt: Text | None = None
    text: Text | None = None
    system: Text | None = None
    gold: Gold | float | None = None
    options: Options | None = None
    stratum: Short | None = None


def read_prompts(path: str | Path) -> Prompts:
    """Prompts of a file.

    Lines of JSON hold ``prompt`` (or ``text``), and may hold ``id`` (else the number of the line), ``system``,
    ``gold`` (text, a number, or numbers), ``options`` and ``stratum``. A file whose name ends in ``.txt`` holds one
    prompt a line, blanks at its ends included. Empty lines are passed over.

    Args:
        path: UTF-8, at most 512 MiB and `MOST_PROMPTS` prompts of at most `LONGEST_PROMPT` characters.

    Raises:
        UsageError: the file cannot be read or breaks one of these rules, or an id stands there twice.
        CheckpointError: a line that is not strict JSON.
    """
    path = Path(path)
    plain = path.suffix.lower() == ".txt"
    prompts: list[Prompt] = []
    with regular(path, REMEDY) as file:
        for line in lines_of(file, path):
            if not line.data.strip():
                continue
            if len(prompts) == MOST_PROMPTS:
                raise UsageError(f"more than {MOST_PROMPTS:,} prompts", where=path, remedy="Give a sample of them")
            prompts.append(_plain(line, path) if plain else _structured(line, path))
    return _named(path.name, prompts, path)


def shipped_prompts(name: str) -> Prompts:
    """A set of prompts that comes with Forebear.

    Raises:
        UsageError: there is none of this name; the error names those there are.
    """
    if name not in (names := shipped_names()):
        raise UsageError(
            f"there is no file and no set of prompts {name[:80]!r}", remedy=f"Choose from: {', '.join(names) or 'none'}"
        )
    return replace(read_prompts(SETS / f"{name}.jsonl"), name=name)


def shipped_names() -> list[str]:
    """Names of the sets that come with Forebear, sorted."""
    return sorted(path.stem for path in SETS.glob("*.jsonl"))


def prompts_of(source: str | Path) -> Prompts:
    """Prompts of a file, or else of the set of that name.

    Raises:
        UsageError: there is neither, or the file is refused.
        CheckpointError: a line of the file is not strict JSON.
    """
    path = Path(source)
    if path.exists() or path.suffix or len(path.parts) != 1:
        return read_prompts(path)
    return shipped_prompts(str(source))


def with_system(prompts: Prompts, system: str) -> Prompts:
    """The prompts with a system message wherever they have none of their own."""
    given = [replace(each, system=system) if each.system is None else each for each in prompts.prompts]
    return replace(prompts, prompts=given)


def _named(name: str, prompts: list[Prompt], path: Path) -> Prompts:
    try:
        return Prompts(name, prompts)
    except UsageError as error:  # which knows the file's name alone
        raise UsageError(error.rule, where=path, field=error.field, remedy=error.remedy or REMEDY) from None


def _plain(line: Line, path: Path) -> Prompt:
    data = line.data.removeprefix(b"\xef\xbb\xbf") if line.number == 1 else line.data
    try:
        text = data.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise refused(path, line.number, "not UTF-8", REMEDY) from None
    if len(text) > LONGEST_PROMPT:
        raise refused(path, line.number, f"longer than {LONGEST_PROMPT:,} characters", REMEDY)
    return Prompt(str(line.number), text)


def _structured(line: Line, path: Path) -> Prompt:
    found = row(parsed(line, path, REMEDY), _Row, path, line.number, REMEDY)
    texts = [each for each in (found.prompt, found.text) if each is not None]
    if len(texts) != 1:
        raise refused(path, line.number, "one of 'prompt' and 'text' must be there, and not both", REMEDY)
    name = str(line.number) if found.id is None else str(found.id)
    return Prompt(name, texts[0], found.system, gold_of(found.gold), found.options, found.stratum)


def gold_of(value: str | float | list[float] | None) -> Value | None:
    """A right answer as files hold it: text, a number, or numbers."""
    if isinstance(value, list):
        return tuple(map(float, value))
    return (float(value),) if isinstance(value, int | float) else value
