"""Towers beside the language model: encoders of other senses, projectors, further heads, leftovers of adapters.

A tower that a family's table explains gets an anatomy of its own, so that every test runs on it; the rest is known by
its tensors alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from forebear.anatomy.agreement import settle
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.assemble import Candidate, assemble
from forebear.anatomy.claims import Claims
from forebear.anatomy.names import Found, Names, ancestors
from forebear.anatomy.partition import partition, shared_beginning
from forebear.anatomy.parts import Part, Role
from forebear.anatomy.recognise import best_body, recognise
from forebear.anatomy.shapes import draft
from forebear.anatomy.structure import UNNAMED, propose
from forebear.anatomy.tables import LAYER, TOWERS, Family, load_families
from forebear.checkpoint.store import Subset, TensorStore

MOST_BODIES = 8
"""Encoders looked for beside the language tower; what more there are come out as other tensors."""

FEWEST = 2
"""Tensors a branch other than a head or projector must have; a single one stays with the language tower."""


class Kind(StrEnum):
    """What a tower is for; models are paired by it."""

    VISION = "vision"
    AUDIO = "audio"
    TEXT = "text"  # a further transformer over tokens
    PROJECTOR = "projector"  # from an encoder to the language tower, resamplers included
    PREDICTION = "prediction head"  # predicts tokens further ahead
    VALUE = "value head"  # scores or classifies
    HEAD = "head"  # any other head its family's table knows
    ADAPTER = "adapter"  # low-rank updates left beside the weights they change
    OTHER = "other"


# A word inside a dotted name, tried in this order: a projector is often named after what it projects.
_WORDS = {
    Kind.PROJECTOR: (
        *("projector", "projection", "connector", "merger", "aligner", "mlp1"),
        *("resampler", "perceiver", "qformer", "abstractor"),
    ),
    Kind.PREDICTION: ("mtp", "medusa", "nextn", "eagle"),
    Kind.VALUE: ("v_head", "value_head", "reward_head", "score", "classifier", "classification_head", "qa_outputs"),
    Kind.VISION: ("vision", "visual", "vit", "vpm", "image", "img"),
    Kind.AUDIO: ("audio", "speech", "apm", "sound"),
}
_SINGLE = (Kind.PROJECTOR, Kind.PREDICTION, Kind.VALUE, Kind.HEAD)
_TABLE_KINDS = {"vision": Kind.VISION, "audio": Kind.AUDIO}


@dataclass(frozen=True, slots=True)
class Tower:
    """One tower beside the language model.

    Attributes:
        name: its kind, numbered from the second largest of a kind on.
        kind: what it is for.
        prefix: beginning that its tensors' names share; empty where they share none.
        tensors: names of all its tensors, sorted.
        parameters: values in all of them.
        anatomy: what its tensors are; None where no table explains them.
        chain: two linear layers, the second reading what the first writes, where that is all the matrices it has:
            the neurons between them bear no label of their own.
    """

    name: str
    kind: Kind
    prefix: str
    tensors: tuple[str, ...]
    parameters: int
    anatomy: Anatomy | None = None
    chain: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Towers:
    """A model, tower by tower.

    Attributes:
        language: the language tower; its family is None where there is none. Tensors of other towers are not listed
            as unrecognised in it.
        others: the rest by name, largest first.
    """

    language: Anatomy
    others: Mapping[str, Tower]

    def __post_init__(self) -> None:
        object.__setattr__(self, "others", MappingProxyType(dict(self.others)))


def towers(store: TensorStore, config: Mapping[str, Any] | None = None) -> Towers:
    """Part a model into its towers. No tensor is read.

    Args:
        store: the model's tensors.
        config: config.json as read; sections such as ``vision_config`` speak for their tower alone.
    """
    language = recognise(store, config)
    if language.family in (None, UNNAMED):
        language = _unnamed_language(store, config, language)
    left = sorted(set(language.unrecognised) - set(_inside_layers(language)))
    found = [*_adapters(left)]
    left = _without(left, found)
    found += _further_layers(store, left, language, config)
    left = _without(left, found)
    found += _bodies(store, left, language, config)
    found += _unnamed_bodies(store, _without(left, found), language, config)
    found += _branches(store, _without(left, found), language, found)
    held = {name for tower in found for name in tower.tensors}
    unrecognised = tuple(name for name in language.unrecognised if name not in held)
    return Towers(replace(language, unrecognised=unrecognised), _named(store, found))


def _without(names: Iterable[str], found: Iterable[Tower]) -> list[str]:
    held = {name for tower in found for name in tower.tensors}
    return [name for name in names if name not in held]


def _named(store: TensorStore, found: Iterable[Tower]) -> dict[str, Tower]:
    """Towers by name, the largest of a kind bearing the kind's own."""
    counted: Counter[Kind] = Counter()
    named = {}
    sized = [replace(tower, parameters=sum(store.info(name).size for name in tower.tensors)) for tower in found]
    for tower in sorted(sized, key=lambda each: (-each.parameters, each.prefix, each.tensors)):
        counted[tower.kind] += 1
        number = counted[tower.kind]
        name = tower.kind.value if number == 1 else f"{tower.kind.value} {number}"
        named[name] = replace(tower, name=name)
    return named


def _tower(kind: Kind, prefix: str, tensors: Iterable[str], **more: Any) -> Tower:
    """A tower not yet named and sized."""
    return Tower(kind.value, kind, prefix, tuple(sorted(tensors)), 0, **more)


def _beginnings(name: str) -> list[str]:
    """Every dotted beginning of a name, shortest first, and the name itself."""
    dots = (index for index, letter in enumerate(name) if letter == ".")
    return [*(name[: dot + 1] for dot in dots), name]


def _taken(names: Iterable[str]) -> set[str]:
    found = {beginning for name in names for beginning in _beginnings(name)}
    return found | {""} if found else found


def _of(anatomy: Anatomy) -> set[str]:
    return {view.tensor for view in anatomy.parts.values()} | set(anatomy.buffers)


def _inside_layers(language: Anatomy) -> list[str]:
    """Unrecognised tensors inside a layer of the language tower: they are its own, whatever they are."""
    taken = {
        beginning
        for beginning in _taken(view.tensor for part, view in language.parts.items() if part.layer is not None)
        if beginning.startswith(language.prefix)
        and any(segment.isdigit() for segment in beginning.removeprefix(language.prefix).split("."))
    }
    return [name for name in language.unrecognised if not _is_adapter(name) and taken & set(_beginnings(name))]


def _is_adapter(name: str) -> bool:
    return any(segment.startswith("lora_") for segment in name.split("."))


def _adapters(names: Iterable[str]) -> list[Tower]:
    found = [name for name in names if _is_adapter(name)]
    return [_tower(Kind.ADAPTER, "", found)] if found else []


def _further_layers(
    store: TensorStore, names: Sequence[str], language: Anatomy, config: Mapping[str, Any] | None
) -> list[Tower]:
    """Layers that the language tower's own table places outside its stack: each predicts one token further."""
    family = next((family for family in load_families() if family.name == language.family), None)
    if family is None or not family.extra_layers:
        return []
    starts = {pattern.partition(LAYER)[0] for pattern in family.extra_layers}
    towers_found = []
    for found in Names(names, [family]).find(family):
        for layer in sorted(found.extra_layers) if found.prefix == language.prefix else ():
            inside = tuple(f"{found.prefix}{start}{layer}." for start in starts)
            own = [name for name in names if name.startswith(inside)]
            anatomy = _one_layer(store, found, layer, own, config)
            towers_found.append(_tower(Kind.PREDICTION, inside[0], own, anatomy=anatomy))
    return towers_found


def _one_layer(
    store: TensorStore, found: Found, layer: int, own: Sequence[str], config: Mapping[str, Any] | None
) -> Anatomy:
    """A single layer as a stack of one."""
    matches = [replace(match, layer=0) for match in found.matches if match.layer == layer]
    sketch = draft(store, found.family, found.prefix, matches)
    settle(sketch)
    alone = Found(found.family, found.prefix, matches)
    anatomy = assemble(Names(own, [found.family]), Claims.of(config), Candidate(alone, sketch, favoured=True))
    return replace(anatomy, disagreements=(), notes=())


def _bodies(
    store: TensorStore, names: Sequence[str], language: Anatomy, config: Mapping[str, Any] | None
) -> list[Tower]:
    """Transformers that a table explains, the fullest first."""
    left, found = list(names), list[Tower]()
    taken = _taken(_of(language))
    while left and len(found) < MOST_BODIES:
        anatomy = best_body(store, Names(left, load_families()), config, TOWERS)
        if anatomy is None or not {Role.UP, Role.DOWN} <= {part.role for part in anatomy.parts}:
            break
        family = next(family for family in load_families() if family.name == anatomy.family)
        own = _below(left, anatomy, family, taken)
        unrecognised = tuple(name for name in own if name not in _of(anatomy))
        kind = _kind(anatomy.prefix) or _TABLE_KINDS.get(family.tower, Kind.TEXT)
        found.append(_tower(kind, anatomy.prefix, own, anatomy=replace(anatomy, unrecognised=unrecognised)))
        left = _without(left, found)
    return found


def _unnamed_language(store: TensorStore, config: Mapping[str, Any] | None, whole: Anatomy) -> Anatomy:
    """The language tower among tensors that no table of a language model knows: of the proposals the one with the
    largest vocabulary.

    Args:
        store: the model's tensors.
        config: config.json as read.
        whole: what shapes propose for all tensors as one tower.
    """
    every = store.names()
    left = _without(every, _bodies(store, sorted(every), replace(whole, parts={}, reads={}, buffers=()), config))
    groups = partition(store, [name for name in left if _kind(name) is not Kind.PROJECTOR])
    if len(left) == len(every) and len(groups) < 2:
        return whole
    heads = [name for name in left if name not in {name for group in groups for name in group}]
    proposals = [propose(Subset(store, [*group, *_lone(heads)]), config) for group in groups]
    proposed = [each for each in proposals if each is not None and each.geometry.vocabulary]
    best = max(proposed, key=lambda each: (each.geometry.vocabulary or 0, len(each.parts)), default=None)
    if best is None:
        return whole
    return replace(best, unrecognised=tuple(sorted(set(every) - _of(best))))


def _lone(names: Iterable[str]) -> list[str]:
    """Tensors that share no beginning with another: heads beside the body."""
    starts = Counter(name.partition(".")[0] for name in names)
    return [name for name in names if starts[name.partition(".")[0]] == 1]


def _unnamed_bodies(
    store: TensorStore, names: Sequence[str], language: Anatomy, config: Mapping[str, Any] | None
) -> list[Tower]:
    """Transformers that no table explains, proposed from shapes."""
    if language.family is None:
        return []
    found = []
    for group in partition(store, [name for name in names if _kind(name) is not Kind.PROJECTOR]):
        section = Claims.of(config, "vision").values
        anatomy = propose(Subset(store, group), section)
        if anatomy is None or not {Role.UP, Role.DOWN} <= {part.role for part in anatomy.parts}:
            continue
        prefix = shared_beginning(group)
        found.append(_tower(_kind(prefix) or Kind.OTHER, prefix, group, anatomy=_without_vocabulary(anatomy)))
    return found


def _without_vocabulary(anatomy: Anatomy) -> Anatomy:
    """An encoder's anatomy: what shapes propose as its embedding counts positions, not tokens."""
    positions, output = {Part(Role.EMBEDDING): Part(Role.POSITION_EMBEDDING)}, Part(Role.OUTPUT)
    parts = {positions.get(part, part): view for part, view in anatomy.parts.items() if part != output}
    reads = {part: norm for part, norm in anatomy.reads.items() if part in parts and norm in parts}
    dropped = {anatomy.parts[output].tensor} if output in anatomy.parts else set[str]()
    return replace(
        anatomy,
        parts=parts,
        reads=reads,
        unrecognised=tuple(sorted({*anatomy.unrecognised, *dropped})),
        geometry=replace(anatomy.geometry, vocabulary=None),
    )


def _below(names: Iterable[str], anatomy: Anatomy, family: Family, taken: set[str]) -> list[str]:
    """Tensors of a tower: all below its prefix unless others lie there too, but for a projector its table knows."""
    own, prefix = _of(anatomy), anatomy.prefix
    beside = tuple(prefix + start for label, starts in family.extra.items() if label != "projector" for start in starts)
    apart = tuple(prefix + start for start in family.extra.get("projector", ()))
    whole = prefix not in taken
    return [
        name
        for name in names
        if name in own
        or (not name.startswith(apart) and (name.startswith(beside) or (whole and name.startswith(prefix))))
    ]


def _branches(store: TensorStore, names: Iterable[str], language: Anatomy, bodies: Iterable[Tower]) -> list[Tower]:
    """What is left, by the shortest beginnings that no tower found so far shares."""
    taken = _taken(_of(language)) | _taken(name for tower in bodies for name in tower.tensors)
    groups: dict[str, list[str]] = {}
    for name in names:
        start = next((beginning for beginning in _beginnings(name) if beginning not in taken), name)
        groups.setdefault(start, []).append(name)
    extras = _extras(language)
    found = []
    for start, own in groups.items():
        chain = _chain(store, own, language.geometry.hidden)
        kind = _kind(start) or (Kind.HEAD if start.startswith(extras) else None)
        kind = kind or (Kind.PROJECTOR if chain else Kind.OTHER)
        if kind in _SINGLE or (len(own) >= FEWEST and any(len(store.info(name).shape) > 1 for name in own)):
            found.append(_tower(kind, start, own, chain=chain))
    return found


def _extras(language: Anatomy) -> tuple[str, ...]:
    """Beginnings of the heads that the language tower's table knows."""
    families = [family for family in load_families() if family.name == language.family]
    starts = [start for family in families for starts in family.extra.values() for start in starts]
    return tuple(above + start for above in ancestors(language.prefix) for start in starts)


def _kind(name: str) -> Kind | None:
    """Kind that the words of a name speak of; None where they tell nothing."""
    segments = name.lower().split(".")
    for kind, words in _WORDS.items():
        if any(segment == word or (len(word) > 4 and word in segment) for segment in segments for word in words):
            return kind
    short = {part for segment in segments for part in segment.split("_")}
    return next((kind for kind, words in _WORDS.items() if short & set(words)), None)


def _chain(store: TensorStore, names: Iterable[str], width: int) -> tuple[str, str] | None:
    """The two linear layers of a projector into a stream of some width; None where there are not just two."""
    shapes = {name: store.info(name).shape for name in sorted(names)}
    if any(len(shape) > 2 for shape in shapes.values()):
        return None
    matrices = [name for name, shape in shapes.items() if len(shape) == 2]
    if len(matrices) != 2:
        return None
    for first, second in (matrices, matrices[::-1]):
        if shapes[first][0] == shapes[second][1] and shapes[second][0] == width:
            return first, second
    return None
