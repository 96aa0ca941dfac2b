"""The one door to answers in files: the form is told by the content, and all forms end as the same type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from forebear.checkpoint.strict_json import quoted
from forebear.errors import UsageError
from forebear.responses.answers import Answer, Answers, Value, collected
from forebear.responses.formats.csv import table_records
from forebear.responses.formats.inspect_log import archive_records, is_log, log_answers
from forebear.responses.formats.items import answer_of, counted, gold_of
from forebear.responses.formats.jsonl import Record, line_records, list_records
from forebear.responses.formats.lm_eval import is_sample, sample_answers
from forebear.responses.formats.opened import LONGEST_LINE, Line, Opened, opened, parsed, refused
from forebear.responses.formats.transcript import transcript_answers
from forebear.responses.transcript_file import read_transcript

MOST_TEXT = 32 * 2**20
"""Characters of all answers of one file together."""
_TRANSCRIPT = re.compile(rb'\s*\{\s*"schema"\s*:\s*"forebear\.transcript/')
_ENDINGS = (".gz", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".eval")


def read_answers(path: str | Path, *, name: str | None = None, gold: str | Path | None = None) -> Answers:
    """Read one model's answers.

    Args:
        path: a file in one of the forms of ``docs/answer-files.md``, packed with gzip or not.
        name: what results call the model; the file's name without its ending where None.
        gold: a file of right answers, see `with_gold`.

    Raises:
        UsageError: the file is of no known form, breaks a rule of its form, or has no answer in it.
    """
    notes: list[str] = []
    with opened(path) as file:
        form, answers = _answers(file, notes)
        found = collected(name or plain_name(path), str(path), form, _bounded(answers, str(path)), notes)
    found = replace(found, notes=tuple(notes))
    return found if gold is None else with_gold(found, gold)


def with_gold(answers: Answers, gold: str | Path) -> Answers:
    """Answers together with right answers that lie in a file of their own.

    Args:
        answers: of one model.
        gold: JSON lines or a table of ``id`` and ``gold`` (or ``answer``), ``options`` and ``stratum`` where known.

    Raises:
        UsageError: the file has no item of the answers, or says otherwise than their own file does.
    """
    right: dict[str, Answer] = {}
    with opened(gold) as file:
        kind, records = _records(file)
        if kind == "zip":
            raise refused(
                str(gold), "byte 0", "a zip archive, where right answers are expected as JSON lines or a table"
            )
        for place, record in records:
            each = gold_of(record, str(gold), place)
            if each is not None and right.setdefault(each.id, each) != each:
                raise refused(str(gold), place, f"a second right answer for the item {quoted(each.id)}", "Keep one")
    common = answers.items.keys() & right.keys()
    if not common:
        raise UsageError(f"has no item of {answers.source}", where=gold, field="id", remedy="Use the same ids in both")
    items = {key: _joined(each, right[key], gold) if key in right else each for key, each in answers.items.items()}
    without = sum(each.gold is None for each in items.values())
    notes = [*answers.notes, f"no right answer for {without:,} items"] if without else answers.notes
    return replace(answers, items=items, notes=tuple(notes))


def _joined(answer: Answer, right: Answer, gold: str | Path) -> Answer:
    if answer.gold is not None and not _equal(answer.gold, right.gold):
        raise UsageError(
            f"the right answer to the item {quoted(answer.id)} is {quoted(str(right.gold))}, "
            f"where the answers say {quoted(str(answer.gold))}",
            where=gold,
            field="gold",
            remedy="Correct the one that is wrong",
        )
    return replace(
        answer,
        gold=right.gold if answer.gold is None else answer.gold,
        options=answer.options or right.options,
        stratum=answer.stratum or right.stratum,
    )


def _equal(first: Value, second: Value | None) -> bool:
    return first == second


def _answers(file: Opened, notes: list[str]) -> tuple[str, Iterable[Answer]]:
    """The file's form, and its answers; ``notes`` grows while they are read."""
    if _TRANSCRIPT.match(file.start):
        transcript = read_transcript(file.where)
        notes.extend(transcript.notes)
        return "transcript", transcript_answers(transcript, notes)
    kind, records = _records(file)
    if kind == "lm-eval":
        return kind, sample_answers(records, file.where, notes)
    if kind == "inspect":
        return kind, log_answers(records, file.where, notes)
    return kind, counted((answer_of(record, file.where, place) for place, record in records), notes)


def _records(file: Opened) -> tuple[str, Iterator[Record]]:
    """The form of a file that is no transcript, as its first object or character tells, and its records."""
    where = file.where
    if file.is_zip:
        return "inspect", archive_records(file.stream, where)
    lines = _after_blanks(file.lines())
    first = next(lines, None)
    if first is None:
        raise refused(where, "line 1", "the file is empty", "Give one answer a line")
    every = chain([first], lines)
    start = first[1].lstrip()[:1]
    if start == b"[":
        return "jsonl", list_records(parsed(_whole(every, where), where, "line 1"), where)
    if start != b"{":
        return "csv", table_records(every, where)
    return _objects(first, every, where)


def _objects(first: Line, every: Iterable[Line], where: str) -> tuple[str, Iterator[Record]]:
    """As `_records`, of a file that begins with an object; ``every`` begins with its ``first`` line."""
    if not first[1].rstrip().endswith(b"}"):
        return "inspect", _document(parsed(_whole(every, where), where, "the document", nan_is_null=True), where)
    seen = parsed(first[1], where, f"line {first[0]}", nan_is_null=True)
    if isinstance(seen, dict) and is_log(seen):
        return "inspect", _document(seen, where)
    if isinstance(seen, dict) and is_sample(seen):
        return "lm-eval", line_records(every, where, nan_is_null=True)
    return "jsonl", line_records(every, where)


def _document(document: object, where: str) -> Iterator[Record]:
    if not isinstance(document, dict) or not is_log(document):
        rule = "a JSON object over several lines that is no evaluation log of inspect_ai"
        raise refused(where, "line 1", rule, "Write one object a line")
    return list_records(document["samples"], where)


def _after_blanks(lines: Iterator[Line]) -> Iterator[Line]:
    for number, data in lines:
        if data.strip():
            yield number, data
            break
    yield from lines


def _whole(lines: Iterable[Line], where: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for number, data in lines:
        size += len(data)
        if size > LONGEST_LINE:
            rule = f"a JSON document of more than {LONGEST_LINE:,} bytes"
            raise refused(where, f"line {number}", rule, "Write one object a line instead")
        parts.append(data)
    return b"".join(parts)


def _bounded(answers: Iterable[Answer], where: str) -> Iterator[Answer]:
    held = 0
    for each in answers:
        held += sum(len(text) for text in (each.value, each.gold) if isinstance(text, str))
        if held > MOST_TEXT:
            remedy = "Give a sample of the items, or shorter answers"
            raise UsageError(f"answers of more than {MOST_TEXT:,} characters together", where=where, remedy=remedy)
        yield each


def plain_name(path: str | Path) -> str:
    """A file's name without the endings that tell its form; other dots stay, as in ``v1.5``."""
    name = Path(path).name
    while name.lower().endswith(_ENDINGS):
        name = name[: name.rindex(".")]
    return name or Path(path).name
