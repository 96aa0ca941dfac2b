"""What every test on weights is given: an alignment, and what each model showed when checked alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from forebear.alignment.align import Alignment
from forebear.evidence.finding import Assumption
from forebear.evidence.weights.assumptions import EXCHANGEABLE_RESIDUAL, SelfChecks, check_alone


@dataclass(frozen=True)
class Pair:
    """Two aligned models and their checks."""

    alignment: Alignment
    model: SelfChecks
    reference: SelfChecks

    @staticmethod
    def of(alignment: Alignment) -> Pair:
        """Check both models alone."""
        return Pair(alignment, check_alone(alignment.model), check_alone(alignment.reference))

    @property
    def layers_share_labels(self) -> bool:
        """Both models repeat their labels from layer to layer, so layers are not independent evidence."""
        return self.model.repeats_labels and self.reference.repeats_labels

    @property
    def heads_share_labels(self) -> bool:
        """Both models repeat value labels from head to head, so heads are not independent evidence."""
        return self.model.repeats_heads and self.reference.repeats_heads

    def assumptions(self, *names: str) -> list[Assumption]:
        """The named checks of both sides."""
        return [
            Assumption(f"{check.name} in {side}", check.holds, check.detail)
            for side, checks in (("model", self.model), ("reference", self.reference))
            for check in checks.all()
            if check.name in names
        ]

    def residual_refused(self) -> str | None:
        """Why residual labels cannot be tested: neither side's coordinates are exchangeable; None if they can.

        One exchangeable side is enough: relabelling it alone leaves the law of the pair unchanged.
        """
        if self.model.exchangeable_residual.holds or self.reference.exchangeable_residual.holds:
            return None
        return self.broken(self.assumptions(EXCHANGEABLE_RESIDUAL))

    @staticmethod
    def broken(assumptions: Iterable[Assumption]) -> str | None:
        """The first assumption that does not hold, as a reason."""
        for assumption in assumptions:
            if not assumption.holds:
                return f"assumption fails: {assumption.name} ({assumption.detail})"
        return None
