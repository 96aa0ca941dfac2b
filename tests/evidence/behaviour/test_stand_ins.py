"""One model beside those of which each could stand in another's place: exact laws, and what leaves them as they are."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.evidence.behaviour.stand_ins import Bench
from tests.evidence.behaviour.panels import coded


def small_codes(draw: np.random.Generator, items: int, models: int) -> np.ndarray:
    return draw.integers(0, 4, (items, models))


def test_equal_wrong_answers_are_every_way_to_deal_them():
    """Enumerated: which of those that err gave which wrong answer, item by item."""
    panel = coded(small_codes(np.random.default_rng(3), 7, 5))
    found = Bench(panel, 0, (1, 2, 3, 4)).same()
    tails, means = [], []
    laws = []
    for row in panel.codes:
        if row[0] == 0 or row[1] == 0:
            continue
        given_wrong = [code for code in row[1:] if code != 0]
        laws.append([code == row[0] for code in given_wrong])
    for dealt in product(*laws):
        tails.append(sum(dealt) >= found.same)
        means.append(sum(dealt))
    assert found.among == len(laws)
    assert found.expected == pytest.approx(np.mean(means))
    assert 10**found.log10_p == pytest.approx(np.mean(tails))


def test_shared_errors_are_every_way_to_deal_errors_inside_strata_of_equal_totals():
    panel = coded(small_codes(np.random.default_rng(5), 8, 4) % 2)
    bench = Bench(panel, 0, (1, 2, 3))
    found = bench.shared()
    assert panel.wrong is not None
    mine, yours = panel.wrong[:, 0], panel.wrong[:, 1]
    totals = panel.wrong[:, 1:].sum(axis=1)
    tail = many = 0
    for order in permutations(range(8)):
        if (totals[list(order)] != totals).any():
            continue
        many += 1
        tail += int((mine & yours[list(order)]).sum()) >= found.observed
    assert 10**found.log10_p == pytest.approx(tail / many)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(5, 60))
def test_neither_order_of_items_nor_of_controls_nor_names_of_answers_matter(seed, models, items):
    draw = np.random.default_rng(seed)
    codes = small_codes(draw, items, models)
    panel = coded(codes)
    renamed = np.where(codes == 0, 0, 1 + (codes + seed) % 4)
    other = coded(renamed[draw.permutation(items)][:, [0, 1, *(2 + draw.permutation(models - 2))]])
    pool = tuple(range(1, models))
    one, two = Bench(panel, 0, pool), Bench(other, 0, pool)
    assert one.shared().log10_p == pytest.approx(two.shared().log10_p)
    assert one.same().same == two.same().same or len(set(np.unique(renamed))) < len(set(np.unique(codes)))
    assert np.isfinite(one.figures()).all()
    assert one.figures()[0] == pytest.approx(one.figures(shared_too=True)[0])


@pytest.mark.parametrize("weaknesses", ["equal", "unequal"])
def test_p_values_keep_their_word_under_raschs_law(weaknesses):
    """The model may be anything; the others follow Rasch's law. Counted over 600 pairs of strangers."""
    draw = np.random.default_rng(17)
    ps = []
    for _ in range(600):
        difficulty = draw.normal(0, 2, (150, 1))
        weakness = draw.normal(0, 1, 6) if weaknesses == "unequal" else np.zeros(6)
        chance = 1 / (1 + np.exp(-difficulty - weakness))
        mine = draw.random((150, 1)) < 1 / (1 + np.exp(-1.5 * difficulty))
        wrong = np.concatenate([mine, draw.random((150, 6)) < chance], axis=1)
        ps.append(10 ** Bench(coded(wrong.astype(int)), 0, tuple(range(1, 7))).shared().log10_p)
    found = np.array(ps)
    for level in (0.5, 0.1, 0.05, 0.01):
        # Three standard deviations of a count.
        assert (found <= level).mean() <= level + 3 * (level / 600) ** 0.5


def test_blank_answers_equal_nothing():
    from dataclasses import replace

    codes = np.ones((20, 4), dtype=int)
    panel = replace(coded(codes), blank=np.ones((20, 4), dtype=bool))
    found = Bench(panel, 0, (1, 2, 3)).same()
    assert (found.among, found.same, found.log10_p) == (0, 0, 0.0)


def test_without_right_answers_all_answers_count():
    from dataclasses import replace

    draw = np.random.default_rng(1)
    codes = draw.integers(0, 3, (200, 6))
    codes[:, 1] = codes[:, 0]
    panel = replace(coded(codes), wrong=None)
    bench = Bench(panel, 0, (1, 2, 3, 4, 5))
    assert bench.same().same == 200
    assert bench.same().log10_p < -50
    assert bench.figures()[0] > bench.figures()[1:].max() + 5
