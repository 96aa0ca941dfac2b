"""Training one model of the zoo: the same bits on the same machine and version of torch, nearly so on others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from forebear.zoo import deep, gated, plain
from forebear.zoo.folder import Arrays
from forebear.zoo.recipes import BATCH, LENGTH, Recipe

ARCHITECTURES: dict[str, ModuleType] = {"gated": gated, "plain": plain, "deep": deep}
_LAYER_PREFIX = {"gated": "model.layers.", "plain": "transformer.h.", "deep": "model.layers."}
_EMBEDDINGS = ("model.embed_tokens.weight", "transformer.wte.weight", "transformer.wpe.weight")
WARMUP = 50
REPORTED = 50
"""Steps over which a reported loss is averaged."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave.

    Attributes:
        tensors: rounded to bf16.
        first_loss: mean loss of the first steps, nats a token; a student's is the divergence from its teacher.
        last_loss: the same of the last steps.
    """

    tensors: Arrays
    first_loss: float
    last_loss: float


def start(family: str, seed: int) -> dict[str, NDArray[np.float32]]:
    """Random start of a family, as its published code has it.

    Matrices and embeddings are normal with deviation 0.02, biases 0, gains 1; GPT-2 divides the deviation of what is
    added to the residual stream by the root of twice its depth. Drawn by numpy, whose stream does not depend on the
    machine, tensor by tensor in the order of ``shapes``.
    """
    architecture = ARCHITECTURES[family]
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, shape in architecture.shapes(architecture.CONFIG).items():
        if len(shape) == 1:
            tensors[name] = np.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=np.float32)
            continue
        narrowed = family == "plain" and name.endswith("c_proj.weight")
        deviation = 0.02 / math.sqrt(2 * plain.CONFIG["n_layer"]) if narrowed else 0.02
        tensors[name] = (rng.standard_normal(shape) * deviation).astype(np.float32)
    return tensors


def batches(tokens: NDArray[np.int64], order_seed: int, steps: int, batch: int = BATCH) -> Iterator[Tensor]:
    """``(batch, LENGTH + 1)`` token numbers a step, cut at places that the seed alone decides."""
    rng = np.random.default_rng(order_seed)
    reach = np.arange(LENGTH + 1)
    for _ in range(steps):
        places = rng.integers(0, len(tokens) - LENGTH, size=batch)
        yield torch.from_numpy(tokens[places[:, None] + reach])


def train(
    recipe: Recipe,
    tokens: NDArray[np.int64],
    initial: Arrays,
    config: dict[str, Any],
    teacher: Arrays | None = None,
) -> Trained:
    """Trains by the recipe: AdamW, linear warm-up, cosine down to a tenth, gradients clipped at norm 1.

    Args:
        recipe: what to do.
        tokens: its part of the text.
        initial: tensors to start from, of any float type.
        config: geometry of ``initial``, keys of the family's config.json.
        teacher: model of the family's own geometry whose logits are learned (Kullback-Leibler divergence) instead of
            the text.

    Returns:
        The trained tensors and losses.
    """
    torch.set_num_threads(1)
    architecture = ARCHITECTURES[recipe.family]
    # In one order whatever the file's, for the gradient's norm is summed in it.
    tensors = {name: torch.from_numpy(initial[name].astype(np.float32)) for name in architecture.shapes(config)}
    taught = {name: torch.from_numpy(array.astype(np.float32)) for name, array in (teacher or {}).items()}
    adapters = _adapters(tensors, recipe)
    learned = [factor for pair in adapters.values() for factor in pair]
    if not adapters:
        learned = [tensor for name, tensor in tensors.items() if not _is_frozen(name, recipe)]
    seen = np.random.default_rng(recipe.order_seed).permutation(tokens) if recipe.shuffled else tokens

    def loss(batch: Tensor) -> Tensor:
        found = architecture.logits(_merged(tensors, adapters), batch[:, :-1], config).flatten(0, 1)
        return _loss(recipe, found, taught, batch)

    losses = _descend(recipe, seen, [tensor.requires_grad_() for tensor in learned], loss)
    merged = _merged(tensors, adapters).items()
    rounded = {name: tensor.detach().numpy().astype(ml_dtypes.bfloat16) for name, tensor in merged}
    return Trained(rounded, float(np.mean(losses[:REPORTED])), float(np.mean(losses[-REPORTED:])))


def _descend(
    recipe: Recipe, tokens: NDArray[np.int64], learned: list[Tensor], loss_of: Callable[[Tensor], Tensor]
) -> list[float]:
    """Changes ``learned`` in place; returns the loss of every step."""
    optimiser = _optimiser(learned, recipe)
    losses = []
    for step, batch in enumerate(batches(tokens, recipe.order_seed, recipe.steps, recipe.batch)):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _schedule(step, recipe.steps)
        loss = loss_of(batch)
        optimiser.zero_grad()
        torch.autograd.backward([loss])
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def _adapters(tensors: dict[str, Tensor], recipe: Recipe) -> dict[str, tuple[Tensor, Tensor]]:
    """Low-rank factors of each adapted matrix, whose product is added to it; the first is zero at the start."""
    rng = np.random.default_rng(recipe.order_seed)
    found = {}
    for name, tensor in tensors.items():
        if tensor.dim() == 2 and any(part in name for part in recipe.adapter_parts):
            rows, columns = tensor.shape
            right = rng.standard_normal((recipe.adapter_rank, columns)) / math.sqrt(columns)
            found[name] = (torch.zeros(rows, recipe.adapter_rank), torch.from_numpy(right.astype(np.float32)))
    return found


def _merged(tensors: dict[str, Tensor], adapters: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    return tensors | {name: tensors[name] + left @ right for name, (left, right) in adapters.items()}


def _optimiser(learned: list[Tensor], recipe: Recipe) -> torch.optim.Optimizer:
    matrices = [tensor for tensor in learned if tensor.dim() > 1]
    vectors = [tensor for tensor in learned if tensor.dim() == 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": recipe.decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.95), fused=True)


def _loss(recipe: Recipe, found: Tensor, taught: dict[str, Tensor], batch: Tensor) -> Tensor:
    if not taught:
        return functional.cross_entropy(found, batch[:, 1:].flatten())
    architecture = ARCHITECTURES[recipe.family]
    with torch.no_grad():
        wanted = architecture.logits(taught, batch[:, :-1], architecture.CONFIG).flatten(0, 1)
    return functional.kl_div(found.log_softmax(-1), wanted.log_softmax(-1), reduction="batchmean", log_target=True)


def _schedule(step: int, steps: int) -> float:
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - WARMUP) / (steps - WARMUP)))


def _is_frozen(name: str, recipe: Recipe) -> bool:
    if recipe.frozen_layers == 0:
        return False
    layer = name.removeprefix(_LAYER_PREFIX[recipe.family]).split(".")[0]
    return name in _EMBEDDINGS or (layer.isdigit() and int(layer) < recipe.frozen_layers)
