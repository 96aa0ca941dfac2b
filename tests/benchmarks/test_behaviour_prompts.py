"""The shipped sets are what their script makes, and what the tests on live models need."""

from __future__ import annotations

import json

import pytest

from benchmarks.behaviour import prompts


@pytest.mark.parametrize(
    ("name", "sizes"), [("next-token", prompts.SIZES), ("continuations", prompts.CONTINUED)], ids=["next", "continued"]
)
def test_the_set_is_made_again_to_the_letter(name: str, sizes: dict[str, int]) -> None:
    shipped = (prompts.SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert shipped == list(prompts.lines(name, sizes))


@pytest.mark.parametrize(("name", "size"), [("next-token", 1000), ("continuations", 128)])
def test_prompts_are_distinct_and_stop_in_mid_sentence(name: str, size: int) -> None:
    lines = (prompts.SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert len({each["id"] for each in found}) == size
    assert len({each["prompt"] for each in found}) == size
    told = [each["prompt"] for each in found if each["stratum"] in ("prose", "dialogue", "invented")]
    assert not [each for each in told if each.endswith((" ", ".", "!", "?"))]
