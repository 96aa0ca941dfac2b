"""The steps a disguise can be made of: one entry for each option of ``python -m forebear.zoo disguise``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from forebear.errors import UsageError
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays

_Read = Callable[[str], Any]
_SEPARATOR = ","


@dataclass(frozen=True, slots=True)
class Work:
    """A model under the knife; ``config`` and ``tokenizer`` are None where its folder has none."""

    tensors: Arrays
    config: dict[str, Any] | None
    tokenizer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A surgery as an option.

    Attributes:
        apply: the surgery.
        about: what it does, for the help.
        value: reads the one value it takes; None where it takes none.
        shown: name of the value in the help.
        many: the value is a list, separated by commas.
        keywords: further amounts, as ``VALUE,name=amount``, and what reads each.
        needs: of ``"config"``, ``"seed"`` and ``"tokenizer"`` what the surgery takes.
    """

    apply: Callable[..., Any]
    about: str
    value: _Read | None = None
    shown: str = ""
    many: bool = False
    keywords: Mapping[str, _Read] = field(default_factory=dict)
    needs: frozenset[str] = frozenset({"seed"})


@dataclass(frozen=True, slots=True)
class Step:
    """One option as given: its name, the value and the amounts beside it, and the seed it gets."""

    name: str
    value: Any
    amounts: dict[str, Any]
    seed: int

    def recipe(self) -> dict[str, Any]:
        """As it stands in a file's metadata."""
        value = {} if self.value is None else {"value": self.value}
        return {"step": self.name, **value, **self.amounts, "seed": self.seed}


def read_step(name: str, text: str | None, seed: int) -> Step:
    """Reads an option's text.

    Args:
        name: key of ``OPTIONS``.
        text: as typed; None for an option without a value.
        seed: of the step.

    Raises:
        UsageError: a value or amount that cannot be read, or an amount that the step does not have.
    """
    option = OPTIONS[name]
    if option.value is None or text is None:
        return Step(name, None, {}, seed)
    if option.value is _pair:
        return Step(name, _pair(text), {}, seed)
    pieces = text.split(_SEPARATOR)
    plain = [piece for piece in pieces if "=" not in piece]
    amounts = dict[str, Any]()
    for piece in pieces:
        key, found, amount = piece.partition("=")
        if found and key not in option.keywords:
            known = ", ".join(option.keywords) or "none"
            raise UsageError(f"no amount {key!r}", where=f"--{name}", remedy=f"Known here: {known}")
        if found:
            amounts[key] = _value(name, option.keywords[key], amount)
    values = [_value(name, option.value, piece) for piece in plain]
    if not option.many and len(values) != 1:
        raise UsageError(f"one {option.shown} is needed, found {text!r}", where=f"--{name}")
    return Step(name, values if option.many else values[0], amounts, seed)


def take_step(work: Work, step: Step) -> tuple[Work, dict[str, Any]]:
    """Applies one step.

    Returns:
        The model after it, and the truth that the surgery tells beside.

    Raises:
        UsageError: the step needs a config.json that is not there, or as the surgery.
    """
    option = OPTIONS[step.name]
    given: list[Any] = [work.tensors]
    if "config" in option.needs:
        if work.config is None:
            raise UsageError(
                "needs a config.json", where=f"--{step.name}", remedy="Give the model's folder, not a file"
            )
        given.append(work.config)
    if step.value is not None:
        given.append(step.value)
    more = dict(step.amounts)
    if "seed" in option.needs:
        more["seed"] = step.seed
    if "tokenizer" in option.needs:
        more["tokenizer"] = work.tokenizer
    found = option.apply(*given, **more)
    if not isinstance(found, surgery.Changed):
        return replace(work, tensors=found), {}
    truth = dict(found.truth)
    tokenizer = truth.pop("tokenizer", None) or work.tokenizer
    return Work(found.tensors, found.config, tokenizer), truth


def _value(name: str, read: _Read, text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        raise UsageError(f"{text!r} cannot be read", where=f"--{name}") from None


def _number(text: str) -> float:
    value = float(text)
    if not -1e9 < value < 1e9:
        raise ValueError(text)
    return value


def _yes(text: str) -> bool:
    if text not in {"yes", "no"}:
        raise ValueError(text)
    return text == "yes"


def _pair(text: str) -> dict[str, str]:
    old, found, new = text.partition("=")
    if not found or not old:
        raise UsageError(f"{text!r} is not OLD=NEW", where="--rename-prefix", remedy="E.g. model.=backbone.")
    return {old: new}


def _roles(text: str) -> list[str]:
    return text.split("+")


def _expert(text: str) -> int | None:
    return None if text == "mean" else int(text)


def _pad(tensors: Arrays, config: dict[str, Any], multiple: int) -> surgery.Changed:
    return surgery.pad_vocabulary(tensors, config, multiple)


def _to_dense(tensors: Arrays, config: dict[str, Any], expert: str) -> surgery.Changed:
    return surgery.to_dense(tensors, config, expert=_expert(expert))


def _which(text: str) -> str:
    _expert(text)
    return text


def _regroup(tensors: Arrays, config: dict[str, Any], size: int) -> surgery.Changed:
    return surgery.regroup_layers(tensors, config, size=size)


def _upcycle(tensors: Arrays, config: dict[str, Any], experts: int, **amounts: Any) -> surgery.Changed:
    return surgery.upcycle(tensors, config, experts=experts, **amounts)


_CONFIG, _NONE = frozenset({"config"}), frozenset[str]()
_BOTH = frozenset({"config", "seed"})
_TOKENIZER = _BOTH | {"tokenizer"}
_SHARE: dict[str, Any] = {"value": _number, "shown": "SHARE", "needs": _BOTH}
_LAYERS: dict[str, Any] = {"value": int, "many": True}

OPTIONS: dict[str, Option] = {
    "noise": Option(
        surgery.add_noise, "add normal noise of this deviation", _number, "SIGMA", keywords={"relative": _yes}
    ),
    "permute-neurons": Option(surgery.permute_neurons, "order FFN neurons anew"),
    "flip-signs": Option(surgery.flip_signs, "negate up row and down column of half the neurons"),
    "rescale-neurons": Option(surgery.rescale_neurons, "scale up against down by powers of two"),
    "permute-residual": Option(surgery.permute_residual, "order residual coordinates anew"),
    "flip-residual": Option(
        partial(surgery.permute_residual, signs=True), "the same, with half the signs (RMSNorm only)"
    ),
    "rotate": Option(surgery.rotate_residual, "rotate the residual stream, gains folded", needs=_BOTH),
    "fold-gains": Option(surgery.fold_gains, "multiply norm gains into what reads them", needs=_CONFIG),
    "permute-heads": Option(surgery.permute_heads, "order heads anew, inside their groups too", needs=_BOTH),
    "mix-values": Option(surgery.mix_values, "mix values inside each head, outputs by the inverse", needs=_BOTH),
    "mix-queries": Option(surgery.mix_queries, "mix queries against keys inside each head", needs=_BOTH),
    "rescale-heads": Option(surgery.rescale_heads, "scale value dimensions and rotary planes", needs=_BOTH),
    "flip-heads": Option(surgery.flip_heads, "negate value dimensions and rotary planes", needs=_BOTH),
    "rescale-norms": Option(surgery.rescale_norms, "scale norm gains against what reads them"),
    "everything": Option(surgery.everything, "stack all that keep the function, rounded once", needs=_BOTH),
    "everything-unflipped": Option(
        partial(surgery.everything, signs=False), "the same without sign flips", needs=_BOTH
    ),
    "layers": Option(
        surgery.repeat_layers, "old layer of each new one, e.g. 0,1,1,2", shown="MAP", needs=_CONFIG, **_LAYERS
    ),
    "drop-layers": Option(surgery.drop_layers, "leave layers out", shown="LAYERS", needs=_CONFIG, **_LAYERS),
    "insert-layers": Option(
        surgery.insert_layers, "new layers before these", shown="LAYERS", needs=_BOTH, keywords={"kind": str}, **_LAYERS
    ),
    "shuffle-layers": Option(surgery.reorder_layers, "put the layers in a random order", needs=_BOTH),
    "prune-neurons": Option(
        surgery.prune_neurons,
        "take this share of FFN neurons away",
        keywords={"choice": str, "structured": _yes, "shuffle": _yes},
        **_SHARE,
    ),
    "widen-neurons": Option(
        surgery.widen_neurons, "add this share of FFN neurons", keywords={"kind": str, "shuffle": _yes}, **_SHARE
    ),
    "prune-heads": Option(
        surgery.prune_heads, "take this share of head groups away", keywords={"choice": str}, **_SHARE
    ),
    "prune-hidden": Option(
        surgery.prune_hidden, "take this share of residual coordinates away", keywords={"choice": str}, **_SHARE
    ),
    "widen-hidden": Option(
        surgery.widen_hidden, "add this share of residual coordinates", keywords={"pad": str, "shuffle": _yes}, **_SHARE
    ),
    "upcycle": Option(
        _upcycle,
        "turn FFNs into this many experts each",
        int,
        "EXPERTS",
        keywords={
            "per_token": int,
            "slices": int,
            "noise": _number,
            "redrawn": _number,
            "shuffle": _yes,
            "shared": _yes,
        },
        needs=_BOTH,
    ),
    "shuffle-experts": Option(surgery.shuffle_experts, "number experts anew", needs=_BOTH),
    "to-dense": Option(_to_dense, "keep one expert (its number) or their mean", _which, "EXPERT", needs=_CONFIG),
    "extend-vocabulary": Option(
        surgery.extend_vocabulary, "add tokens", int, "ROWS", keywords={"kind": str}, needs=_TOKENIZER
    ),
    "pad-vocabulary": Option(_pad, "add zero rows up to a multiple", int, "MULTIPLE", needs=_CONFIG),
    "reorder-vocabulary": Option(surgery.reorder_vocabulary, "give every token another number", needs=_TOKENIZER),
    "replace-vocabulary": Option(
        surgery.replace_vocabulary,
        "another vocabulary of this size",
        int,
        "ROWS",
        keywords={"kept": _number, "kind": str},
        needs=_TOKENIZER,
    ),
    "low-rank": Option(
        surgery.low_rank, "add an update of this rank", int, "RANK", keywords={"roles": _roles, "amount": _number}
    ),
    "quantise": Option(
        surgery.quantise, "round matrices to this many bits", int, "BITS", keywords={"block": int}, needs=_NONE
    ),
    "prune-values": Option(surgery.prune_values, "set this share of values to 0", _number, "SHARE", needs=_NONE),
    "cast": Option(surgery.cast, "store floating tensors in another type", str, "TYPE", needs=_NONE),
    "rename-prefix": Option(surgery.rename, "replace the start of names", _pair, "OLD=NEW", needs=_NONE),
    "prefix": Option(surgery.prefix_names, "put this before every name", str, "PREFIX", needs=_NONE),
    "scramble-names": Option(surgery.scramble_names, "give every tensor an arbitrary name", needs=_BOTH),
    "scramble-numbered": Option(
        partial(surgery.scramble_names, numbered=True), "the same, layers told apart by shuffled numbers", needs=_BOTH
    ),
    "regroup-layers": Option(_regroup, "number layers in blocks of this size", int, "SIZE", needs=_CONFIG),
    "fuse": Option(surgery.fuse, "store q, k, v as one tensor, gate and up as another", needs=_NONE),
    "split": Option(surgery.split, "store c_attn as q, k and v", needs=_NONE),
    "add-module": Option(surgery.add_module, "add a vision branch or a prediction head", str, "KIND", needs=_BOTH),
    "reorder-tensors": Option(surgery.reorder, "put the tensors in another order"),
}
