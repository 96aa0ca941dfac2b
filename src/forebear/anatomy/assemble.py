"""Makes an anatomy of a settled draft: heads and sizes inferred, claims held against them, parts placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.claims import Claims, contradictions, shown
from forebear.anatomy.names import Found, Names
from forebear.anatomy.norms import readings
from forebear.anatomy.parts import Disagreement, Role
from forebear.anatomy.placing import Heads, geometry, infer_heads, infer_sizes, place
from forebear.anatomy.remarks import remarks
from forebear.anatomy.shapes import Draft
from forebear.anatomy.tables import load_families


@dataclass(frozen=True, slots=True)
class Candidate:
    """A family below one prefix, with the parts that fit, and whether config.json names the family."""

    found: Found
    draft: Draft
    favoured: bool

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Tensors explained, then the claim, then how much the family asks for.

        Layers that the table places outside the stack are explained too: a table that takes them for plain layers
        must not win by them.
        """
        family, outside = self.draft.family, self.found.extra_layers
        further = sum(match.layer in outside for match in self.found.matches)
        return len(self.draft.used()) + further, self.favoured, len(family.always)


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
