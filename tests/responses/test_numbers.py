"""Numbers written as text, in all files or in none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.responses.answers import Answer, Answers, Value
from forebear.responses.numbers import as_numbers, numbers_of


def answers(name: str, values: list[Value], gold: Value | None = None, options: int | None = None) -> Answers:
    items = {str(n): Answer(str(n), value, gold, options) for n, value in enumerate(values)}
    return Answers(name, name, "jsonl", items)


def values(file: Answers) -> list[Value]:
    return [each.value for each in file.items.values()]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1", (1.0,)), ("-2.5e3", (-2500.0,)), (".5", (0.5,)), ("[1, 2, 3, 4]", (1.0, 2.0, 3.0, 4.0)),
        ("(1 2)", (1.0, 2.0)), ("1,2", (1.0, 2.0)), ("", None), ("[]", None), ("1,,2", None), ("nan", None),
        ("inf", None), ("1e999", None), ("1e300", None), ("[1, 2", None),
        ("1,000 apples", None), ("٣", None), ("1" * 16, None),
    ],
)  # fmt: skip
def test_what_is_a_number(text: str, numbers: tuple[float, ...] | None) -> None:
    assert numbers_of(text) == numbers


def test_all_files_become_numbers_together() -> None:
    first, second = as_numbers([answers("a", ["1", (2.0,)], "1.0"), answers("b", ["3", "4e0"])])
    assert values(first) == [(1.0,), (2.0,)]
    assert values(second) == [(3.0,), (4.0,)]
    assert first.items["0"].gold == (1.0,)
    assert first.notes == second.notes == ("answers are taken as numbers",)


@pytest.mark.parametrize(
    "other",
    [
        answers("b", ["4", "none"]),
        answers("b", ["1 2", "3"]),
        answers("b", ["3", "4"], options=4),
        answers("b", ["3"], "x"),
    ],
)
def test_one_that_is_none_keeps_all_as_text(other: Answers) -> None:
    first, second = as_numbers([answers("a", ["1", (2.0,)]), other])
    assert values(first) == ["1", "2"]
    assert values(second) == values(other)
    assert "taken as text" in first.notes[0]


def test_files_of_words_are_left_alone() -> None:
    files = [answers("a", ["yes", "no"]), answers("b", ["no", "1"])]
    assert as_numbers(files) == files


@given(st.lists(st.one_of(st.text(max_size=5), st.floats(-1e6, 1e6).map(lambda x: (x,))), min_size=1, max_size=5))
def test_afterwards_all_are_of_one_kind_and_a_second_time_changes_nothing(given_values: list[Value]) -> None:
    once = as_numbers([answers("a", given_values)])
    assert len({isinstance(value, tuple) for value in values(once[0])}) == 1
    again = as_numbers(once)
    assert [replace(each, notes=()) for each in again] == [replace(each, notes=()) for each in once]
