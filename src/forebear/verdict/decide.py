"""From findings to one of the six verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10

from forebear.evidence.finding import Finding
from forebear.evidence.weights.identity import Identity
from forebear.evidence.weights.inheritance import Inheritance
from forebear.evidence.weights.residual import Residual
from forebear.statistics.tails import capped, holm
from forebear.verdict.comparison import Direction, Verdict

FIRES_AT = -6.0
"""log10 of the Holm-corrected p-value at which the pair is no longer called chance.

Every p-value below 1e-4 is an exact bound, so the level holds by construction; that it is not exceeded more often
than it says is counted by `python -m benchmarks.accuracy null`."""

FLAT = 0.06
"""Largest deviation of a retention curve that still counts as flat (`python -m benchmarks.accuracy retention`)."""

START = 0.25
"""Deviation both ways from which on the learned top counts as lost (same command)."""

DEFAULT_SEEDS = "public default seeds and deterministic initialisation can produce this between unrelated labs"


@dataclass(frozen=True)
class Decision:
    """A verdict with its direction and reasons."""

    verdict: Verdict
    because: str
    direction: Direction | None = None
    direction_reason: str | None = None


def corrected(findings: Sequence[Finding], references: int = 1) -> float | None:
    """Smallest Holm-corrected log10 p over the tests, times the number of references; None without any."""
    found = [finding.log10_p for finding in findings if finding.log10_p is not None]
    return capped(min(holm(found)) + log10(references)) if found else None


def level_of_one_test(findings: Sequence[Finding], references: int = 1) -> float:
    """log10 p that a single test must reach for the pair to fire."""
    tests = sum(finding.log10_p is not None for finding in findings)
    return FIRES_AT - log10(max(tests, 1) * references)


def decide_related(identity: Identity, residual: Residual, inheritance: Inheritance, one_sided: bool) -> Decision:
    """Verdict of a pair that fired, or whose values are equal.

    Args:
        identity: equal and unequal parts.
        residual: differences.
        inheritance: retention both ways.
        one_sided: a part exists in one model only, so equality of the rest is not sameness.
    """
    if identity.everything and not one_sided:
        return Decision(
            "same",
            "all values compared are equal once undone what is free",
            direction_reason="equal values carry no direction",
        )
    if residual.noise is not None:
        return _noised(bool(residual.noise_on_model))
    found = inheritance.containment
    if found is None:
        return Decision(
            "related",
            "labels agree beyond chance, but no matrix overlaps enough to tell what was kept",
            direction_reason="no retention curve could be measured",
        )
    # First of each pair: model in reference; second: reference in model.
    inside_reference, inside_model = found.deviation
    if min(inside_reference, inside_model) > FLAT:
        return _neither_flat(inside_reference, inside_model, found.curves[0][0], found.curves[1][0])
    low, high = found.difference
    figures = (
        f"deviation of the reference's structure in the model {inside_model:.3f}, "
        f"of the model's in the reference {inside_reference:.3f}"
    )
    if inside_model <= FLAT and high < 0.0:
        return Decision(
            "derived", f"the reference's learned structure lies whole inside the model ({figures})", "reference to model"
        )
    if inside_reference <= FLAT and low > 0.0:
        return Decision(
            "derived", f"the model's learned structure lies whole inside the reference ({figures})", "model to reference"
        )
    return Decision(
        "derived",
        f"learned structure is kept whole ({figures})",
        direction_reason="the two retention curves are too alike for this pair to tell which contains the other",
    )


def _noised(on_model: bool) -> Decision:
    base, other = ("reference", "model") if on_model else ("model", "reference")
    return Decision(
        "derived",
        f"the {other} is the {base} plus noise of one scalar: the difference is uncorrelated with the {base}",
        "reference to model" if on_model else "model to reference",
    )


def _neither_flat(inside_reference: float, inside_model: float, top_mine: float, top_yours: float) -> Decision:
    figures = f"deviations {inside_model:.3f} and {inside_reference:.3f}"
    no_direction = "neither side's structure lies whole inside the other"
    if min(inside_reference, inside_model) >= START and max(top_mine, top_yours) < 1.0:
        return Decision(
            "shared start",
            f"the random bulk is kept both ways and the learned top is not ({figures}): "
            f"a shared random start or a very early common ancestor; {DEFAULT_SEEDS}",
            direction_reason=no_direction,
        )
    return Decision(
        "related",
        f"labels agree beyond chance, yet each side learned something the other lacks ({figures}): a common ancestor",
        direction_reason=no_direction,
    )
