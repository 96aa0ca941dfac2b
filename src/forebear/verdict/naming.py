"""Many parts in few words: whole layers, a role through all layers, or a role in some."""

from __future__ import annotations

import re
from collections.abc import Collection

from forebear.anatomy.parts import Part

MOST = 12
_LAYERS = re.compile(r"layers? [0-9]{1,6}(-[0-9]{1,6})?(, [0-9]{1,6}(-[0-9]{1,6})?)*")
_RUN = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def named(parts: Collection[Part], among: Collection[Part], most: int = MOST) -> list[str]:
    """Names of parts, e.g. ``["embedding", "layers 0-2", "q in layers 3-4"]``.

    Args:
        parts: to name.
        among: every part they were chosen from; a layer all of whose parts were chosen is named whole.
        most: names to give before the rest is only counted.
    """
    chosen = set(parts)
    names = [str(part) for part in sorted((one for one in chosen if one.layer is None), key=_order)]
    layers = {part.layer for part in among if part.layer is not None}
    whole = {layer for layer in layers if all(part in chosen for part in among if part.layer == layer)}
    if whole:
        names.append(_in_layers(whole) if whole != layers or names else "every layer")
    by_role: dict[str, set[int]] = {}
    for part in chosen:
        if part.layer is not None and part.layer not in whole:
            by_role.setdefault(_role(part), set()).add(part.layer)
    for role, found in sorted(by_role.items()):
        everywhere = {part.layer for part in among if part.layer is not None and _role(part) == role}
        names.append(f"{role} in every layer" if found == everywhere else f"{role} in {_in_layers(found)}")
    return names if len(names) <= most else [*names[:most], f"and {len(names) - most} more"]


def _order(part: Part) -> tuple[str, int]:
    return part.role.value, part.expert or 0


def _role(part: Part) -> str:
    return part.role.value if part.expert is None else f"{part.role.value} of expert {part.expert}"


def _in_layers(layers: Collection[int]) -> str:
    """``layer 3``, or ``layers 0-2, 5``."""
    runs: list[list[int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
    return f"layer {shown}" if len(layers) == 1 else f"layers {shown}"


def parts_named(names: Collection[str], among: Collection[Part]) -> frozenset[Part] | None:
    """The parts that `named` called so; None where a name is not one of its, or where it only counted the rest.

    Args:
        names: as `named` gave them.
        among: every part they are chosen from.
    """
    found: set[Part] = set()
    for name in names:
        chosen = _parts_of(name, among)
        if not chosen:
            return None
        found |= chosen
    return frozenset(found)


def _parts_of(name: str, among: Collection[Part]) -> set[Part]:
    layers = {part.layer for part in among if part.layer is not None}
    if name == "every layer":
        return {part for part in among if part.layer is not None}
    role, apart, place = name.rpartition(" in ")
    if not apart:
        role, place = "", name
    elif place == "every layer":
        return {part for part in among if part.layer is not None and _role(part) == role}
    if not _LAYERS.fullmatch(place):
        return {part for part in among if part.layer is None and str(part) == name}
    runs = [(int(first), int(last or first)) for first, last in _RUN.findall(place)]
    chosen = {layer for layer in layers if any(first <= layer <= last for first, last in runs)}
    if not all(first in layers and last in layers for first, last in runs):
        return set()
    return {part for part in among if part.layer in chosen and (not role or _role(part) == role)}
