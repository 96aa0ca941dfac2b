"""The vocabulary of anatomy: which part of a transformer a stretch of a tensor is.

A part is a role at a layer (and expert); a view says in which tensor, which rows and which orientation it lies,
so that fused, stacked and transposed storage reads the same as the plain kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a part does. Matrices are logical ``(out, in)``; norms and biases are vectors."""

    EMBEDDING = "embedding"  # (vocabulary, hidden)
    POSITION_EMBEDDING = "position_embedding"  # (positions, hidden)
    TYPE_EMBEDDING = "type_embedding"
    EMBEDDING_NORM = "embedding_norm"
    EMBEDDING_NORM_BIAS = "embedding_norm_bias"
    OUTPUT = "output"  # (vocabulary, hidden); absent when tied to the embedding
    OUTPUT_BIAS = "output_bias"
    FINAL_NORM = "final_norm"
    FINAL_NORM_BIAS = "final_norm_bias"

    ATTENTION_NORM = "attention_norm"  # read by q, k, v (pre-norm)
    ATTENTION_NORM_BIAS = "attention_norm_bias"
    ATTENTION_POST_NORM = "attention_post_norm"  # applied to the attention block's output or after its residual sum
    ATTENTION_POST_NORM_BIAS = "attention_post_norm_bias"
    Q = "q"
    K = "k"
    V = "v"
    O = "o"  # noqa: E741 - the field's own name
    Q_BIAS = "q_bias"
    K_BIAS = "k_bias"
    V_BIAS = "v_bias"
    O_BIAS = "o_bias"
    Q_NORM = "q_norm"
    K_NORM = "k_norm"
    Q_A = "q_a"  # low-rank query and key/value compression (multi-head latent attention)
    Q_A_NORM = "q_a_norm"
    KV_A = "kv_a"
    KV_A_NORM = "kv_a_norm"
    K_ROTARY = "k_rotary"  # rows of the compressed projection that carry the rotary key shared by all heads

    FFN_NORM = "ffn_norm"
    FFN_NORM_BIAS = "ffn_norm_bias"
    FFN_POST_NORM = "ffn_post_norm"
    FFN_POST_NORM_BIAS = "ffn_post_norm_bias"
    GATE = "gate"  # (neurons, hidden); absent in an ungated FFN
    UP = "up"  # (neurons, hidden)
    DOWN = "down"  # (hidden, neurons)
    GATE_BIAS = "gate_bias"
    UP_BIAS = "up_bias"
    DOWN_BIAS = "down_bias"
    ROUTER = "router"  # (experts, hidden)
    ROUTER_BIAS = "router_bias"
    SHARED_GATE = "shared_gate"  # the expert every token passes
    SHARED_UP = "shared_up"
    SHARED_DOWN = "shared_down"
    SHARED_ROUTER = "shared_router"  # (1, hidden)


@dataclass(frozen=True, slots=True)
class Part:
    """A role at its place: layer (zero-based; None outside the layers) and expert (None outside experts)."""

    role: Role
    layer: int | None = None
    expert: int | None = None

    def __str__(self) -> str:
        place = "" if self.layer is None else f"layer {self.layer} "
        which = "" if self.expert is None else f" of expert {self.expert}"
        return f"{place}{self.role.value}{which}"


@dataclass(frozen=True, slots=True)
class View:
    """Where a part lies.

    Attributes:
        tensor: name in the store.
        shape: logical shape, ``(out, in)`` for matrices, ``(n,)`` for vectors.
        spans: half-open spans of the stored *out* axis that make up the part, in order
            (a fused matrix gives each of its parts some spans; interleaved heads give one span a head).
        transposed: stored as ``(in, out)`` (Conv1D, some stacked experts).
        index: entry of the leading axis where experts are stacked in one tensor; None otherwise.
        offset: added to every value (1.0 for gains stored minus one).
    """

    tensor: str
    shape: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    transposed: bool = False
    index: int | None = None
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes inferred from the tensors' shapes (None where they do not determine it and nothing is claimed)."""

    hidden: int
    layers: int
    vocabulary: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    value_dim: int | None  # head_dim of V where it differs (latent attention); else equal to head_dim
    neurons: int | None  # FFN width of a dense layer, or of one routed expert where all layers are sparse
    experts: int | None
    gated: bool
    tied: bool  # no output matrix of its own
    norm: str  # "rms" or "layer"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A key of config.json whose value the tensors contradict; the tensors win."""

    key: str
    claimed: str
    found: str
