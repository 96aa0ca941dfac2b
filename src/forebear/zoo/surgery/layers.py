"""Another depth: layers repeated, inserted, dropped or put in another order."""

from __future__ import annotations

import re

from forebear.errors import UsageError
from forebear.zoo.folder import Arrays
from forebear.zoo.surgery.changed import Tensors

LAYER = re.compile(r"((?:^|.*\.)(?:layers|layer|h)\.)(\d+)(\..*)")


def shift_layers(tensors: Tensors, by: int = 1) -> Arrays:
    """Gives each layer's tensors the number of the layer ``by`` further on, round the end."""
    found = [LAYER.fullmatch(name) for name in tensors]
    layers = 1 + max((int(match[2]) for match in found if match), default=-1)
    if layers == 0:
        raise UsageError("no numbered layers among the tensors")
    return {
        f"{match[1]}{(int(match[2]) + by) % layers}{match[3]}" if match else name: tensor
        for (name, tensor), match in zip(tensors.items(), found, strict=True)
    }
