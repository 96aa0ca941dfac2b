"""The JSON contract, written and read strictly.

Writing rounds to six significant digits, puts ``schema`` first and refuses what JSON cannot say. Reading trusts
nothing: duplicate keys, numbers that are not finite, unknown schemas and wrong types are errors with their place.
"""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from forebear.checkpoint.strict_json import parse_object
from forebear.errors import UsageError
from forebear.report.inspection import Inspection
from forebear.verdict.behaviour.contract import BEHAVIOUR_SCHEMA, Behaviour
from forebear.verdict.comparison import RANKING_SCHEMA, SCHEMA, Comparison, Ranking
from forebear.verdict.profiled import Profiled

Result = Comparison | Ranking | Behaviour
RESULTS: dict[str, type[Comparison] | type[Ranking] | type[Behaviour]] = {
    SCHEMA: Comparison,
    RANKING_SCHEMA: Ranking,
    BEHAVIOUR_SCHEMA: Behaviour,
}
LARGEST_RESULT = 256 * 1024 * 1024  # bytes; a ranking over hundreds of references stays far below
DEEPEST_RESULT = 24
REMEDY = "Give a file written by 'forebear compare --json' or 'forebear behaviour --json'"


def document(result: msgspec.Struct) -> dict[str, Any]:
    """A result as plain dicts, lists, strings and rounded numbers, in the order the contract prints them.

    Args:
        result: a Comparison, Ranking or any other struct of the contract.

    Raises:
        ValueError: a number is NaN or infinite; that is a bug in what made the result, never a user's mistake.
    """
    plain: dict[str, Any] = _tidy(msgspec.to_builtins(result), "result")
    return plain


def encode(result: msgspec.Struct) -> str:
    """A result as indented JSON text with a closing newline."""
    return dumps(document(result))


def dumps(plain: Any) -> str:
    """Plain values as indented JSON text with a closing newline; NaN and infinity are refused."""
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of a result.

    Args:
        name: ``"comparison"``, ``"ranking"``, ``"inspect"``, ``"profile"`` or ``"behaviour"``.

    Raises:
        UsageError: another name.
    """
    structs: dict[str, type[msgspec.Struct]] = {
        "comparison": Comparison,
        "ranking": Ranking,
        "inspect": Inspection,
        "profile": Profiled,
        "behaviour": Behaviour,
    }
    if name not in structs:
        raise UsageError(f"there is no schema {name!r}", remedy=f"Choose from: {', '.join(structs)}")
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, "title": f"forebear {name}", **msgspec.json.schema(structs[name])}


def read(path: str | Path) -> tuple[Result, dict[str, Any]]:
    """Read a result file.

    Args:
        path: a file written by ``forebear compare --json`` or ``forebear behaviour --json``.

    Returns:
        The validated result, and the document exactly as it stands in the file.

    Raises:
        UsageError: not readable, not one of our schemas, or a field breaks its type.
        CheckpointError: not strict JSON (a key twice, NaN, nested too deep ...).
    """
    raw = _load(Path(path))
    schema = raw.get("schema")
    if not isinstance(schema, str) or schema not in RESULTS:
        found = "no schema" if schema is None else f"schema {schema!r}"
        raise UsageError(
            f"{found}; expected one of {', '.join(RESULTS)}",
            where=path,
            field="schema",
            remedy=REMEDY,
        )
    try:
        return msgspec.convert(raw, RESULTS[schema]), raw
    except msgspec.ValidationError as error:
        raise UsageError(f"does not fit {schema}: {error}", where=path) from None


def _tidy(value: Any, place: str) -> Any:
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{place} is {value}, which a result may not hold")
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key != "schema")
        return {key: _tidy(value[key], f"{place}.{key}") for key in keys}
    if isinstance(value, list | tuple):
        return [_tidy(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return value


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_RESULT:
            raise UsageError(f"larger than the {LARGEST_RESULT} bytes a result may have", where=path)
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path) from None
    return parse_object(data, path, max_depth=DEEPEST_RESULT, remedy=REMEDY)
