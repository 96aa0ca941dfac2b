"""Changes of a model's values and the steps that must be read off them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.surgeries import Change, stacked
from forebear.evidence.weights.residual.codebook import NF4
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays


@dataclass(frozen=True)
class Case:
    """A change and what must be said of it.

    Attributes:
        name: of the change.
        expected: steps, in order; ``frozen`` is not asked for.
        change: from tensors to tensors.
        amounts: expected values by ``step.key``.
        family: only for this family; None for both.
    """

    name: str
    expected: tuple[str, ...]
    change: Change
    amounts: dict[str, float] = field(default_factory=dict)
    family: str | None = None

    def fits(self, folder: Path) -> bool:
        """Whether the case is for this model."""
        return self.family in (None, folder.parent.name)

    def main_right(self, names: Sequence[str]) -> bool:
        """All expected steps are named."""
        return set(self.expected) <= set(names)

    def all_right(self, names: Sequence[str]) -> bool:
        """Exactly the expected steps, each once, in order."""
        return tuple(dict.fromkeys(names)) == self.expected

    def error(self, steps: Sequence[dict[str, Any]]) -> float | None:
        """Largest relative error of the amounts expected; None where none is or the step was not named."""
        found = []
        for key, wanted in self.amounts.items():
            name, amount = key.split(".")
            seen = [step[amount] for step in steps if step["step"] == name and amount in step]
            found += [abs(float(seen[0]) / wanted - 1.0)] if seen else []
        return max(found, default=None)


def _matrices(tensors: Arrays) -> list[str]:
    return [name for name, array in tensors.items() if array.ndim > 1]


def _changed(tensors: Arrays, names: Sequence[str], change: Callable[[NDArray[Any]], NDArray[Any]]) -> Arrays:
    done = {name: change(tensors[name].astype(np.float64)).astype(tensors[name].dtype) for name in names}
    return tensors | done


def noised(sigma: float, *, relative: bool = True, among: str = "", dtype: str | None = None) -> Change:
    """Noise on tensors whose name contains ``among``, the model stored as ``dtype`` first."""

    def apply(tensors: Arrays) -> Arrays:
        start = surgery.cast(tensors, dtype) if dtype else tensors
        names = {name for name in start if among in name}
        return surgery.add_noise(start, sigma, seed=7, relative=relative, names=names)

    return apply


def quantised_nf4(tensors: Arrays, block: int) -> Arrays:
    """Matrices rounded to NF4 in blocks along the last axis."""
    table = np.array(NF4)

    def apply(values: NDArray[Any]) -> NDArray[Any]:
        out = values.copy()
        for start in range(0, values.shape[1], block):
            part = values[:, start : start + block]
            largest = np.abs(part).max(axis=1, keepdims=True)
            nearest = np.abs((part / largest)[..., None] - table).argmin(axis=-1)
            out[:, start : start + block] = table[nearest] * largest
        return out

    return _changed(tensors, _matrices(tensors), apply)


def quantised_from_zero_point(tensors: Arrays, bits: int, block: int) -> Arrays:
    """Matrices rounded to whole multiples of (largest - least) / (2^bits - 1), in blocks along the last axis."""

    def apply(values: NDArray[Any]) -> NDArray[Any]:
        out = values.copy()
        for start in range(0, values.shape[1], block):
            part = values[:, start : start + block]
            low, high = part.min(axis=1, keepdims=True), part.max(axis=1, keepdims=True)
            step = (high - low) / (2**bits - 1)
            out[:, start : start + block] = np.rint(part / step) * step
        return out

    return _changed(tensors, _matrices(tensors), apply)


def pruned_at_random(tensors: Arrays, share: float) -> Arrays:
    """Values of matrices set to zero by coin."""
    rng = np.random.default_rng(3)
    return _changed(tensors, _matrices(tensors), lambda values: values * (rng.random(values.shape) >= share))


def pruned_two_of_four(tensors: Arrays) -> Arrays:
    """The two smaller of every four neighbours set to zero."""

    def apply(values: NDArray[Any]) -> NDArray[Any]:
        groups = values.reshape(-1, 4)
        kept = np.argsort(np.argsort(-np.abs(groups), axis=1), axis=1) < 2
        return (groups * kept).reshape(values.shape)

    return _changed(tensors, _matrices(tensors), apply)


def pruned_rows(tensors: Arrays) -> Arrays:
    """A third of the neurons of each gated FFN set to zero on the way in."""

    def apply(values: NDArray[Any]) -> NDArray[Any]:
        out = values.copy()
        out[::3] = 0.0
        return out

    return _changed(tensors, [name for name in tensors if name.endswith(("gate_proj.weight", "up_proj.weight"))], apply)


def rescaled(tensors: Arrays, factor: float) -> Arrays:
    """Matrices times a factor."""
    return _changed(tensors, _matrices(tensors), lambda values: values * factor)


def rescaled_rows(tensors: Arrays) -> Arrays:
    """Every row of a matrix times a factor of its own."""
    rng = np.random.default_rng(4)
    return _changed(tensors, _matrices(tensors), lambda values: values * rng.uniform(0.5, 2.0, (len(values), 1)))


def redrawn(tensors: Arrays, among: str) -> Arrays:
    """Tensors whose name contains ``among`` drawn anew."""
    fresh = surgery.redraw(tensors, seed=5)
    return tensors | {name: fresh[name] for name in _matrices(tensors) if among in name}


def kept_as_eight_bits(tensors: Arrays) -> Arrays:
    """Rounded to F8_E4M3 and kept in the type they had."""
    eight = np.dtype(ml_dtypes.float8_e4m3fn)
    return {name: array.astype(np.float32).astype(eight).astype(array.dtype) for name, array in tensors.items()}


def _noise_cases() -> list[Case]:
    cases = []
    for sigma in (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0):
        cases.append(Case(f"noise {sigma:g}, relative", ("noise",), noised(sigma), {"noise.relative_sigma": sigma}))
    for sigma in (1e-4, 0.001, 0.005, 0.03):
        cases.append(Case(f"noise {sigma:g}", ("noise",), noised(sigma, relative=False), {"noise.sigma": sigma}))
    amount = {"noise.relative_sigma": 0.1}
    cases.append(Case("noise 0.1, relative, F16", ("noise",), noised(0.1, dtype="F16"), amount))
    cases.append(Case("noise 0.1, relative, FFN only", ("noise",), noised(0.1, among="mlp"), amount))
    cases.append(Case("noise 0.1, relative, one layer only", ("noise",), noised(0.1, among=".1."), amount))
    return cases


def _low_rank(rank: int, amount: float = 0.05, roles: Sequence[str] = ("q", "v")) -> Change:
    return partial(surgery.low_rank, rank=rank, amount=amount, roles=tuple(roles))


def _low_rank_cases() -> list[Case]:
    cases = [
        Case(f"low rank {rank}", ("low-rank",), _low_rank(rank), {"low-rank.rank": rank}) for rank in (1, 2, 4, 8, 16)
    ]
    cases.append(Case("low rank 32 in q and o", ("low-rank",), _low_rank(32, 0.1, ("q", "o")), {"low-rank.rank": 32}))
    every = ("q", "k", "v", "o", "up", "down")
    cases.append(Case("low rank 4 in every role", ("low-rank",), _low_rank(4, 0.05, every), {"low-rank.rank": 4}))
    cases.append(Case("low rank 4, faint", ("low-rank",), _low_rank(4, 0.01), {"low-rank.rank": 4}))
    cases.append(Case("low rank 4, strong", ("low-rank",), _low_rank(4, 0.5), {"low-rank.rank": 4}))
    wide = partial(surgery.cast, dtype="F32")
    cases.append(Case("low rank 8, kept in F32", ("low-rank",), stacked(wide, _low_rank(8)), {"low-rank.rank": 8}))
    narrow = partial(surgery.cast, dtype="F16")
    cases.append(Case("low rank 8, then F16", ("low-rank",), stacked(wide, _low_rank(8), narrow), {"low-rank.rank": 8}))
    return cases


def _quantised_cases() -> list[Case]:
    cases = []
    for bits in (2, 3, 4, 5, 6, 8):
        for block in (None, 32):
            name = f"quantised {bits} bits, {'rows' if block is None else f'blocks of {block}'}"
            change = partial(surgery.quantise, bits=bits, block=block)
            cases.append(Case(name, ("quantised",), change, {"quantised.bits": bits}))
    cases.append(Case("NF4, blocks of 64", ("quantised",), partial(quantised_nf4, block=64), family="gated"))
    cases.append(Case("NF4, blocks of 32", ("quantised",), partial(quantised_nf4, block=32), family="gated"))
    change = partial(quantised_from_zero_point, bits=4, block=32)
    cases.append(Case("quantised 4 bits by range", ("quantised",), change, {"quantised.bits": 4}))
    return cases


def _other_cases() -> list[Case]:
    cases = [
        Case(
            f"pruned {share:g} by magnitude",
            ("pruned",),
            partial(surgery.prune_values, share=share),
            {"pruned.share": share},
        )
        for share in (0.1, 0.5, 0.9)
    ]
    half = {"pruned.share": 0.5}
    cases += [
        Case("pruned half at random", ("pruned",), partial(pruned_at_random, share=0.5), half),
        Case("pruned 2:4", ("pruned",), pruned_two_of_four, half),
        Case("pruned neurons", ("pruned",), pruned_rows, {"pruned.share": 1 / 3}, "gated"),
        Case("cast to F8_E4M3, kept wide", ("cast",), kept_as_eight_bits),
        Case("rescaled 0.6", ("rescaled",), partial(rescaled, factor=0.6), {"rescaled.factor": 0.6}),
        Case("rescaled by row", ("rescaled",), rescaled_rows),
        Case("FFN drawn anew", ("modules",), partial(redrawn, among="mlp")),
        Case("attention drawn anew", ("modules",), partial(redrawn, among="attn")),
    ]
    return cases


def _stacked_cases() -> list[Case]:
    amount, rank = {"noise.relative_sigma": 0.1}, {"low-rank.rank": 4}
    fine, coarse = partial(surgery.quantise, bits=8), partial(surgery.quantise, bits=4)
    fewer, far_fewer = partial(surgery.prune_values, share=0.3), partial(surgery.prune_values, share=0.6)
    attention, ffn = partial(redrawn, among="attn"), _low_rank(4, 0.3, ("up", "gate"))
    coarsely = {"noise.relative_sigma": 0.3}
    return [
        Case("noise, then 8 bits", ("noise", "quantised"), stacked(noised(0.1), fine), amount),
        Case("noise, then 4 bits", ("noise", "quantised"), stacked(noised(0.3), coarse), coarsely),
        Case("noise, then pruned", ("noise", "pruned"), stacked(noised(0.1), fewer), amount),
        Case("pruned, then 4 bits", ("pruned", "quantised"), stacked(far_fewer, coarse)),
        Case("low rank 4, then rows", ("low-rank", "pruned"), stacked(ffn, pruned_rows), rank, "gated"),
        Case("low rank 4, then 8 bits", ("low-rank", "quantised"), stacked(_low_rank(4, 0.5), fine), rank),
        Case("attention anew, noise on the rest", ("modules", "noise"), stacked(noised(0.1), attention), amount),
    ]


COPY_CASES: list[Case] = [
    *_noise_cases(), *_low_rank_cases(), *_quantised_cases(), *_other_cases(), *_stacked_cases(),
]  # fmt: skip

CHILD_CASES: list[Case] = [
    Case("trained", ("trained",), lambda tensors: tensors),
    Case("trained, then noise 0.3", ("trained", "noise"), noised(0.3), {"noise.relative_sigma": 0.3}),
    Case("trained, then noise 1", ("trained", "noise"), noised(1.0), {"noise.relative_sigma": 1.0}),
    Case("trained, then 8 bits", ("trained", "quantised"), partial(surgery.quantise, bits=8), {"quantised.bits": 8}),
    Case("trained, then 4 bits", ("trained", "quantised"), partial(surgery.quantise, bits=4), {"quantised.bits": 4}),
    Case(
        "trained, then pruned", ("trained", "pruned"), partial(surgery.prune_values, share=0.5), {"pruned.share": 0.5}
    ),
    Case("trained, then F16", ("trained",), partial(surgery.cast, dtype="F16")),
]

CASES: dict[str, Case] = {case.name: case for case in (*COPY_CASES, *CHILD_CASES)}
