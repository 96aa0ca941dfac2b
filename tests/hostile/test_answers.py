"""Files of answers that were made to hurt, through the one door in a process under limits."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from forebear.responses.answers import MOST_ITEMS
from forebear.responses.formats.opened import LONGEST_LINE, MOST_LINES
from tests.hostile.running import MEGABYTES, SECONDS, Nursery

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and their figures are those of Linux")

ITEM = b'{"id": 1, "answer": "a"}\n'


def line(rest: bytes) -> bytes:
    return b'{"id": 1, "answer": ' + rest + b"}\n"


def many(row: str, count: int = MOST_ITEMS + 10) -> bytes:
    return "".join(row % number for number in range(count)).encode()


def bomb() -> bytes:
    return gzip.compress((b" " * 999 + b"\n") * 200_000)


def archive(name: str, data: bytes, copies: int = 1, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method, compresslevel=9) as file:
        for number in range(copies):
            file.writestr(name % number, data)
    return held.getvalue()


def lying() -> bytes:
    data = bytearray(archive("samples/%d.json", b" " * (2 * LONGEST_LINE)))
    place = data.rindex(b"PK\x01\x02")
    data[place + 24 : place + 28] = (10).to_bytes(4, "little")
    return bytes(data)


def sample(text: str) -> bytes:
    return json.dumps({"doc_id": 0, "filtered_resps": [text], "resps": [], "doc_hash": "0" * 64}).encode() + b"\n"


FILES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "a line without end": (lambda: b'{"id": "' + b"x" * (LONGEST_LINE + 1), "line 1", "longer than"),
    "a list without end": (lambda: b"[" + ITEM * (LONGEST_LINE // len(ITEM) + 1), "line", "document of more than"),
    "endless nesting": (lambda: line(b"[" * 150_000), "line 1", "nested too deep"),
    "very many lists": (lambda: line(b"[" + b"[]," * 1_000_000 + b"[]]"), "line 1", "objects and lists"),
    "very many members": (lambda: b"{" + many('"k%d":1,', 1_200_000)[:-1] + b"}\n", "line 1", "members"),
    "very many numbers": (lambda: line(b"[" + b"1," * 7_000_000 + b"1]"), "line 1", "values or commas"),
    "many numbers": (lambda: line(b"[" + b"1," * 700_000 + b"1]"), "line 1", "1 to 64 numbers"),
    "very many options": (lambda: line(b'1, "options": [' + b"1," * 1_000_000 + b"1]"), "line 1", "'options' must be"),
    "not a number": (lambda: line(b"NaN"), "line 1", "NaN is not a JSON number"),
    "a number out of range": (lambda: line(b"1e999"), "line 1", "out of range"),
    "very many digits": (lambda: line(b"9" * 1_000_000), "line 1", "integer of 1000000 digits"),
    "a key twice": (lambda: b'{"id": 1, "id": 2, "answer": "a"}\n', "line 1", "duplicate key 'id'"),
    "half a character": (lambda: line(b'"\\ud800"'), "line 1", "lone surrogate"),
    "an answer without end": (lambda: line(b'"' + b"x" * 200_000 + b'"'), "line 1", "200,000 characters"),
    "a tower of marks": (lambda: line(json.dumps("a" + "\u0301\u0316" * 40_000).encode()), "line 1", "combining"),
    "very many items": (lambda: many('{"id":%d,"answer":1}\n'), "", "more than 60,000 items"),
    "very many rows": (lambda: b"id,answer\n" + many("%d,a\n"), "", "more than 60,000 items"),
    "very many samples": (lambda: sample("x") * (MOST_ITEMS + 1), "line 60001", "more than 60,000 samples"),
    "very many empty lines": (lambda: b"\n" * (MOST_LINES + 10), "", "more than 1,000,000 lines"),
    "very long answers": (lambda: many('{"id":%d,"answer":"' + "x" * 90_000 + '"}\n', 400), "", "characters together"),
    "very many columns": (lambda: b"id,answer," + b"x," * 1_000_000 + b"\n", "line 1", "columns"),
    "a cell without end": (lambda: b'id,answer\n1,"' + b"x\n" * 500_000, "row 2", "field larger than"),
    "another encoding": (lambda: "id,answer\n1,a\n".encode("utf-16"), "line 1", "UTF-16"),
    "bytes": (lambda: bytes(range(256)) * 1000, "line 1", ""),
    "a name that moves the cursor": (lambda: b'{"\\u001b[2J": 1}\n', "line 1", "missing"),
    "a gzip bomb": (bomb, "line", "times its size"),
    "a gzip bomb of one line": (lambda: gzip.compress(b" " * 2**28), "line 1", "longer than"),
    "gzip cut short": (lambda: gzip.compress(many('{"id":%d,"answer":1}\n', 9000))[:-900], "line", "damaged gzip"),
    "gzip in gzip": (lambda: gzip.compress(gzip.compress(ITEM)), "line 1", ""),
    "a zip bomb": (lambda: archive("samples/%d.json", b'["' + b" " * (2**23) + b'"]', 9), "samples/0.json", "object"),
    "a zip of many bombs": (
        lambda: archive("samples/%d.json", b'{"id":1}' + b" " * (2**23), 40), "member", "unpacks to too much",
    ),
    "a member too large": (lambda: archive("samples/%d.json", b" " * (LONGEST_LINE + 1)), "member", "larger than"),
    "a member that lies": (lying, "member", ""),
    "very many members of a zip": (lambda: archive("%0200d", b"", 70_000), "", "a directory of"),
    "a path in a zip": (lambda: archive("samples/../../%d.json", b"[]"), "member", "must be a JSON object"),
    "a log without samples": (lambda: b'{"eval": {}, "samples": 3}', "", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_refused_in_one_line_soon_and_in_little_memory(name: str, nursery: Nursery, tmp_path: Path) -> None:
    make, field, rule = FILES[name]
    path = tmp_path / "answers.jsonl"
    path.write_bytes(make())
    outcome = nursery.run("answers", path)
    assert outcome.code == 2, outcome
    assert outcome.error is not None
    assert outcome.error["type"] == "UsageError"
    assert outcome.error["where"] == str(path)
    assert outcome.error["remedy"]
    assert field in (outcome.error["field"] or "")
    assert rule in (outcome.error["rule"] or "")
    assert outcome.err.count("\n") == 1
    assert outcome.err.rstrip("\n").isprintable()
    assert outcome.seconds < SECONDS
    assert outcome.peak is not None
    assert outcome.peak < MEGABYTES * 2**20


def test_a_folder_and_an_absent_file_are_refused(nursery: Nursery, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        outcome = nursery.run("answers", path)
        assert outcome.error is not None
        assert outcome.error["type"] == "UsageError"
