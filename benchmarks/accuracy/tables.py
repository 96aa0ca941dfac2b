"""Plain tables, exact intervals for counts, and uniformity of p-values with the dependence allowed for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import beta, binom, kstest

Floats = NDArray[np.floating]
LEVELS = (1e-2, 1e-3)


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: what is counted.
        header, rows: cells, shown with ``str``; floats to four significant digits.
        notes: how its entries depend on one another, and whatever else one must know to read it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]
    notes: Sequence[str] = field(default_factory=tuple)

    def text(self) -> str:
        """The table as aligned text."""
        cells = [[shown(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(self.header))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
        ]
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([self.title, "", lines[0], rule, *lines[1:], *(f"  * {note}" for note in self.notes), ""])

    def content(self) -> dict[str, Any]:
        """The table for JSON."""
        return asdict(self)


def shown(cell: Any) -> str:
    """A cell as text."""
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    if isinstance(cell, tuple):
        return f"[{', '.join(shown(part) for part in cell)}]"
    return str(cell)


def share_interval(count: int, whole: float, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper-Pearson interval of a share; ``whole`` may be an effective number."""
    if whole <= 0:
        return 0.0, 1.0
    low, high = (1 - confidence) / 2, (1 + confidence) / 2
    return (
        float(beta.ppf(low, count, whole - count + 1)) if count else 0.0,
        float(beta.ppf(high, count + 1, whole - count)) if count < whole else 1.0,
    )


def counted(count: int, whole: int) -> list[Any]:
    """Cells of a count: count, whole, share, 95% interval."""
    return [count, whole, count / whole if whole else None, share_interval(count, whole)]


UNIFORMITY_HEADER = (
    "test", "tests", "KS D", "KS p", "p<=1e-2", "95% interval", "chance", "p<=1e-3", "95% interval", "chance",
)  # fmt: skip
JOINT_HEADER = (*UNIFORMITY_HEADER, "joint KS p", "joint 1e-2", "joint 1e-3")


def uniformity(name: str, values: Sequence[float]) -> list[Any]:
    """Cells under ``UNIFORMITY_HEADER`` saying whether p-values are uniform.

    *KS p*, the Clopper-Pearson intervals of the share of false positives and *chance* (probability of at least as
    many at the nominal rate) take the tests for independent.
    """
    p = np.asarray(values, dtype=float)
    if p.size == 0:
        return [name, 0, *[None] * (len(UNIFORMITY_HEADER) - 2)]
    found = kstest(p, "uniform")
    cells: list[Any] = [name, p.size, float(found.statistic), float(found.pvalue)]
    for level in LEVELS:
        count = int(np.count_nonzero(p <= level))
        cells += [count, share_interval(count, p.size), float(binom.sf(count - 1, p.size, level))]
    return cells


def joint_cells(z: Floats, relabelled: Floats) -> list[Any]:
    """The same three questions put to joint relabellings, which allow for every dependence between the tests.

    Args:
        z: ``(tests,)`` scores seen.
        relabelled: ``(tests, relabellings)`` scores of the same tests after each joint relabelling.

    Returns:
        Share of relabellings (the one seen included) with at least the Kolmogorov-Smirnov distance seen, and with at
        least as many scores beyond the normal 1e-2 and 1e-3 points.
    """
    every = np.sort(ndtr(-np.concatenate([z[:, None], relabelled], axis=1)), axis=0)
    steps = np.arange(len(z) + 1)[:, None] / len(z)
    distance = np.maximum(steps[1:] - every, every - steps[:-1]).max(axis=0)
    counts = [(every <= level).sum(axis=0) for level in LEVELS]
    return [float(np.mean(found >= found[0])) for found in (distance, *counts)]
