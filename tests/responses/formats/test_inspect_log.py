"""Evaluation logs of inspect_ai."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from forebear.errors import UsageError
from forebear.responses.answers import Answer
from forebear.responses.reading import read_answers


def sample(identity: Any, said: Any, target: Any = "B", **more: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "epoch": 1,
        "input": "?",
        "choices": ["w", "x", "y"],
        "target": target,
        "messages": [],
        "output": {"model": "m", "choices": [{"message": {"role": "assistant", "content": said}}], "completion": said},
        "scores": {"choice": {"value": "I", "answer": None}},
        "metadata": {"loss": float("nan")},
        **more,
    }


SAMPLES = [
    sample(1, "(C) of course"),
    sample("two", [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": " A. w"}], ["B"]),
    sample(3, "ANSWER: A", scores={"choice": {"value": "I", "answer": "A"}}),
    sample(4, "it is x", scores={"model_graded": {"value": "C", "answer": None}}),
    sample(5, "Paris", ["Paris", "paris"], choices=None),
    sample(1, "later", epoch=2),
    sample(6, "", output={"model": "m", "choices": []}, scores=None),
]
WANTED = [
    Answer("1", "C", "B", 3),
    Answer("two", "A", "B", 3),
    Answer("3", "A", "B", 3),
    Answer("4", "B", "B", 3),
    Answer("5", "Paris", None, None),
]


def archive(samples: list[dict[str, Any]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as file:
        file.writestr("_journal/start.json", "{}")
        for each in samples:
            file.writestr(f"samples/{each['id']}_epoch_{each['epoch']}.json", json.dumps(each))
        file.writestr("header.json", "{}")
    return held.getvalue()


def document(samples: list[dict[str, Any]], indent: int | None) -> bytes:
    return json.dumps(
        {"version": 2, "status": "success", "eval": {"task": "t"}, "samples": samples}, indent=indent
    ).encode()


@pytest.mark.parametrize("data", [archive(SAMPLES), archive(SAMPLES, 0), document(SAMPLES, 2), document(SAMPLES, None)])
def test_both_forms_give_the_same_answers(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    path.write_bytes(data)
    found = read_answers(path)
    assert sorted(found.items.values(), key=lambda each: each.id) == sorted(WANTED, key=lambda each: each.id)
    assert (found.form, found.name) == ("inspect", "log")
    assert found.notes == (
        "the first epoch of each sample; not read: 1 samples of later ones",
        "left out, for want of an answer: 1 items",
    )


def test_a_member_written_again_counts_as_it_was_written_last(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    with pytest.warns(UserWarning, match="Duplicate name"):
        path.write_bytes(archive([sample(1, "A"), sample(1, "C")]))
    assert [each.value for each in read_answers(path).items.values()] == ["C"]


def broken(data: bytes) -> bytes:
    place = data.index(b"samples/") + 30
    return data[:place] + bytes(40) + data[place + 40 :]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (archive([]), "without samples"),
        (archive(SAMPLES)[:-30], "no directory"),
        (broken(archive(SAMPLES)), "damaged zip archive"),
        (archive(SAMPLES, zipfile.ZIP_LZMA), "method 14"),
        (document([{"id": 1.5}], 1), "'id'|must be text or a whole number"),
        (document([sample(1, "A", epoch="x")], None), "epoch must be"),
        (b'{\n"a": 1\n}', "over several lines"),
        (document([sample(1, "", output={"choices": []})], None), "has an output"),
    ],
)
def test_a_broken_log_is_refused(data: bytes, rule: str, tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=rule) as caught:
        read_answers(path)
    assert caught.value.remedy


def zstandard_archive(members: dict[str, bytes]) -> bytes:
    """A zip whose members are packed by method 93, as inspect_ai writes them."""
    packed = io.BytesIO()
    places = []
    for name, data in members.items():
        squeezed = zstandard.ZstdCompressor().compress(data)
        sizes = struct.pack("<IIIHH", zlib.crc32(data), len(squeezed), len(data), len(name), 0)
        places.append((packed.tell(), name, sizes))
        packed.write(b"PK\x03\x04" + struct.pack("<HHHHH", 63, 0, 93, 0, 33) + sizes + name.encode() + squeezed)
    start = packed.tell()
    for place, name, sizes in places:
        head = struct.pack("<HHHHHH", 63, 63, 0, 93, 0, 33)
        packed.write(b"PK\x01\x02" + head + sizes + struct.pack("<HHHII", 0, 0, 0, 0, place) + name.encode())
    size, many = packed.tell() - start, len(places)
    packed.write(b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, many, many, size, start, 0))
    return packed.getvalue()


def test_members_packed_by_zstandard_are_read(tmp_path: Path) -> None:
    plain = zipfile.ZipFile(io.BytesIO(archive([sample(1, "A"), sample(2, "B")], zipfile.ZIP_STORED)))
    members = {info.filename: plain.read(info) for info in plain.infolist()}
    path = tmp_path / "log.eval"
    path.write_bytes(zstandard_archive(members))
    found = read_answers(path)
    stored = tmp_path / "stored.eval"
    stored.write_bytes(archive([sample(1, "A"), sample(2, "B")], zipfile.ZIP_STORED))
    assert found.digest == read_answers(stored).digest


def test_a_damaged_member_packed_by_zstandard_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive([sample(1, "A")], zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = -1
        while (start := data.find(mark, start + 1)) >= 0:
            data[start + place] = 93
    path = tmp_path / "log.eval"
    path.write_bytes(bytes(data))
    with pytest.raises(UsageError, match="damaged zip archive"):
        read_answers(path)
