"""Another width: neurons, heads and residual coordinates taken away or added."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.surgery.bench import NORM_BIASES, READERS, TABLES, WRITER_BIASES, WRITERS, Bench, Heads
from forebear.zoo.surgery.changed import Changed, Config, Floats, Tensors, config_key, share_of
from forebear.zoo.surgery.heads import take_heads

Order = NDArray[np.int64]
Choice = Literal["magnitude", "random"]
Widening = Literal["zeros", "fresh", "duplicated"]
Padding = Literal["zeros", "fresh"]
_DENSE = (Role.GATE, Role.UP, Role.DOWN)
_SHARED = (Role.SHARED_GATE, Role.SHARED_UP, Role.SHARED_DOWN)
_READING = frozenset(role for roles in READERS.values() for role in roles)
_OUT_AXIS = WRITERS | WRITER_BIASES | frozenset(READERS) | frozenset(NORM_BIASES.values())


def prune_neurons(
    tensors: Tensors,
    config: Config,
    share: float,
    *,
    choice: Choice = "magnitude",
    structured: bool = True,
    shuffle: bool = False,
    seed: int = 0,
) -> Changed:
    """Takes FFN neurons away, the same share in every layer and expert; at least one stays in each.

    Args:
        tensors: the model.
        config: content of its config.json.
        share: of the neurons to take away, 0 to 1.
        choice: the smallest by the norm of their values, or random ones.
        structured: takes them out of the matrices; else only sets them to 0.
        shuffle: puts those kept in a random order; needs ``structured``.
        seed: of choice and order.

    Returns:
        The model; truth: ``kept``, for each ``Part(Role.UP, layer, expert)`` (``SHARED_UP`` for a shared expert) the
        old numbers of its neurons, in order.

    Raises:
        UsageError: not a share, or no FFN.
    """
    share_of(share, "prune neurons")
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    kept: dict[Part, Order] = {}
    for ffn in ffns(bench):
        order = _kept(_strength(bench, ffn), share, choice, rng)
        if structured:
            order = rng.permutation(order) if shuffle else order
            take_neurons(bench, ffn, order)
        else:
            gone = np.setdiff1d(np.arange(_neurons(bench, ffn)), order)
            _each_neuron_axis(bench, ffn, partial(_zeroed, gone))
        kept[up_of(ffn)] = order
    return Changed(bench.assemble(), width_config(bench, config), {"kept": kept})


def widen_neurons(
    tensors: Tensors,
    config: Config,
    share: float,
    *,
    kind: Widening = "fresh",
    shuffle: bool = False,
    seed: int = 0,
) -> Changed:
    """Adds FFN neurons, the same share in every layer and expert.

    Args:
        tensors: the model.
        config: content of its config.json.
        share: neurons added for each that is there, 0 to 1.
        kind: ``"zeros"`` keep the function; so do ``"duplicated"``, copies of random neurons that share the original's
            output among them; ``"fresh"`` are normal with the deviation of the matrix.
        shuffle: puts all neurons in a random order.
        seed: of everything random.

    Returns:
        The model; truth: ``origins``, for each part as in `prune_neurons` the old number of every neuron, -1 for a
        new one.

    Raises:
        UsageError: not a share, no such kind, or no FFN.
    """
    share_of(share, "widen neurons")
    if kind not in get_args(Widening):
        raise UsageError(f"one of {', '.join(get_args(Widening))} is needed, found {kind!r}", where="widen neurons")
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    origins: dict[Part, Order] = {}
    for ffn in ffns(bench):
        old = _neurons(bench, ffn)
        added = round(share * old)
        if kind == "duplicated":
            order = np.concatenate([np.arange(old), rng.choice(old, added)])
            take_neurons(bench, ffn, order)
            bench[ffn[2]] = bench[ffn[2]] / np.bincount(order, minlength=old)[order]
        else:
            order = np.concatenate([np.arange(old), np.full(added, -1)])
            fill = rng if kind == "fresh" else None
            _each_neuron_axis(bench, ffn, partial(_padded, added, fill))
        places = rng.permutation(old + added) if shuffle else np.arange(old + added)
        take_neurons(bench, ffn, places)
        origins[up_of(ffn)] = order[places]
    return Changed(bench.assemble(), width_config(bench, config), {"origins": origins})


def prune_heads(
    tensors: Tensors, config: Config, share: float, *, choice: Choice = "magnitude", seed: int = 0
) -> Changed:
    """Takes key/value groups away with all their query heads, the same share in every layer; at least one stays.

    The head width is written into the config, since it no longer follows from hidden size and number of heads.

    Args:
        tensors: the model.
        config: content of its config.json.
        share: of the groups to take away, 0 to 1.
        choice: the smallest by the norm of their values and outputs, or random ones.
        seed: of the choice.

    Returns:
        The model; truth: ``kept``, for each layer the old numbers of its groups, in order.

    Raises:
        UsageError: not a share, or as `Heads`.
    """
    share_of(share, "prune heads")
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    sizes = Heads(bench, config)
    kept: list[Order] = []
    for layer in range(bench.layers):
        value = bench[Part(Role.V, layer)].reshape(sizes.groups, -1)
        output = bench[Part(Role.O, layer)].T.reshape(sizes.groups, -1)
        groups = _kept(np.linalg.norm(value, axis=1) * np.linalg.norm(output, axis=1), share, choice, rng)
        heads = (groups[:, None] * sizes.inside + np.arange(sizes.inside)).ravel()
        take_heads(bench, layer, heads, groups, sizes)
        kept.append(groups)
    updated = {**config, "head_dim": sizes.dim}
    updated[config_key(config, "num_attention_heads", "n_head")] = len(kept[0]) * sizes.inside
    if config.get("num_key_value_heads") is not None:
        updated["num_key_value_heads"] = len(kept[0])
    return Changed(bench.assemble(), updated, {"kept": kept})


def prune_hidden(
    tensors: Tensors, config: Config, share: float, *, choice: Choice = "magnitude", seed: int = 0
) -> Changed:
    """Takes coordinates of the residual stream away, the same ones everywhere; heads and neurons keep their number.

    Args:
        tensors: the model.
        config: content of its config.json.
        share: of the coordinates to take away, 0 to 1; at least one stays.
        choice: the smallest by the norm of their embedding column, or random ones.
        seed: of the choice.

    Returns:
        The model; truth: ``kept``, the old numbers of its coordinates, ascending.

    Raises:
        UsageError: not a share, or as `Heads`.
    """
    share_of(share, "prune hidden")
    bench = Bench(tensors)
    strength = np.linalg.norm(bench[Part(Role.EMBEDDING)], axis=0)
    kept = _kept(strength, share, choice, np.random.default_rng(seed))
    updated = _hidden_config(bench, config, len(kept))
    _each_residual_axis(bench, lambda values, axis: np.take(values, kept, axis))
    return Changed(bench.assemble(), updated, {"kept": kept})


def widen_hidden(
    tensors: Tensors,
    config: Config,
    share: float,
    *,
    pad: Padding = "zeros",
    shuffle: bool = False,
    seed: int = 0,
) -> Changed:
    """Adds coordinates to the residual stream; heads and neurons keep their number.

    ``"zeros"`` keeps the function: gains shrink by the root of old over new width and the norms' epsilon by the ratio,
    since norms divide by more coordinates; under LayerNorm, everything that writes is centred first, which the norms
    do anyway (a tied model then gets an output of its own). ``"fresh"`` draws the new entries with each matrix's own
    deviation.

    Args:
        tensors: the model.
        config: content of its config.json.
        share: coordinates added for each that is there, 0 to 1.
        pad: see above.
        shuffle: puts all coordinates in a random order.
        seed: of everything random.

    Returns:
        The model; truth: ``origins``, the old number of every coordinate, -1 for a new one.

    Raises:
        UsageError: not a share, no such padding, or as `Heads`.
    """
    share_of(share, "widen hidden")
    if pad not in get_args(Padding):
        raise UsageError(f"one of {', '.join(get_args(Padding))} is needed, found {pad!r}", where="widen hidden")
    bench, rng = Bench(tensors), np.random.default_rng(seed)
    old = bench.hidden
    added = round(share * old)
    updated = _hidden_config(bench, config, old + added)
    if pad == "zeros":
        updated |= _silenced(bench, config, old / (old + added))
    order = np.concatenate([np.arange(old), np.full(added, -1)])
    places = rng.permutation(old + added) if shuffle else np.arange(old + added)
    fill = rng if pad == "fresh" else None
    _each_residual_axis(bench, lambda values, axis: np.take(_padded(added, fill, values, axis), places, axis))
    return Changed(bench.assemble(), updated, {"origins": order[places]})


Ffn = tuple[Part, Part, Part]
"""Gate (perhaps not there), up and down of one FFN or expert."""


def ffns(bench: Bench) -> list[Ffn]:
    """All FFNs of a model, experts and shared experts among them.

    Raises:
        UsageError: there are none.
    """
    found = [
        (Part(gate, part.layer, part.expert), part, Part(down, part.layer, part.expert))
        for gate, up, down in (_DENSE, _SHARED)
        for part in bench
        if part.role is up
    ]
    if not found:
        raise UsageError("no FFN is recognised among the tensors")
    return found


def up_of(ffn: Ffn) -> Part:
    """The part that a FFN is called by in a truth."""
    return ffn[1]


def take_neurons(bench: Bench, ffn: Ffn, order: Order) -> None:
    """Keeps some neurons of an FFN, in the order given."""
    _each_neuron_axis(bench, ffn, lambda values, axis: np.take(values, order, axis))


def width_config(bench: Bench, config: Config) -> dict[str, Any]:
    """The config with the FFN widths that the model now has."""
    updated = dict(config)
    for role, expert, keys in (
        (Role.UP, False, ("intermediate_size", "n_inner")),
        (Role.UP, True, ("moe_intermediate_size",)),
        (Role.SHARED_UP, False, ("shared_expert_intermediate_size",)),
    ):
        found = [bench[part].shape[0] for part in bench if part.role is role and (part.expert is not None) == expert]
        key = next((key for key in keys if key in config), "n_inner" if "n_embd" in config else None)
        if found and key is not None:
            updated[key] = found[0]
    return updated


def _each_neuron_axis(bench: Bench, ffn: Ffn, apply: Callable[[Floats, int], Floats]) -> None:
    gate, up, down = ffn
    for part in (gate, up):
        if part in bench:
            for inner in (part, bench.bias_of(part)):
                if inner is not None:
                    bench[inner] = apply(bench[inner], 0)
    bench[down] = apply(bench[down], 1)


def _each_residual_axis(bench: Bench, apply: Callable[[Floats, int], Floats]) -> None:
    for part in bench:
        if part.role in TABLES or part.role in _READING:
            bench[part] = apply(bench[part], 1)
        elif part.role in _OUT_AXIS:
            bench[part] = apply(bench[part], 0)


def _neurons(bench: Bench, ffn: Ffn) -> int:
    return int(bench[ffn[1]].shape[0])


def _strength(bench: Bench, ffn: Ffn) -> Floats:
    gate, up, down = ffn
    found: Floats = np.linalg.norm(bench[up], axis=1) * np.linalg.norm(bench[down], axis=0)
    return found * np.linalg.norm(bench[gate], axis=1) if gate in bench else found


def _kept(strength: Floats, share: float, choice: Choice, rng: np.random.Generator) -> Order:
    """Numbers of what stays, ascending."""
    if choice not in get_args(Choice):
        raise UsageError(f"one of {', '.join(get_args(Choice))} is needed, found {choice!r}", where="choice")
    count = max(1, round((1 - share) * len(strength)))
    order = np.argsort(-strength, kind="stable") if choice == "magnitude" else rng.permutation(len(strength))
    return np.sort(order[:count])


def _zeroed(gone: Order, values: Floats, axis: int) -> Floats:
    out = values.copy()
    out[(slice(None),) * axis + (gone,)] = 0.0
    return out


def _padded(added: int, fill: np.random.Generator | None, values: Floats, axis: int) -> Floats:
    """Values with entries added at the end: 0, or drawn like those there (vectors repeat their mean)."""
    shape = list(values.shape)
    shape[axis] = added
    new: Floats = np.zeros(shape)
    if fill is not None:
        new = fill.standard_normal(shape) * values.std() if values.ndim > 1 else np.full(shape, values.mean())
    return np.concatenate([values, new], axis)


def _centre(bench: Bench) -> None:
    for part in bench:
        if part.role in TABLES:
            bench[part] = bench[part] - bench[part].mean(axis=1, keepdims=True)
        elif part.role in WRITERS | WRITER_BIASES:
            bench[part] = bench[part] - bench[part].mean(axis=0)


def _silenced(bench: Bench, config: Config, ratio: float) -> dict[str, Any]:
    """Readies a model for coordinates of 0, which norms will count; what changes in its config."""
    updated: dict[str, Any] = {}
    if bench.is_layer_norm:
        if bench.is_tied:
            bench.untie()
            updated["tie_word_embeddings"] = False
        _centre(bench)
    for norm in bench.norms():
        bench[norm] = bench[norm] * np.sqrt(ratio)
    key = config_key(config, "rms_norm_eps", "layer_norm_epsilon", "layer_norm_eps")
    updated[key] = config[key] * ratio
    return updated


def _hidden_config(bench: Bench, config: Config, hidden: int) -> dict[str, Any]:
    """The config for another hidden size, with widths written out that used to follow from the old one."""
    updated = {**config, "head_dim": Heads(bench, config).dim}
    updated[config_key(config, "hidden_size", "n_embd")] = hidden
    if "n_embd" in config:
        updated["n_inner"] = bench[Part(Role.UP, 0)].shape[0]
    return updated
