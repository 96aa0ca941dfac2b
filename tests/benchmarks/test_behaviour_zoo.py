from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.behaviour import zoo
from benchmarks.behaviour.__main__ import main
from forebear.zoo.items import Sheet, load

PACKED = Path(__file__).parents[1] / "zoo/answers/answers.npz.xz"


@pytest.fixture(scope="module")
def packed() -> tuple[zoo.Items, dict[str, Sheet]]:
    return load(PACKED)


def test_every_pair_has_one_relation_and_strangers_are_many(packed: tuple[zoo.Items, dict[str, Sheet]]) -> None:
    found = zoo.relations(list(packed[1]))
    pairs = [pair for of in found.values() for pair in of]
    assert len(pairs) == len({frozenset(pair) for pair in pairs})
    assert len(found[zoo.STRANGERS]) == 3 * 190 and len(found[zoo.OTHER_FAMILIES]) == 3 * 400
    assert ("gated/g00-finetuned", "gated/g00") in found["finetuned"]
    assert ("gated/g00-distilled", "gated/g00") in found["distilled"]
    assert ("gated/g00-grandchild", "gated/g00-continued") in found["grandchild"]
    assert ("gated/g00-grandchild", "gated/g00") in found["grandchild and founder"]


def test_raw_figures_are_those_of_the_answers() -> None:
    one = np.array([1, 2, 3, 4]), np.array([False, True, True, False])
    other = np.array([1, 2, 5, 6]), np.array([False, True, True, True])
    found = zoo.raw(one, other)
    assert (found.overlap, found.errors, found.same) == (0.5, (0.5, 0.75), 0.5)
    assert found.kappa == pytest.approx((0.75 - 0.5) / 0.5)


def test_the_raw_table_orders_relations_as_their_training_has_it(packed: tuple[zoo.Items, dict[str, Sheet]]) -> None:
    table = zoo.raw_table(*packed, "free", None, "free items")
    overlap = {row[0]: row[3] for row in table.rows}
    nearer = ["low-rank", "finetuned", "continued", "shuffled"]
    assert all(overlap[one] > overlap[other] for one, other in pairwise(nearer))
    # What both were trained on says more of raw overlap than where they came from.
    assert overlap[zoo.STRANGERS] > overlap["continued"]


def test_an_area_counts_pairs_and_halves_ties() -> None:
    assert zoo.area([2.0, 3.0], [1.0, 1.5]) == 1.0
    assert zoo.area([1.0], [1.0, 0.0]) == 0.75
    assert zoo.area([], [1.0]) is None


@pytest.mark.parametrize("name", ["nonsense", "__main__", ""])
def test_an_unknown_part_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert "zoo" in capsys.readouterr().err.split("parts:")[1]


def test_kin_stand_out_and_strangers_do_not(packed: tuple[zoo.Items, dict[str, Sheet]]) -> None:
    items, sheets = packed
    kin = ("g00-finetuned", "g00-distilled", "g02-low-rank-4", "g02-continued", "g03-continued")
    names = [f"gated/{name}" for name in (*kin, *(f"g{number:02d}" for number in range(20)))]
    models = {name: zoo._said(name, items, sheets[name], "both", None) for name in names}

    def related(one: str, other: str) -> bool:
        return zoo.judged(models, (f"gated/{one}", f"gated/{other}")).found.fires()

    assert related("g00-finetuned", "g00") and related("g02-low-rank-4", "g02")
    assert related("g00-distilled", "g00")
    assert not related("g00", "g01") and not related("g00-finetuned", "g01")
    # Both learned part B, which no control did: what they share says nothing of where they come from.
    assert not related("g02-continued", "g03-continued")
