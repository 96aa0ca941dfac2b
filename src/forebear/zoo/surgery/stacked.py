"""Every disguise that costs a copyist nothing, one upon the other."""

from __future__ import annotations

from collections.abc import Callable

from forebear.anatomy.parts import Role
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.bench import Bench
from forebear.zoo.surgery.changed import Changed, Config, Tensors, like_first, stored_as
from forebear.zoo.surgery.heads import flip_heads, mix_queries, mix_values, permute_heads, rescale_heads
from forebear.zoo.surgery.neurons import flip_signs, permute_neurons, rescale_neurons
from forebear.zoo.surgery.norms import rescale_norms
from forebear.zoo.surgery.residual import permute_residual, rotate_residual
from forebear.zoo.surgery.values import cast

_Step = Callable[[Tensors, Config, int], Arrays]


def everything(
    tensors: Tensors,
    config: Config,
    *,
    seed: int = 0,
    signs: bool = True,
    rotate: bool = True,
    mix: bool = True,
    rescale: bool = True,
) -> Changed:
    """Stacks all that keep the function: residual stream, norms, heads, neurons; rounded once, at the end.

    What an architecture does not allow is left out: residual signs under LayerNorm, signs and scales of ungated
    neurons, queries that are normed.

    Args:
        tensors: the model.
        config: content of its config.json.
        seed: of the first disguise; each further one adds 1.
        signs: flips the signs of neurons, of value dimensions and rotary planes and, where the residual stream is not
            rotated, of its coordinates.
        rotate: rotates the residual stream; else it is permuted.
        mix: mixes values, and queries against keys, inside their heads.
        rescale: rescales norms, neurons and heads.

    Returns:
        The model; truth: ``steps``, the names of what was done in order, and ``rotation`` where there was one.

    Raises:
        UsageError: as the disguises.
    """
    whole, truth, steps = Changed(cast(tensors, "F64"), dict(config)), dict[str, object](), list[str]()
    if rotate:
        whole = rotate_residual(whole.tensors, config, seed=seed)
        truth, steps = dict(whole.truth), ["rotate_residual"]
    made = whole.tensors
    chosen = _chosen(Bench(tensors), signs=signs, rotate=rotate, mix=mix, rescale=rescale)
    for number, (step, apply) in enumerate(chosen.items()):
        made = apply(made, whole.config, seed + 1 + number)
        steps.append(step)
    default = like_first(tensors)
    stored = {
        name: stored_as(array, tensors[name].dtype if name in tensors else default) for name, array in made.items()
    }
    return Changed(stored, whole.config, {**truth, "steps": steps})


def _chosen(bench: Bench, *, signs: bool, rotate: bool, mix: bool, rescale: bool) -> dict[str, _Step]:
    gated = any(part.role in (Role.GATE, Role.SHARED_GATE) for part in bench)
    free_queries = not any(part.role is Role.Q_NORM for part in bench)
    residual_signs = signs and not bench.is_layer_norm
    table: list[tuple[bool, str, _Step]] = [
        (not rotate, "permute_residual", lambda made, _, seed: permute_residual(made, seed=seed, signs=residual_signs)),
        (rescale, "rescale_norms", lambda made, _, seed: rescale_norms(made, seed=seed)),
        (True, "permute_heads", lambda made, config, seed: permute_heads(made, config, seed=seed)),
        (mix, "mix_values", lambda made, config, seed: mix_values(made, config, seed=seed)),
        (mix and free_queries, "mix_queries", lambda made, config, seed: mix_queries(made, config, seed=seed)),
        (signs and free_queries, "flip_heads", lambda made, config, seed: flip_heads(made, config, seed=seed)),
        (rescale and free_queries, "rescale_heads", lambda made, config, seed: rescale_heads(made, config, seed=seed)),
        (True, "permute_neurons", lambda made, _, seed: permute_neurons(made, seed=seed)),
        (rescale and gated, "rescale_neurons", lambda made, _, seed: rescale_neurons(made, seed=seed)),
        (signs and gated, "flip_signs", lambda made, _, seed: flip_signs(made, seed=seed)),
    ]
    return {name: apply for wanted, name, apply in table if wanted}
