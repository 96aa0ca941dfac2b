"""Recognises a model's anatomy: names propose a family, shapes decide, config.json fills what shapes leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from forebear.anatomy.agreement import settle
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.claims import Claims, contradictions, shown
from forebear.anatomy.names import Found, Names
from forebear.anatomy.norms import readings
from forebear.anatomy.parts import Disagreement, Geometry, Role
from forebear.anatomy.placing import Heads, geometry, infer_heads, infer_sizes, place
from forebear.anatomy.remarks import remarks
from forebear.anatomy.shapes import Draft, draft
from forebear.anatomy.tables import LANGUAGE, TOWERS, load_families
from forebear.checkpoint.store import TensorStore


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family below one prefix, with the parts that fit, and whether config.json names the family."""

    found: Found
    draft: Draft
    favoured: bool

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Tensors explained, then the claim, then how much the family asks for."""
        family = self.draft.family
        return len(self.draft.used()), self.favoured, len(family.always)


def recognise(store: TensorStore, config: Mapping[str, Any] | None = None) -> Anatomy:
    """Recognises which tensor of the language tower is what.

    The family whose table explains most tensors by name and shape is taken; config.json's ``model_type`` decides only
    between tables that explain equally many. Sizes come from shapes; the configuration fills what they leave open
    (the width of a head) and is reported where they contradict it. No tensor is read.

    Args:
        store: the model's tensors.
        config: config.json as read; None where there is none.

    Returns:
        The anatomy; tensors of other towers are unrecognised in it (see `forebear.anatomy.towers`). Where no family
        fits, ``family`` is None, there are no parts, every tensor is unrecognised, sizes are zero or None and the norm
        is ``unknown``.
    """
    names = Names(store.names(), load_families())
    return best_body(store, names, config, frozenset({LANGUAGE})) or _nothing(names)


def best_body(
    store: TensorStore, names: Names, config: Mapping[str, Any] | None, kinds: frozenset[str]
) -> Anatomy | None:
    """The anatomy that explains most of some names, among the towers asked for; None where no family fits.

    Args:
        store: the model's tensors.
        names: the names in question.
        config: config.json as read.
        kinds: towers that are wanted (``TOWERS``). A place that a table of another tower explains better is left out.
    """
    claims = {kind: Claims.of(config, kind) for kind in TOWERS}
    candidates = []
    for family in load_families():
        for found in names.find(family):
            inside = [match for match in found.matches if match.layer not in found.extra_layers or match.layer is None]
            sketch = draft(store, family, found.prefix, inside)
            settle(sketch)
            if family.always <= {part.role for part in sketch.held} and any(
                part.layer is not None for part in sketch.held
            ):
                candidates.append(Candidate(found, sketch, claims[family.tower].favours(family)))
    wanted = [one for one in _leading(candidates) if one.draft.family.tower in kinds]
    if not wanted:
        return None
    best, equals = _choose(wanted)
    return assemble(names, claims[best.draft.family.tower], best, equals)


def _leading(candidates: list[Candidate]) -> list[Candidate]:
    """Candidates of which most tensors are not explained better by a table of another tower."""
    used = [one.draft.used() for one in candidates]

    def outdone(number: int) -> bool:
        one = candidates[number]
        return any(
            other.draft.family.tower != one.draft.family.tower
            and len(theirs) > len(used[number]) - (other.draft.family.tower == LANGUAGE)
            and 2 * len(theirs & used[number]) >= len(used[number])
            for other, theirs in zip(candidates, used, strict=True)
        )

    return [one for number, one in enumerate(candidates) if not outdone(number)]


def _choose(candidates: list[Candidate]) -> tuple[Candidate, list[str]]:
    """The best candidate, and the families that fit as well where nothing decided."""
    top = max(candidate.rank for candidate in candidates)
    tied = [candidate for candidate in candidates if candidate.rank == top]
    rivals = {candidate.draft.family.name for candidate in tied}
    best = min(
        tied,
        key=lambda each: (bool(each.draft.family.yields_to & rivals), each.draft.family.name, each.draft.prefix),
    )
    return best, sorted(rivals - {best.draft.family.name})


def assemble(names: Names, claims: Claims, best: Candidate, equals: Sequence[str] = ()) -> Anatomy:
    """The anatomy of a candidate: heads inferred, parts placed, what is left over listed.

    Args:
        names: the names in question; those without a part come out as unrecognised.
        claims: what the configuration says of the tower.
        best: the candidate.
        equals: families that fit as well.
    """
    found, sketch = best.found, best.draft
    heads = infer_heads(sketch, claims)
    sizes = infer_sizes(sketch, heads)
    disagreements = contradictions(claims, sketch.family, sizes) + _headless(claims, sketch, heads)
    parts = place(sketch, heads)
    inputs = {part: held.match.entry.input for part, held in sketch.held.items()}
    used = sketch.used()
    buffers = tuple(sorted(found.buffers - used))
    unrecognised = tuple(name for name in names.all if name not in used and name not in found.buffers)
    shape = geometry(sketch, sizes)
    notes = remarks(found, sketch, claims, shape, unrecognised)
    kinds, typed = _model_type(claims, best)
    if equals:
        notes.insert(
            0, f"names and shapes fit {', '.join(equals)} as well as {sketch.family.name}, and nothing decides"
        )
    return Anatomy(
        family=sketch.family.name,
        prefix=sketch.prefix,
        geometry=shape,
        parts=parts,
        reads=readings(sketch.family.block, parts, {part: role for part, role in inputs.items() if role is not None}),
        disagreements=tuple(sorted((*disagreements, *kinds), key=lambda item: item.key)),
        unrecognised=unrecognised,
        buffers=buffers,
        notes=(*typed, *notes),
    )


def _model_type(claims: Claims, best: Candidate) -> tuple[list[Disagreement], list[str]]:
    """A stated model type that is another family's contradicts; one that no table knows is only remarked."""
    if best.favoured or not claims.model_types:
        return [], []
    stated, family = claims.model_types[0], best.draft.family.name
    if any(claims.favours(other) for other in load_families()):
        return [Disagreement("model_type", shown(stated), family)], []
    return [], [f"config.json calls the model {shown(stated)!r}, which no table knows; names and shapes fit {family}"]


def _headless(claims: Claims, sketch: Draft, heads: Heads) -> list[Disagreement]:
    """Claimed heads that part no rows evenly: the tensors contradict them without saying what is true."""
    modes = sketch.modes()
    query, key = modes.get((Role.Q, False)), modes.get((Role.K, False))
    if heads.heads is not None or query is None or key is None:
        return []
    rows = {"heads": query[0], "kv_heads": key[0], "head_dim": query[0]}
    return [
        Disagreement(sketch.family.config[quantity], shown(value), f"unknown; {rows[quantity]} rows do not part so")
        for quantity in rows
        if quantity in sketch.family.config and (value := claims.values.get(sketch.family.config[quantity])) is not None
    ]


def _nothing(names: Names) -> Anatomy:
    return Anatomy(
        family=None,
        prefix="",
        geometry=Geometry(0, 0, None, None, None, None, None, None, None, gated=False, tied=False, norm="unknown"),
        parts={},
        reads={},
        unrecognised=names.all,
        notes=("no family fits: no tensor names of a known layout were found with shapes that agree",),
    )
