"""Turns matched names into sized parts: which shape each part of a tensor has, or why the tensor cannot hold it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from forebear.anatomy.names import Match
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.tables import VECTORS, Entry, Family
from forebear.checkpoint.store import TensorStore

Shape = tuple[int, ...]

_FREE_VECTORS = frozenset({Role.Q_NORM, Role.K_NORM, Role.Q_A_NORM, Role.KV_A_NORM})
_WRITERS = frozenset({Role.O, Role.DOWN, Role.SHARED_DOWN})
_FREE_BIASES = frozenset(
    {Role.OUTPUT_BIAS, Role.Q_BIAS, Role.K_BIAS, Role.V_BIAS, Role.GATE_BIAS, Role.UP_BIAS, Role.ROUTER_BIAS}
)
# Roles whose first axis is the residual stream; every other matrix reads it along its second axis.
_HIDDEN_FIRST = _WRITERS | (VECTORS - _FREE_VECTORS - _FREE_BIASES)


@dataclass(frozen=True, slots=True)
class Held:
    """A part a tensor would hold: logical shape, where its rows start in the stored out axis, entry of a stack."""

    match: Match
    shape: Shape
    start: int
    index: int | None


@dataclass(slots=True)
class Draft:
    """Parts found so far for one family below one prefix, and what was turned away.

    Attributes:
        family: table in use.
        prefix: prefix of the body.
        hidden: width of the residual stream.
        claimed: roles that names claim, whether or not the shapes bear them out.
        held: parts accepted so far.
        rejected: parts turned away, to their tensor and the reason.
        unfit: tensors that hold no part at all, to the reason.
    """

    family: Family
    prefix: str
    hidden: int
    claimed: frozenset[Role]
    held: dict[Part, Held] = field(default_factory=dict)
    rejected: dict[Part, tuple[str, str]] = field(default_factory=dict)
    unfit: dict[str, str] = field(default_factory=dict)

    def reject(self, part: Part, reason: str) -> None:
        """Turns a part away for a reason."""
        held = self.held.pop(part, None)
        if held is not None:
            self.rejected[part] = (held.match.name, reason)

    def used(self) -> set[str]:
        """Tensors of which at least one part is held."""
        return {held.match.name for held in self.held.values()}

    def shape(self, role: Role, layer: int | None = None, expert: int | None = None) -> Shape | None:
        """Shape of a held part; None where there is none."""
        held = self.held.get(Part(role, layer, expert))
        return None if held is None else held.shape

    def modes(self) -> dict[tuple[Role, bool], Shape]:
        """The commonest shape of each role, in experts and outside them; the larger of equally common ones."""
        counts: dict[tuple[Role, bool], Counter[Shape]] = {}
        for part, held in self.held.items():
            counts.setdefault((part.role, part.expert is not None), Counter())[held.shape] += 1
        return {key: max(shapes, key=lambda shape: (shapes[shape], shape)) for key, shapes in counts.items()}


def draft(store: TensorStore, family: Family, prefix: str, matches: Iterable[Match]) -> Draft:
    """Sizes every part the matched names claim.

    Args:
        store: tensors; only shapes are asked for.
        family: table the matches come from.
        prefix: prefix they were found below.
        matches: names and entries.

    Returns:
        A draft whose parts fit the hidden size; agreement between parts is not yet checked.
    """
    ordered = sorted(matches, key=lambda match: match.name)
    bases = {match.name: _base(match.entry, store.info(match.name).shape) for match in ordered}
    sized = [(match, base) for match in ordered if isinstance(base := bases[match.name], tuple)]
    claimed = frozenset(role for match in ordered for role in match.entry.parts)
    result = Draft(family, prefix, _hidden_size(sized), claimed)
    result.unfit = {name: base for name, base in bases.items() if isinstance(base, str)}
    layers: dict[int | None, dict[Role, Shape]] = {}
    for match, base in sized:
        layers.setdefault(match.layer, {}).setdefault(match.entry.parts[0], base)
    for match, base in sized:
        sizes = _hidden_fault(match.entry, base, result.hidden) or _sizes(match.entry, base[0], layers[match.layer])
        if isinstance(sizes, str):
            result.unfit[match.name] = sizes
        else:
            entries = store.info(match.name).shape[0] if match.entry.stacked else None
            _hold(result, match, base, sizes, entries)
    return result


def _base(entry: Entry, stored: Shape) -> Shape | str:
    """Logical shape of all parts of an entry together, or why the tensor cannot hold them."""
    rank = (1 if entry.parts[0] in VECTORS else 2) + entry.stacked
    if len(stored) != rank:
        return f"shape {list(stored)} where {rank} axes were expected"
    if 0 in stored:
        return f"shape {list(stored)} holds nothing"
    logical = stored[1:] if entry.stacked else stored
    return logical[::-1] if entry.transposed else logical


def _hidden_axis(entry: Entry) -> int | None:
    role = entry.parts[0]
    if role in _HIDDEN_FIRST:
        return 0
    return None if role in VECTORS or entry.input is not None else 1


def _hidden_size(sized: Iterable[tuple[Match, Shape]]) -> int:
    """The width most tensors agree on; of equally common ones the larger."""
    votes: Counter[int] = Counter()
    for match, base in sized:
        axis = _hidden_axis(match.entry)
        if axis is not None:
            votes[base[axis]] += 1
    return max(votes, key=lambda width: (votes[width], width), default=0)


def _hidden_fault(entry: Entry, base: Shape, hidden: int) -> str | None:
    axis = _hidden_axis(entry)
    if axis is None or base[axis] == hidden:
        return None
    return f"shape {list(base)} does not fit the hidden size {hidden}"


def _sizes(entry: Entry, total: int, layer: Mapping[Role, Shape]) -> list[int] | str:
    """Rows of each part of an entry, or why they cannot be told apart."""
    count = len(entry.parts)
    if entry.split in (None, "equal", "interleaved"):
        return [total // count] * count if total % count == 0 else f"{total} rows do not part into {count} equal runs"
    if entry.split == "latent":
        rank = layer.get(Role.KV_A_NORM, (0,))[0] or layer.get(Role.K, (0, 0))[1]
        return _two(rank, total, "compressed rows")
    reader = layer.get(Role.O)
    if reader is None:
        return "the output projection, whose width tells the parts apart, is missing"
    if entry.split == "latent_heads":
        return _two(total - reader[1], total, "key rows")
    rest = total - reader[1]
    if rest <= 0 or rest % 2:
        return f"{total} rows do not part into q of {reader[1]} rows and equal k and v"
    return [reader[1], rest // 2, rest // 2]


def _two(first: int, total: int, what: str) -> list[int] | str:
    return [first, total - first] if 0 < first < total else f"{total} rows do not part after {first} {what}"


def _hold(result: Draft, match: Match, base: Shape, sizes: list[int], entries: int | None) -> None:
    for index in range(entries) if entries is not None else (None,):
        start = 0
        for role, size in zip(match.entry.parts, sizes, strict=True):
            part = Part(role, match.layer, match.expert if index is None else index)
            earlier = result.held.get(part)
            if earlier is None:
                result.held[part] = Held(match, (size, *base[1:]), start, index)
            else:
                result.unfit[match.name] = f"{part} already lies in {earlier.match.name}"
            start += size
