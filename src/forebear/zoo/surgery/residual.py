"""Another basis of the residual stream: every part that reads or writes it turns along, the function stays."""

from __future__ import annotations

import numpy as np

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import NORM_BIASES, TABLES, WRITER_BIASES, WRITERS, Bench
from forebear.zoo.surgery.changed import Changed, Config, Floats, Tensors

_FINAL = Part(Role.FINAL_NORM)


def permute_residual(tensors: Tensors, *, seed: int = 0, signs: bool = False) -> Arrays:
    """Orders the coordinates of the residual stream anew: another file, the same function, nothing rounded.

    Args:
        tensors: the model.
        seed: of `residual_permutation`, which gives the matrix used.
        signs: negates about half the coordinates too; RMSNorm models only, since LayerNorm subtracts the mean.

    Raises:
        UsageError: signs asked of a LayerNorm model, or a tensor of unknown role.
    """
    bench = Bench(tensors)
    if signs and bench.is_layer_norm:
        raise UsageError(
            "the mean that LayerNorm subtracts changes with the signs of residual coordinates",
            remedy="Permute without signs",
        )
    turn = residual_permutation(bench.hidden, seed=seed, signs=signs)
    _turn(bench, turn)
    for norm in bench.norms():
        bench[norm] = np.abs(turn) @ bench[norm]
    return bench.assemble()


def rotate_residual(tensors: Tensors, config: Config, *, seed: int = 0) -> Changed:
    """Rotates the residual stream by a random orthogonal matrix, norm gains folded first (they are 1 afterwards).

    Under LayerNorm the rotation keeps the all-ones direction, hence the mean. A tied model whose last norm has gains
    gets an output of its own: embedding and output are then no longer the same matrix.

    Args:
        tensors: the model.
        config: content of its config.json.
        seed: of `residual_rotation`, which gives the matrix used.

    Returns:
        The model; truth: ``rotation``, ``(hidden, hidden)``, new coordinates from old; ``untied``.

    Raises:
        UsageError: as `fold_gains`.
    """
    bench = Bench(tensors)
    untied = _fold(bench)
    rotation = residual_rotation(bench.hidden, seed=seed, keep_ones=bench.is_layer_norm)
    _turn(bench, rotation)
    return Changed(bench.assemble(), _config(config, untied), {"rotation": rotation, "untied": untied})


def fold_gains(tensors: Tensors, config: Config) -> Changed:
    """Multiplies each norm's gains into the matrices that read through it and leaves gains of 1.

    Norm biases move into the biases of the readers where all have one; else they are divided by the gains. A tied
    model whose last norm has gains gets an output of its own.

    Returns:
        The model; truth: ``untied``.

    Raises:
        UsageError: a norm bias stands beside a gain of 0 and its readers have no bias, or a tensor of unknown role.
    """
    bench = Bench(tensors)
    untied = _fold(bench)
    return Changed(bench.assemble(), _config(config, untied), {"untied": untied})


def residual_permutation(hidden: int, *, seed: int = 0, signs: bool = False) -> Floats:
    """The matrix of `permute_residual`, ``(hidden, hidden)``: new coordinates from old."""
    rng = np.random.default_rng(seed)
    turn: Floats = np.eye(hidden)[rng.permutation(hidden)]
    return turn * rng.choice([-1.0, 1.0], (hidden, 1)) if signs else turn


def residual_rotation(hidden: int, *, seed: int = 0, keep_ones: bool = False) -> Floats:
    """A uniformly random orthogonal matrix, ``(hidden, hidden)``; among those that fix the all-ones vector if asked."""
    rng = np.random.default_rng(seed)
    if not keep_ones:
        return orthogonal(hidden, rng)
    axis = np.full(hidden, -1 / np.sqrt(hidden))
    axis[0] += 1
    mirror = np.eye(hidden) - 2 * np.outer(axis, axis) / max(axis @ axis, np.finfo(np.float64).tiny)
    inner = np.eye(hidden)
    inner[1:, 1:] = orthogonal(hidden - 1, rng)
    found: Floats = mirror @ inner @ mirror
    return found


def orthogonal(size: int, rng: np.random.Generator) -> Floats:
    """An orthogonal matrix drawn uniformly (QR of a normal one, signs of the diagonal made positive)."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return q * np.where(np.diagonal(r) < 0, -1.0, 1.0)


def _turn(bench: Bench, turn: Floats) -> None:
    """Applies an orthogonal map to everything but the gains."""
    for part in bench:
        if part.role in TABLES:
            bench[part] = bench[part] @ turn.T
        elif part.role in WRITERS or part.role in WRITER_BIASES or part.role in NORM_BIASES.values():
            bench[part] = turn @ bench[part]
    for norm in bench.norms():
        for part in bench.readers(norm):
            bench[part] = bench[part] @ turn.T


def _fold(bench: Bench) -> bool:
    gains = bench[_FINAL] if _FINAL in bench else np.ones(1)
    untied = bench.is_tied and bool(np.any(gains != 1))
    if untied:
        bench.untie()
    for norm in bench.norms():
        _fold_one(bench, norm)
    return untied


def _fold_one(bench: Bench, norm: Part) -> None:
    gain, readers = bench[norm], bench.readers(norm)
    offset = Part(NORM_BIASES[norm.role], norm.layer)
    if offset in bench:
        _fold_offset(bench, offset, gain, readers)
    for part in readers:
        bench[part] = bench[part] * gain
    bench[norm] = np.ones_like(gain)


def _fold_offset(bench: Bench, offset: Part, gain: Floats, readers: list[Part]) -> None:
    biases = [bench.bias_of(part) for part in readers]
    if readers and all(bias is not None for bias in biases):
        for part, bias in zip(readers, biases, strict=True):
            if bias is not None:
                bench[bias] = bench[bias] + bench[part] @ bench[offset]
        bench[offset] = np.zeros_like(gain)
        return
    if np.any((gain == 0) & (bench[offset] != 0)):
        raise UsageError("a bias beside a gain of 0 cannot be kept without biases in what reads it", where=str(offset))
    bench[offset] = bench[offset] / np.where(gain == 0, 1.0, gain)


def _config(config: Config, untied: bool) -> dict[str, object]:
    return {**config, "tie_word_embeddings": False} if untied else dict(config)
