"""Whether a model was merged from candidates, in the words of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from forebear.evidence.weights.merge import Merge, NotMerged
from forebear.verdict.further import MergeClaim

_METHODS = {
    "linear": "a weighted mean of the candidates",
    "task arithmetic": "the base plus weighted changes of the candidates",
    "slerp": "a spherical interpolation between two candidates",
    "ties": "the base plus trimmed changes of the candidates, signs elected",
    "dare": "the base plus randomly dropped changes of the candidates",
    "frankenmerge": "whole layers of the candidates",
}
_LEFT = {
    "rounding": "nothing but rounding is left",
    "noise": "white noise is left",
    "structure": "a structure is left that no candidate holds",
}


def merge_claim(found: Merge | NotMerged, sources: Sequence[str]) -> MergeClaim:
    """Put an estimate into words.

    Args:
        found: the estimate.
        sources: names of the candidates, in its order.
    """
    if isinstance(found, NotMerged):
        return MergeClaim(merged=False, because=found.reason)
    densities = zip(sources, found.densities, strict=False)
    return MergeClaim(
        merged=True,
        because=f"the model is {_METHODS[found.method]}; {_LEFT[found.left]}",
        method=found.method,
        weights=dict(zip(sources, found.weights, strict=True)),
        intervals=dict(zip(sources, found.intervals, strict=True)),
        densities={source: density for source, density in densities if density is not None},
        places=found.places,
        origins={layer: sources[index] for layer, index in found.origins.items()},
        residual={"share": found.residual, "rounding": found.rounding},
        missing_parent=found.missing_parent,
        alternatives=list(found.alternatives),
        details=_details(found),
    )


def merged_step(claim: MergeClaim) -> dict[str, Any]:
    """The recipe step of a merge.

    Args:
        claim: with ``merged`` true.
    """
    step: dict[str, Any] = {
        "step": "merged",
        "method": claim.method,
        "weights": claim.weights,
        "intervals": {source: list(interval) for source, interval in claim.intervals.items()},
        "missing_parent": claim.missing_parent,
    }
    if claim.densities:
        step["densities"] = {source: density[0] for source, density in claim.densities.items()}
    if claim.places:
        step["places"] = {str(layer): place[0] for layer, place in claim.places.items()}
    if claim.origins:
        step["origins"] = {str(layer): source for layer, source in claim.origins.items()}
    if claim.alternatives:
        step["alternatives"] = claim.alternatives
    return step


def _details(found: Merge) -> dict[str, Any]:
    details: dict[str, Any] = {"left": found.left}
    if found.method == "ties":
        details["scale"] = found.scale
    if found.overlap is not None:
        details["overlap with the candidates' differences"] = found.overlap
    return details
