"""Steps that cost a copyist nothing, or change only where things are: what alignment found, in the contract's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from forebear.alignment.frame import Frame
from forebear.alignment.overlay import Side
from forebear.alignment.renaming import Renaming
from forebear.alignment.undoing import Undone
from forebear.anatomy.anatomy import Anatomy
from forebear.evidence.finding import Finding
from forebear.verdict.renaming import renamed_step

Step = dict[str, Any]


def free_steps(
    model: Side, reference: Side, frame: Frame, undone: Undone, renaming: Renaming | None = None
) -> list[Step]:
    """Steps from the reference to the model's form, in an order in which they can be applied to the reference.

    Args:
        model, reference: both sides as stored.
        frame: what goes where.
        undone: what was put back.
        renaming: how names compare; None where they were taken at their word.
    """
    steps = [
        _layers(frame),
        *_width(model[1], reference[1], frame, undone),
        _experts(model[1], reference[1], frame, undone),
        frame.tokens.step(),
        _stream(frame),
        *_heads(undone),
        *_neurons(undone),
        _norms(undone),
        None if renaming is None else renamed_step(renaming),
    ]
    return [step for step in steps if step is not None]


def laid_out(frame: Frame, findings: Sequence[Finding]) -> dict[str, Any]:
    """How the two were laid side by side, and what it cost: every p-value is paid for by Holm's correction."""
    residual = frame.residual
    return {
        "residual_stream": {
            "map": residual.kind,
            "fit": residual.fit,
            "tokens": residual.tokens,
            "maps_tried": residual.tried,
        },
        "layers": frame.layers.how,
        "vocabulary": frame.tokens.how,
        "experts": "matched gates" if any(place.expert is not None for place in frame.places) else None,
        "tests_paid_for": sum(one.log10_p is not None for one in findings),
    }


def _layers(frame: Frame) -> Step | None:
    source, depth = frame.layers.source, frame.layers.reference_layers
    if frame.layers.unchanged:
        return None
    used = Counter(layer for layer in source if layer is not None)
    kept = [layer for layer in source if layer is not None]
    return {
        "step": "layers",
        "map": list(source),
        "from": depth,
        "to": len(source),
        "repeated": sorted(layer for layer, times in used.items() if times > 1),
        "inserted": [layer for layer, found in enumerate(source) if found is None],
        "dropped": [layer for layer in range(depth) if layer not in used],
        "reordered": sorted(kept) != kept and len(used) == len(kept),
        "found_by": frame.layers.how,
    }


def _width(mine: Anatomy, yours: Anatomy, frame: Frame, undone: Undone) -> list[Step | None]:
    steps: list[Step | None] = []
    if mine.geometry.hidden != yours.geometry.hidden:
        steps.append({"step": "width", "what": "hidden", "from": yours.geometry.hidden, "to": mine.geometry.hidden})
    for name, sizes in (
        ("heads", (mine.geometry.heads, yours.geometry.heads)),
        ("key/value heads", (mine.geometry.kv_heads, yours.geometry.kv_heads)),
    ):
        if None not in sizes and sizes[0] != sizes[1]:
            steps.append({"step": "width", "what": name, "from": sizes[1], "to": sizes[0]})
    changed = {
        place: found
        for place, found in undone.neurons.items()
        if found.widths[0] != found.widths[1] and place.expert is None and frame.places[place].expert is None
    }
    if changed:
        widths = [found.widths for found in changed.values()]
        steps.append(
            {
                "step": "width",
                "what": "neurons",
                "from": int(np.median([width[1] for width in widths])),
                "to": int(np.median([width[0] for width in widths])),
                "kept": float(np.mean([found.reference.size / found.widths[1] for found in changed.values()])),
                "layers": sorted({place.layer for place in changed}),
            }
        )
    return steps


def _experts(mine: Anatomy, yours: Anatomy, frame: Frame, undone: Undone) -> Step | None:
    sparse = [any(part.expert is not None for part in anatomy.parts) for anatomy in (mine, yours)]
    if not any(sparse):
        return None
    moved = any((place.expert, place.shared) != (other.expert, other.shared) for place, other in frame.places.items())
    if not moved:
        return None
    counts = [
        max((len(anatomy.experts(layer)) for layer in range(anatomy.geometry.layers)), default=0)
        for anatomy in (mine, yours)
    ]
    return {
        "step": "experts",
        "from": counts[1],
        "to": counts[0],
        "origins": [
            {
                "model": str(place),
                "reference": str(other),
                "neurons": found.widths[0] if (found := undone.neurons.get(place)) is not None else None,
                "inherited": None if found is None else float(found.model.size / found.widths[0]),
            }
            for place, other in frame.places.items()
        ],
    }


def _stream(frame: Frame) -> Step | None:
    residual = frame.residual
    if not residual.fitted:
        return None
    if residual.matrix is not None:
        return {"step": "rotated", "what": "residual stream", "fit": residual.fit, "tokens": residual.tokens}
    source, signs = residual.source, residual.signs
    if source is None or signs is None:
        return None
    moved = int(np.count_nonzero(source != np.arange(source.size)))
    return {
        "step": "permuted",
        "what": "residual stream",
        "coordinates": moved,
        "flipped": float(np.mean(signs[source >= 0] < 0.0)),
        "fit": residual.fit,
        "tokens": residual.tokens,
    }


def _heads(undone: Undone) -> list[Step | None]:
    moved = [layer for layer, found in undone.heads.items() if not found.in_place]
    steps: list[Step | None] = [{"step": "permuted", "what": "heads", "layers": moved} if moved else None]
    for what, mixed in (
        ("values and outputs inside heads", {layer: found.values for layer, found in undone.heads.items()}),
        ("queries and keys inside heads", {layer: found.queries for layer, found in undone.heads.items()}),
    ):
        layers = {layer: matrices for layer, matrices in mixed.items() if matrices is not None}
        if layers:
            steps.append({"step": _mixture(list(layers.values())), "what": what, "layers": sorted(layers)})
    return steps


def _mixture(matrices: list[np.ndarray]) -> str:
    """What a mixture inside heads amounts to: signs only, factors only, or a general matrix."""
    values = np.concatenate([found.reshape(-1, found.shape[-1]) for found in matrices])
    diagonal = all(np.allclose(found, found * np.eye(found.shape[-1])) for found in matrices)
    if diagonal:
        return "sign-flipped" if np.allclose(np.abs(values)[values != 0.0], 1.0) else "rescaled"
    return "permuted" if np.all(np.count_nonzero(values, axis=1) == 1) else "rotated"


def _neurons(undone: Undone) -> list[Step | None]:
    moved = sorted({place.layer for place, found in undone.neurons.items() if found.moved and found.whole})
    flipped = [float(np.mean(found.factor < 0.0)) for found in undone.neurons.values()]
    factors = {place: np.abs(found.factor) for place, found in undone.neurons.items()}
    rescaled = sorted({place.layer for place, found in factors.items() if np.any(found != 1.0)})
    octaves = [float(np.std(np.log2(found))) for place, found in factors.items() if place.layer in rescaled]
    return [
        {"step": "permuted", "what": "neurons", "layers": moved} if moved else None,
        {"step": "rescaled", "what": "neurons", "layers": rescaled, "octaves": float(np.mean(octaves))}
        if rescaled
        else None,
        {"step": "sign-flipped", "what": "neurons", "share": float(np.mean(flipped))} if any(flipped) else None,
    ]


def _norms(undone: Undone) -> Step | None:
    return {"step": "rescaled", "what": "norms", "norms": len(undone.norms)} if undone.norms else None
