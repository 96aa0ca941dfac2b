"""Thousands of tiny models trained at once: every tensor has a leading axis of models.

Each is a transformer whose attention looks at all earlier tokens alike (values and outputs, no queries), then an
FFN, with RMS norms; it predicts the next token of a synthetic text in which every sequence has a hidden topic and
every topic its own bigrams. All models see the same batches in the same order; only their starts differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.accuracy.memory import Held

OPTIMISERS = ("SGD", "AdamW", "Muon")
_RATES = {"SGD": 0.05, "AdamW": 0.01, "Muon": 0.02}
_TOPICS, _LENGTH = 2, 16


@dataclass(frozen=True)
class Shape:
    """Sizes of a simulated model; ``neurons`` must be a multiple of 8."""

    gated: bool = True
    layers: int = 1
    hidden: int = 32
    neurons: int = 64
    heads: int = 2
    vocabulary: int = 32

    @property
    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shape of every hidden matrix of a layer, ``(out, in)``."""
        wide = ("gate", "up") if self.gated else ("up",)
        square = (self.hidden, self.hidden)
        return {
            "v": square,
            "o": square,
            **dict.fromkeys(wide, (self.neurons, self.hidden)),
            "down": (self.hidden, self.neurons),
        }


Parameters = dict[str, Tensor]
Start = Callable[[Parameters, Shape, torch.Generator], None]
"""Changes a random start in place: how the planted violations are drawn."""


def random_start(shape: Shape, models: int, generator: torch.Generator) -> Parameters:
    """Independent normal starts, ``(models, out, in)`` by name."""
    found = {name: (shape.vocabulary, shape.hidden) for name in ("embedding", "output")}
    for layer in range(shape.layers):
        found |= {f"{layer}.{name}": size for name, size in shape.matrices.items()}
    return {name: torch.randn(models, *size, generator=generator) / size[1] ** 0.5 for name, size in found.items()}


def logits(values: Parameters, tokens: Tensor, shape: Shape) -> Tensor:
    """Next-token logits, ``(models, batch * length, vocabulary)``, of ``(batch, length)`` tokens."""
    models = values["embedding"].shape[0]
    earlier = torch.arange(1, tokens.shape[1] + 1, dtype=torch.float32)[:, None]
    x = values["embedding"][:, tokens.reshape(-1)]
    for layer in range(shape.layers):
        v = _linear(_norm(x), values[f"{layer}.v"]).view(models, *tokens.shape, -1)
        x = x + _linear((v.cumsum(dim=2) / earlier).view(models, tokens.numel(), -1), values[f"{layer}.o"])
        y = _norm(x)
        inner = _linear(y, values[f"{layer}.up"])
        inner = functional.silu(_linear(y, values[f"{layer}.gate"])) * inner if shape.gated else functional.gelu(inner)
        x = x + _linear(inner, values[f"{layer}.down"])
    return _linear(_norm(x), values["output"])


def _norm(x: Tensor) -> Tensor:
    return functional.rms_norm(x, x.shape[-1:])


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    return torch.bmm(x, weight.transpose(1, 2))


class Text:
    """Endless synthetic text: batches of ``(batch, length)`` tokens, the same for every reader."""

    def __init__(self, vocabulary: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        sharp = np.random.default_rng(0).standard_normal((_TOPICS, vocabulary, vocabulary)) * 3.0
        weights = np.exp(sharp)
        self._cumulative = np.cumsum(weights / weights.sum(axis=2, keepdims=True), axis=2)

    def batch(self, size: int) -> Tensor:
        """The next sequences."""
        topics = self._rng.integers(0, _TOPICS, size)
        tokens = np.zeros((size, _LENGTH + 1), dtype=np.int64)
        tokens[:, 0] = self._rng.integers(0, self._cumulative.shape[1], size)
        for at in range(_LENGTH):
            rows = self._cumulative[topics, tokens[:, at]]
            drawn = (rows < self._rng.random((size, 1))).sum(axis=1)
            tokens[:, at + 1] = np.minimum(drawn, self._cumulative.shape[1] - 1)
        return torch.from_numpy(tokens)


def orthogonalised(gradient: Tensor, steps: int = 5) -> Tensor:
    """Newton-Schulz iteration towards the nearest semi-orthogonal matrix, a model at a time.

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024), with its coefficients.
    """
    x = gradient / (gradient.norm(dim=(1, 2), keepdim=True) + 1e-7)
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    for _ in range(steps):
        square = torch.bmm(x, x.transpose(1, 2))
        x = 3.4445 * x + torch.bmm(-4.7750 * square + 2.0315 * torch.bmm(square, square), x)
    return x.transpose(1, 2) if tall else x


class Muon:
    """Nesterov momentum, orthogonalised, for hidden matrices; AdamW for embedding and output, as its authors do."""

    def __init__(self, values: Parameters, rate: float) -> None:
        self._hidden = [value for name, value in values.items() if "." in name]
        self._momentum = [torch.zeros_like(value) for value in self._hidden]
        self._rest = torch.optim.AdamW([value for name, value in values.items() if "." not in name], lr=_RATES["AdamW"])
        self._rate = rate

    @torch.no_grad()
    def step(self) -> None:
        """One update."""
        self._rest.step()
        for value, momentum in zip(self._hidden, self._momentum, strict=True):
            if value.grad is None:
                raise ValueError("no gradient")
            momentum.mul_(0.95).add_(value.grad)
            scale = max(1.0, value.shape[1] / value.shape[2]) ** 0.5
            value.add_(orthogonalised(value.grad + 0.95 * momentum), alpha=-self._rate * scale)

    def zero_grad(self) -> None:
        """Forget gradients."""
        self._rest.zero_grad()
        for value in self._hidden:
            value.grad = None


def _optimiser(name: str, values: Parameters) -> Any:
    if name == "Muon":
        return Muon(values, _RATES[name])
    if name == "AdamW":
        return torch.optim.AdamW(values.values(), lr=_RATES[name], weight_decay=0.1)
    return torch.optim.SGD(values.values(), lr=_RATES[name], momentum=0.9, weight_decay=1e-4)


@dataclass(frozen=True)
class Trained:
    """A batch of trained models: values by name and the mean loss of the first and the last steps, nats a token."""

    values: dict[str, np.ndarray]
    shape: Shape
    losses: tuple[float, float]

    def held(self) -> list[Held]:
        """Each model under published names."""
        models = len(next(iter(self.values.values())))
        export = _llama if self.shape.gated else _gpt2
        found: list[Held] = []
        for model in range(models):
            arrays, config = export({name: value[model] for name, value in self.values.items()}, self.shape)
            found.append(Held.of(arrays, config, found[0] if found else None))
        return found


def train(
    shape: Shape,
    models: int,
    optimiser: str,
    *,
    seed: int,
    steps: int = 150,
    batch: int = 4,
    start: Start | None = None,
) -> Trained:
    """Train models side by side on the same batches in the same order.

    Args:
        shape: sizes.
        models: how many.
        optimiser: one of ``OPTIMISERS``.
        seed: of the starts; the text is the same for all seeds.
        steps: optimiser steps.
        batch: sequences of 16 tokens a step.
        start: changes the random starts.
    """
    generator = torch.Generator().manual_seed(seed)
    values = random_start(shape, models, generator)
    if start is not None:
        start(values, shape, generator)
    for value in values.values():
        value.requires_grad_(True)
    updates, text, losses = _optimiser(optimiser, values), Text(shape.vocabulary, seed=1), []
    for _ in range(steps):
        tokens = text.batch(batch)
        scores = logits(values, tokens[:, :-1], shape)
        targets = tokens[:, 1:].reshape(-1).expand(models, -1)
        loss = functional.cross_entropy(scores.flatten(0, 1), targets.flatten(), reduction="sum") / targets.shape[1]
        updates.zero_grad()
        loss.backward()
        updates.step()
        losses.append(float(loss.detach()) / models)
    tenth = max(1, steps // 10)
    fall = float(np.mean(losses[:tenth])), float(np.mean(losses[-tenth:]))
    return Trained({name: value.detach().numpy() for name, value in values.items()}, shape, fall)


def _llama(values: dict[str, np.ndarray], shape: Shape) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    still = np.zeros((shape.hidden, shape.hidden), np.float32)
    found = {"model.embed_tokens.weight": values["embedding"], "lm_head.weight": values["output"]}
    for layer in range(shape.layers):
        at = f"model.layers.{layer}"
        found |= {f"{at}.self_attn.{name}_proj.weight": still for name in ("q", "k")}
        found |= {f"{at}.self_attn.{name}_proj.weight": values[f"{layer}.{name}"] for name in ("v", "o")}
        found |= {f"{at}.mlp.{name}_proj.weight": values[f"{layer}.{name}"] for name in ("gate", "up", "down")}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{at}.{norm}.weight"] = np.ones(shape.hidden, np.float32)
    found["model.norm.weight"] = np.ones(shape.hidden, np.float32)
    return found, {
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "hidden_size": shape.hidden,
    }


def _gpt2(values: dict[str, np.ndarray], shape: Shape) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    found = {
        "transformer.wte.weight": values["embedding"],
        "transformer.wpe.weight": np.zeros((_LENGTH, shape.hidden), np.float32),
        "lm_head.weight": values["output"],
    }
    still = np.zeros((shape.hidden, 2 * shape.hidden), np.float32)
    for layer in range(shape.layers):
        at = f"transformer.h.{layer}"
        found[f"{at}.attn.c_attn.weight"] = np.concatenate([still, values[f"{layer}.v"].T], axis=1)
        found[f"{at}.attn.c_proj.weight"] = values[f"{layer}.o"].T
        found[f"{at}.mlp.c_fc.weight"] = values[f"{layer}.up"].T
        found[f"{at}.mlp.c_proj.weight"] = values[f"{layer}.down"].T
        found |= {f"{at}.{norm}.weight": np.ones(shape.hidden, np.float32) for norm in ("ln_1", "ln_2")}
        found |= {f"{at}.{norm}.bias": np.zeros(shape.hidden, np.float32) for norm in ("ln_1", "ln_2")}
    for end, value in (("weight", 1.0), ("bias", 0.0)):
        found[f"transformer.ln_f.{end}"] = np.full(shape.hidden, value, np.float32)
    return found, {"model_type": "gpt2", "n_head": shape.heads}
