"""Parts tensors of unknown names into the towers they could belong to: by the beginnings of names, else by widths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from forebear.anatomy.names import ancestors
from forebear.checkpoint.store import TensorStore

FEWEST_MATRICES = 8
"""Matrices a group must have to be a transformer: two layers of the plainest kind hold more."""

MOST_TOWERS = 4


def partition(store: TensorStore, names: Sequence[str]) -> list[list[str]]:
    """Groups of tensors, each large enough to be a transformer.

    Args:
        store: the model's tensors; only shapes are asked for.
        names: tensors to part.

    Returns:
        Groups, largest first; tensors that belong to none (projectors, lone heads) are left out. One group of all
        names where nothing parts them, none where there are too few matrices.
    """
    shapes = {name: store.info(name).shape for name in names}

    def large(groups: Iterable[Sequence[str]]) -> list[list[str]]:
        return [sorted(group) for group in groups if _matrices(shapes[name] for name in group) >= FEWEST_MATRICES]

    found = large(_by_beginning(names))
    if len(found) < 2:
        # A single large group among names without a common beginning leaves heads and projectors outside it.
        base = found[0] if found and not shared_beginning(names) else list(names)
        found = large(_by_width({name: shapes[name] for name in base}))
        found = found if len(found) > 1 else large([base])
    return sorted(found, key=lambda group: (-len(group), group))


def shared_beginning(names: Iterable[str]) -> str:
    """The longest dotted beginning that all names share; empty where they share none."""
    paths = [ancestors(name) for name in names]
    shared = [levels[0] for levels in zip(*paths, strict=False) if len(set(levels)) == 1]
    return shared[-1] if shared else ""


def _matrices(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(len(shape) > 1 for shape in shapes)


def _by_beginning(names: Sequence[str]) -> list[list[str]]:
    """Names by the first segment that is not common to all of them; numbers tell layers, not towers."""
    groups: dict[str, list[str]] = defaultdict(list)
    start = len(shared_beginning(names))
    for name in names:
        segment, dot, _ = name[start:].partition(".")
        groups["" if segment.isdigit() else segment + dot].append(name)
    return list(groups.values())


def _by_width(shapes: dict[str, tuple[int, ...]]) -> list[list[str]]:
    """Tensors by the residual stream they touch; what touches two streams lies between them."""
    hubs = _hubs(shapes)
    together = Counter((hub, width) for shape in shapes.values() for hub in hubs & set(shape) for width in set(shape))
    home = {
        width: max(sorted(hubs), key=lambda hub: together[hub, width])
        for width in {width for shape in shapes.values() for width in shape}
        if any(together[hub, width] for hub in hubs)
    }
    groups: dict[int, list[str]] = defaultdict(list)
    for name, shape in shapes.items():
        homes = {home.get(width) for width in shape}
        homes.discard(None)
        if len(homes) == 1:
            groups[next(iter(each for each in homes if each is not None))].append(name)
    return [sorted(group) for group in groups.values()]


def _hubs(shapes: dict[str, tuple[int, ...]]) -> set[int]:
    """Widths of residual streams: the commonest, then the commonest among what touches none of its companions."""
    hubs: set[int] = set()
    companions: set[int] = set()
    while len(hubs) < MOST_TOWERS:
        votes = Counter(
            width for shape in shapes.values() if len(shape) > 1 and not companions & set(shape) for width in set(shape)
        )
        best = max(votes, key=lambda width: (votes[width], width), default=None)
        if best is None or votes[best] < FEWEST_MATRICES:
            break
        hubs.add(best)
        touching = Counter(width for shape in shapes.values() if best in shape for width in set(shape))
        companions |= {width for width, count in touching.items() if 2 * count >= _among(shapes, width)}
    return hubs


def _among(shapes: dict[str, tuple[int, ...]], width: int) -> int:
    """Matrices that have a width."""
    return sum(width in shape for shape in shapes.values() if len(shape) > 1)
