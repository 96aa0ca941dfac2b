"""Recognises a model's anatomy: names propose a family, shapes decide, config.json fills what shapes leave open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forebear.anatomy.agreement import settle
from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.assemble import Candidate, assemble
from forebear.anatomy.claims import Claims
from forebear.anatomy.names import Names
from forebear.anatomy.parts import Geometry
from forebear.anatomy.shapes import draft
from forebear.anatomy.structure import propose
from forebear.anatomy.tables import LANGUAGE, TOWERS, load_families
from forebear.checkpoint.store import TensorStore


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
        fits it is what shapes propose (family ``unnamed``, see `forebear.anatomy.structure`); where they propose
        nothing either, ``family`` is None, there are no parts, every tensor is unrecognised, sizes are zero or None
        and the norm is ``unknown``.
    """
    names = Names(store.names(), load_families())
    found = best_body(store, names, config, frozenset({LANGUAGE}))
    if found is None and best_body(store, names, config, TOWERS) is None:
        found = propose(store, config)
    return found or _nothing(names)


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


def _nothing(names: Names) -> Anatomy:
    return Anatomy(
        family=None,
        prefix="",
        geometry=Geometry(0, 0, None, None, None, None, None, None, None, gated=False, tied=False, norm="unknown"),
        parts={},
        reads={},
        unrecognised=names.all,
        notes=("no family fits: neither names of a known layout nor shapes that make a transformer were found",),
    )
