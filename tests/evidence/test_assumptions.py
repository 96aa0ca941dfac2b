"""What the exact tests take for granted: the checks refuse models made to break it, and pass honest ones."""

from __future__ import annotations

import numpy as np
import pytest

from forebear.evidence import registry
from forebear.evidence.weights.assumptions import (
    EXCHANGEABLE,
    FAIR_COINS,
    INDEPENDENT_HEADS,
    INDEPENDENT_LAYERS,
    check_alone,
)
from forebear.evidence.weights.pair import Pair
from tests.anatomy.cases import CASES
from tests.models import START, aligned, pair_of, random_start, zoo_config, zoo_pair, zoo_tensors


def broken(**flaw: object) -> set[str]:
    start = random_start(0, **flaw)  # type: ignore[arg-type]
    return {check.name for check in check_alone(aligned(start, start, START).model).all() if not check.holds}


@pytest.mark.parametrize(
    ("flaw", "refused"),
    [
        ({"shards": 8}, EXCHANGEABLE),
        ({"shards": 4}, EXCHANGEABLE),
        ({"shards": 2}, EXCHANGEABLE),
        ({"head_shards": 8}, INDEPENDENT_HEADS),
        ({"head_shards": 4}, INDEPENDENT_HEADS),
        ({"head_shards": 2}, INDEPENDENT_HEADS),
        ({"one_seed": True}, INDEPENDENT_LAYERS),
        ({"correlation": 0.2}, FAIR_COINS),
        ({"correlation": -0.2}, FAIR_COINS),
    ],
)
def test_a_planted_flaw_is_seen(flaw: dict[str, object], refused: str) -> None:
    assert refused in broken(**flaw)


@pytest.mark.parametrize("seed", range(3))
def test_an_honest_start_passes(seed: int) -> None:
    start = random_start(seed)
    assert all(check.holds for check in check_alone(aligned(start, start, START).model).all())


@pytest.mark.parametrize(
    ("model", "reference"), [("gated/g00", "gated/g01-continued"), ("plain/p00", "plain/p01"), ("gated/g05",) * 2]
)
def test_the_zoo_passes(model: str, reference: str) -> None:
    pair = zoo_pair(model, reference)
    assert [check for side in (pair.model, pair.reference) for check in side.all() if not check.holds] == []


def test_the_check_sees_shards_in_a_sample_too() -> None:
    start = random_start(0, shards=8)
    found = check_alone(aligned(start, start, START, budget=600_000).model)
    assert not found.exchangeable.holds


def test_repeated_experts_of_the_next_layer_are_seen() -> None:
    case = CASES["mixtral apart"]
    rng = np.random.default_rng(0)
    tensors = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in case.tensors.items()}
    widened = {}
    for name, tensor in tensors.items():
        shape = tuple(size * 8 if size > 3 else size for size in tensor.shape)
        layer, rest = (name.split(".")[2], name.split(".")[3:]) if ".layers." in name else ("", [name])
        seed = [hash_of(".".join(rest)), 0 if "experts" in name else int(layer or 9)]
        widened[name] = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    found = check_alone(aligned(widened, widened, {"model_type": "mixtral"}).model)
    assert not found.independent_layers.holds


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big") % 2**61


@pytest.mark.parametrize(
    ("flaw", "refused", "kept"),
    [
        ({"shards": 8}, {"t1.neurons", "t2.signs"}, {"t1.values", "t1.residual", "t3.neurons", "t3.values"}),
        ({"correlation": 0.2}, {"t2.signs"}, {"t1.neurons", "t1.values", "t1.residual", "t3.neurons", "t3.values"}),
    ],
)
def test_tests_that_stand_on_a_broken_assumption_are_refused(
    flaw: dict[str, object], refused: set[str], kept: set[str]
) -> None:
    pair = pair_of(random_start(0, **flaw), random_start(1, **flaw), START)  # type: ignore[arg-type]
    found = {finding.test: finding for finding in (test.run(pair) for test in registry.tests_of("weights"))}
    for name in refused:
        assert (found[name].reason or "").startswith("assumption fails")
        assert any(not one.holds for one in found[name].assumptions)
    assert all(found[name].log10_p is not None for name in kept)


@pytest.mark.parametrize("flaw", [{"one_seed": True}, {"head_shards": 4}, {"head_shards": 8}])
def test_strangers_that_repeat_their_labels_do_not_fire(flaw: dict[str, object]) -> None:
    lowest = []
    for seed in range(3):
        pair = pair_of(random_start(seed, **flaw), random_start(seed + 50, **flaw), START)  # type: ignore[arg-type]
        lowest += [
            found.log10_p for test in registry.tests_of("weights") if (found := test.run(pair)).log10_p is not None
        ]
    assert min(lowest) > -4.0


def test_a_flaw_of_one_side_leaves_layers_independent() -> None:
    pair = pair_of(random_start(0, one_seed=True), random_start(1), START)
    assert not pair.layers_share_labels
    assert Pair.broken(pair.assumptions(INDEPENDENT_LAYERS)) is not None
    assert Pair.broken(pair.assumptions(EXCHANGEABLE)) is None


def test_sinusoids_in_the_stream_tie_neighbouring_coordinates() -> None:
    plain, config = zoo_tensors("gated/g00"), zoo_config("gated/g00")
    name = "model.embed_tokens.weight"
    rows = np.arange(plain[name].shape[0])[:, None]
    phase = rows / 10_000.0 ** (np.arange(plain[name].shape[1])[None, :] // 2 * 2 / plain[name].shape[1])
    waves = np.where(np.arange(plain[name].shape[1]) % 2, np.cos(phase), np.sin(phase))
    tied = {**plain, name: (waves + np.float32(plain[name])).astype(plain[name].dtype)}
    assert not pair_of(tied, plain, config).model.exchangeable_residual.holds
    assert pair_of(tied, plain, config).reference.exchangeable_residual.holds
    assert pair_of(tied, plain, config).residual_refused() is None
    both = pair_of(tied, tied, config)
    assert "residual coordinates" in str(both.residual_refused())
