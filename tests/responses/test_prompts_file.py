"""Prompts from files and from the sets that come with Forebear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebear.errors import ForebearError, UsageError
from forebear.responses.prompts import Prompt
from forebear.responses.prompts_file import prompts_of, read_prompts, shipped_names, shipped_prompts, with_system


def file(folder: Path, *lines: object, name: str = "p.jsonl") -> Path:
    path = folder / name
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def test_every_field_is_read(tmp_path: Path) -> None:
    found = read_prompts(
        file(
            tmp_path,
            {"id": "x", "prompt": " a ", "system": "s", "gold": "g", "options": 4, "stratum": "t"},
            "",
            {"text": "b", "gold": 3},
            {"id": 7, "text": "c", "gold": [1, 2.5, 3, 4]},
        )
    )
    assert found.name == "p.jsonl"
    assert list(found.prompts) == [
        Prompt("x", " a ", "s", "g", 4, "t"),
        Prompt("3", "b", gold=(3.0,)),
        Prompt("7", "c", gold=(1.0, 2.5, 3.0, 4.0)),
    ]


def test_plain_text_is_one_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "p.TXT"
    path.write_bytes("\ufefffirst \r\n\n {third}\u2028é".encode())
    assert list(read_prompts(path).prompts) == [Prompt("1", "first "), Prompt("3", " {third}\u2028é")]


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_survives(tmp_path: Path, texts: list[str]) -> None:
    found = read_prompts(file(tmp_path, *({"prompt": text} for text in texts)))
    assert [each.text for each in found.prompts] == texts


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({}, "line 1: one of 'prompt' and 'text' must be there"),
        ({"prompt": "a", "text": "b"}, "line 1: one of 'prompt' and 'text' must be there, and not both"),
        ({"prompt": "a", "answer": "b"}, "line 1: Object contains unknown field `answer`"),
        ({"prompt": 1}, "line 1: Expected `str | null`, got `int`"),
        ({"prompt": "a", "options": 1}, "line 1: Expected `int` >= 2"),
        ({"prompt": "a", "gold": []}, "line 1: Expected `array` of length >= 1"),
        ({"prompt": "a", "gold": True}, "line 1: Expected"),
        ({"prompt": "a", "id": ""}, "line 1: Expected `str` of length >= 1"),
        ({"prompt": "a", "id": "x" * 513}, "line 1: Expected `str` of length <= 512"),
        ('{"prompt": "a", "prompt": "b"}', "line 1: duplicate key 'prompt'"),
        ('{"prompt": "\\ud800"}', "line 1: a string holds a lone surrogate"),
        ('["a"]', "line 1: byte 0: must be a JSON object"),
        ("a", "line 1: character 0: not valid JSON"),
        ('{"prompt": "a", "id": "2"}\n{"prompt": "b"}', "the prompt '2' stands there twice"),
        ("", "no prompts in it"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line(tmp_path: Path, line: object, says: str) -> None:
    path = file(tmp_path, line)
    with pytest.raises(ForebearError) as caught:
        read_prompts(path)
    assert says in caught.value.line()
    assert str(path) in caught.value.line()
    assert "\n" not in caught.value.line()


def test_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"one\n\xff\n")
    with pytest.raises(UsageError, match="line 2: not UTF-8"):
        read_prompts(path)


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.txt"
    path.write_bytes(b"x" * (8 * 2**20 + 2))
    with pytest.raises(UsageError, match="line 1: longer than 8 MiB"):
        read_prompts(path)


def test_every_shipped_set_is_read() -> None:
    for name in shipped_names():
        found = shipped_prompts(name)
        assert found.name == name
        assert found.prompts
        assert prompts_of(name).digest == found.digest


def test_an_unknown_set_names_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no set of prompts 'nonsense'\. Choose from: ") as caught:
        prompts_of("nonsense")
    assert all(name in caught.value.line() for name in shipped_names())
    with pytest.raises(UsageError, match=r"nonsense\.txt: cannot be read"):
        prompts_of("nonsense.txt")


def test_a_file_comes_before_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = next(iter(shipped_names()), "next-token")
    file(tmp_path, {"prompt": "mine"}, name=name)
    assert [each.text for each in prompts_of(name).prompts] == ["mine"]


def test_a_system_message_goes_where_there_is_none(tmp_path: Path) -> None:
    found = with_system(read_prompts(file(tmp_path, {"prompt": "a"}, {"prompt": "b", "system": "own"})), "given")
    assert [each.system for each in found.prompts] == ["given", "own"]
