"""From a dense model to a mixture of experts and back, under the names of Qwen2-MoE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Changed, Config, Floats, Tensors, count_in, share_of, stored_as

_GATE = re.compile(r"(.*\blayers\.(\d+)\.mlp)\.gate_proj\.weight")
_EXPERT = re.compile(r"(.*\blayers\.(\d+)\..*)\.experts\.(\d+)\.(.*)")
_NAMES = ("gate_proj", "up_proj", "down_proj")
_MOE_KEYS = (
    "num_experts",
    "num_experts_per_tok",
    "moe_intermediate_size",
    "shared_expert_intermediate_size",
    "norm_topk_prob",
    "decoder_sparse_step",
    "mlp_only_layers",
    "qkv_bias",
)
_ROUTER_DEVIATION = 0.02
MAX_EXPERTS = 1024
Order = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Plan:
    """How experts are made from copies of an FFN; see `upcycle`."""

    experts: int
    slices: int
    noise: float
    redrawn: float
    shuffle: bool


def upcycle(
    tensors: Tensors,
    config: Config,
    *,
    experts: int = 8,
    per_token: int = 2,
    slices: int = 1,
    noise: float = 0.0,
    redrawn: float = 0.0,
    shuffle: bool = False,
    shared: bool = False,
    seed: int = 0,
) -> Changed:
    """Turns every FFN of a dense gated model into experts made from copies of it, with a freshly drawn router.

    Whole unchanged copies without a shared expert keep the function, since the weights of the chosen experts sum to 1.

    Args:
        tensors: the model.
        config: content of its config.json.
        experts: number of routed experts.
        per_token: how many of them each token passes.
        slices: experts that each copy is cut into, of equal width (fine-grained experts when above 1).
        noise: deviation of normal noise on each expert, in units of the matrix's own deviation.
        redrawn: share of each expert's neurons that are drawn anew with the matrix's own deviation.
        shuffle: orders the neurons of each copy anew before it is cut.
        shared: keeps the whole FFN as a shared expert too.
        seed: of everything random.

    Returns:
        The model; truth: ``origins``, for each ``Part(Role.UP, layer, expert)`` the dense neuron of each of its
        neurons, -1 for one drawn anew.

    Raises:
        UsageError: no dense gated FFN, or numbers that do not fit.
    """
    plan = _planned(per_token, _Plan(experts, slices, noise, redrawn, shuffle))
    rng, origins, neurons, out = np.random.default_rng(seed), dict[Part, Any](), 0, dict(tensors)
    for at, layer in _dense(tensors):
        dense = {name: out.pop(f"{at}.{name}.weight") for name in _NAMES}
        neurons = len(dense["up_proj"])
        out[f"{at}.gate.weight"] = _router(dense["up_proj"], experts, rng)
        for expert, (made, rows) in enumerate(_experts(dense, at, plan, rng)):
            out |= _under(f"{at}.experts.{expert}", made)
            origins[Part(Role.UP, layer, expert)] = rows
        if shared:
            out |= _under(f"{at}.shared_expert", dense)
            out[f"{at}.shared_expert_gate.weight"] = _router(dense["up_proj"], 1, rng)
    sizes = (experts, per_token, neurons // slices, neurons if shared else 0)
    return Changed(out, _sparse_config(tensors, config, sizes), {"origins": origins})


def _under(at: str, arrays: Arrays) -> Arrays:
    return {f"{at}.{name}.weight": array for name, array in arrays.items()}


def _planned(per_token: int, plan: _Plan) -> _Plan:
    share_of(plan.redrawn, "redrawn")
    if not (1 <= per_token <= plan.experts <= MAX_EXPERTS and plan.slices >= 1 and plan.noise >= 0):
        rule = f"1 to {MAX_EXPERTS} experts, of which each token passes 1 or more, and 1 or more slices are needed"
        raise UsageError(rule, where="upcycle")
    return plan


def shuffle_experts(tensors: Tensors, config: Config, *, seed: int = 0) -> Changed:
    """Numbers the routed experts of each layer anew, and the router's rows with them: the same function.

    Returns:
        The model; truth: ``order``, for each layer the old number of each expert.

    Raises:
        UsageError: there are no experts, or no router beside them.
    """
    rng, order = np.random.default_rng(seed), dict[int, list[int]]()
    found = {name: match for name in tensors if (match := _EXPERT.fullmatch(name))}
    if not found:
        raise UsageError("there are no experts among the tensors")
    out: Arrays = dict(tensors)
    for at, layer in sorted({(match[1], int(match[2])) for match in found.values()}):
        router = f"{at}.gate.weight"
        if router not in tensors:
            raise UsageError("there is no router beside the experts", where=router)
        chosen = rng.permutation(len(tensors[router]))
        order[layer] = chosen.tolist()
        for name in (router, f"{at}.gate.bias", f"{at}.gate.e_score_correction_bias"):
            if name in tensors:
                out[name] = tensors[name][chosen]
        for new, old in enumerate(chosen):
            rests = (match[4] for match in found.values() if match[1] == at and int(match[3]) == old)
            out.update({f"{at}.experts.{new}.{rest}": tensors[f"{at}.experts.{old}.{rest}"] for rest in rests})
    return Changed(out, dict(config), {"order": order})


def to_dense(tensors: Tensors, config: Config, *, expert: int | None = 0) -> Changed:
    """Turns a mixture of experts into a dense model of one expert, or of their mean; shared experts are left out.

    Args:
        tensors: the model.
        config: content of its config.json.
        expert: number of the expert that stays in every layer; None takes the mean of all.

    Returns:
        The model; truth: ``expert``.

    Raises:
        UsageError: there are no experts, or none of this number.
    """
    if not any(_EXPERT.fullmatch(name) for name in tensors):
        raise UsageError("there are no experts among the tensors")
    count = count_in(config, "num_experts", "num_local_experts")
    if expert is not None and not 0 <= expert < count:
        raise UsageError(f"experts are 0 to {count - 1}, found {expert}", where="to dense")
    found: dict[str, list[Any]] = {}
    for name, array in tensors.items():
        match = _EXPERT.fullmatch(name)
        if match and expert in (None, int(match[3])):
            found.setdefault(f"{match[1]}.{match[4]}", []).append(array)
    places = {name.rpartition(".mlp.")[0] for name in found}
    out = {name: array for name, array in tensors.items() if not _is_sparse(name, places)}
    for name, arrays in found.items():
        mean = np.mean([array.astype(np.float64) for array in arrays], axis=0)
        out[name] = stored_as(mean, arrays[0].dtype) if len(arrays) > 1 else arrays[0]
    updated = {key: value for key, value in config.items() if key not in _MOE_KEYS}
    updated |= {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    updated["intermediate_size"] = next(
        array.shape[0] for name, array in out.items() if name.endswith(".up_proj.weight")
    )
    return Changed(out, updated, {"expert": expert})


def _dense(tensors: Tensors) -> list[tuple[str, int]]:
    found = [(match[1], int(match[2])) for name in tensors if (match := _GATE.fullmatch(name))]
    if not found:
        raise UsageError(
            "no dense gated FFN is recognised", remedy="Names like model.layers.0.mlp.gate_proj.weight are"
        )
    biased = next((name for at, _ in found for name in tensors if name.startswith(at) and name.endswith("bias")), None)
    if biased is not None:
        raise UsageError("experts of Qwen2-MoE have no biases", where=biased)
    return found


def _router(up: NDArray[Any], rows: int, rng: np.random.Generator) -> NDArray[Any]:
    return stored_as(rng.standard_normal((rows, up.shape[1])) * _ROUTER_DEVIATION, up.dtype)


def _experts(dense: Arrays, at: str, plan: _Plan, rng: np.random.Generator) -> Iterator[tuple[Arrays, Order]]:
    """Each expert's matrices, and the dense neuron of each of its neurons, -1 for one drawn anew."""
    neurons = len(dense["up_proj"])
    if neurons % plan.slices:
        raise UsageError(f"{neurons} neurons do not part into {plan.slices} slices", where=at)
    width, order = neurons // plan.slices, np.arange(neurons)
    for expert in range(plan.experts):
        if plan.shuffle and expert % plan.slices == 0:
            order = rng.permutation(neurons)
        rows = order[expert % plan.slices * width :][:width]
        fresh = rng.permutation(width) < round(plan.redrawn * width)
        made = {}
        for name, array in dense.items():
            across = array.T if name == "down_proj" else array
            values = _redrawn(across.astype(np.float64), rows, fresh, plan.noise, rng)
            made[name] = np.ascontiguousarray(stored_as(values.T if name == "down_proj" else values, array.dtype))
        yield made, np.where(fresh, -1, rows)


def _redrawn(whole: Floats, rows: Order, fresh: NDArray[np.bool_], noise: float, rng: np.random.Generator) -> Floats:
    values, scale = whole[rows], whole.std()
    if noise:
        values = values + rng.standard_normal(values.shape) * noise * scale
    if fresh.any():
        values = np.where(fresh[:, None], rng.standard_normal(values.shape) * scale, values)
    return values


def _is_sparse(name: str, places: set[str]) -> bool:
    at, found, rest = name.rpartition(".mlp.")
    return bool(found) and at in places and rest.startswith(("experts.", "shared_expert", "gate."))


def _sparse_config(tensors: Tensors, config: Config, sizes: tuple[int, int, int, int]) -> dict[str, Any]:
    experts, per_token, width, shared = sizes
    return {
        **config,
        "model_type": "qwen2_moe",
        "architectures": ["Qwen2MoeForCausalLM"],
        "num_experts": experts,
        "num_experts_per_tok": per_token,
        "moe_intermediate_size": width,
        "shared_expert_intermediate_size": shared,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "qkv_bias": any(name.endswith("q_proj.bias") for name in tensors),
    }
