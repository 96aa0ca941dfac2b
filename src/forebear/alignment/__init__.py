"""What to compare with what: which rows are drawn, norms folded, layers, neurons and residual coordinates paired."""
