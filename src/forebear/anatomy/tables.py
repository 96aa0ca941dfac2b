"""Reads the family tables and refuses any that says something the recogniser would not obey."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeVar

from forebear.anatomy.parts import Role
from forebear.errors import AnatomyError

LAYER, EXPERT = "{layer}", "{expert}"
NORMS = frozenset({"rms", "layer"})
# pre: a norm feeds each block; output: a norm follows each block; residual: a norm follows each residual sum.
BLOCKS = frozenset({"pre", "output", "residual"})
QK_NORMS = frozenset({"head", "whole"})
LANGUAGE = "language"
TOWERS = frozenset({LANGUAGE, "vision", "audio"})
SPLITS: Mapping[str, int | None] = {
    "equal": None,  # as many equal runs of rows as parts
    "grouped": 3,  # q as wide as o reads, k and v share the rest
    "interleaved": 3,  # q, k, v of head 0, then of head 1, ...
    "latent": 2,  # compressed keys and values, then the rotary key
    "latent_heads": 2,  # key rows, then value rows, of each head in turn
}
QUANTITIES = frozenset(
    {
        "hidden",
        "layers",
        "vocabulary",
        "heads",
        "kv_heads",
        "head_dim",
        "value_dim",
        "neurons",
        "expert_neurons",
        "shared_neurons",
        "experts",
        "positions",
        "query_rank",
        "latent_rank",
        "rotary_dim",
        "plain_dim",
    }
)
NORM_GAINS = frozenset(role for role in Role if role.value.endswith("_norm"))
VECTORS = NORM_GAINS | frozenset(role for role in Role if role.value.endswith("_bias"))
OUTSIDE_LAYERS = frozenset(
    {
        Role.EMBEDDING,
        Role.POSITION_EMBEDDING,
        Role.TYPE_EMBEDDING,
        Role.EMBEDDING_NORM,
        Role.EMBEDDING_NORM_BIAS,
        Role.OUTPUT,
        Role.OUTPUT_BIAS,
        Role.FINAL_NORM,
        Role.FINAL_NORM_BIAS,
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One tensor name of a family and what the tensor holds.

    Attributes:
        pattern: name below the prefix, with ``{layer}`` and ``{expert}`` for whole dotted segments.
        head: whether the tensor lies beside the body (below any ancestor of its prefix) rather than in it.
        parts: roles held, in stored order.
        split: how several parts share the stored out axis (a key of ``SPLITS``); None for a single part.
        transposed: stored as ``(in, out)``.
        stacked: a leading axis counts experts.
        input: role whose rows feed this tensor where that is not the residual stream.
    """

    pattern: str
    head: bool
    parts: tuple[Role, ...]
    split: str | None = None
    transposed: bool = False
    stacked: bool = False
    input: Role | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A family's table, validated.

    Attributes:
        name: the family.
        model_types: values of ``model_type`` in config.json that claim it.
        norm: ``rms`` or ``layer``.
        block: where norms stand (``BLOCKS``).
        gain_offset: added to stored norm gains (1.0 where they are stored minus one).
        qk_norm: whether q and k norms span one head or all heads; None where there are none.
        always: roles without which a model is not of this family.
        yields_to: families preferred when names and shapes fit both and config.json does not decide.
        entries: tensors with a role.
        extra: names that are known but have no role (label to name beginnings).
        extra_layers: patterns that mark a layer as lying outside the stack.
        buffers: patterns of tensors that are computed, not learned.
        config: size (``QUANTITIES``) to the key of config.json that claims it.
        tower: which tower of a multimodal model it describes (``TOWERS``).
    """

    name: str
    model_types: tuple[str, ...]
    norm: str
    block: str
    gain_offset: float
    qk_norm: str | None
    always: frozenset[Role]
    yields_to: frozenset[str]
    entries: tuple[Entry, ...]
    extra: Mapping[str, tuple[str, ...]]
    extra_layers: tuple[str, ...]
    buffers: tuple[str, ...]
    config: Mapping[str, str]
    tower: str = LANGUAGE


T = TypeVar("T")


class _Table:
    """Takes typed values out of a TOML table; what is left over at the end is an unknown key."""

    def __init__(self, data: Mapping[str, Any], where: str, field: str = "") -> None:
        self.left = dict(data)
        self.where = where
        self.field = field

    def fail(self, key: str, rule: str) -> AnatomyError:
        place = ".".join(part for part in (self.field, key) if part)
        return AnatomyError(rule, where=self.where, field=place or None)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        value = self.left.pop(key, default)
        if value is None:
            raise self.fail(key, "a required key is missing")
        if not isinstance(value, kind):
            raise self.fail(key, f"must be {kind.__name__}, is {type(value).__name__}")
        return value

    def choice(self, key: str, among: frozenset[str]) -> str | None:
        if key not in self.left:
            return None
        value = self.take(key, str)
        if value not in among:
            raise self.fail(key, f"{value!r} is none of {', '.join(sorted(among))}")
        return value

    def strings(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        values = self.take(key, list, default)
        if not all(isinstance(value, str) and value for value in values):
            raise self.fail(key, "must be a list of non-empty strings")
        return tuple(values)

    def roles(self, key: str, default: list[str] | None = None) -> tuple[Role, ...]:
        return tuple(self.role(key, value) for value in self.strings(key, default))

    def role(self, key: str, value: str) -> Role:
        try:
            return Role(value)
        except ValueError:
            raise self.fail(key, f"{value!r} is no role") from None

    def done(self) -> None:
        if self.left:
            raise self.fail(min(self.left), "unknown key")


def parse_family(text: str, where: str) -> Family:
    """Reads one family's table.

    Args:
        text: the table, TOML.
        where: what to call it in errors.

    Raises:
        AnatomyError: not TOML, an unknown or missing key, an unknown role, or a pattern that does not fit its roles.
    """
    try:
        table = _Table(tomllib.loads(text), where)
    except tomllib.TOMLDecodeError as error:
        raise AnatomyError(f"not a TOML table: {error}", where=where) from None
    norm, block = table.choice("norm", NORMS), table.choice("block", BLOCKS)
    if norm is None or block is None:
        raise table.fail("norm" if norm is None else "block", "a required key is missing")
    family = Family(
        name=table.take("family", str),
        model_types=table.strings("model_types"),
        norm=norm,
        block=block,
        gain_offset=table.take("gain_offset", float, 0.0),
        qk_norm=table.choice("qk_norm", QK_NORMS),
        always=frozenset(table.roles("always", [])),
        yields_to=frozenset(table.strings("yields_to", [])),
        entries=_entries(table, "body", head=False) + _entries(table, "head", head=True),
        extra=_extra(table),
        extra_layers=table.strings("extra_layers", []),
        buffers=table.strings("buffers", []),
        config=_config(table),
        tower=table.choice("tower", TOWERS) or LANGUAGE,
    )
    table.done()
    for pattern in (*family.extra_layers, *family.buffers):
        _check_pattern(pattern, where)
    _check_held(family, where)
    return family


def _entries(table: _Table, section: str, *, head: bool) -> tuple[Entry, ...]:
    rows = table.take(section, dict, {} if head else None)
    return tuple(_entry(pattern, value, table.where, section, head=head) for pattern, value in rows.items())


def _entry(pattern: str, value: object, where: str, section: str, *, head: bool) -> Entry:
    data = {"parts": [value]} if isinstance(value, str) else value
    if not isinstance(data, dict):
        raise AnatomyError("must be a role or a table", where=where, field=f"{section}.{pattern}")
    table = _Table(data, where, f"{section}.{pattern}")
    source = table.take("input", str, "")
    entry = Entry(
        pattern=pattern,
        head=head,
        parts=table.roles("parts"),
        split=table.choice("split", frozenset(SPLITS)),
        transposed=table.take("transposed", bool, False),
        stacked=table.take("stacked", bool, False),
        input=table.role("input", source) if source else None,
    )
    table.done()
    _check_entry(entry, table)
    return entry


def _check_entry(entry: Entry, table: _Table) -> None:
    layer, expert = _check_pattern(entry.pattern, table.where)
    count = len(entry.parts)
    wanted = SPLITS[entry.split] if entry.split is not None else 1
    if not count or len(set(entry.parts)) != count:
        raise table.fail("parts", "must name at least one role, each once")
    if count != (wanted or max(count, 2)):
        raise table.fail("split", f"{count} parts do not go with split {entry.split}")
    if any((role in OUTSIDE_LAYERS) is layer for role in entry.parts):
        raise table.fail("", f"{LAYER} must stand in the names of roles inside layers, and only there")
    vectors = sum(role in VECTORS for role in entry.parts)
    if vectors not in (0, count) or (vectors and (entry.stacked or entry.transposed or entry.input is not None)):
        raise table.fail("parts", "vectors share no tensor with matrices and are not stacked, transposed or fed")
    if entry.stacked and expert:
        raise table.fail("stacked", f"a stacked tensor holds every expert, so {EXPERT} must not stand in its name")


def _check_pattern(pattern: str, where: str) -> tuple[bool, bool]:
    """Whether a pattern has a layer and an expert."""
    segments = pattern.split(".")
    free = [segment for segment in segments if "{" in segment or "}" in segment or segment.isdigit() or not segment]
    if free not in ([], [LAYER], [LAYER, EXPERT]):
        rule = f"segments must be plain, {LAYER} or, after it, {EXPERT}, each at most once"
        raise AnatomyError(rule, where=where, field=pattern)
    return LAYER in free, EXPERT in free


def _check_held(family: Family, where: str) -> None:
    held = {role for entry in family.entries for role in entry.parts}
    inputs = {entry.input for entry in family.entries if entry.input is not None}
    missing = (family.always | inputs) - held
    if missing:
        raise AnatomyError(f"no entry holds {min(missing)}", where=where, field="always or input")
    if held & {Role.Q_NORM, Role.K_NORM} and family.qk_norm is None:
        raise AnatomyError("a table with q or k norms must say what they span", where=where, field="qk_norm")


def _extra(table: _Table) -> dict[str, tuple[str, ...]]:
    section = _Table(table.take("extra", dict, {}), table.where, "extra")
    return {label: section.strings(label) for label in tuple(section.left)}


def _config(table: _Table) -> dict[str, str]:
    section = _Table(table.take("config", dict), table.where, "config")
    keys = {quantity: section.take(quantity, str) for quantity in sorted(QUANTITIES & set(section.left))}
    section.done()
    return keys


@cache
def load_families() -> tuple[Family, ...]:
    """All families of the package, by name.

    Raises:
        AnatomyError: a table breaks a rule, or two tables share a name.
    """
    tables = sorted(
        (item for item in files("forebear.anatomy.families").iterdir() if item.name.endswith(".toml")),
        key=lambda item: item.name,
    )
    families = tuple(parse_family(item.read_text(encoding="utf-8"), item.name) for item in tables)
    names = {family.name for family in families}
    for family, item in zip(families, tables, strict=True):
        if f"{family.name}.toml" != item.name:
            raise AnatomyError(f"must be {family.name}.toml, the name of its family", where=item.name, field="family")
        if not family.yields_to <= names:
            raise AnatomyError("names a family without a table", where=item.name, field="yields_to")
    return families
