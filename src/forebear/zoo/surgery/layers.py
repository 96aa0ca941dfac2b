"""Another depth: layers repeated, inserted, dropped or put in another order."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any, Literal, get_args

import numpy as np

from forebear.anatomy.parts import Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import WRITER_BIASES, WRITERS, home_of
from forebear.zoo.surgery.changed import Changed, Config, Tensors, config_key
from forebear.zoo.surgery.values import redraw

LAYER = re.compile(r"((?:^|.*\.)(?:layers|layer|h)\.)(\d+)(\..*)")
Insertion = Literal["fresh", "identity", "copied"]
_OUTPUTS = WRITERS | WRITER_BIASES


def shift_layers(tensors: Tensors, by: int = 1) -> Arrays:
    """Gives each layer's tensors the number of the layer ``by`` further on, round the end."""
    found = [LAYER.fullmatch(name) for name in tensors]
    layers = 1 + max((int(match[2]) for match in found if match), default=-1)
    if layers == 0:
        raise UsageError("no numbered layers among the tensors")
    return {
        f"{match[1]}{(int(match[2]) + by) % layers}{match[3]}" if match else name: tensor
        for (name, tensor), match in zip(tensors.items(), found, strict=True)
    }


def repeat_layers(tensors: Tensors, config: Config, layer_map: Sequence[int]) -> Changed:
    """Builds a model whose layer i is the layer ``layer_map[i]`` of this one; any may come often, or not at all.

    Args:
        tensors: the model.
        config: content of its config.json.
        layer_map: old layer of each new one, zero-based, e.g. ``(0, 1, 1, 2)``.

    Returns:
        The model; truth: ``layer_map``, a list, old layer of each new one.

    Raises:
        UsageError: no such layer, an empty map, or no single stack of numbered layers.
    """
    stack = _Stack(tensors)
    wrong = [layer for layer in layer_map if not 0 <= layer < len(stack.blocks)]
    if wrong or not layer_map:
        rule = f"layers are 0 to {len(stack.blocks) - 1}, found {wrong[0] if wrong else 'none'}"
        raise UsageError(rule, where="layer map", remedy="Give the old layer of each new one, e.g. 0,1,1,2")
    return stack.built([stack.blocks[layer] for layer in layer_map], config, list(layer_map))


def drop_layers(tensors: Tensors, config: Config, layers: Collection[int]) -> Changed:
    """Leaves layers out; truth as `repeat_layers`.

    Raises:
        UsageError: as `repeat_layers`, or no layer is left.
    """
    count = len(_Stack(tensors).blocks)
    wrong = [layer for layer in layers if not 0 <= layer < count]
    if wrong:
        raise UsageError(f"layers are 0 to {count - 1}, found {wrong[0]}", where="layers to drop")
    return repeat_layers(tensors, config, [layer for layer in range(count) if layer not in set(layers)])


def reorder_layers(tensors: Tensors, config: Config, *, seed: int = 0) -> Changed:
    """Puts the layers in a random order; truth as `repeat_layers`.

    Raises:
        UsageError: as `repeat_layers`.
    """
    order = np.random.default_rng(seed).permutation(len(_Stack(tensors).blocks))
    return repeat_layers(tensors, config, order.tolist())


def insert_layers(
    tensors: Tensors,
    config: Config,
    before: Sequence[int],
    *,
    kind: Insertion = "fresh",
    deviation: float = 0.02,
    seed: int = 0,
) -> Changed:
    """Inserts layers that this model did not have.

    Args:
        tensors: the model.
        config: content of its config.json.
        before: for each new layer, the old layer that it stands before; the number of layers puts it last.
        kind: ``"fresh"``, a random start; ``"identity"``, the same with all outputs 0, which keeps the function;
            ``"copied"``, the layer before it (or the first) with outputs 0, as in block expansion, keeps it too.
        deviation: of the random start's matrices.
        seed: of the random starts; each further layer adds 1.

    Returns:
        The model; truth: ``layer_map``, old layer of each new one, None for a random start.

    Raises:
        UsageError: no such place or kind, or no single stack of numbered layers.
    """
    stack = _Stack(tensors)
    count = len(stack.blocks)
    if kind not in get_args(Insertion) or not all(0 <= place <= count for place in before):
        rule = f"a place from 0 to {count} and one of {', '.join(get_args(Insertion))} are needed"
        raise UsageError(rule, where="layers to insert")
    blocks, layer_map = list[Arrays](), list[int | None]()
    made = 0
    for layer in range(count + 1):
        for _ in range(list(before).count(layer)):
            model = max(layer - 1, 0)
            fresh = redraw(stack.named(model), deviation=deviation, seed=seed + made)
            blocks.append(stack.block(stack.named(model) if kind == "copied" else fresh, silent=kind != "fresh"))
            layer_map.append(model if kind == "copied" else None)
            made += 1
        if layer < count:
            blocks.append(stack.blocks[layer])
            layer_map.append(layer)
    return stack.built(blocks, config, layer_map)


class _Stack:
    """A model's layers as blocks of tensors by the rest of their names."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        matches = {name: match for name in tensors if (match := LAYER.fullmatch(name))}
        stems = {match[1] for match in matches.values()}
        if len(stems) != 1:
            rule = f"one stack of numbered layers is needed, found {', '.join(sorted(stems)) or 'none'}"
            raise UsageError(rule, remedy="Change the depth before names or further modules")
        self._stem = stems.pop()
        numbers = sorted({int(match[2]) for match in matches.values()})
        if numbers != list(range(len(numbers))):
            raise UsageError("layers are not numbered from 0 without gaps", where=self._stem)
        self.blocks: list[Arrays] = [{} for _ in numbers]
        for name, match in matches.items():
            self.blocks[int(match[2])][match[3]] = tensors[name]

    def named(self, layer: int) -> Arrays:
        """A block under whole names."""
        return {f"{self._stem}{layer}{rest}": array for rest, array in self.blocks[layer].items()}

    def block(self, named: Arrays, *, silent: bool) -> Arrays:
        """A block under the rests of its names, its outputs 0 if silent."""
        found: Arrays = {}
        for name, array in named.items():
            match = LAYER.fullmatch(name)
            rest = match[3] if match else name
            home = home_of(name)
            if home is None and silent:
                raise UsageError("a tensor of unknown role", where=name, remedy="Insert fresh layers, or rename later")
            roles: set[Role] = set() if home is None else {part.role for part in home[0]}
            found[rest] = np.zeros_like(array) if silent and roles & _OUTPUTS else array
        return found

    def built(self, blocks: Sequence[Arrays], config: Config, layer_map: list[Any]) -> Changed:
        """The model with other layers, its config brought up to date."""
        out: Arrays = {name: array for name, array in self._tensors.items() if not LAYER.fullmatch(name)}
        for layer, block in enumerate(blocks):
            out.update({f"{self._stem}{layer}{rest}": array for rest, array in block.items()})
        key = config_key(config, "num_hidden_layers", "n_layer")
        updated: dict[str, Any] = {**config, key: len(blocks)}
        if isinstance(config.get("layer_types"), list):
            kinds = config["layer_types"]
            updated["layer_types"] = [kinds[0 if old is None else old] for old in layer_map]
        if isinstance(config.get("max_window_layers"), int):
            updated["max_window_layers"] = min(config["max_window_layers"], len(blocks))
        return Changed(out, updated, {"layer_map": layer_map})
