"""A model taken apart into logical matrices, so that a surgery is written once for every way of storing it.

Tensors are told apart by the published names of Llama, Qwen2, Qwen2-MoE and GPT-2, on purpose without
``forebear.anatomy``: what a disguise does must not depend on the code that shall see through it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from forebear.anatomy.parts import Part, Role
from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Config, Floats, Tensors, count_in, is_float, like_first, stored_as

_ATTENTION = (Role.Q, Role.K, Role.V)
_ATTENTION_BIAS = (Role.Q_BIAS, Role.K_BIAS, Role.V_BIAS)
BIASES = {
    Role.Q: Role.Q_BIAS,
    Role.K: Role.K_BIAS,
    Role.V: Role.V_BIAS,
    Role.O: Role.O_BIAS,
    Role.GATE: Role.GATE_BIAS,
    Role.UP: Role.UP_BIAS,
    Role.DOWN: Role.DOWN_BIAS,
    Role.ROUTER: Role.ROUTER_BIAS,
    Role.OUTPUT: Role.OUTPUT_BIAS,
}
"""Bias that is added to what a matrix gives."""
NORM_BIASES = {
    Role.ATTENTION_NORM: Role.ATTENTION_NORM_BIAS,
    Role.FFN_NORM: Role.FFN_NORM_BIAS,
    Role.FINAL_NORM: Role.FINAL_NORM_BIAS,
}
READERS = {
    Role.ATTENTION_NORM: frozenset(_ATTENTION),
    Role.FFN_NORM: frozenset(
        (Role.GATE, Role.UP, Role.ROUTER, Role.SHARED_GATE, Role.SHARED_UP, Role.SHARED_ROUTER),
    ),
    Role.FINAL_NORM: frozenset((Role.OUTPUT,)),
}
"""Matrices that read the residual stream through each norm."""
WRITERS = frozenset((Role.O, Role.DOWN, Role.SHARED_DOWN))
TABLES = frozenset((Role.EMBEDDING, Role.POSITION_EMBEDDING))
WRITER_BIASES = frozenset((Role.O_BIAS, Role.DOWN_BIAS))
_BUFFERS = (".inv_freq", ".attn.bias", ".attn.masked_bias")

_Entry = tuple[tuple[Role, ...], bool]


def _entries() -> Iterator[tuple[str, _Entry]]:
    for suffix, biased in (("weight", False), ("bias", True)):
        for letter, role in (("q", Role.Q), ("k", Role.K), ("v", Role.V), ("o", Role.O)):
            yield f"layers.{{l}}.self_attn.{letter}_proj.{suffix}", ((BIASES[role] if biased else role,), False)
        for word, role in (("gate", Role.GATE), ("up", Role.UP), ("down", Role.DOWN)):
            yield f"layers.{{l}}.mlp.{word}_proj.{suffix}", ((BIASES[role] if biased else role,), False)
        norms = (("h.{l}.ln_1", Role.ATTENTION_NORM), ("h.{l}.ln_2", Role.FFN_NORM), ("ln_f", Role.FINAL_NORM))
        for name, role in norms:
            yield f"{name}.{suffix}", ((NORM_BIASES[role] if biased else role,), False)
        conv = (("attn.c_proj", Role.O), ("mlp.c_fc", Role.UP), ("mlp.c_proj", Role.DOWN))
        for name, role in conv:
            yield f"h.{{l}}.{name}.{suffix}", ((BIASES[role] if biased else role,), not biased)
        yield f"h.{{l}}.attn.c_attn.{suffix}", (_ATTENTION_BIAS if biased else _ATTENTION, not biased)
    for word, role in (("gate", Role.GATE), ("up", Role.UP), ("down", Role.DOWN)):
        yield f"layers.{{l}}.mlp.experts.{{e}}.{word}_proj.weight", ((role,), False)
        yield f"layers.{{l}}.mlp.shared_expert.{word}_proj.weight", ((Role(f"shared_{word}"),), False)
    plain = {
        "embed_tokens.weight": Role.EMBEDDING,
        "wte.weight": Role.EMBEDDING,
        "wpe.weight": Role.POSITION_EMBEDDING,
        "norm.weight": Role.FINAL_NORM,
        "lm_head.weight": Role.OUTPUT,
        "layers.{l}.input_layernorm.weight": Role.ATTENTION_NORM,
        "layers.{l}.post_attention_layernorm.weight": Role.FFN_NORM,
        "layers.{l}.self_attn.q_norm.weight": Role.Q_NORM,
        "layers.{l}.self_attn.k_norm.weight": Role.K_NORM,
        "layers.{l}.mlp.gate.weight": Role.ROUTER,
        "layers.{l}.mlp.shared_expert_gate.weight": Role.SHARED_ROUTER,
    }
    yield from ((name, ((role,), False)) for name, role in plain.items())


def _pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template).replace(r"\{l\}", r"(?P<l>\d+)").replace(r"\{e\}", r"(?P<e>\d+)")
    return re.compile(r"(?:model\.|transformer\.|model\.language_model\.|language_model\.model\.)?" + escaped)


_TABLE = [(_pattern(template), entry) for template, entry in _entries()]


class Bench:
    """Parts of a model as float64 arrays: matrices ``(out, in)``, vectors ``(n,)``; decoded when asked for.

    Args:
        tensors: the model; never changed.

    Raises:
        UsageError: a floating tensor that is of no known role (the surgery would leave it behind).
    """

    def __init__(self, tensors: Tensors) -> None:
        self._stored: Arrays = dict(tensors)
        self._homes: dict[str, tuple[tuple[Part, ...], bool]] = {}
        self._of: dict[Part, str] = {}
        self._parts: dict[Part, Floats] = {}
        self._touched: set[str] = set()
        for name, tensor in tensors.items():
            home = home_of(name)
            if home is not None:
                if any(part in self._of for part in home[0]):
                    raise UsageError(f"two tensors are the {home[0][0]}", where=name)
                self._homes[name] = home
                self._of.update(dict.fromkeys(home[0], name))
            elif is_float(tensor) and not name.endswith(_BUFFERS):
                raise UsageError(
                    "a tensor of unknown role", where=name, remedy="Names of Llama, Qwen2, Qwen2-MoE or GPT-2 are known"
                )
        if Part(Role.EMBEDDING) not in self._of:
            raise UsageError("there is no token embedding among the tensors")

    def __contains__(self, part: Part) -> bool:
        return part in self._of

    def __iter__(self) -> Iterator[Part]:
        return iter(list(self._of))

    def __getitem__(self, part: Part) -> Floats:
        if part not in self._parts:
            name = self._of[part]
            parts, transposed = self._homes[name]
            whole = self._stored[name].astype(np.float64)
            pieces = np.split(whole.T if transposed else whole, len(parts))
            self._parts.update(zip(parts, pieces, strict=True))
        return self._parts[part]

    def __setitem__(self, part: Part, values: Floats) -> None:
        name = self._of[part]
        for other in self._homes[name][0]:
            self[other]  # all that lie in one tensor are written together, so all must be decoded
        self._parts[part] = values
        self._touched.add(name)

    @property
    def hidden(self) -> int:
        """Width of the residual stream."""
        return int(self[Part(Role.EMBEDDING)].shape[1])

    @property
    def layers(self) -> int:
        """Number of layers."""
        return 1 + max((part.layer for part in self._of if part.layer is not None), default=-1)

    @property
    def is_layer_norm(self) -> bool:
        """Whether norms subtract the mean (LayerNorm, told by its biases) or not (RMSNorm)."""
        return any(part.role in NORM_BIASES.values() for part in self._of)

    @property
    def is_tied(self) -> bool:
        """Whether the embedding serves as output too."""
        return Part(Role.OUTPUT) not in self._of

    def untie(self) -> None:
        """Gives a tied model an output of its own, a copy of the embedding, as ``lm_head.weight``."""
        part = Part(Role.OUTPUT)
        self._homes["lm_head.weight"] = ((part,), False)
        self._of[part] = "lm_head.weight"
        self._stored["lm_head.weight"] = self._stored[self._of[Part(Role.EMBEDDING)]]

    def of_roles(self, roles: frozenset[Role], layer: int | None = None) -> list[Part]:
        """Parts of some roles in one layer (outside the layers for None), over all experts."""
        return [part for part in self._of if part.role in roles and part.layer == layer]

    def norms(self) -> list[Part]:
        """Gains of the norms that the residual stream is read through."""
        return [part for part in self._of if part.role in READERS]

    def readers(self, norm: Part) -> list[Part]:
        """Matrices that read through a norm; none for the last norm of a tied model."""
        return self.of_roles(READERS[norm.role], norm.layer)

    def bias_of(self, part: Part) -> Part | None:
        """The bias beside a matrix, None where there is none."""
        role = BIASES.get(part.role)
        bias = None if role is None else Part(role, part.layer, part.expert)
        return bias if bias in self._of else None

    def assemble(self) -> Arrays:
        """The model in its stored layout and types; tensors that were not set are shared."""
        default, out = like_first(self._stored), dict[str, np.ndarray]()
        for name, stored in self._stored.items():
            out[name] = stored
            if name in self._touched:
                parts, transposed = self._homes[name]
                whole = np.concatenate([self._parts[part] for part in parts])
                dtype = stored.dtype if is_float(stored) else default
                out[name] = stored_as(np.ascontiguousarray(whole.T if transposed else whole), dtype)
        return out


class Heads:
    """Sizes of attention: ``heads`` query heads of ``dim``, in ``groups`` that share a key and a value head.

    Args:
        bench: the model.
        config: for the numbers of heads, which shapes do not tell.

    Raises:
        UsageError: numbers missing, or the tensors' rows do not divide by them.
    """

    def __init__(self, bench: Bench, config: Config) -> None:
        self.heads = count_in(config, "num_attention_heads", "n_head")
        shared = config.get("num_key_value_heads")
        self.groups = self.heads if shared is None else count_in(config, "num_key_value_heads")
        q, v = (bench[Part(role, 0)].shape[0] if Part(role, 0) in bench else 0 for role in (Role.Q, Role.V))
        if not q or q % self.heads or v % self.groups or self.heads % self.groups:
            rule = f"{q} query rows and {v} value rows do not part into {self.heads} heads in {self.groups} groups"
            raise UsageError(rule, where="config.json", field="num_attention_heads")
        self.dim = q // self.heads
        self.value_dim = v // self.groups
        self.inside = self.heads // self.groups
        self.rotary = Part(Role.POSITION_EMBEDDING) not in bench


def home_of(name: str) -> tuple[tuple[Part, ...], bool] | None:
    """The parts that lie in a tensor and whether it is stored ``(in, out)``; None for a name of no known role."""
    for pattern, (roles, transposed) in _TABLE:
        match = pattern.fullmatch(name)
        if match:
            numbers = {key: int(value) for key, value in match.groupdict().items()}
            return tuple(Part(role, numbers.get("l"), numbers.get("e")) for role in roles), transposed
    return None
