"""Changes that keep, hide or blur what a model computes, as pure functions on a dictionary of arrays.

Each takes tensors by name and returns a new dictionary, or a `Changed` where the config changes too; untouched arrays
are shared, types are kept, arithmetic is in float64. Llama, Qwen2, Qwen2-MoE and GPT-2 are known by their published
names; neurons also those of Mixtral and of BERT-style encoders. Splitting into shards is
``forebear.zoo.folder.write_folder(..., shards=n)``.
"""

from forebear.zoo.surgery.changed import Changed
from forebear.zoo.surgery.experts import shuffle_experts, to_dense, upcycle
from forebear.zoo.surgery.heads import flip_heads, mix_queries, mix_values, permute_heads, rescale_heads
from forebear.zoo.surgery.layers import drop_layers, insert_layers, reorder_layers, repeat_layers, shift_layers
from forebear.zoo.surgery.merge import dare, franken, linear, slerp, task_arithmetic, ties
from forebear.zoo.surgery.modules import add_module
from forebear.zoo.surgery.names import fuse, prefix_names, regroup_layers, rename, reorder, scramble_names, split
from forebear.zoo.surgery.neurons import flip_signs, permute_neurons, rescale_neurons
from forebear.zoo.surgery.norms import rescale_norms
from forebear.zoo.surgery.residual import (
    fold_gains,
    permute_residual,
    residual_permutation,
    residual_rotation,
    rotate_residual,
)
from forebear.zoo.surgery.stacked import everything
from forebear.zoo.surgery.values import add_noise, cast, low_rank, prune_values, quantise, redraw
from forebear.zoo.surgery.vocabulary import extend_vocabulary, pad_vocabulary, reorder_vocabulary, replace_vocabulary
from forebear.zoo.surgery.width import prune_heads, prune_hidden, prune_neurons, widen_hidden, widen_neurons

__all__ = [
    "Changed",
    "add_module",
    "add_noise",
    "cast",
    "dare",
    "drop_layers",
    "everything",
    "extend_vocabulary",
    "flip_heads",
    "flip_signs",
    "fold_gains",
    "franken",
    "fuse",
    "insert_layers",
    "linear",
    "low_rank",
    "mix_queries",
    "mix_values",
    "pad_vocabulary",
    "permute_heads",
    "permute_neurons",
    "permute_residual",
    "prefix_names",
    "prune_heads",
    "prune_hidden",
    "prune_neurons",
    "prune_values",
    "quantise",
    "redraw",
    "regroup_layers",
    "rename",
    "reorder",
    "reorder_layers",
    "reorder_vocabulary",
    "repeat_layers",
    "replace_vocabulary",
    "rescale_heads",
    "rescale_neurons",
    "rescale_norms",
    "residual_permutation",
    "residual_rotation",
    "rotate_residual",
    "scramble_names",
    "shift_layers",
    "shuffle_experts",
    "slerp",
    "split",
    "task_arithmetic",
    "ties",
    "to_dense",
    "upcycle",
    "widen_hidden",
    "widen_neurons",
]
