"""Which neurons of a whole FFN come from which of the reference's, and by what factors they were rescaled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from forebear.alignment.heads import near_powers
from forebear.alignment.neurons import MATCHED, NeuronMap, pair_copies, pair_neurons
from forebear.alignment.sampled import Ffn, balanced
from forebear.statistics.arrays import Floats, unit_rows

RESCALED = 0.25
"""Spread of log2 of a factor over neurons or coordinates from which it is read as put there, not learned."""

_MOST_ASSIGNED = 2048


@dataclass(frozen=True)
class NeuronSource:
    """Neurons of one FFN of the model and where they come from.

    Attributes:
        model, reference: neurons, pair by pair.
        factor: what the way up of the reference's neuron is multiplied by, and its way down divided by.
        split: what the way down of the reference's neuron is multiplied by besides, where its copies share its output.
        pairing: how they were found.
        widths: neurons of model and reference.
    """

    model: np.ndarray
    reference: np.ndarray
    factor: Floats
    split: Floats
    pairing: NeuronMap
    widths: tuple[int, int]

    @property
    def whole(self) -> bool:
        """Every neuron of both sides has its partner."""
        return self.model.size == self.widths[0] == self.widths[1] == np.unique(self.reference).size

    @property
    def moved(self) -> bool:
        """Some neuron is not under its own number."""
        return not np.array_equal(self.model, self.reference)


def neuron_source(mine: Ffn, yours: Ffn, *, copied: bool) -> NeuronSource | None:
    """Where the neurons of an FFN come from.

    Args:
        mine, yours: model and reference, whole, in the same residual coordinates.
        copied: other FFNs of the model come from this reference FFN too.

    Returns:
        None where hardly any neuron of one has a near one in the other.
    """
    even = [replace(ffn, up=up, down=down) for ffn in (mine, yours) for up, down in [_even(ffn)]]
    pairing = pair_copies(*even) if copied or mine.width > yours.width else pair_neurons(*even)
    if not pairing.identity and pairing.near_share < MATCHED and pairing.near.sum() < MATCHED * yours.width:
        return None
    if pairing.identity:
        rows, columns, signs = pairing.model, pairing.reference, pairing.flipped
    else:
        near = pairing.near
        rows, columns, signs = pairing.model[near], pairing.reference[near], pairing.flipped[near]
        if mine.width == yours.width and not copied:
            rows, columns, signs = _completed(even[0], even[1], rows, columns, signs)
    factor = signs * _factors(mine, yours, rows, columns)
    split = _split(mine, yours, rows, columns)
    return NeuronSource(rows, columns, factor.astype(np.float32), split, pairing, (mine.width, yours.width))


def _split(mine: Ffn, yours: Ffn, rows: np.ndarray, columns: np.ndarray) -> Floats:
    """One over the number of copies, where these share their neuron's output so that together they give it whole."""
    times = np.bincount(columns, minlength=yours.width)[columns]
    shared = (1.0 / times).astype(np.float32)
    copied = times > 1
    own, theirs = np.abs(mine.down[rows[copied]]), np.abs(yours.down[columns[copied]])
    whole_error = float(np.square(own - theirs).sum())
    split_error = float(np.square(own - theirs * shared[copied, None]).sum())
    return shared if split_error < whole_error / 2.0 else np.ones_like(shared)


def _even(ffn: Ffn) -> tuple[Floats, Floats]:
    return (ffn.up, ffn.down) if ffn.gate is None else balanced(ffn.up, ffn.down)


def _completed(
    mine: Ffn, yours: Ffn, rows: np.ndarray, columns: np.ndarray, signs: Floats
) -> tuple[np.ndarray, np.ndarray, Floats]:
    """Neurons without a near partner are assigned to each other, where these are few."""
    free = [np.setdiff1d(np.arange(mine.width), taken) for taken in (rows, columns)]
    if not free[0].size or free[0].size > _MOST_ASSIGNED or rows.size < mine.width // 2:
        return rows, columns, signs
    first, second = (_unit_features(ffn, chosen) for ffn, chosen in zip((mine, yours), free, strict=True))
    linear = first[1] @ second[1].T
    gates = first[0] @ second[0].T if mine.gate is not None else np.zeros_like(linear)
    flips = mine.gate is not None
    left, right = linear_sum_assignment(-(gates + (np.abs(linear) if flips else linear)))
    turned = np.where(linear[left, right] < 0.0, -1.0, 1.0) if flips else np.ones(left.size)
    together = np.concatenate([rows, free[0][left]]), np.concatenate([columns, free[1][right]])
    order = np.argsort(together[0])
    return together[0][order], together[1][order], np.concatenate([signs, turned])[order].astype(np.float32)


def _unit_features(ffn: Ffn, chosen: np.ndarray) -> tuple[Floats, Floats]:
    gate = unit_rows(ffn.gate[chosen]) if ffn.gate is not None else np.zeros((chosen.size, 1), np.float32)
    return gate, np.concatenate([unit_rows(ffn.up[chosen]), unit_rows(ffn.down[chosen])], axis=1)


def _factors(mine: Ffn, yours: Ffn, rows: np.ndarray, columns: np.ndarray) -> Floats:
    """Factor moved from the way down into the way up, neuron by neuron; ones unless it was put there."""
    lengths = [
        np.maximum(np.linalg.norm(values, axis=1), 1e-30)
        for values in (mine.up[rows], yours.up[columns], mine.down[rows], yours.down[columns])
    ]
    up, down = np.log2(lengths[0] / lengths[1]), np.log2(lengths[2] / lengths[3])
    moved, learned = (up - down) / 2.0, (up + down) / 2.0
    if mine.gate is None or np.std(moved) < RESCALED or np.std(moved) < 2.0 * np.std(learned):
        return np.ones(rows.size)
    return near_powers(np.exp2(moved))
