"""Items as our own forms write them, JSON lines and tables alike: which field is what, and the answer it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.answers import Answer, Value
from forebear.responses.formats.opened import REMEDY, refused
from forebear.responses.formats.values import RefusedValueError, id_of, kind_of, number_text, text_of, value_of

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "id": ("id", "item", "item_id", "question_id", "sample_id", "doc_id"),
        "answer": ("answer", "prediction", "predicted", "pred", "response", "output", "model_answer"),
        "gold": ("gold", "target", "label", "truth", "ground_truth", "expected", "correct_answer"),
        "options": ("options", "choices", "num_options", "num_choices"),
        "stratum": ("stratum", "subject", "category", "task"),
        "probabilities": ("probabilities", "probs"),
    }
)
"""What each field may be called; capitals do not matter."""
_FIELDS = {name: field for field, names in SYNONYMS.items() for name in names}
_MOST_OPTIONS = 100_000
_SUM_SLACK = 1e-3
_LONGEST_STRATUM = 200


@lru_cache(maxsize=64)
def fields(names: tuple[str, ...]) -> Mapping[str, str]:
    """Which of a file's names stands for which field.

    Raises:
        RefusedValueError: two names for one field.
    """
    found: dict[str, str] = {}
    for name in names:
        field = _FIELDS.get(name.strip().casefold())
        if field in found:
            raise RefusedValueError(f"{quoted(found[field])} and {quoted(name)} both mean the field {field!r}")
        if field is not None:
            found[field] = name
    return MappingProxyType(found)


def answer_of(record: Mapping[str, object], where: str, place: str) -> Answer | None:
    """The answer one record holds.

    Args:
        record: names, synonyms included, to what stands there.
        where: file that errors name.
        place: line or item that errors name.

    Returns:
        None where the answer is null: the model gave none.

    Raises:
        UsageError: a field that is missing, doubled or of a wrong type; values that contradict one another.
    """
    field = ""
    try:
        found = {field: record[name] for field, name in fields(tuple(record)).items()}
        for field in ("id", "answer"):
            if field not in found:
                raise RefusedValueError(f"is missing; there are {_listed(record)}")
        field = "id"
        identity = id_of(found["id"])
        field = "options"
        options, offered = _options(found.get("options"))
        field = "answer"
        value = None if found["answer"] is None else value_of(found["answer"], offered=options is not None)
        field = "gold"
        gold = None if found.get("gold") is None else value_of(found["gold"], offered=options is not None)
        field = "stratum"
        stratum = _stratum(found.get("stratum"))
        field = "probabilities"
        probabilities = _probabilities(found.get("probabilities"), options)
    except RefusedValueError as error:
        raise _refused(where, place, field, error) from None
    if value is None:
        return None
    right = right_of(gold, offered, len(probabilities))
    return Answer(identity, value, gold, options or len(probabilities) or None, stratum, probabilities, right)


def gold_of(record: Mapping[str, object], where: str, place: str) -> Answer | None:
    """The right answer that one record of a file of right answers holds, as an answer with its ``gold`` alone."""
    try:
        names = dict(fields(tuple(record)))
    except RefusedValueError as error:
        raise _refused(where, place, "", error) from None
    given = {field: record[name] for field, name in names.items() if field not in ("answer", "gold", "probabilities")}
    right = record[names["gold"]] if "gold" in names else record.get(names.get("answer", ""))
    found = answer_of({**given, "answer": right}, where, place)
    return None if found is None else Answer(found.id, "", found.value, found.options, found.stratum)


def counted(answers: Iterable[Answer | None], notes: list[str]) -> Iterable[Answer]:
    """Answers that are there; a note counts the others."""
    missing = 0
    for each in answers:
        if each is None:
            missing += 1
        else:
            yield each
    if missing:
        notes.append(f"left out, for want of an answer: {missing:,} items")


def right_of(gold: Value | None, offered: Sequence[Value], count: int) -> int | None:
    """Position of the right answer among those offered: by its text, by its number from 0, or by its letter from A."""
    if not isinstance(gold, str) or not count:
        return None
    if offered:
        return offered.index(gold) if offered.count(gold) == 1 else None
    if gold.isascii() and gold.isdecimal() and len(gold) < 7:
        return int(gold) if int(gold) < count else None
    position = ord(gold) - ord("A") if len(gold) == 1 else -1
    return position if 0 <= position < min(count, 26) else None


def _refused(where: str, place: str, field: str, error: RefusedValueError) -> UsageError:
    said = f"the field {field!r} {error}" if field else str(error)
    return refused(where, place, said, REMEDY)


def _listed(names: Iterable[str]) -> str:
    seen = list(names)
    return ", ".join([*map(quoted, seen[:6]), *(["and more"] if len(seen) > 6 else [])]) or "no fields"


def _options(raw: object) -> tuple[int | None, list[Value]]:
    if raw is None:
        return None, []
    if isinstance(raw, list):
        if any(isinstance(each, dict | list) for each in raw):
            raise RefusedValueError("must list texts or numbers, or be their number")
        offered = [value_of(each, offered=True) for each in raw]
        raw = len(offered)
    else:
        offered = []
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise RefusedValueError(f"must be a list or a whole number, found {kind_of(raw)}")
    if not 2 <= raw <= _MOST_OPTIONS:
        raise RefusedValueError(f"must be 2 to {_MOST_OPTIONS:,} answers, found {raw:,}")
    return raw, offered


def _stratum(raw: object) -> str | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise RefusedValueError(f"must be text or a whole number, found {kind_of(raw)}")
    return text_of(raw, _LONGEST_STRATUM) or None if isinstance(raw, str) else number_text(raw)


def _probabilities(raw: object, options: int | None) -> tuple[float, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or not all(isinstance(each, int | float) for each in raw):
        raise RefusedValueError("must be a list of numbers")
    found = [float(each) for each in raw]
    if len(found) < 2 or (options is not None and len(found) != options):
        raise RefusedValueError(f"must be one for each answer offered, found {len(found)}")
    total = sum(found)
    if min(found) < 0.0 or abs(total - 1.0) > _SUM_SLACK:
        raise RefusedValueError(f"must be at least 0 and sum to one, found a sum of {total:.6g}")
    return tuple(each / total for each in found)
