"""What to compare with what: which tensor is which part, which rows are drawn, and where each stretch comes from.

Layers, experts, tokens, heads, neurons and residual coordinates are paired, and the reference is laid over the model.
"""
