from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.evidence.weights.beyond import Beyond, measure_beyond
from forebear.evidence.weights.identity import stored_pairs
from forebear.evidence.weights.mixtures import mixtures_of
from tests.models import aligned, zoo_config, zoo_tensors

Tensors = Mapping[str, NDArray[Any]]
G = "gated/g00"


def noised(name: str, sigma: float, seed: int = 0) -> Tensors:
    rng = np.random.default_rng(seed)
    return {
        key: (values + sigma * rng.standard_normal(values.shape)).astype(ml_dtypes.bfloat16).astype(np.float32)
        for key, values in zoo_tensors(name).items()
    }


def measured(model: Tensors, reference: Tensors, *bases: str) -> Beyond:
    config = zoo_config(G)
    others = [reference, *(zoo_tensors(base) for base in bases)]
    found = measure_beyond(
        mixtures_of([stored_pairs(aligned(model, other, config), {}) for other in others]), np.random.default_rng(0)
    )
    assert found is not None
    return found


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05])
def test_noise_on_a_sibling_is_found_under_the_base(sigma: float) -> None:
    sibling = f"{G}-sibling"
    found = measured(noised(sibling, sigma), zoo_tensors(sibling), G)
    assert found.noise is not None
    assert found.noise[0] == pytest.approx(sigma, rel=0.02)
    assert found.noise[1] == 0


def test_noise_on_one_sibling_is_not_noise_on_the_other() -> None:
    # The noise is several times the fine-tuned sibling's change.
    for model, reference in (("sibling", "continued"), ("finetuned", "continued"), ("continued", "finetuned")):
        found = measured(noised(f"{G}-{model}", 0.02), zoo_tensors(f"{G}-{reference}"), G)
        assert found.noise is None


def test_direction_of_noise_follows_the_noise() -> None:
    sibling = f"{G}-sibling"
    found = measured(zoo_tensors(sibling), noised(sibling, 0.02), G)
    assert found.noise is not None
    assert found.noise[1] == 1


def test_parts_copied_from_a_sibling_are_seen_and_the_bases_own_are_not() -> None:
    frozen = {**zoo_tensors(f"{G}-continued")}
    for name, values in zoo_tensors(f"{G}-sibling").items():
        if ".layers.0." in name:
            frozen[name] = values
    assert {part.layer for part in measured(frozen, zoo_tensors(f"{G}-sibling"), G).copied} == {0}
    assert not measured(zoo_tensors(f"{G}-frozen"), zoo_tensors(G), G).copied


def test_a_base_that_explains_nothing_shows_as_unrelated() -> None:
    found = measured(zoo_tensors(f"{G}-continued"), zoo_tensors(f"{G}-sibling"), "gated/g05")
    assert max(found.related) < 0.2


def test_the_nearer_of_two_bases_is_used() -> None:
    found = measured(zoo_tensors(f"{G}-continued"), zoo_tensors(f"{G}-sibling"), "gated/g05", G)
    assert found.bases == {1: 1.0}
    assert found.related == (1.0, 1.0)


def test_coefficients_by_layer() -> None:
    forwards, backwards = measured(zoo_tensors(f"{G}-grandchild"), zoo_tensors(f"{G}-continued"), G).by_layer(5)
    assert forwards == pytest.approx([1.0] * 5, abs=0.1)
    assert all(value is not None and value < 0.8 for value in backwards)
