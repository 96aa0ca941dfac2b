"""Which layer of the reference each layer of the model comes from.

Layers are paired by how well the gate rows of one find a near row in the other (rows of the way up in an ungated
FFN). The score does not change when neurons are relabelled, and does not see the way up or down of gated neurons, so
choosing by it leaves the tests of labels and signs exact and costs no test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from forebear.alignment.residual import ResidualMap
from forebear.alignment.sampled import Missing, Place, Sampled
from forebear.anatomy.parts import Part, Role
from forebear.statistics.arrays import Floats, unit_rows

How = Literal["same order", "proportional", "matched gates"]

STANDS_OUT = 6.0
"""Robust deviations by which the typical best score of a layer must exceed the other scores for layers to be matched
by content; below it layers are taken in their order."""

LEAST_GAIN = 0.3
"""Share of the typical gain of a matched layer over the other scores below which a layer is read as new."""

_MOST_ROWS = 1536
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class LayerMap:
    """For each layer of the model its layer of the reference.

    Attributes:
        source: reference layer, None where the model's layer is new.
        how: by which it was found.
        scores: ``(model layers, reference layers)`` mean nearest cosine of gate rows; None where not measured.
        reference_layers: layers of the reference.
    """

    source: tuple[int | None, ...]
    how: How
    scores: NDArray[np.float64] | None
    reference_layers: int

    @property
    def unchanged(self) -> bool:
        """Every layer in its place, none new or missing."""
        return self.source == tuple(range(self.reference_layers))

    @property
    def once(self) -> frozenset[int]:
        """Model layers to test: of those from one reference layer the closest, since copies are no new evidence."""
        best: dict[int, int] = {}
        for layer, source in enumerate(self.source):
            if source is not None and (source not in best or self._score(layer) > self._score(best[source])):
                best[source] = layer
        return frozenset(best.values())

    def _score(self, layer: int) -> float:
        source = self.source[layer]
        return 0.0 if self.scores is None or source is None else float(self.scores[layer, source])


def in_order(model_layers: int, reference_layers: int) -> LayerMap:
    """The map fixed before anything is read: the same number, or in proportion where depths differ."""
    if model_layers == reference_layers:
        return LayerMap(tuple(range(model_layers)), "same order", None, reference_layers)
    places = np.floor((np.arange(model_layers) + 0.5) * reference_layers / model_layers).astype(int)
    return LayerMap(tuple(places.tolist()), "proportional", None, reference_layers)


def match_layers(mine: Sampled, yours: Sampled, residual: ResidualMap) -> LayerMap:
    """Pair layers by their gates.

    Args:
        mine, yours: model and reference, each drawn on its own.
        residual: reference coordinates in the model's.

    Returns:
        The order of layers where no layer stands out; else for each layer the best, or None where it is new. With
        equal depth a layer whose content fits nowhere stays in its place if that place is free.
    """
    depths = mine.anatomy.geometry.layers, yours.anatomy.geometry.layers
    plain = in_order(*depths)
    first = [_rows(mine, layer) for layer in range(depths[0])]
    second = [_rows(yours, layer) for layer in range(depths[1])]
    if not any(rows is not None for rows in first) or not any(rows is not None for rows in second):
        return plain
    carried = [None if rows is None else unit_rows(residual.to_model(rows)) for rows in second]
    scores = np.array([[_score(one, other) for other in carried] for one in first])
    source = _assigned(scores)
    if source is None:
        return LayerMap(plain.source, plain.how, scores, depths[1])
    if depths[0] == depths[1]:
        taken = {layer for layer in source if layer is not None}
        source = [layer if found is None and layer not in taken else found for layer, found in enumerate(source)]
    return LayerMap(tuple(source), "matched gates", scores, depths[1])


def _assigned(scores: NDArray[np.float64]) -> list[int | None] | None:
    """Best reference layer of each model layer; None as a whole where no layer stands out."""
    best = scores.argmax(axis=1)
    top = scores.max(axis=1)
    rest = np.delete(scores.ravel(), np.arange(scores.shape[0]) * scores.shape[1] + best)
    if rest.size == 0:
        return [0] * scores.shape[0]
    middle = float(np.median(rest))
    spread = float(np.median(np.abs(rest - middle))) * _MAD_TO_DEVIATION
    typical = float(np.median(top)) - middle
    if typical <= STANDS_OUT * spread:
        return None
    return [int(at) if one - middle >= LEAST_GAIN * typical else None for at, one in zip(best, top, strict=True)]


def _score(first: Floats | None, second: Floats | None) -> float:
    if first is None or second is None:
        return 0.0
    cosines = first @ second.T
    return float(cosines.max(axis=0).mean() + cosines.max(axis=1).mean()) / 2.0


def _rows(side: Sampled, layer: int) -> Floats | None:
    """Unit gate rows of all FFNs of a layer; of too many the longest, whatever their order."""
    rows = [found for place in side.places() if place.layer == layer and (found := _gates(side, place)) is not None]
    if not rows:
        return None
    together = np.concatenate(rows)
    longest = np.argsort(-np.linalg.norm(together, axis=1), kind="stable")[:_MOST_ROWS]
    return unit_rows(together[longest])


def _gates(side: Sampled, place: Place) -> Floats | None:
    """Gate rows, also of an FFN that is silenced by a way down of zeros; rows of the way up where there is no gate."""
    roles = (Role.SHARED_GATE, Role.SHARED_UP) if place.shared else (Role.GATE, Role.UP)
    parts = [Part(role, place.layer, place.expert) for role in roles]
    part = next((part for part in parts if part in side.anatomy.parts), None)
    found = None if part is None else side.matrix(part)
    return None if isinstance(found, Missing) else found
