"""The anatomy of one model: its parts, where they lie, and which norm each is read through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from forebear.anatomy.parts import Disagreement, Geometry, Part, Role, View
from forebear.errors import AnatomyError


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What was recognised in a model, and what was not.

    Attributes:
        family: table that fits best; ``unnamed`` where only shapes say what is what; None where nothing does.
        prefix: what stands before the names of the body (``model.``, empty, or anything else).
        geometry: sizes.
        parts: where each part lies, ordered by layer, role and expert.
        reads: part to the norm whose gain multiplies what it reads (see ``norm_of``).
        disagreements: claims of config.json that the tensors contradict.
        unrecognised: tensors of which nothing is used, sorted.
        buffers: tensors that are computed rather than learned, sorted.
        notes: what a reader should know, one sentence each.
        candidates: tensors of a layout that no table knows, each with every role that its shape allows; empty where
            a table names the roles.

    Raises:
        AnatomyError: a reading names a part that does not exist, or a part lies outside the layers.
    """

    family: str | None
    prefix: str
    geometry: Geometry
    parts: Mapping[Part, View]
    reads: Mapping[Part, Part]
    disagreements: tuple[Disagreement, ...] = ()
    unrecognised: tuple[str, ...] = ()
    buffers: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    candidates: Mapping[str, frozenset[Role]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.layer is not None and not 0 <= part.layer < self.geometry.layers:
                raise AnatomyError(f"lies outside the {self.geometry.layers} layers", where="anatomy", field=str(part))
        for part, norm in self.reads.items():
            if part not in self.parts or norm not in self.parts:
                raise AnatomyError(f"reads through {norm}, but not both exist", where="anatomy", field=str(part))
        object.__setattr__(self, "parts", MappingProxyType(dict(self.parts)))
        object.__setattr__(self, "reads", MappingProxyType(dict(self.reads)))
        object.__setattr__(self, "candidates", MappingProxyType(dict(self.candidates)))

    def find(self, role: Role, layer: int | None = None, expert: int | None = None) -> View | None:
        """Where a part lies; None where the model has no such part."""
        return self.parts.get(Part(role, layer, expert))

    def experts(self, layer: int) -> tuple[int, ...]:
        """Experts of a layer, ascending; empty for a dense layer."""
        found = {part.expert for part in self.parts if part.layer == layer and part.expert is not None}
        return tuple(sorted(found))

    def norm_of(self, part: Part) -> Part | None:
        """The norm whose gain multiplies what a part reads; None where nothing does.

        Args:
            part: a matrix, e.g. ``Part(Role.UP, 3)``.

        Returns:
            ATTENTION_NORM for q, k, v and FFN_NORM for gate, up, router and experts where norms feed the blocks;
            FINAL_NORM for the output matrix; the low-rank norms for matrices that read a compressed stream;
            where norms follow residual sums, the norm that made the input (for layer 0 the embedding's);
            None where norms stand on the blocks' outputs, and for parts that read no normalised stream.
        """
        return self.reads.get(part)
