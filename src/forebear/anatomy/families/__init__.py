"""One table a family: tensor names, how fused tensors part, which keys of config.json claim which size."""
