"""Which tensor is what: roles, layers, heads and experts, from shapes, with names and config.json as claims."""
