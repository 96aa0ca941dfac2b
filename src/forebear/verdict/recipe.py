"""Steps that turn the reference into the model, in the contract's words, with amounts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forebear.alignment.align import Alignment
from forebear.alignment.neurons import MATCHED, NeuronMap
from forebear.alignment.sampled import Place
from forebear.evidence.weights.identity import Identity
from forebear.evidence.weights.residual import Residual
from forebear.verdict.renaming import step_of_names
from forebear.verdict.steps import Step, changed_steps


def recipe_of(
    alignment: Alignment,
    identity: Identity,
    residual: Residual,
    neurons: dict[Place, NeuronMap],
    *,
    files: tuple[int, int],
    free: Sequence[Step] | None = None,
) -> list[Step]:
    """Recipe of a model that was found to descend from, or share weights with, the reference.

    What changes no function comes first, wherever it was done; steps on values follow in the order in which they
    would be applied to the reference, storage last.

    Args:
        alignment: the two models.
        identity: equal and unequal parts.
        residual: differences of the unequal ones.
        neurons: pairing of neurons.
        files: number of weight files of model and reference.
        free: what alignment already put back, in order; None where only neurons were paired.
    """
    laid_out = [_renamed(alignment), *_neuron_steps(neurons)] if free is None else free
    steps = [*laid_out, _resharded(files), _copied(identity), *changed_steps(residual), _cast(identity)]
    return [step for step in steps if step is not None]


def _renamed(alignment: Alignment) -> Step | None:
    mine, yours = alignment.model.anatomy.parts, alignment.reference.anatomy.parts
    shared = mine.keys() & yours.keys()
    changes = [(yours[part].tensor, mine[part].tensor) for part in shared if yours[part].tensor != mine[part].tensor]
    return step_of_names(changes, len(changes)) if changes else None


def _resharded(files: tuple[int, int]) -> Step | None:
    return {"step": "resharded", "files": files[0], "reference_files": files[1]} if files[0] != files[1] else None


def _cast(identity: Identity) -> Step | None:
    return {"step": "cast", "from": identity.cast[1], "to": identity.cast[0]} if identity.cast else None


def _neuron_steps(neurons: dict[Place, NeuronMap]) -> list[Step | None]:
    found = {place: one for place, one in neurons.items() if one.near_share >= MATCHED}
    permuted = sorted({place.layer for place, one in found.items() if not one.identity})
    flipped = [float(np.mean(one.flipped[one.near] < 0.0)) for one in found.values()]
    return [
        {"step": "permuted", "what": "neurons", "layers": permuted} if permuted else None,
        {"step": "sign-flipped", "what": "neurons", "share": float(np.mean(flipped))} if any(flipped) else None,
    ]


def _copied(identity: Identity) -> Step | None:
    return {"step": "copied", "tensors": len(identity.equal)} if identity.everything else None
