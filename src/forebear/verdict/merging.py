"""Whether a model was merged from candidates, in the words of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import msgspec

from forebear.evidence.weights.merge import Merge, NotMerged
from forebear.verdict.comparison import WeightsClaim
from forebear.verdict.further import BeyondBase, LayerOrigin, MergeClaim

_EXPLAINED = ("trained", "noise", "low-rank")
"""Steps that a difference from one parent alone was read as, and that the others explain."""

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


def merge_claim(
    found: Merge | NotMerged, sources: Sequence[str], layer_maps: Sequence[Sequence[int | None]]
) -> MergeClaim:
    """Put an estimate into words.

    Args:
        found: the estimate.
        sources: names of the candidates, in its order.
        layer_maps: for each candidate, for each layer of the model, the candidate's layer laid beside it.
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
        origins={
            layer: LayerOrigin(sources[index], layer_maps[index][layer]) for layer, index in found.origins.items()
        },
        residual={"share": found.residual, "rounding": found.rounding},
        missing_parent=found.missing_parent,
        alternatives=list(found.alternatives),
        details=_details(found),
    )


def with_merge(claim: WeightsClaim, merge: MergeClaim | None, reference: str) -> WeightsClaim:
    """The claim of a pair, once other candidates are known.

    Args:
        claim: of model and reference alone.
        merge: what the candidates together explain; None where none were given.
        reference: its name among the candidates.

    Returns:
        The claim with the merge as a step of its recipe, where the reference contributes; *derived*, the model
        descending from the reference, where the candidates leave nothing but rounding or noise.
    """
    if not _contributes(merge, reference):
        return claim
    kept = [step for step in claim.recipe if step["step"] not in _EXPLAINED]
    claim = msgspec.structs.replace(claim, recipe=[*kept, merged_step(merge)])
    if merge.missing_parent or claim.verdict == "same":
        return claim
    share = merge.weights[reference]
    return msgspec.structs.replace(
        claim,
        verdict="derived",
        because=f"merged from the reference (weight {share:.3g}) and others: {merge.because}",
        direction="reference to model",
        direction_reason=None,
    )


def beyond_by_merge(claim: BeyondBase, merge: MergeClaim | None, reference: str) -> BeyondBase:
    """The claim beyond the base, once a merge is known to hold the reference's change.

    Args:
        claim: of model, reference and base alone, to which a merge with a sibling looks like another sibling.
        merge: what the candidates together explain.
        reference: its name among the candidates.
    """
    if not _contributes(merge, reference) or merge.missing_parent or claim.verdict == "derived beyond base":
        return claim
    because = f"merged from the reference (weight {merge.weights[reference]:.3g}) and others: {merge.because}"
    return msgspec.structs.replace(
        claim, verdict="derived beyond base", because=because, direction="reference to model"
    )


def _contributes(merge: MergeClaim | None, reference: str) -> TypeGuard[MergeClaim]:
    return merge is not None and merge.merged and merge.weights.get(reference, 0.0) != 0.0


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
        step["origins"] = {str(layer): [one.source, one.layer] for layer, one in claim.origins.items()}
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
