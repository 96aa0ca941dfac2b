"""What pairs of siblings score: models trained apart from one base, on the same or on other data.

Made by ``python -m benchmarks.accuracy beyond`` on the lineages that thresholds may be set on.
"""

from __future__ import annotations

COMMAND = "python -m benchmarks.accuracy beyond"

SCORES: tuple[float, ...] = (
    0.646, 0.542, 0.464, 0.377, 0.343, 0.309, 0.131, -0.001, -0.086, -0.118, -0.234, -0.234, -0.28, -0.295, -0.445,
    -0.47, -0.81, -1.256, -1.37, -1.474, -1.798, -1.808, -1.946, -2.16, -2.406, -2.742, -3.648, -4.1,
)  # fmt: skip
"""Likeness of descent, one a pair, highest first."""
