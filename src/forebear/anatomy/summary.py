"""An anatomy as plain data, for ``forebear inspect`` and for anyone who wants to look before comparing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Protocol

from forebear.anatomy.anatomy import Anatomy
from forebear.anatomy.parts import Part, Role, View
from forebear.anatomy.towers import Tower, towers
from forebear.checkpoint.store import TensorStore


class _Documents(Protocol):
    @property
    def config(self) -> Mapping[str, Any] | None: ...


class _Model(Protocol):
    @property
    def tensors(self) -> TensorStore | None: ...

    @property
    def documents(self) -> _Documents: ...


def describe(model: _Model) -> dict[str, Any]:
    """What a model is made of, without reading a tensor.

    Args:
        model: an opened model; its tensors may be missing.

    Returns:
        Values that encode as JSON: ``family``, ``prefix``, ``geometry`` (sizes or null), ``parts`` (how many),
        ``parameters`` (values in all tensors that are not buffers), ``storage`` (type to tensors, values and bytes),
        ``roles`` (see below), ``towers`` (likewise), ``disagreements``, ``unrecognised``, ``buffers``, ``notes``; all
        but ``parameters``, ``storage`` and ``towers`` speak of the language tower. Each of ``roles`` has ``role``,
        ``count``, ``layers`` (how many; null outside layers), ``experts`` (the most a layer has; null outside
        experts), ``shapes`` (logical, commonest first) and ``storage`` (how it lies). Each of ``towers``, the ones
        beside the language tower, has ``name``, ``kind``, ``prefix``, ``tensors`` (how many), ``parameters``,
        ``family`` and ``geometry`` (null where no table explains it), ``roles`` and ``unrecognised``.
        Without tensors everything but ``notes`` is null or empty.
    """
    if model.tensors is None:
        return _layout(None, {}, 0, ["no weights were found in the model"], [])
    found = towers(model.tensors, model.documents.config)
    anatomy = found.language
    infos = [model.tensors.info(name) for name in model.tensors.names()]
    storage: dict[str, dict[str, int]] = {}
    for info in sorted(infos, key=lambda info: info.dtype):
        line = storage.setdefault(info.dtype, {"tensors": 0, "values": 0, "bytes": 0})
        line["tensors"] += 1
        line["values"] += info.size
        line["bytes"] += info.nbytes
    buffers = set(anatomy.buffers).union(*(tower.anatomy.buffers for tower in found.others.values() if tower.anatomy))
    parameters = sum(info.size for info in infos if info.name not in buffers)
    others = [_tower(tower) for tower in found.others.values()]
    return _layout(anatomy, storage, parameters, list(anatomy.notes), others)


def _layout(
    anatomy: Anatomy | None,
    storage: dict[str, dict[str, int]],
    parameters: int,
    notes: list[str],
    others: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "family": anatomy.family if anatomy else None,
        "prefix": anatomy.prefix if anatomy else None,
        "geometry": asdict(anatomy.geometry) if anatomy and anatomy.family else None,
        "parts": len(anatomy.parts) if anatomy else 0,
        "parameters": parameters if anatomy else None,
        "storage": storage,
        "roles": _roles(anatomy.parts) if anatomy else [],
        "towers": others,
        "disagreements": [asdict(item) for item in anatomy.disagreements] if anatomy else [],
        "unrecognised": list(anatomy.unrecognised) if anatomy else [],
        "buffers": list(anatomy.buffers) if anatomy else [],
        "notes": notes,
    }


def _tower(tower: Tower) -> dict[str, Any]:
    anatomy = tower.anatomy
    return {
        "name": tower.name,
        "kind": tower.kind.value,
        "prefix": tower.prefix,
        "tensors": len(tower.tensors),
        "parameters": tower.parameters,
        "family": anatomy.family if anatomy else None,
        "geometry": asdict(anatomy.geometry) if anatomy else None,
        "roles": _roles(anatomy.parts) if anatomy else [],
        "unrecognised": list(anatomy.unrecognised if anatomy else tower.tensors),
    }


def _roles(parts: Mapping[Part, View]) -> list[dict[str, Any]]:
    groups: dict[Role, list[Part]] = {role: [] for role in Role}
    for part in parts:
        groups[part.role].append(part)
    return [_role(role, group, parts) for role, group in groups.items() if group]


def _role(role: Role, group: list[Part], parts: Mapping[Part, View]) -> dict[str, Any]:
    layers = {part.layer for part in group if part.layer is not None}
    experts = Counter(part.layer for part in group if part.expert is not None)
    views = [parts[part] for part in group]
    shapes = Counter(view.shape for view in views)
    ordered = sorted(shapes, key=lambda shape: (-shapes[shape], shape))
    return {
        "role": role.value,
        "count": len(group),
        "layers": len(layers) or None,
        "experts": max(experts.values(), default=None),
        "shapes": [list(shape) for shape in ordered],
        "storage": sorted({word for view in views for word in _storage(view)}),
    }


def _storage(view: View) -> list[str]:
    words = {
        "fused": view.spans != ((0, view.shape[0]),),
        "transposed": view.transposed,
        "stacked": view.index is not None,
        f"minus {view.offset:g}": bool(view.offset),
    }
    return [word for word, holds in words.items() if holds]
