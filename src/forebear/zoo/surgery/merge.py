"""Merges of models of one shape, and of layers of several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Changed, Config, Floats, Tensors, config_key, is_float, stored_as
from forebear.zoo.surgery.layers import LAYER


def linear(models: Sequence[Tensors], weights: Sequence[float]) -> Arrays:
    """The weighted sum of models; weights are used as given, so that they need not sum to 1.

    Args:
        models: one or more, of the same names and shapes; types are those of the first.
        weights: one a model.

    Raises:
        UsageError: models that do not match, or another number of weights.
    """
    _matching(models, weights)
    return _each(models[0], lambda name: _sum(name, models, weights))


def task_arithmetic(base: Tensors, models: Sequence[Tensors], weights: Sequence[float]) -> Arrays:
    """The base and weighted differences to it (Ilharco et al. 2023, "Editing models with task arithmetic").

    Args:
        base: the model that the others come from; types are its.
        models: as `linear`.
        weights: one a model.

    Raises:
        UsageError: as `linear`.
    """
    _matching([base, *models], [1.0, *weights])
    return _each(base, lambda name: _wide(base[name]) + sum(_weighted(name, base, models, weights)))


def ties(base: Tensors, models: Sequence[Tensors], weights: Sequence[float], density: float) -> Arrays:
    """TIES: differences trimmed to the largest, a sign elected for each value, the mean of those that agree with it.

    The mean is weighted and divided by the weights of those that agree (Yadav et al. 2023, "TIES-Merging").

    Args:
        base: the model that the others come from; types are its.
        models: as `linear`.
        weights: one a model, above 0.
        density: share of each tensor's differences that is kept, above 0 to 1.

    Raises:
        UsageError: as `linear`, or a weight or density out of range.
    """
    _matching([base, *models], [1.0, *weights])
    _require_density(density)
    if min(weights) <= 0:
        raise UsageError(f"weights above 0 are needed, found {min(weights):g}", where="ties")

    def merged(name: str) -> Floats:
        trimmed = [_trimmed(_wide(model[name]) - _wide(base[name]), density) for model in models]
        elected = np.sign(sum(weight * item for weight, item in zip(weights, trimmed, strict=True)))
        total, mass = np.zeros_like(elected), np.zeros_like(elected)
        for weight, item in zip(weights, trimmed, strict=True):
            agrees = (np.sign(item) == elected) & (elected != 0)
            total += np.where(agrees, weight * item, 0.0)
            mass += np.where(agrees, weight, 0.0)
        return _wide(base[name]) + np.divide(total, mass, out=np.zeros_like(total), where=mass > 0)

    return _each(base, merged)


def dare(
    base: Tensors, models: Sequence[Tensors], weights: Sequence[float], density: float, *, seed: int = 0
) -> Arrays:
    """DARE: differences dropped at random, those kept divided by the density, then added by weight.

    Source: Yu et al. 2024, "Language models are Super Mario".

    Args:
        base: the model that the others come from; types are its.
        models: as `linear`.
        weights: one a model.
        density: chance of each difference to be kept, above 0 to 1.
        seed: of what is dropped.

    Raises:
        UsageError: as `linear`, or a density out of range.
    """
    _matching([base, *models], [1.0, *weights])
    _require_density(density)
    rng = np.random.default_rng(seed)

    def merged(name: str) -> Floats:
        found = _wide(base[name])
        for item in _weighted(name, base, models, weights):
            found = found + item * (rng.random(item.shape) < density) / density
        return found

    return _each(base, merged)


def slerp(one: Tensors, other: Tensors, t: float | Sequence[float]) -> Arrays:
    """Spherical interpolation between two models, tensor by tensor; nearly parallel tensors are interpolated straight.

    Args:
        one: the model at t = 0; types are its.
        other: the model at t = 1.
        t: one share for all, or shares along the depth, spread evenly and interpolated between; tensors outside the
            layers take the first (embeddings) or the last.

    Raises:
        UsageError: models that do not match, or no share.
    """
    _matching([one, other], [1.0, 1.0])
    shares = [float(t)] if isinstance(t, float | int) else [float(item) for item in t]
    if not shares:
        raise UsageError("one share at least is needed", where="slerp")
    depth = 1 + max((int(match[2]) for name in one if (match := LAYER.fullmatch(name))), default=0)

    def share(name: str) -> float:
        match = LAYER.fullmatch(name)
        if match is None:
            return shares[0 if "embed" in name or "wte" in name or "wpe" in name else -1]
        place = int(match[2]) / max(depth - 1, 1)
        return float(np.interp(place, np.linspace(0, 1, len(shares)), shares)) if len(shares) > 1 else shares[0]

    return _each(one, lambda name: _between(_wide(one[name]), _wide(other[name]), share(name)))


def franken(
    models: Sequence[Tensors], config: Config, origins: Sequence[tuple[int, int]], *, outside: int = 0
) -> Changed:
    """Stacks layers of several models.

    Args:
        models: of the same widths and names.
        config: content of the config.json of the first.
        origins: (model, layer) of each new layer, zero-based.
        outside: the model whose embeddings, last norm and output are taken.

    Returns:
        The model; truth: ``layer_origins``, as given.

    Raises:
        UsageError: no such model or layer.
    """
    if not 0 <= outside < len(models) or not origins:
        raise UsageError(f"models are 0 to {len(models) - 1}, and one layer at least is needed", where="franken")
    out = {name: array for name, array in models[outside].items() if not LAYER.fullmatch(name)}
    for new, (model, layer) in enumerate(origins):
        held = models[model] if 0 <= model < len(models) else {}
        matches = [match for name in held if (match := LAYER.fullmatch(name)) and int(match[2]) == layer]
        if not matches:
            raise UsageError(f"there is no layer {layer} of model {model}", where="franken")
        out.update({f"{match[1]}{new}{match[3]}": held[match[0]] for match in matches})
    key = config_key(config, "num_hidden_layers", "n_layer")
    return Changed(out, {**config, key: len(origins)}, {"layer_origins": [tuple(item) for item in origins]})


def _each(like: Tensors, merged: Callable[[str], Floats]) -> Arrays:
    return {
        name: stored_as(np.asarray(merged(name)), array.dtype) if is_float(array) else array
        for name, array in like.items()
    }


def _matching(models: Sequence[Tensors], weights: Sequence[float]) -> None:
    if not models or len(models) != len(weights):
        raise UsageError(f"{len(models)} models and {len(weights)} weights do not match", where="merge")
    for model in models[1:]:
        differing = model.keys() ^ models[0].keys()
        differing |= {name for name in model.keys() & models[0].keys() if model[name].shape != models[0][name].shape}
        if differing:
            raise UsageError("only models of the same names and shapes can be merged", where=min(differing))


def _require_density(density: float) -> None:
    if not 0 < density <= 1:
        raise UsageError(f"a density above 0 and up to 1 is needed, found {density:g}", where="merge")


def _wide(array: NDArray[Any]) -> Floats:
    return array.astype(np.float64)


def _sum(name: str, models: Sequence[Tensors], weights: Sequence[float]) -> Floats:
    total = np.zeros(models[0][name].shape)
    for model, weight in zip(models, weights, strict=True):
        total += weight * _wide(model[name])
    return total


def _weighted(name: str, base: Tensors, models: Sequence[Tensors], weights: Sequence[float]) -> list[Floats]:
    old = _wide(base[name])
    return [weight * (_wide(model[name]) - old) for model, weight in zip(models, weights, strict=True)]


def _trimmed(values: Floats, density: float) -> Floats:
    count = values.size - max(1, round(density * values.size))
    smallest = np.argsort(np.abs(values), axis=None, kind="stable")[:count]
    out = values.copy()
    out.reshape(-1)[smallest] = 0.0
    return out


def _between(one: Floats, other: Floats, t: float) -> Floats:
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    cosine = float(np.vdot(one, other)) / (lengths[0] * lengths[1]) if min(lengths) > 0 else 1.0
    if abs(cosine) > 0.9995:
        return (1 - t) * one + t * other
    angle = np.arccos(cosine)
    found: Floats = (np.sin((1 - t) * angle) * one + np.sin(t * angle) * other) / np.sin(angle)
    return found
