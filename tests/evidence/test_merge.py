from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from zlib import crc32

import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.evidence.weights.identity import stored_pairs
from forebear.evidence.weights.merge import Merge, NotMerged, estimate_merge
from forebear.evidence.weights.mixtures import Mixture, mixtures_of
from tests.models import aligned, zoo_config, zoo_tensors

Tensors = Mapping[str, NDArray[Any]]
PARENTS = ("gated/g02", "gated/g03", "gated/g04")
BASE = "gated/g05"


def rounded(values: NDArray[Any]) -> NDArray[np.float32]:
    return values.astype(ml_dtypes.bfloat16).astype(np.float32)


def made(names: Sequence[str], change: Callable[..., NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    parents = [zoo_tensors(name) for name in names]
    return {name: rounded(change(*(parent[name] for parent in parents), name)) for name in parents[0]}


def layer_of(name: str) -> int | None:
    found = re.search(r"\.(\d+)\.", name)
    return int(found[1]) if found else None


def mixtures(model: Tensors, parents: Sequence[str], base: str | None = None) -> Iterator[Mixture]:
    config = zoo_config(parents[0])

    def pairs(name: str) -> Iterator[Any]:
        found = aligned(model, zoo_tensors(name), config)
        return stored_pairs(found, {})

    return mixtures_of([pairs(name) for name in parents], None if base is None else pairs(base))


def estimated(model: Tensors, parents: Sequence[str], base: str | None = None) -> Merge:
    # The stores of the tests hold float32; the models were rounded to bf16.
    found = estimate_merge(
        (Mixture(one.part, one.model, one.parents, one.base, "BF16") for one in mixtures(model, parents, base)),
        np.random.default_rng(0),
    )
    assert isinstance(found, Merge), found
    return found


def drop(change: NDArray[Any], density: float, seed: str) -> NDArray[Any]:
    return change * (np.random.default_rng(crc32(seed.encode())).random(change.shape) < density) / density


def test_linear_weights_and_the_unused_candidate() -> None:
    model = made(PARENTS[:2], lambda first, second, _: 0.6 * first + 0.4 * second)
    found = estimated(model, PARENTS)
    assert (found.method, found.left, found.used) == ("linear", "rounding", (0, 1))
    assert found.weights == pytest.approx((0.6, 0.4, 0.0), abs=1e-3)
    assert not found.missing_parent
    assert not found.alternatives


def test_task_arithmetic_needs_the_base() -> None:
    model = made((BASE, *PARENTS[:2]), lambda base, a, b, _: base + 0.7 * (a - base) + 0.5 * (b - base))
    with_base, without = estimated(model, PARENTS[:2], BASE), estimated(model, PARENTS[:2])
    assert (with_base.method, with_base.left) == ("task arithmetic", "rounding")
    assert with_base.weights == pytest.approx((0.7, 0.5), abs=1e-3)
    assert without.missing_parent
    assert "base" in without.alternatives[0]


def test_a_missing_parent_is_named() -> None:
    model = made(PARENTS, lambda a, b, c, _: 0.5 * a + 0.3 * b + 0.2 * c)
    found = estimated(model, PARENTS[:2])
    assert found.missing_parent
    assert found.weights == pytest.approx((0.5, 0.3), abs=0.02)
    assert any("missing" in each for each in found.alternatives)
    assert not estimated(model, PARENTS).missing_parent


def test_noise_added_after_merging_is_no_missing_parent() -> None:
    rng = np.random.default_rng(0)
    model = made(
        PARENTS[:2], lambda a, b, _: 0.6 * a + 0.4 * b + 0.005 * rng.standard_normal(a.shape, dtype=np.float32)
    )
    found = estimated(model, PARENTS[:2])
    assert found.left == "noise"
    assert found.weights == pytest.approx((0.6, 0.4), abs=0.01)


def slerp(first: NDArray[Any], second: NDArray[Any], t: float) -> NDArray[Any]:
    cosine = float((first * second).sum()) / float(np.linalg.norm(first) * np.linalg.norm(second))
    angle = np.arccos(cosine)
    return (np.sin((1.0 - t) * angle) * first + np.sin(t * angle) * second) / np.sin(angle)


def test_slerp_along_depth() -> None:
    places = {0: 0.1, 1: 0.3, 2: 0.5, 3: 0.7, 4: 0.9, None: 0.5}
    model = made(PARENTS[:2], lambda a, b, name: slerp(a, b, places[layer_of(name)]) if a.ndim == 2 else a)
    found = estimated(model, PARENTS[:2])
    assert found.method == "slerp"
    assert {layer: middle for layer, (middle, _, _) in found.places.items()} == pytest.approx(
        {layer: t for layer, t in places.items() if layer is not None}, abs=1e-3
    )


def test_slerp_at_one_place() -> None:
    found = estimated(made(PARENTS[:2], lambda a, b, _: slerp(a, b, 0.3) if a.ndim == 2 else a), PARENTS[:2])
    assert (found.method, found.places) == ("slerp", {})
    assert found.weights == pytest.approx((0.7, 0.3), abs=1e-3)


def test_a_frankenmerge_shows_the_origin_of_each_layer() -> None:
    origin = {0: 0, 1: 2, 2: 2, 3: 1, 4: 0, None: 0}
    found = estimated(made(PARENTS, lambda a, b, c, name: (a, b, c)[origin[layer_of(name)]]), PARENTS)
    assert found.method == "frankenmerge"
    assert found.origins == {layer: parent for layer, parent in origin.items() if layer is not None}
    assert found.weights == pytest.approx((0.4, 0.2, 0.4))


def test_ties_shows_densities_and_weights() -> None:
    def merged(base: NDArray[Any], a: NDArray[Any], b: NDArray[Any], _: str) -> NDArray[Any]:
        kept = []
        for change, density in ((a - base, 0.5), (b - base, 0.3)):
            kept.append(np.where(np.abs(change) >= np.quantile(np.abs(change), 1.0 - density), change, 0.0))
        weighted = np.stack([0.6 * kept[0], 0.4 * kept[1]])
        elected = np.sign(weighted) == np.where(weighted.sum(axis=0) >= 0.0, 1.0, -1.0)
        shares = 0.6 * elected[0] + 0.4 * elected[1]
        return base + np.where(elected, weighted, 0.0).sum(axis=0) / np.where(shares > 0.0, shares, 1.0)

    found = estimated(made((BASE, *PARENTS[:2]), merged), PARENTS[:2], BASE)
    assert found.method == "ties"
    assert found.weights == pytest.approx((0.6, 0.4), abs=0.01)
    assert [density[0] for density in found.densities if density] == pytest.approx([0.5, 0.3], abs=0.01)


def test_dare_shows_densities_weights_and_the_unused_candidate() -> None:
    model = made(
        (BASE, *PARENTS[:2]),
        lambda base, a, b, name: base + 0.6 * drop(a - base, 0.4, name) + 0.4 * drop(b - base, 0.2, f"second {name}"),
    )
    found = estimated(model, PARENTS, BASE)
    assert (found.method, found.used) == ("dare", (0, 1))
    assert found.weights == pytest.approx((0.6, 0.4, 0.0), abs=0.01)
    assert [density and density[0] for density in found.densities[:2]] == pytest.approx([0.4, 0.2], abs=0.01)
    assert found.densities[2] is None


@pytest.mark.parametrize(
    ("model", "parents", "base"),
    [
        ("gated/g06", PARENTS[:2], None),
        ("gated/g00-grandchild", ("gated/g00-continued", "gated/g00-sibling"), "gated/g00"),
        ("gated/g00-grandchild", ("gated/g00-continued", "gated/g00-sibling"), None),
        ("gated/g00-sibling", ("gated/g00-continued", "gated/g00-frozen"), "gated/g00"),
        ("plain/p00-finetuned", ("plain/p00-continued", "plain/p00-frozen"), "plain/p00"),
    ],
)
def test_strangers_children_and_siblings_are_no_merges(model: str, parents: Sequence[str], base: str | None) -> None:
    found = estimate_merge(mixtures(zoo_tensors(model), parents, base), np.random.default_rng(0))
    assert isinstance(found, NotMerged)


def test_a_candidate_without_the_part_is_left_out() -> None:
    values = np.random.default_rng(0).standard_normal((4, 5)).astype(np.float32)
    only = [Mixture(Part(Role.Q, 0), values, (values, None))]
    assert isinstance(estimate_merge(only, np.random.default_rng(0)), NotMerged)
