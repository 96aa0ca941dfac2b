"""One mark at a time, in one tensor."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.identity import StoredPair
from forebear.evidence.weights.residual.codebook import NF4
from forebear.evidence.weights.residual.storage import narrowest, rounded, spacing
from forebear.evidence.weights.residual.tensor import TensorResidual, measure_tensor
from tests.evidence.weights.residual.pairs import DTYPES, Matrix, noise, on_lattice, stored, update

PART = Part(Role.UP, 0)
RNG = np.random.default_rng(0)
PLAIN = stored(0.05 * RNG.standard_normal((96, 64)), "BF16").astype(np.float64)


def of(model: Matrix, reference: Matrix = PLAIN, dtype: str = "BF16") -> TensorResidual:
    pair = StoredPair(PART, stored(model, dtype), reference.astype(np.float32), (dtype, dtype))
    found = measure_tensor(pair)
    assert found is not None
    return found


@settings(max_examples=50)
@given(st.floats(2.0**-10, 60000.0, width=32), st.sampled_from(sorted(DTYPES)))
def test_spacing_is_the_distance_to_the_next_number(value: float, dtype: str) -> None:
    start = rounded(np.array([value]), dtype)
    step = spacing(start, dtype)
    above = rounded(start + step, dtype)
    assert above == start + step or dtype == "F16"
    assert rounded(start + 0.2 * step, dtype) == start


def test_the_narrowest_type_is_that_of_the_values() -> None:
    assert narrowest(PLAIN, "F32") == "BF16"
    assert narrowest(np.zeros((8, 8)), "F32") == "F32"
    assert narrowest(RNG.standard_normal((8, 8)).astype(np.float32).astype(np.float64), "F32") == "F32"


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("amount", [0.01, 0.1, 1.0, 30.0])
def test_sigma_of_noise(dtype: str, amount: float) -> None:
    found = of(noise(amount, relative=True)(PLAIN), dtype=dtype)
    assert found.relative == pytest.approx(amount, rel=0.05)
    assert abs(found.kurtosis) < 0.3
    assert found.edge == pytest.approx(1.0, abs=0.1)
    assert not found.marks.any


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("rank", [1, 4, 16, 32])
def test_low_rank(dtype: str, rank: int) -> None:
    found = of(update(rank)(PLAIN), dtype=dtype)
    assert found.marks.low_rank is not None
    assert found.marks.low_rank.rank == rank
    assert found.settled


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("block", [32, 64, 96 * 64])
def test_lattices(bits: int, block: int) -> None:
    mark = of(on_lattice(bits, block)(PLAIN)).marks.quantised
    assert mark is not None
    assert (mark.bits, mark.symmetric, mark.codebook) == (bits, True, None)
    # Three levels leave too few values above zero to tell one step for all from one step a row.
    assert mark.block == {32: 32, 64: "row"}.get(block, "tensor" if bits > 2 else "row")
    assert mark.exact > 0.99


def test_a_table_of_levels_is_named() -> None:
    largest = np.abs(PLAIN).max(axis=1, keepdims=True)
    nearest = np.abs((PLAIN / largest)[..., None] - np.array(NF4)).argmin(axis=-1)
    mark = of(np.array(NF4)[nearest] * largest).marks.quantised
    assert mark is not None
    assert (mark.bits, mark.codebook, mark.block) == (4, "nf4", "row")
    assert mark.exact > 0.99


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_plain_values_lie_on_no_lattice(dtype: str) -> None:
    for seed in range(5):
        values = np.random.default_rng(seed).standard_normal((128, 96))
        assert of(values, 0.9 * values[::-1], dtype).marks.quantised is None


def test_a_lattice_that_was_there_before_is_no_step() -> None:
    before = stored(on_lattice(4, 64)(PLAIN), "BF16").astype(np.float64)
    after = before.copy()
    after[:48] = 0.5 * after[:48]
    assert of(after, before).marks.quantised is None


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_pruning_by_magnitude_and_by_coin(share: float) -> None:
    small = np.abs(PLAIN) <= np.quantile(np.abs(PLAIN), share)
    coin = np.random.default_rng(2).random(PLAIN.shape) < share
    for zeros, by in ((small, "magnitude"), (coin, "random")):
        mark = of(np.where(zeros, 0.0, PLAIN)).marks.pruned
        assert mark is not None
        assert (mark.pattern, mark.by) == ("unstructured", by)
        assert mark.share == pytest.approx(share, abs=0.02)


def test_patterns_of_zeros() -> None:
    smallest = np.argsort(np.argsort(np.abs(PLAIN.reshape(-1, 4)), axis=1), axis=1) < 2
    two_of_four = of(np.where(smallest.reshape(PLAIN.shape), 0.0, PLAIN)).marks.pruned
    heads = PLAIN.copy()
    heads[16:32] = heads[64:80] = 0.0
    columns = PLAIN.copy()
    columns[:, [3, 7, 8, 40]] = 0.0
    rows, lines = of(heads).marks.pruned, of(columns).marks.pruned
    assert two_of_four is not None
    assert rows is not None
    assert lines is not None
    assert (two_of_four.pattern, two_of_four.by) == ("2:4", "magnitude")
    assert (rows.pattern, rows.group) == ("rows", 16)
    assert (lines.pattern, lines.group) == ("columns", None)


def test_zeros_of_a_coarse_lattice_are_not_pruned() -> None:
    assert of(on_lattice(3, 64)(PLAIN)).marks.pruned is None


@pytest.mark.parametrize(("shape", "per"), [((1, 1), "tensor"), ((96, 1), "row"), ((1, 64), "column")])
def test_factors(shape: tuple[int, int], per: str) -> None:
    factors = np.random.default_rng(3).uniform(0.4, 0.8, shape)
    found = of(PLAIN * factors)
    assert found.marks.rescaled is not None
    assert found.marks.rescaled.per == per
    assert found.marks.rescaled.factor == pytest.approx(float(np.median(factors)), rel=1e-3)
    assert found.settled


def test_a_cast_kept_in_a_wider_type() -> None:
    eight = PLAIN.astype(np.float32).astype(ml_dtypes.float8_e4m3fn).astype(np.float64)
    found = of(eight)
    assert found.marks.cast == "F8_E4M3"
    assert found.settled


def test_what_holds_no_difference_is_not_measured() -> None:
    values = PLAIN.astype(np.float32)
    broken = values.copy()
    broken[0, 0] = np.nan
    for model, reference in ((values, values), (broken, values), (values, np.ones_like(values))):
        assert measure_tensor(StoredPair(PART, model, reference, ("BF16", "BF16"))) is None
