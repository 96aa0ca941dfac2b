"""What the steps account for, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest

from forebear.evidence.weights.residual import Residual, reconstruct, residual_of, sort_changes
from tests.evidence.weights.residual.pairs import changed, noise, on_lattice, parts, trained, update

EVERYTHING = {"only": lambda _part: True}


def shares(residual: Residual) -> dict[str, float]:
    return dict(reconstruct(residual).by_step)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
@pytest.mark.parametrize("sigma", [0.002, 0.05])
def test_noise_of_one_scalar_leaves_nothing(dtype: str, sigma: float) -> None:
    found = residual_of(changed(noise(sigma), dtype=dtype, **EVERYTHING))
    assert found.noise is not None
    assert found.noise["sigma"] == pytest.approx(sigma, rel=0.02)
    assert reconstruct(found).remaining == pytest.approx(0.0, abs=1e-3)
    assert shares(found)["noise"] == pytest.approx(1.0, abs=1e-3)


def test_training_accounts_for_nothing() -> None:
    found = reconstruct(residual_of(changed(trained())))
    assert found.remaining == 1.0
    assert found.by_step == ()
    assert found.remaining_sigma > 0.0


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (update(4), "low-rank"),
        (on_lattice(4, 32), "quantised"),
        (lambda values: 0.6 * values, "rescaled"),
        (lambda values: np.where(np.abs(values) < 0.03, 0.0, values), "pruned"),
    ],
)
def test_certain_steps_leave_nothing(change: object, step: str) -> None:
    found = residual_of(changed(change))  # type: ignore[arg-type]
    assert reconstruct(found).remaining == 0.0
    assert shares(found)[step] > 0.9


def test_strangers_are_replaced_and_nothing_accounts_for_them() -> None:
    found = residual_of(changed(lambda values: values.std() * np.random.default_rng(11).standard_normal(values.shape)))
    assert len(sort_changes(found).replaced) == len(found.tensors)
    assert reconstruct(found).remaining == 1.0


def test_noise_with_one_direction_more_is_not_all_noise() -> None:
    one = changed(noise(0.01))
    rng = np.random.default_rng(12)
    changed_too = changed(
        lambda values: noise(0.01)(values) + 0.02 * np.outer(*(rng.standard_normal(n) for n in values.shape))
    )
    assert reconstruct(residual_of(one)).remaining < 1e-3
    assert reconstruct(residual_of(changed_too)).remaining > 0.3


def test_equal_models_are_at_no_distance() -> None:
    found = reconstruct(residual_of(changed(lambda values: values)))
    assert (found.distance, found.remaining, found.by_step) == (0.0, 0.0, ())


def test_noise_after_training_is_told_from_either() -> None:
    moved = changed(trained())
    start = {pair.part: pair.model for pair in moved}
    both = changed(noise(0.05), reference=start)
    plain = parts()
    pairs = [type(pair)(pair.part, pair.model, plain[pair.part], pair.types) for pair in both]
    changes = sort_changes(residual_of(pairs))
    assert changes.on_top
    assert changes.noise is not None
    assert changes.noise.value == pytest.approx(0.05, rel=0.1)
    assert 0.0 < reconstruct(residual_of(pairs)).remaining < 0.9


def test_noise_on_both_sides_is_neither_noise_nor_noise_on_top() -> None:
    noisy = {pair.part: pair.model for pair in changed(noise(0.02, seed=1))}
    one = changed(noise(0.02, seed=2))
    pairs = [type(pair)(pair.part, pair.model, noisy[pair.part], pair.types) for pair in one]
    assert sort_changes(residual_of(pairs)).noise is None
    assert reconstruct(residual_of(pairs)).remaining == 1.0
