"""Changes of shape that a child is trained after; numpy alone. Those of ``surgery`` train nothing.

Each is a function of the parent and of the amounts in the recipe, and returns, beside tensors and config, the truth:
what was taken from where, by the parent's numbers, with -1 for what is new.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays

Places = NDArray[np.int64]
NEW = -1
DEVIATION = 0.02
"""Of what is drawn anew, as at a random start."""

_LAYER = re.compile(r"(.*\.(?:layers|h)\.)(\d+)(\..*)")
_FFN = {
    "gated": {"gate_proj.weight": 0, "up_proj.weight": 0, "down_proj.weight": 1},
    "plain": {"c_fc.weight": 1, "c_fc.bias": 0, "c_proj.weight": 0},
}
"""Tensors of an FFN, each with the axis along which its neurons lie; the last is what the neurons write."""
_INHERITED = {
    "attention": re.compile(r"\.(self_attn|attn|input_layernorm|ln_1)\."),
    "ffn": re.compile(r"\.(mlp|post_attention_layernorm|ln_2)\."),
    "embeddings": re.compile(r"(^|\.)(embed_tokens|lm_head|wte|wpe)\."),
}


@dataclass(frozen=True, slots=True)
class Grown:
    """A model whose shape may have been changed.

    Attributes:
        tensors: by name, ready to be trained on.
        config: content of its config.json.
        truth: of what came from where, those that apply: ``layer_map`` (the parent's layer of each layer), ``neurons``
            (for each layer, the parent's neuron of each), ``hidden`` (the parent's residual coordinates kept),
            ``tokens`` (leading rows of the vocabulary that are the parent's), ``inherited`` (attention, ffn or
            embeddings), ``experts`` (for each layer and expert, the parent's neurons), ``shared_expert`` (for each
            layer, the parent's neurons).
    """

    tensors: Arrays
    config: dict[str, Any]
    truth: dict[str, Any]


def grow(name: str, parent: Grown, fresh: Grown, seed: int, amounts: Mapping[str, Any]) -> Grown:
    """Applies one change of ``GROWTHS``.

    Args:
        name: of the change.
        parent: model to change, in the names of the families ``gated`` or ``plain``.
        fresh: a random start of the parent's shape.
        seed: of whatever else is drawn.
        amounts: arguments of the change by name.

    Raises:
        UsageError: there is no such change.
    """
    if name not in GROWTHS:
        raise UsageError(f"no change of shape {name!r}", remedy=f"There are {', '.join(sorted(GROWTHS))}.")
    return GROWTHS[name](parent, fresh, np.random.default_rng(seed), **amounts)


def relayer(parent: Grown, _: Grown, __: np.random.Generator, *, layers: Sequence[int]) -> Grown:
    """Layers repeated, dropped or put in another order.

    Args:
        layers: the parent's layer of each layer.
    """
    tensors: Arrays = {}
    for name, array in parent.tensors.items():
        found = _LAYER.match(name)
        if found is None:
            tensors[name] = array
            continue
        for place in (place for place, layer in enumerate(layers) if layer == int(found[2])):
            tensors[f"{found[1]}{place}{found[3]}"] = array
    key = "num_hidden_layers" if "num_hidden_layers" in parent.config else "n_layer"
    return Grown(tensors, {**parent.config, key: len(layers)}, {"layer_map": list(layers)})


def prune_ffn(parent: Grown, _: Grown, __: np.random.Generator, *, kept: float) -> Grown:
    """The neurons that weigh most are kept, in their order: largest product of the norms of what they read and write.

    Args:
        kept: share of neurons kept in each layer.
    """
    chosen = []
    for ffn in _ffns(parent):
        weights = [ffn.array(suffix) for suffix in ffn.axes if suffix.endswith("weight")]
        norms = [np.linalg.norm(rows.reshape(len(rows), -1), axis=1) for rows in weights]
        weight = np.prod(norms, axis=0)
        chosen.append(np.sort(np.argsort(-weight, kind="stable")[: round(kept * len(weight))]))
    tensors = dict(parent.tensors)
    for ffn, places in zip(_ffns(parent), chosen, strict=True):
        tensors |= ffn.taken(places)
    truth = {"neurons": [places.tolist() for places in chosen]}
    return Grown(tensors, _with_neurons(parent.config, len(chosen[0])), truth)


def widen_ffn(parent: Grown, _: Grown, rng: np.random.Generator, *, neurons: int) -> Grown:
    """New neurons behind the old ones: they read at random and at first write nothing.

    Args:
        neurons: of each layer afterwards.
    """
    tensors, truth = dict(parent.tensors), []
    for ffn in _ffns(parent):
        places = np.concatenate((np.arange(ffn.neurons), np.full(neurons - ffn.neurons, NEW)))
        tensors |= ffn.taken(places, rng, writes=0.0)
        truth.append(places.tolist())
    return Grown(tensors, _with_neurons(parent.config, neurons), {"neurons": truth})


def prune_hidden(parent: Grown, _: Grown, __: np.random.Generator, *, hidden: int) -> Grown:
    """Coordinates of the residual stream removed, those of least norm in the embedding; heads keep their width.

    Args:
        hidden: width afterwards.
    """
    _need_gated(parent, "prune-hidden")
    weight = np.linalg.norm(parent.tensors["model.embed_tokens.weight"].astype(np.float64), axis=0)
    kept = np.sort(np.argsort(-weight, kind="stable")[:hidden])
    tensors = {}
    for name, array in parent.tensors.items():
        if name.endswith("_proj.bias"):
            tensors[name] = array
        else:
            axis = 0 if array.ndim == 1 or name.endswith(("o_proj.weight", "down_proj.weight")) else 1
            tensors[name] = np.take(array, kept, axis=axis)
    head = parent.config["hidden_size"] // parent.config["num_attention_heads"]
    return Grown(tensors, {**parent.config, "hidden_size": hidden, "head_dim": head}, {"hidden": kept.tolist()})


def extend_vocabulary(parent: Grown, _: Grown, rng: np.random.Generator, *, vocabulary: int) -> Grown:
    """New rows behind the old ones, about the mean of those.

    Args:
        vocabulary: rows afterwards.
    """
    tensors, old = dict(parent.tensors), int(parent.config["vocab_size"])
    for name, array in parent.tensors.items():
        if _INHERITED["embeddings"].search(name) and len(array) == old:
            drawn = rng.standard_normal((vocabulary - old, array.shape[1])) * DEVIATION
            rows = drawn + array.astype(np.float64).mean(axis=0)
            tensors[name] = np.concatenate((array, rows.astype(array.dtype)))
    return Grown(tensors, {**parent.config, "vocab_size": vocabulary}, {"tokens": old})


def inherit(parent: Grown, fresh: Grown, _: np.random.Generator, *, part: str) -> Grown:
    """One part is the parent's, the rest a random start.

    Args:
        part: ``attention`` or ``ffn`` (each with the norm before it), or ``embeddings`` (with the output matrix).
    """
    names = {name for name in parent.tensors if _INHERITED[part].search(name)}
    tensors = {name: parent.tensors[name] if name in names else array for name, array in fresh.tensors.items()}
    return Grown(tensors, parent.config, {"inherited": part})


def upcycle(
    parent: Grown,
    _: Grown,
    rng: np.random.Generator,
    *,
    copies: int,
    slices: int,
    chosen: int,
    noise: float = 0.0,
    redrawn: float = 0.0,
    shared: int = 0,
) -> Grown:
    """Dense to mixture of experts, with a router drawn at random.

    With one slice every expert is a copy of the FFN (sparse upcycling, Komatsuzaki et al. 2022). With more, the neurons
    of every copy are shuffled and dealt out to fine-grained experts of which a share is drawn anew, as the technical
    report of Qwen2 tells of Qwen2-57B-A14B; the shared expert is shuffled and drawn anew likewise.

    Args:
        copies: of the FFN.
        slices: experts made of each copy.
        chosen: experts that a token goes to.
        noise: deviation of what is added to every expert, in units of each matrix's own.
        redrawn: share of each expert's neurons drawn anew.
        shared: neurons of the shared expert, at most the FFN's; 0 for none.
    """
    _need_gated(parent, "upcycle")
    tensors = {name: array for name, array in parent.tensors.items() if ".mlp." not in name}
    truth: dict[str, Any] = {"experts": [], "shared_expert": []}
    for ffn in _ffns(parent):
        origins = [part for _ in range(copies) for part in np.split(_shuffled(ffn.neurons, rng, slices > 1), slices)]
        origins = [_redrawn(origin, redrawn, rng) for origin in origins]
        for expert, origin in enumerate(origins):
            tensors |= ffn.taken(origin, rng, f"experts.{expert}.", noise=noise)
        tensors[f"{ffn.at}gate.weight"] = _drawn((len(origins), parent.config["hidden_size"]), rng)
        truth["experts"].append([origin.tolist() for origin in origins])
        if shared:
            origin = _redrawn(_shuffled(ffn.neurons, rng, True)[:shared], redrawn, rng)
            tensors |= ffn.taken(origin, rng, "shared_expert.")
            tensors[f"{ffn.at}shared_expert_gate.weight"] = _drawn((1, parent.config["hidden_size"]), rng)
            truth["shared_expert"].append(origin.tolist())
    neurons = parent.config["intermediate_size"] // slices
    config = _mixture_config(parent.config, copies * slices, neurons, chosen, shared)
    return Grown(tensors, config, {key: value for key, value in truth.items() if value})


GROWTHS: dict[str, Callable[..., Grown]] = {
    "relayer": relayer,
    "prune-ffn": prune_ffn,
    "widen-ffn": widen_ffn,
    "prune-hidden": prune_hidden,
    "extend-vocabulary": extend_vocabulary,
    "inherit": inherit,
    "upcycle": upcycle,
}


@dataclass(frozen=True, slots=True)
class _Ffn:
    """One FFN: ``at`` ends in a dot; ``axes`` says along which axis of each tensor its neurons lie."""

    at: str
    axes: dict[str, int]
    tensors: Arrays

    @property
    def neurons(self) -> int:
        return len(self.array(next(iter(self.axes))))

    def array(self, suffix: str) -> NDArray[np.float64]:
        """One tensor, neurons first."""
        return np.moveaxis(self.tensors[self.at + suffix].astype(np.float64), self.axes[suffix], 0)

    def taken(
        self,
        origin: Places,
        rng: np.random.Generator | None = None,
        under: str = "",
        *,
        noise: float = 0.0,
        writes: float = DEVIATION,
    ) -> Arrays:
        """Tensors of an FFN that has these neurons; ``NEW`` ones are drawn, what they write at deviation ``writes``."""
        found, last = {}, list(self.axes)[-1]
        for suffix, axis in self.axes.items():
            rows, new = self.array(suffix)[origin], origin == NEW
            if rng is not None:
                deviation = writes if suffix == last else DEVIATION
                drawn = rng.standard_normal(rows.shape)
                rows[new] = drawn[new] * (deviation if rows.ndim > 1 else 0.0)
                rows = rows + noise * rows.std() * rng.standard_normal(rows.shape)
            stored = self.tensors[self.at + suffix].dtype
            found[f"{self.at}{under}{suffix}"] = np.ascontiguousarray(np.moveaxis(rows, 0, axis)).astype(stored)
        return found


def _ffns(parent: Grown) -> list[_Ffn]:
    gated = "num_hidden_layers" in parent.config
    stem, layers = ("model.layers", "num_hidden_layers") if gated else ("transformer.h", "n_layer")
    axes = _FFN["gated" if gated else "plain"]
    return [_Ffn(f"{stem}.{layer}.mlp.", axes, parent.tensors) for layer in range(parent.config[layers])]


def _with_neurons(config: dict[str, Any], neurons: int) -> dict[str, Any]:
    return {**config, "intermediate_size" if "intermediate_size" in config else "n_inner": neurons}


def _mixture_config(config: dict[str, Any], experts: int, neurons: int, chosen: int, shared: int) -> dict[str, Any]:
    return {
        **config,
        "architectures": ["Qwen2MoeForCausalLM"],
        "model_type": "qwen2_moe",
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": neurons,
        "norm_topk_prob": not shared,
        "num_experts": experts,
        "num_experts_per_tok": chosen,
        "output_router_logits": False,
        "router_aux_loss_coef": 0.001,
        "shared_expert_intermediate_size": shared,
    }


def _shuffled(neurons: int, rng: np.random.Generator, shuffle: bool) -> Places:
    return rng.permutation(neurons) if shuffle else np.arange(neurons)


def _redrawn(origin: Places, share: float, rng: np.random.Generator) -> Places:
    places = rng.choice(len(origin), round(share * len(origin)), replace=False)
    found = origin.copy()
    found[places] = NEW
    return found


def _drawn(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float32]:
    return (rng.standard_normal(shape) * DEVIATION).astype(np.float32)


def _need_gated(parent: Grown, change: str) -> None:
    if "num_hidden_layers" not in parent.config:
        raise UsageError(f"{change} knows the gated family only", remedy="Change a model of the gated family.")
