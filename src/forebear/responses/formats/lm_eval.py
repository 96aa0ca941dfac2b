"""Sample logs of lm-evaluation-harness: ``samples_<task>_<date>.jsonl``, as versions 0.4.0 to 0.4.13 write them.

One object a line: ``doc_id``, ``doc``, ``target``, ``arguments``, ``resps``, ``filtered_resps``, ``doc_hash``, metrics,
and since 0.4.5 ``filter``. Numbers in responses are written as text, log-likelihoods beside whether they are greedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from math import exp, inf, isfinite, isnan
from pathlib import Path

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.answers import MOST_ITEMS, Answer
from forebear.responses.formats.jsonl import Record
from forebear.responses.formats.opened import refused
from forebear.responses.formats.values import RefusedValueError, id_of, text_of

_FILE = re.compile(r"samples_(.+?)_\d{4}-\d\d-\d\dT[\d.+-]+(?:\.jsonl(?:\.gz)?)?")
_HASH = re.compile(r"[0-9a-f]{16,128}")
_ONE_TARGET = re.compile(r"\[(['\"])([^'\"\\]*)\1\]")
_RIGHT = ("exact_match", "acc", "em")
_LONGEST_SUBJECT = 200


def is_sample(record: Mapping[str, object]) -> bool:
    """Whether an object is a line of such a log."""
    return "doc_id" in record and ("filtered_resps" in record or "resps" in record)


def sample_answers(records: Iterable[Record], where: str, notes: list[str]) -> Iterator[Answer]:
    """Answers of a log, under one filter.

    An item's id is its ``doc_hash``, which neither model nor harness version changes (``prompt_hash`` would: it covers
    the chat template), else the task in the file's name and ``doc_id``.

    Raises:
        UsageError: a line that is no sample, too many of them, or no sample with an answer.
    """
    task = _task(where)
    by_filter: dict[str, dict[tuple[str, str], Answer | None]] = {}
    for number, (place, record) in enumerate(records):
        if number == MOST_ITEMS:
            raise refused(where, place, f"more than {MOST_ITEMS:,} samples", "Give a sample of them")
        try:
            key, name, answer = _sample(record, task)
        except RefusedValueError as error:
            raise refused(where, place, f"no sample of lm-evaluation-harness: {error}") from None
        by_filter.setdefault(name, {}).setdefault(key, answer)
    chosen = min(by_filter, key=lambda name: (name != "none", name), default="")
    samples = by_filter.get(chosen, {})
    if samples and not any(samples.values()):
        rule = "log-likelihoods of one text each, or none at all, which are no answers"
        raise UsageError(rule, where=where, remedy="Give samples of a multiple-choice or generation task")
    if len(by_filter) > 1:
        others = ", ".join(quoted(name) for name in sorted(by_filter) if name != chosen)
        notes.append(f"answers as the filter {quoted(chosen)} leaves them; not read: {others}")
    missing = sum(each is None for each in samples.values())
    if missing:
        notes.append(f"left out, for want of an answer: {missing:,} items")
    yield from _identified(samples, task)


def _identified(samples: Mapping[tuple[str, str], Answer | None], task: str | None) -> Iterator[Answer]:
    """Answers under ids of their own; a document that the task holds several times is numbered."""
    seen: dict[str, int] = {}
    for (doc, digest), answer in samples.items():
        name = digest or (f"{task}/{doc}" if task else doc)
        seen[name] = seen.get(name, 0) + 1
        if answer is not None:
            yield _renamed(answer, name if seen[name] == 1 else f"{name}#{seen[name]}")


def _renamed(answer: Answer, name: str) -> Answer:
    return Answer(name, answer.value, answer.gold, answer.options, answer.stratum, answer.probabilities, answer.right)


def _task(where: str) -> str | None:
    found = _FILE.match(Path(where).name)
    return found[1] if found else None


def _sample(record: Mapping[str, object], task: str | None) -> tuple[tuple[str, str], str, Answer | None]:
    if not is_sample(record):
        raise RefusedValueError("doc_id and filtered_resps are missing")
    digest = record.get("doc_hash")
    known = digest if isinstance(digest, str) and _HASH.fullmatch(digest) else ""
    doc = id_of(record["doc_id"])
    name = record.get("filter", "")
    responses = record.get("filtered_resps", record.get("resps"))
    if not isinstance(responses, list) or not isinstance(name, str):
        raise RefusedValueError("filtered_resps must be a list, and filter text")
    likelihoods = _likelihoods(responses)
    stratum = _stratum(record.get("doc"), task)
    answer = _generated(record, responses, stratum) if likelihoods is None else _chosen(record, likelihoods, stratum)
    return (doc, known), text_of(name, 200), answer


def _likelihoods(responses: list[object]) -> list[float] | None:
    """Log-likelihood of each offered answer; None where the responses are texts."""
    found = []
    for each in responses:
        pair = each[0] if isinstance(each, list) and len(each) == 1 else each
        if not (isinstance(pair, list) and len(pair) == 2 and str(pair[1]).lower() in ("true", "false")):
            return None
        value = _number(pair[0])
        if value is None:
            return None
        found.append(value)
    return found or None


def _number(raw: object) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float):
        return None
    try:
        value = float(raw)
    except ValueError:
        return None
    return -inf if isnan(value) else value


def _chosen(record: Mapping[str, object], likelihoods: list[float], stratum: str | None) -> Answer | None:
    count = len(likelihoods) // 2 if "acc_mutual_info" in record and len(likelihoods) % 2 == 0 else len(likelihoods)
    offered = likelihoods[:count]
    best = max(offered)
    if count < 2 or not isfinite(best):
        return None
    weights = [exp(each - best) for each in offered]
    position = offered.index(best)
    right = _right(record, count, position)
    gold = None if right is None else str(right)
    total = sum(weights)
    return Answer("", str(position), gold, count, stratum, tuple(each / total for each in weights), right)


def _right(record: Mapping[str, object], count: int, chosen: int) -> int | None:
    """Position of the right answer: the target's number, else its text, else what the metric says of two."""
    target = str(record.get("target", "")).strip()
    if target.isascii() and target.isdecimal() and len(target) < 7:
        return int(target) if int(target) < count else None
    texts = _continuations(record.get("arguments"))[:count]
    if texts.count(target) == 1:
        return texts.index(target)
    score = record.get("acc")
    return (chosen if score == 1 else 1 - chosen) if count == 2 and score in (0, 1) else None


def _continuations(arguments: object) -> list[str]:
    if isinstance(arguments, dict):
        calls = [list(each.values()) if isinstance(each, dict) else [] for each in arguments.values()]
    elif isinstance(arguments, list):
        calls = [each if isinstance(each, list) else [] for each in arguments]
    else:
        calls = []
    return [str(call[1]).strip() if len(call) > 1 else "" for call in calls]


def _generated(record: Mapping[str, object], responses: list[object], stratum: str | None) -> Answer | None:
    first: object = responses
    while isinstance(first, list):
        first = first[0] if first else None
    if not isinstance(first, str):
        return None
    target = str(record.get("target", ""))
    listed = _ONE_TARGET.fullmatch(target.strip())
    gold = text_of(listed[2] if listed else target) or None
    right = gold is not None and any(record.get(name) == 1 for name in _RIGHT)
    return Answer("", gold if right and gold is not None else text_of(first), gold, None, stratum)


def _stratum(doc: object, task: str | None) -> str | None:
    if isinstance(doc, dict):
        for name in ("subject", "category"):
            found = doc.get(name)
            if isinstance(found, str) and 0 < len(found) <= _LONGEST_SUBJECT:
                return text_of(found) or task
    return task
