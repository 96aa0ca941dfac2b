"""What tensors show that no anatomy explains: equality and likeness by name, and labels of a projector's neurons.

Nothing here has a null but `chain_labels`: which coordinates of other tensors are free labels is not known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forebear.alignment.sampled import Ffn
from forebear.checkpoint.store import Rows, TensorStore
from forebear.evidence.finding import Assumption, Finding
from forebear.evidence.weights.assumptions import (
    EXCHANGEABLE,
    LEVEL_Z,
    MOST_NEAR_DUPLICATES,
    near_duplicates,
    neuron_features,
    shift_z,
)
from forebear.evidence.weights.identity import equal_up_to_cast
from forebear.statistics.labels import Block, label_agreement

Floats = NDArray[np.float32]
NamePair = tuple[str, str]

MOST_NEURONS = 1536
"""Neurons of a projector tested at once: squares of this size are the largest arrays made."""


@dataclass(frozen=True)
class Likeness:
    """One tensor of both sides, on the rows read.

    Attributes:
        names: in model and reference.
        matrix: it has two axes or more.
        equal: equal values, a change of storage type allowed for.
        constant: both sides hold one value only.
        cosine: of the two, entries centred; None where a side does not vary or is not finite.
        relative: root mean square of the difference over that of the reference, both centred; None likewise.
    """

    names: NamePair
    matrix: bool
    equal: bool
    constant: bool
    cosine: float | None
    relative: float | None


def pair_names(
    mine: tuple[TensorStore, str], yours: tuple[TensorStore, str]
) -> tuple[list[NamePair], list[str], list[str]]:
    """Tensors that go together: by name below the prefix and shape, then by a shape that occurs once on each side.

    Args:
        mine, yours: tensors and the prefix of their names.

    Returns:
        Pairs, then what is left over in the model and in the reference; all sorted.
    """
    (first, start), (second, other_start) = mine, yours
    below = {name.removeprefix(other_start): name for name in second.names()}
    pairs = [
        (name, other)
        for name in first.names()
        if (other := below.get(name.removeprefix(start))) is not None
        and first.info(name).shape == second.info(other).shape
    ]
    left = set(first.names()) - {name for name, _ in pairs}, set(second.names()) - {name for _, name in pairs}
    alone = [_by_lone_shape(store, names) for store, names in zip((first, second), left, strict=True)]
    pairs += [(alone[0][shape], alone[1][shape]) for shape in alone[0].keys() & alone[1].keys()]
    rest = [sorted(names - {pair[side] for pair in pairs}) for side, names in enumerate(left)]
    return sorted(pairs), rest[0], rest[1]


def _by_lone_shape(store: TensorStore, names: Collection[str]) -> dict[tuple[int, ...], str]:
    """Names by shape, of those shapes that only one of them has."""
    shapes = [store.info(name).shape for name in names]
    return {store.info(name).shape: name for name in names if shapes.count(store.info(name).shape) == 1}


def likeness(mine: TensorStore, yours: TensorStore, pairs: Iterable[NamePair], key: str, budget: int) -> list[Likeness]:
    """How alike paired tensors are.

    Args:
        mine, yours: tensors of both sides.
        pairs: their names.
        key: keys which rows are read.
        budget: bytes read per side; each tensor gets the same share of its rows.
    """
    pairs = list(pairs)
    whole = max(sum(store.info(pair[side]).nbytes for pair in pairs) for side, store in enumerate((mine, yours)))
    share = min(1.0, budget / whole) if whole else 1.0
    return [_one(mine, yours, pair, key, share) for pair in pairs]


def drawn_rows(key: str, count: int, share: float) -> Rows:
    """Rows read of a tensor of ``count`` rows, ascending: keyed by the count alone, so the same on both sides."""
    if share >= 1.0:
        return np.arange(count, dtype=np.int64)
    order = _generator(f"{key}|plain|{count}").permutation(count)
    return np.sort(order[: max(1, int(count * share))]).astype(np.int64)


def _generator(purpose: str) -> np.random.Generator:
    seed = hashlib.sha256(purpose.encode()).digest()
    return np.random.Generator(np.random.Philox(int.from_bytes(seed[:16], "big")))


def _one(mine: TensorStore, yours: TensorStore, pair: NamePair, key: str, share: float) -> Likeness:
    infos = mine.info(pair[0]), yours.info(pair[1])
    rows = drawn_rows(key, infos[0].matrix_shape[0], share)
    first, second = mine.read(pair[0], rows), yours.read(pair[1], rows)
    equal = equal_up_to_cast(first, second, (infos[0].dtype, infos[1].dtype))
    constant = first.size == 0 or bool(np.ptp(first) == 0.0 and np.ptp(second) == 0.0)
    return Likeness(pair, len(infos[0].shape) > 1, equal, constant, *_figures(first, second))


def _figures(first: Floats, second: Floats) -> tuple[float | None, float | None]:
    if not first.size or not (np.isfinite(first).all() and np.isfinite(second).all()):
        return None, None
    mine, yours = (side.astype(np.float64) - side.mean(dtype=np.float64) for side in (first, second))
    norms = float(np.linalg.norm(mine)), float(np.linalg.norm(yours))
    if not all(norms):
        return None, None
    return float((mine * yours).sum()) / (norms[0] * norms[1]), float(np.linalg.norm(mine - yours)) / norms[1]


def chain_labels(
    mine: tuple[TensorStore, NamePair], yours: tuple[TensorStore, NamePair], key: str, budget: int
) -> Finding:
    """Whether the neurons of a projector agree under the same index.

    Args:
        mine, yours: tensors, and the names of the layer that writes the neurons, then the one that reads them.
        key: keys which neurons are drawn.
        budget: bytes read per side.

    Returns:
        The finding ``t1.neurons``. Null: the neurons of one side are, given everything else, labelled at random,
        since neither layer ties a neuron to its index; see `forebear.statistics.labels`. Assumption: the projector's
        start does not depend on the index of a neuron.
    """
    title = "Do the projector's neurons of the same index agree?"
    shapes = [tuple(store.info(name).shape for name in names) for store, names in (mine, yours)]
    if shapes[0] != shapes[1]:
        return Finding("t1.neurons", title, reason="the projectors differ in shape", answers="labels kept")
    width = shapes[0][0][0]
    nbytes = max(sum(store.info(name).nbytes for name in names) for store, names in (mine, yours))
    share = min(1.0, budget / max(nbytes, 1), MOST_NEURONS / max(width, 1))
    ffns = [_as_ffn(store, names, key, share) for store, names in (mine, yours)]
    return _agreement(title, ffns[0], ffns[1], _generator(f"{key}|plain|labels"))


def _as_ffn(store: TensorStore, names: NamePair, key: str, share: float) -> Ffn:
    """A projector as an FFN without a gate, on the neurons and outputs drawn."""
    width, reads = store.info(names[0]).matrix_shape
    neurons, outputs = (drawn_rows(key, store.info(name).matrix_shape[0], share) for name in names)
    written = np.ascontiguousarray(store.read(names[1], outputs)[:, neurons].T)
    inputs = np.arange(reads, dtype=np.int64)
    return Ffn(None, store.read(names[0], neurons), written, neurons, width, inputs, outputs)


def _agreement(title: str, mine: Ffn, yours: Ffn, rng: np.random.Generator) -> Finding:
    def refused(reason: str) -> Finding:
        return Finding("t1.neurons", title, reason=reason, answers="labels kept", assumptions=checks)

    checks: list[Assumption] = []
    if not all(np.isfinite(matrix).all() for ffn in (mine, yours) for matrix in ffn.roles):
        return refused("a projector holds NaN or infinity")
    checks = [_exchangeable(ffn, side) for ffn, side in ((mine, "model"), (yours, "reference"))]
    failed = next((check for check in checks if not check.holds), None)
    if failed is not None:
        return refused(f"assumption fails: {failed.name} ({failed.detail})")
    found = label_agreement([Block.of(neuron_features(mine), neuron_features(yours))], rng)
    if found is None:
        return refused("the projector's neurons do not vary")
    return Finding(
        "t1.neurons",
        title,
        value=found.z,
        log10_p=found.log10_p,
        answers="labels kept",
        effect={"fixed_point_share": found.fixed_points / found.labels},
        by_layer=[found.z],
        assumptions=checks,
    )


def _exchangeable(ffn: Ffn, side: str) -> Assumption:
    features = neuron_features(ffn)
    products = features @ features.T
    worst = max(shift_z(products, ffn, parts) for parts in (2, 4, 8))
    crowded = near_duplicates(products, len(ffn.roles))
    return Assumption(
        f"{EXCHANGEABLE} in {side}",
        worst <= LEVEL_Z and crowded <= MOST_NEAR_DUPLICATES,
        f"largest z of neurons a half, quarter or eighth of the width apart {worst:.1f} (at most {LEVEL_Z:g}); "
        f"share with a near-duplicate {crowded:.3f} (at most {MOST_NEAR_DUPLICATES:g})",
    )
