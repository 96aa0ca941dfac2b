"""How fast and in how much memory two models of 1.5 GB are compared: ``python -m benchmarks.speed``."""
