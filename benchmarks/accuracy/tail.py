"""The tail of the label test on fixed real rows: p-values after hundreds of thousands of relabellings."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy.known import in_parallel, unrelated_pairs
from benchmarks.accuracy.layers import layers_of
from benchmarks.accuracy.tables import Table, share_interval
from forebear.statistics.arrays import Floats, unit_rows
from forebear.statistics.labels import Block, exact_log10_p, fixed_points, label_agreement
from forebear.statistics.tails import normal_log10_sf

DRAWS = 200_000
TESTED, BOUNDED = 3_000, 20_000
"""Relabellings put through the whole test, and through its exact bounds alone."""

LEVELS = (1e-1, 2e-2, 1e-2, 1e-3, 1e-4)
_CHUNK = 2_000


def tables() -> list[Table]:
    """Empirical against stated p, for raw and unit rows, plain and with outliers."""
    return [_table(in_parallel(_of_rows, ((outliers, unit) for outliers in _OUTLIERS for unit in (False, True))))]


def _table(rows: list[list[object]]) -> Table:
    return Table(
        f"Tail of T1: one stranger layer, {DRAWS} relabellings; share of relabellings with p at most the stated one",
        (
            "rows",
            "excess kurtosis",
            *(f"normal {level:g}" for level in LEVELS),
            "95% at 1e-4",
            *(f"test {level:g}" for level in LEVELS[:-1]),
            "bounds 0.01",
            "bounds 0.0001",
        ),
        rows,
        (
            "Relabellings are independent given the rows. 'normal': exact variance, normal tail. 'test': the p-value "
            f"of the pipeline (normal to 0.02, resampled to 1e-4, exact bounds below), {TESTED} relabellings. "
            f"'bounds': the exact bounds alone, which carry everything below 1e-4, {BOUNDED} relabellings.",
            "The pipeline scales rows to unit length; raw rows are shown for what that buys.",
        ),
    )


def _rows_of_layer() -> tuple[list[Floats], list[Floats]]:
    mine, yours = unrelated_pairs("gated", ("stranger",))[0]
    return layers_of(mine.folder)[2].ffn.roles, layers_of(yours.folder)[2].ffn.roles


_OUTLIERS = ("as trained", "outlier neurons", "outlier coordinates", "both, heavy tails")


def _with_outliers(roles: list[Floats], which: str, rng: np.random.Generator) -> list[Floats]:
    """Neurons 23 times longer, coordinates 23 times larger, or both with Student-t lengths of all rows."""
    neurons, coordinates = roles[0].shape
    scale = np.ones((neurons, 1))
    across = np.ones((1, coordinates))
    if which in ("outlier neurons", "both, heavy tails"):
        scale[rng.permutation(neurons)[:3]] = 23.0
    if which in ("outlier coordinates", "both, heavy tails"):
        across[:, :2] = 23.0
    if which == "both, heavy tails":
        scale = scale * np.abs(rng.standard_t(3, size=(neurons, 1)))
    return [role * scale * across for role in roles]


def _of_rows(task: tuple[str, bool]) -> list[object]:
    which, unit = task
    rng = np.random.default_rng(_OUTLIERS.index(which))
    features = []
    for roles in _rows_of_layer():
        changed = _with_outliers(roles, which, rng)
        features.append(np.concatenate([unit_rows(role) if unit else role for role in changed], axis=1))
    block = Block.of(*features)
    z = _relabelled_scores(block, rng)
    normal = np.array([normal_log10_sf(score) for score in z])
    stated = [float(np.mean(normal <= np.log10(level))) for level in LEVELS]
    extreme = int(np.count_nonzero(normal <= -4.0))
    tested, bounds = _tested(block, rng), _bounds(block, rng)
    name = f"{which}, {'unit' if unit else 'raw'} rows"
    kurtosis = float(np.mean(((z - z.mean()) / z.std()) ** 4) - 3.0)
    shares = [float(np.mean(tested <= np.log10(level))) for level in LEVELS[:-1]]
    shares += [float(np.mean(bounds <= log10_p)) for log10_p in (-2.0, -4.0)]
    return [name, kurtosis, *stated, share_interval(extreme, DRAWS), *shares]


def _relabelled_scores(block: Block, rng: np.random.Generator) -> Floats:
    labels = np.arange(block.size)
    scores = []
    for _ in range(0, DRAWS, _CHUNK):
        moved = rng.permuted(np.tile(labels, (_CHUNK, 1)), axis=1)
        scores.append(block.products[labels, moved].sum(axis=1))
    return np.concatenate(scores) / np.sqrt(block.variance)


def _tested(block: Block, rng: np.random.Generator) -> Floats:
    """p-values of the pipeline's test after relabellings."""
    found = [label_agreement([_moved(block, rng)], rng) for _ in range(TESTED)]
    return np.array([agreement.log10_p for agreement in found if agreement is not None])


def _bounds(block: Block, rng: np.random.Generator) -> Floats:
    """p-values of the exact bounds alone after relabellings."""
    moved = (_moved(block, rng) for _ in range(BOUNDED))
    return np.array([exact_log10_p([each], fixed_points(each.products), rng) for each in moved])


def _moved(block: Block, rng: np.random.Generator) -> Block:
    return Block(block.products[:, rng.permutation(block.size)])
