"""The door to answers in files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.errors import UsageError
from forebear.responses.answers import Answer
from forebear.responses.reading import read_answers, with_gold

ITEMS: list[dict[str, Any]] = [
    {"id": "q1", "answer": " B\n", "gold": "C", "options": ["A", "B", "C"], "stratum": "law"},
    {"id": 2, "answer": 3.5},
    {"id": "q3", "answer": [1, 2, 3, 4.5], "gold": [1, 2, 3, 4]},
    {"id": "q4", "answer": True, "question": "is passed over"},
    {"id": "q5", "answer": 2, "options": 4, "probabilities": [0.1, 0.2, 0.6, 0.1], "gold": 0},
]
WANTED = [
    Answer("q1", "B", "C", 3, "law"),
    Answer("2", (3.5,)),
    Answer("q3", (1.0, 2.0, 3.0, 4.5), (1.0, 2.0, 3.0, 4.0)),
    Answer("q4", "true"),
    Answer("q5", "2", "0", 4, None, (0.1, 0.2, 0.6, 0.1), 0),
]


def lines(items: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in items).encode()


def written(folder: Path, data: bytes, name: str = "some model.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refusal(folder: Path, data: bytes) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_answers(written(folder, data))
    assert caught.value.where
    assert caught.value.remedy
    assert "\n" not in caught.value.line()
    return caught.value


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("lines", lines(ITEMS)),
        ("byte order mark", b"\xef\xbb\xbf" + lines(ITEMS)),
        ("no last line end", lines(ITEMS).rstrip()),
        ("empty lines", b"\n  \n" + lines(ITEMS).replace(b"\n", b"\r\n\r\n")),
        ("list", json.dumps(ITEMS, indent=1).encode()),
        ("packed", gzip.compress(lines(ITEMS))),
        ("packed list", gzip.compress(json.dumps(ITEMS).encode())),
    ],
)
def test_items_are_the_same_however_they_are_packed(name: str, data: bytes, tmp_path: Path) -> None:
    found = read_answers(written(tmp_path, data))
    assert list(found.items.values()) == WANTED, name
    assert (found.name, found.form, found.notes) == ("some model", "jsonl", ())
    assert found.source == str(tmp_path / "some model.jsonl")


def test_a_table_of_the_same_answers(tmp_path: Path) -> None:
    table = 'Item,Prediction,target,choices,subject\nq1," B ",C,A|B|C,law\n2,"a, b\nc",,,\n'
    for separator in ",;\t":
        data = table.replace("a, b", "a  b").replace(",", separator).encode()
        found = read_answers(written(tmp_path, data, "m.csv"))
        assert list(found.items.values()) == [Answer("q1", "B", "C", 3, "law"), Answer("2", "a  b\nc")]
        assert found.form == "csv"


def test_an_item_without_an_answer_is_left_out_and_counted(tmp_path: Path) -> None:
    data = lines([{"id": 1, "answer": "x"}, {"id": 2, "answer": None}])
    found = read_answers(written(tmp_path, data))
    assert list(found.items) == ["1"]
    assert found.notes == ("left out, for want of an answer: 1 items",)


@pytest.mark.parametrize(
    ("data", "place", "rule"),
    [
        (b"", "line 1", "empty"),
        (b'{"id": 1}\n', "line 1", "'answer' is missing; there are 'id'"),
        (b'{"id": 1, "answer": "a"}\n{"id": 1.5, "answer": "a"}\n', "line 2", "'id' must be text or a whole number"),
        (b'{"id": 1, "answer": {"a": 1}}\n', "line 1", "'answer' must be text"),
        (b'{"id": 1, "answer": []}\n', "line 1", "1 to 64 numbers"),
        (b'{"id": 1, "answer": [1, "a"]}\n', "line 1", "numbers alone"),
        (b'{"id": 1, "answer": [1, 1e300]}\n', "line 1", "in size"),
        (b'{"id": 1, "answer": 1, "prediction": 2}\n', "line 1", "both mean"),
        (b'{"id": 1, "answer": "a", "options": 1}\n', "line 1", "'options' must be 2"),
        (b'{"id": 1, "answer": "a", "probabilities": [0.5, 0.2]}\n', "line 1", "sum to one"),
        (b'{"id": 1, "answer": "a", "probabilities": [0.5, 0.5], "options": 3}\n', "line 1", "one for each answer"),
        (b'{"id": 1, "answer": "a"}\n\n{"id": 2, "answer"\n', "line 3, character", "not valid JSON"),
        (b'{"id": 1, "answer": "a"}\n["b"]\n', "line 2", "JSON object, found a list"),
        (b'[{"id": 1, "answer": "a"}, "b"]', "item 2", "JSON object, found text 'b'"),
        (b"hello\nworld\n", "line 1", "neither JSON nor a table"),
        (b"id,answer\n1,a\n2\n", "line 3", "1 cells, where the header has 2"),
        (b'id,answer\n1,"a\n', "row 2", "not a table"),
        (b"id,id,answer\n1,1,a\n", "line 1", "both mean"),
        (b"\xff\xfei\x00d\x00", "line 1", "UTF-16"),
        (b"id,answer\n1,\xe9\n", "line 2", "not UTF-8"),
        (b"PK\x03\x04....", "", ""),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(data: bytes, place: str, rule: str, tmp_path: Path) -> None:
    error = refusal(tmp_path, data)
    assert place in (error.field or "")
    assert rule in error.rule


def test_an_id_twice_and_no_answers_are_refused(tmp_path: Path) -> None:
    assert "twice" in refusal(tmp_path, lines([{"id": 1, "answer": "a"}] * 2)).rule
    assert "no answers" in refusal(tmp_path, b"[]").rule


def test_right_answers_from_a_file_of_their_own(tmp_path: Path) -> None:
    answers = written(
        tmp_path, lines([{"id": 1, "answer": "a", "gold": "b"}, {"id": 2, "answer": "a"}, {"id": 3, "answer": ""}])
    )
    gold = written(tmp_path, lines([{"id": 1, "gold": "b"}, {"id": 2, "answer": "c", "options": 3}]), "gold.jsonl")
    found = read_answers(answers, gold=gold)
    assert list(found.items.values()) == [Answer("1", "a", "b"), Answer("2", "a", "c", 3), Answer("3", "")]
    assert found.notes == ("no right answer for 1 items",)


def test_contradicting_right_answers_name_the_item(tmp_path: Path) -> None:
    answers = read_answers(written(tmp_path, lines([{"id": "q9", "answer": "a", "gold": "b"}])))
    with pytest.raises(UsageError, match="'q9' is 'c', where the answers say 'b'"):
        with_gold(answers, written(tmp_path, lines([{"id": "q9", "gold": "c"}]), "gold.jsonl"))
    with pytest.raises(UsageError, match="has no item of"):
        with_gold(answers, written(tmp_path, lines([{"id": "other", "gold": "c"}]), "gold.jsonl"))
    with pytest.raises(UsageError, match="second right answer for the item 'q9'"):
        with_gold(answers, written(tmp_path, lines([{"id": "q9", "gold": x} for x in "bc"]), "gold.jsonl"))


def test_the_examples_of_the_page_are_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "answer-files.md").read_text(encoding="utf-8")
    first, gold = (written(tmp_path, each.encode(), f"{n}.jsonl") for n, each in enumerate(fenced(page, "json")))
    table = read_answers(written(tmp_path, fenced(page, "csv")[0].encode()))
    assert [each.value for each in table.items.values()] == ["B", "to be, or not"]
    found = read_answers(first, gold=gold)
    assert [each.gold for each in found.items.values()] == ["C", (42.0,), (11.0, 12.0, 201.0, 178.0), "A"]


def fenced(page: str, language: str) -> list[str]:
    return [each.split("```")[0] for each in page.split(f"```{language}\n")[1:]]


@given(pairs=st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8))
def test_any_text_survives_both_forms(pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("t")
    items = [{"id": str(number), "answer": answer} for number, (_, answer) in enumerate(pairs)]
    try:
        found = read_answers(written(folder, lines(items)))
    except UsageError as error:
        assert "surrogate" in error.rule
        return
    again = read_answers(
        written(folder, lines([{"id": each.id, "answer": each.value} for each in found.items.values()]))
    )
    assert again.items == found.items
    assert again.digest == found.digest


@given(data=st.binary(max_size=200))
def test_any_bytes_are_answers_or_one_typed_error(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("b"), data)
    try:
        read_answers(path)
    except UsageError as error:
        assert error.remedy
        assert "\n" not in error.line()
