from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from forebear.alignment.heads import Attention, HeadMap, near_powers, pair_heads, snapped

GROUPS, INSIDE, SIZE, STREAM = 3, 2, 8, 40
HEADS = GROUPS * INSIDE
Array = NDArray[np.float64]


def attention(seed: int) -> Attention:
    rng = np.random.default_rng(seed)
    shapes = (HEADS, GROUPS, GROUPS, HEADS)
    return Attention(*(rng.standard_normal((heads, SIZE, STREAM)) for heads in shapes))


def permuted(plain: Attention, groups: Array, inside: list[Array]) -> tuple[Attention, Array]:
    heads = np.concatenate([group * INSIDE + inside[at] for at, group in enumerate(groups)])
    return Attention(plain.query[heads], plain.key[groups], plain.value[groups], plain.output[heads]), heads


def mixed_values(plain: Attention, matrices: Array) -> Attention:
    dual = np.repeat(np.linalg.inv(matrices).transpose(0, 2, 1), INSIDE, axis=0)
    return replace(plain, value=matrices @ plain.value, output=dual @ plain.output)


def mixed_queries(plain: Attention, matrices: Array) -> Attention:
    dual = np.linalg.inv(matrices).transpose(0, 2, 1)
    return replace(plain, query=np.repeat(matrices, INSIDE, axis=0) @ plain.query, key=dual @ plain.key)


def invertible(rng: np.random.Generator) -> Array:
    found: Array = rng.standard_normal((GROUPS, SIZE, SIZE)) + 2.0 * np.eye(SIZE)
    return found


def planes(rng: np.random.Generator) -> Array:
    """One complex factor for each pair of dimensions i and i + size/2."""
    half = SIZE // 2
    angle, scale = rng.uniform(0.5, 2.5, (GROUPS, half)), rng.uniform(0.5, 2.0, (GROUPS, half))
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    made = np.zeros((GROUPS, SIZE, SIZE))
    at = np.arange(half)
    made[:, at, at] = made[:, at + half, at + half] = cos
    made[:, at, at + half], made[:, at + half, at] = -sin, sin
    return made


def noised(plain: Attention, level: float, seed: int = 9) -> Attention:
    rng = np.random.default_rng(seed)
    arrays = (plain.query, plain.key, plain.value, plain.output)
    return Attention(*(array + level * rng.standard_normal(array.shape) for array in arrays))


def put_back(plain: Attention, found: HeadMap) -> Attention:
    """The reference as the map says the model has it."""
    moved = Attention(
        plain.query[found.heads], plain.key[found.groups], plain.value[found.groups], plain.output[found.heads]
    )
    moved = moved if found.values is None else mixed_values(moved, found.values)
    return moved if found.queries is None else mixed_queries(moved, found.queries)


def difference(mine: Attention, yours: Attention) -> float:
    pairs = ((mine.query, yours.query), (mine.key, yours.key), (mine.value, yours.value), (mine.output, yours.output))
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


def paired(mine: Attention, yours: Attention, *, rotary: bool = True) -> HeadMap:
    found = pair_heads(mine, yours, rotary=rotary)
    assert found is not None
    return found


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.0, 0.3, 0.8]))
def test_heads_permuted_inside_permuted_groups_are_found(seed: int, level: float) -> None:
    rng, plain = np.random.default_rng(seed), attention(seed)
    groups = rng.permutation(GROUPS)
    mine, heads = permuted(plain, groups, [rng.permutation(INSIDE) for _ in range(GROUPS)])
    found = paired(noised(mine, level), plain)
    assert np.array_equal(found.groups, groups)
    assert np.array_equal(found.heads, heads)
    assert found.in_place == np.array_equal(heads, np.arange(HEADS))
    assert found.values is None
    assert found.queries is None


@pytest.mark.parametrize("rotary", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_mixed_values_and_queries_are_put_back(seed: int, rotary: bool) -> None:
    rng, plain = np.random.default_rng(seed), attention(seed)
    mine, heads = permuted(plain, np.array([2, 0, 1]), [np.array([1, 0])] * GROUPS)
    mine = mixed_values(mine, invertible(rng))
    mine = mixed_queries(mine, planes(rng) if rotary else invertible(rng))
    found = paired(mine, plain, rotary=rotary)
    assert np.array_equal(found.heads, heads)
    assert difference(mine, put_back(plain, found)) < 1e-4


def test_under_rotary_positions_only_planes_are_mixed() -> None:
    plain = attention(0)
    mine = mixed_queries(plain, invertible(np.random.default_rng(1)))
    assert difference(mine, put_back(plain, paired(mine, plain, rotary=True))) > 0.3
    assert difference(mine, put_back(plain, paired(mine, plain, rotary=False))) < 1e-4


@pytest.mark.parametrize("kind", ["values", "queries"])
def test_a_mixture_is_found_under_noise(kind: str) -> None:
    rng, plain = np.random.default_rng(3), attention(3)
    mine = mixed_values(plain, invertible(rng)) if kind == "values" else mixed_queries(plain, planes(rng))
    noisy = noised(mine, 0.3)
    found = paired(noisy, plain)
    assert (found.values is None, found.queries is None) == (kind == "queries", kind == "values")
    assert difference(noisy, put_back(plain, found)) < 1.2 * difference(noisy, mine)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.05, 0.5, 1.0]))
def test_noise_alone_is_not_read_as_a_mixture(seed: int, level: float) -> None:
    plain = attention(seed)
    found = paired(noised(plain, level, seed + 1), plain)
    assert found.in_place
    assert found.values is None
    assert found.queries is None


def test_factors_of_two_and_signs_come_out_exact() -> None:
    plain = attention(4)
    rng = np.random.default_rng(4)
    factors = np.exp2(rng.integers(-2, 3, (GROUPS, SIZE))) * rng.choice([-1.0, 1.0], (GROUPS, SIZE))
    mine = mixed_values(plain, np.stack([np.diag(row) for row in factors]))
    found = paired(mine, plain)
    assert found.values is not None
    assert np.array_equal(found.values, np.stack([np.diag(row) for row in factors]))


def test_several_groups_of_the_model_may_share_one_of_the_reference() -> None:
    plain = attention(5)
    fewer = Attention(plain.query[:4], plain.key[:2], plain.value[:2], plain.output[:4])
    assert paired(fewer, plain).groups.tolist() == [0, 1]
    groups = np.array([1, 0, 1])
    wider, heads = permuted(fewer, groups, [np.arange(INSIDE)] * GROUPS)
    found = paired(wider, fewer)
    assert found.groups.tolist() == groups.tolist()
    assert found.heads.tolist() == heads.tolist()


def test_heads_of_another_size_or_grouping_are_not_paired() -> None:
    plain = attention(6)
    narrow = Attention(*(array[:, :4] for array in (plain.query, plain.key, plain.value, plain.output)))
    assert pair_heads(narrow, plain, rotary=True) is None
    single = replace(plain, query=plain.query[:GROUPS], output=plain.output[:GROUPS])
    assert pair_heads(single, plain, rotary=True) is None


def test_equal_and_silent_heads_stay_as_they_are() -> None:
    plain = attention(7)
    silent = replace(plain, output=np.zeros_like(plain.output), value=np.zeros_like(plain.value))
    for mine, yours in ((plain, plain), (silent, silent), (silent, plain), (plain, silent)):
        found = paired(mine, yours)
        assert found.in_place
        assert found.queries is None
        assert np.isfinite(put_back(yours, found).value).all()


def test_only_what_is_nearly_one_entry_a_row_is_snapped() -> None:
    near = np.array([[0.0, 1.999], [-0.5004, 1e-4]])
    assert snapped(near).tolist() == [[0.0, 2.0], [-0.5, 0.0]]
    for other in (np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 0.0]])):
        assert np.array_equal(snapped(other), other)
    assert near_powers(np.array([1.004, -3.97, 1.3, 0.0])).tolist() == [1.0, -4.0, 1.3, 0.0]
