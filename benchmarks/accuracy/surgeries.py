"""Folders made on the fly from zoo models: planted violations, partial inheritance, disguises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.statistics.arrays import unit_rows
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder

Change = Callable[[Arrays], Arrays]
FFN = ("gate_proj", "up_proj", "down_proj")


@contextmanager
def changed(folder: Path, change: Change, **options: Any) -> Iterator[Path]:
    """A temporary folder with the changed model.

    Args:
        folder: the model.
        change: from its tensors to others.
        options: of ``write_folder``.
    """
    with TemporaryDirectory() as room:
        made = Path(room) / "changed"
        write_folder(made, change(read_tensors(folder)), read_config(folder), **options)
        yield made


def noised(sigmas: float, seed: int = 0) -> Change:
    """Noise of so many standard deviations of each tensor."""
    return lambda tensors: surgery.add_noise(tensors, sigmas, relative=True, seed=seed)


def stacked(*changes: Change) -> Change:
    """One change after another."""

    def apply(tensors: Arrays) -> Arrays:
        for change in changes:
            tensors = change(tensors)
        return tensors

    return apply


def only(part: str, other: Path, seed: int = 0) -> Change:
    """Keeps tensors whose name contains ``part``; the rest comes from an unrelated model."""

    def apply(tensors: Arrays) -> Arrays:
        strange = read_tensors(other)
        return {name: array if part in name else strange[name] for name, array in tensors.items()}

    return apply


def repeated_shards(tensors: Arrays, parts: int, seed: int) -> Arrays:
    """Every FFN as tensor-parallel shards drawn from one seed: a random start whose neurons repeat ``parts`` times."""
    return _redrawn_ffns(tensors, seed, lambda start, _: np.tile(start(parts), (parts, 1)))


def one_seed(tensors: Arrays, seed: int) -> Arrays:
    """Every layer drawn from one seed."""
    return _redrawn_ffns(tensors, seed, lambda start, _: start(1), same=True)


def correlated_gates(tensors: Arrays, seed: int, correlation: float = 0.2) -> Arrays:
    """Up rows drawn correlated with gate rows."""
    return _redrawn_ffns(tensors, seed, lambda start, gate: _mixed(start(1), gate, correlation))


def _mixed(rows: NDArray[Any], gate: NDArray[Any] | None, correlation: float) -> NDArray[Any]:
    return rows if gate is None else correlation * gate + (1.0 - correlation**2) ** 0.5 * rows


def _redrawn_ffns(
    tensors: Arrays,
    seed: int,
    draw: Callable[[Callable[[int], NDArray[Any]], NDArray[Any] | None], NDArray[Any]],
    same: bool = False,
) -> Arrays:
    """FFN matrices with a new start plus half a deviation of the trained values, standing for what was learned."""
    found = dict(tensors)
    layers = sum(name.endswith("gate_proj.weight") for name in tensors)
    for layer in range(layers):
        rng = np.random.default_rng([seed, 0 if same else layer])
        gate: NDArray[Any] | None = None
        for part in FFN:
            name = f"model.layers.{layer}.mlp.{part}.weight"
            old = tensors[name].astype(np.float64)
            neurons, width = old.shape if part != "down_proj" else old.shape[::-1]
            rows = draw(lambda parts, n=neurons, w=width, r=rng: r.standard_normal((n // parts, w)), _for(part, gate))
            gate = rows if part == "gate_proj" else gate
            new = rows if part != "down_proj" else rows.T
            found[name] = (old.std() * (new + 0.5 * old / old.std())).astype(tensors[name].dtype)
    return found


def _for(part: str, gate: NDArray[Any] | None) -> NDArray[Any] | None:
    return gate if part == "up_proj" else None


def planted(
    tensors: Arrays, source: Arrays, share: float, cosine: float, *, seed: int, relabel: bool, exact: bool = False
) -> Arrays:
    """A share of neurons of every FFN made like the source's at a cosine, role by role.

    Args:
        tensors: the model that inherits.
        source: the model inherited from, of the same family.
        share: of the neurons of each layer.
        cosine: of each planted row with the source's: on average, the row's own part being left as it is.
        seed: of which neurons.
        relabel: planted neurons come from other indices of the source than their own.
        exact: the row's own part is made orthogonal to the source's first, so that every cosine is the one named.
    """
    found = dict(tensors)
    rng = np.random.default_rng(seed)
    names = [name for name in tensors if name.endswith(("mlp.down_proj.weight", "mlp.c_proj.weight"))]
    for down in names:
        at = down.rsplit(".", 2)[0]
        width = tensors[down].shape[1] if "down_proj" in down else tensors[down].shape[0]
        chosen = rng.permutation(width)[: round(share * width)]
        origin = rng.permutation(width)[: chosen.size] if relabel else chosen
        for part, axis in (("gate_proj", 0), ("up_proj", 0), ("down_proj", 1), ("c_fc", 1), ("c_proj", 0)):
            name = f"{at}.{part}.weight"
            if name in tensors:
                found[name] = _planted(tensors[name], source[name], axis, (chosen, origin), cosine, exact=exact)
    return found


def _planted(
    array: NDArray[Any],
    source: NDArray[Any],
    axis: int,
    pairs: tuple[NDArray[Any], NDArray[Any]],
    cosine: float,
    *,
    exact: bool,
) -> NDArray[Any]:
    chosen, origin = pairs
    mine = np.moveaxis(array.astype(np.float64), axis, 0).copy()
    length = np.linalg.norm(mine[chosen], axis=1, keepdims=True)
    theirs, own = unit_rows(np.moveaxis(source.astype(np.float64), axis, 0)[origin]), unit_rows(mine[chosen])
    if exact:
        own = unit_rows(own - (own * theirs).sum(axis=1, keepdims=True) * theirs)
    mine[chosen] = length * (cosine * theirs + (1.0 - cosine**2) ** 0.5 * own)
    return np.moveaxis(mine, 0, axis).astype(array.dtype)
