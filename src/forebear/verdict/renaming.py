"""Names settled before weighing: what each tensor is, by content where names are unknown, odd or false."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec

from forebear.alignment.renaming import Renamed, Renaming, resolve
from forebear.alignment.vocabulary import pair_tokens
from forebear.anatomy.parts import Role
from forebear.anatomy.structure import UNNAMED
from forebear.checkpoint.store import TensorStore
from forebear.errors import AnatomyError
from forebear.verdict.sides import Prepared, Progress

Step = dict[str, Any]

_MOST_LISTED = 20
_NUMBERS = re.compile(r"(\.?\d+)+")


def settle_names(mine: Prepared, yours: Prepared, progress: Progress) -> tuple[Prepared, Prepared, Renaming | None]:
    """Both sides with the anatomy that content supports, and how the model's names compare with the reference's.

    Names that a table knows are held against content only where every byte may be read; unknown names always are.
    The side whose names are known guides the other.

    Args:
        mine, yours: model and reference.
        progress: told what is being done.

    Returns:
        The sides, and the renaming of the model; None where names were taken at their word.
    """
    unknown = [_unknown(side) for side in (mine, yours)]
    if not any(unknown) and not (mine.complete and yours.complete):
        return mine, yours, None
    guided_by_model = unknown[1] and not unknown[0]
    guide, guided = (mine, yours) if guided_by_model else (yours, mine)
    # A side whose towers are known but for a language tower has none; its encoder is not a misnamed one.
    if not guide.anatomy.parts or (not guided.anatomy.parts and guided.others):
        return mine, yours, None
    progress("settling names", 0.0)
    try:
        found = resolve(
            (_of_language(guided), guided.anatomy if guided.anatomy.parts else None),
            (guide.store, guide.anatomy),
            budget=min(guide.draw_budget, guided.draw_budget),
            tokens=_tokens(guided, guide),
        )
    except AnatomyError:
        # Strangers under unknown names: the claim says that nothing is known of their tensors.
        return mine, yours, None
    if found.by_content or not guided.anatomy.parts:
        guided = replace(_named(guided, found), names_known=not _unknown(guided))
    return (guide, guided, None) if guided_by_model else (guided, guide, found)


def _unknown(side: Prepared) -> bool:
    """Whether no table knows the names, or matrices were left over."""
    left = any(len(side.store.info(name).shape) > 1 for name in side.anatomy.unrecognised)
    return side.anatomy.family in (None, UNNAMED) or left


def _of_language(side: Prepared) -> TensorStore:
    """The tensors that may belong to the language tower: all of them where its names are unknown."""
    if _unknown(side) or not side.others:
        return side.store
    beside = {name for tower in side.others.values() for name in tower.tensors}
    return side.store.only(tuple(name for name in side.store.names() if name not in beside))


def _tokens(mine: Prepared, yours: Prepared) -> Any:
    views = [side.anatomy.find(Role.EMBEDDING) for side in (mine, yours)]
    if views[0] is None or views[1] is None:
        return None
    found = pair_tokens(mine.tokens, yours.tokens, (views[0].shape[0], views[1].shape[0]))
    return found.model, found.reference


def _named(side: Prepared, found: Renaming) -> Prepared:
    """A side under the anatomy found; towers that turned out to be parts of it are no towers."""
    used = {view.tensor for view in found.anatomy.parts.values()}
    others = {name: tower for name, tower in side.others.items() if not used & set(tower.tensors)}
    beside = {name for tower in others.values() for name in tower.tensors}
    left = tuple(name for name in found.anatomy.unrecognised if name not in beside)
    anatomy = replace(found.anatomy, unrecognised=left)
    described = msgspec.structs.replace(
        side.side,
        family=anatomy.family,
        geometry=msgspec.to_builtins(anatomy.geometry),
        oddities=[*_kept_oddities(side), *_odd(found, left)],
    )
    return replace(side, anatomy=anatomy, others=others, side=described)


def _kept_oddities(side: Prepared) -> list[str]:
    """What was noticed of the model, but not what its former anatomy had to say."""
    return [
        odd for odd in side.side.oddities if not odd.startswith("not recognised: ") and odd not in side.anatomy.notes
    ]


def _odd(found: Renaming, left: tuple[str, ...]) -> list[str]:
    false = [
        f"{one.tensor}: named as {', '.join(map(str, one.claimed))}, its values are {', '.join(map(str, one.found))}"
        for one in found.disagreements
    ]
    return [*false, *(f"not recognised: {name}" for name in left)]


def renaming_table(found: Renaming | None) -> dict[str, Any] | None:
    """The recovered map of names for the result; None where names were taken at their word or none differs."""
    if found is None or not found.names:
        return None
    return {
        "by_content": found.by_content,
        "unchanged": found.unchanged,
        "names": [
            {
                "model": one.old,
                "reference": one.new,
                "part": str(one.part),
                "confidence": one.confidence,
                "how": one.how,
            }
            for one in found.names
        ],
        "contradicted": [
            {"name": one.tensor, "claims": [str(part) for part in one.claimed], "is": [str(part) for part in one.found]}
            for one in found.disagreements
        ],
        "layer_order": list(found.layer_order),
    }


def renamed_step(renaming: Renaming) -> Step | None:
    """The recipe's word for changed names, as beginning or end old to new, most frequent first; None without any.

    A tensor that stands at another layer or expert than the reference's was moved, not renamed.
    """
    moved = {
        view.tensor
        for part, view in renaming.anatomy.parts.items()
        if renaming.parts.get(part, part) != part
        and (part.layer, part.expert) != (renaming.parts[part].layer, renaming.parts[part].expert)
    }
    names = [one for one in renaming.names if one.old not in moved or not _numbers_only(one)]
    if not names:
        return None
    return step_of_names([(one.new, one.old) for one in names], len({one.old for one in names}))


def step_of_names(changes: Iterable[tuple[str, str]], tensors: int) -> Step:
    """The step for names that changed, by the beginnings that differ.

    Args:
        changes: the reference's name and the model's, name by name.
        tensors: how many tensors of the model they are of.
    """
    prefixes = Counter(_without_common_end(old, new) for old, new in changes)
    ordered = sorted(prefixes.items(), key=lambda item: (-item[1], item[0]))[:_MOST_LISTED]
    return {
        "step": "renamed",
        "tensors": tensors,
        "prefixes": [{"from": old, "to": new, "tensors": count} for (old, new), count in ordered],
    }


def _numbers_only(one: Renamed) -> bool:
    """Both names are made alike but for numbers and experts."""
    return _NUMBERS.sub("", one.old.replace(".experts", "")) == _NUMBERS.sub("", one.new.replace(".experts", ""))


def _without_common_end(old: str, new: str) -> tuple[str, str]:
    """Both names without the dotted end they share."""
    first, second = old.split("."), new.split(".")
    while first and second and first[-1] == second[-1]:
        first.pop()
        second.pop()
    return ".".join(first), ".".join(second)
