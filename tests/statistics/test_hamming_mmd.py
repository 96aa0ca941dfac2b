"""The kernel by hand, the estimate against sums over pairs, p-values under the null, and planted mixtures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.behaviour._endpoints import logits, rounded, said
from forebear.statistics.hamming_mmd import (
    Compared,
    discrepancy,
    hamming_kernel,
    interval_over_prompts,
    mmd_test,
    planted_power,
)

Replies = list[list[str]]


def compared(first: Replies, second: Replies, others: Replies | None = None) -> list[Compared]:
    more = others or [[] for _ in first]
    return [Compared(hamming_kernel([*a, *b, *c]), len(a), len(b)) for a, b, c in zip(first, second, more, strict=True)]


def test_the_kernel_by_hand() -> None:
    """Padding counts as a character: 'ab' and 'abcd' agree at 2 of 4 places, 'ab' and 'xb' at 1 and the 2 padded."""
    found = hamming_kernel(["ab", "abcd", "xb", ""])
    assert found.tolist() == [[1, 0.5, 0.75, 0.5], [0.5, 1, 0.25, 0], [0.75, 0.25, 1, 0.5], [0.5, 0, 0.5, 1]]


def test_all_empty_texts_are_equal() -> None:
    assert hamming_kernel(["", ""]).tolist() == [[1, 1], [1, 1]]


@given(st.lists(st.text(max_size=6), min_size=1, max_size=6))
def test_the_kernel_is_a_share_of_code_points(texts: list[str]) -> None:
    longest = max(map(len, texts))
    padded = [[*text, *[None] * (longest - len(text))] for text in texts]
    for row, mine in enumerate(padded):
        for column, yours in enumerate(padded):
            equal = sum(a == b for a, b in zip(mine, yours, strict=True))
            assert hamming_kernel(texts)[row, column] == pytest.approx(equal / longest if longest else 1.0)


def test_surrogates_and_signs_of_every_plane_are_characters() -> None:
    assert hamming_kernel(["\ud800", "\ud801", "\U0010ffff", "a"])[0].tolist() == [1, 0, 0, 0]


def test_the_estimate_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abc"), 5)) for _ in range(7)]
    kernel = hamming_kernel(texts)
    first, second = [0, 2, 5], [1, 3, 4, 6]
    within = [np.mean([kernel[i, j] for i, j in combinations(side, 2)]) for side in (first, second)]
    across = np.mean([kernel[i, j] for i in first for j in second])
    chosen = np.isin(np.arange(7), first).astype(float)[np.newaxis]
    assert discrepancy(kernel, chosen, 1 - chosen)[0] == pytest.approx(within[0] + within[1] - 2 * across)
    order = [*first, *second]
    test = mmd_test([Compared(kernel[np.ix_(order, order)], 3, 4)], rng, permutations=9)
    assert test.value == pytest.approx(within[0] + within[1] - 2 * across)


def test_the_smallest_p_is_the_share_of_relabellings() -> None:
    """Of 2 and 2 replies 2 of the 6 ways to deal them give the largest discrepancy: p is near 1/3, never below."""
    test = mmd_test(compared([["aaaa"] * 2], [["bbbb"] * 2]), np.random.default_rng(0))
    assert test.value == pytest.approx(2.0)
    assert 0.25 < test.p < 0.42


def test_equal_replies_are_never_told_apart() -> None:
    test = mmd_test(compared([["same"] * 5] * 3, [["same"] * 5] * 3), np.random.default_rng(0))
    assert test.value == pytest.approx(0.0)
    assert test.p == 1.0


@pytest.mark.parametrize(("prompts", "samples", "spread"), [(1, 5, 3.0), (6, 3, 3.0), (6, 4, 12.0)])
def test_p_is_uniform_where_one_model_is_asked_twice(prompts: int, samples: int, spread: float) -> None:
    """300 pairs: shares of small p-values within four standard deviations of their level, or below it."""
    found = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        model = logits(prompts, length=12, spread=spread, seed=seed)
        test = mmd_test(compared(said(model, samples, rng), said(model, samples, rng)), rng, permutations=99)
        found.append(test.p)
    for level in (0.05, 0.1, 0.25, 0.5):
        share = np.mean(np.array(found) <= level + 1e-9)
        assert share <= level + 4 * np.sqrt(level * (1 - level) / 300)
    if spread < 12:
        assert np.mean(np.array(found) <= 0.5 + 1e-9) >= 0.5 - 4 * np.sqrt(0.25 / 300)


def test_power_grows_with_the_change_and_with_prompts() -> None:
    def fired(prompts: int, error: float, temperature: float) -> int:
        count = 0
        for seed in range(12):
            rng = np.random.default_rng(seed)
            model = logits(prompts, length=20, seed=seed)
            other = said(rounded(model, error, seed + 1), 6, rng, temperature)
            count += mmd_test(compared(said(model, 6, rng), other), rng, permutations=99).p <= 0.01
        return count

    assert fired(30, 0.0, 1.0) <= 2
    assert fired(30, 2.0, 1.0) == 12
    assert fired(4, 1.0, 1.0) < fired(60, 1.0, 1.0)
    assert fired(30, 0.0, 0.9) < fired(30, 0.0, 0.4)


def test_planted_shares_are_found_as_often_as_real_mixtures_are() -> None:
    """Power stated from planting beside power seen when fresh replies are mixed and tested."""
    rng = np.random.default_rng(1)
    model, other = logits(25, length=15, seed=1), logits(25, length=15, seed=2)
    stated = planted_power(
        compared(said(model, 8, rng), said(model, 8, rng), said(other, 8, rng)), 0.5, rng, level=0.05, draws=100
    )
    seen = 0
    for _ in range(60):
        first, second, strange = (said(each, 8, rng) for each in (model, model, other))
        mixed = [
            [b if rng.random() < 0.5 else a for a, b in zip(one, two, strict=True)]
            for one, two in zip(second, strange, strict=True)
        ]
        seen += mmd_test(compared(first, mixed), rng, permutations=99).p <= 0.05
    assert stated / 100 == pytest.approx(seen / 60, abs=0.3)
    assert stated > 10


def test_nothing_planted_is_found_at_the_level() -> None:
    rng = np.random.default_rng(2)
    model = logits(20, length=15, seed=3)
    found = planted_power(compared(said(model, 6, rng), said(model, 6, rng)), 0.0, rng, level=0.05, draws=400)
    assert found <= 400 * 0.05 + 5 * np.sqrt(400 * 0.05 * 0.95)


def test_a_repeated_reply_is_planted_where_there_are_no_others() -> None:
    rng = np.random.default_rng(2)
    model = logits(20, length=15, seed=3)
    both = compared(said(model, 6, rng), said(model, 6, rng))
    shares = [planted_power(both, share, rng, level=0.01) for share in (0.1, 0.5, 1.0)]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_an_interval_needs_prompts_and_holds_the_mean() -> None:
    rng = np.random.default_rng(0)
    assert interval_over_prompts(np.arange(9.0), rng) is None
    interval = interval_over_prompts(rng.normal(1, 1, 400), rng)
    assert interval is not None
    assert interval[0] < 1 < interval[1]
    assert interval[1] - interval[0] == pytest.approx(2 * 1.96 / 20, rel=0.2)


def test_too_few_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="1 and 2 texts"):
        Compared(np.ones((3, 3)), 1, 2)
