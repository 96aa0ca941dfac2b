"""Whether a model replies as one reference does more than strangers reply like one another.

That a reference is the closest of all proves little: some model always is, and with enough prompts significantly so.
Three questions are therefore put, and the weakest answer counts. Is it closer to the model than every control is, and
than any two strangers are to one another, by more than the prompts leave to chance? Do the two share more replies than
if replies had been dealt out at random? And, counted in controls, does it stand above all that strangers score?
Source of the question: I. Nikolic, T. Baluta, P. Saxena, Model Provenance Testing for Large Language Models (2025),
arXiv 2502.00706, which holds a reference against each control and corrects by Holm; the tests here are others.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forebear.statistics.agreement import (
    Codes,
    beyond_habit,
    dealt_at_most,
    equal_counts,
    exchange_chances,
    exchange_log10_p,
    fair_coins_log10_p,
)
from forebear.statistics.arrays import Floats
from forebear.statistics.conformal import conformal_p

LEVEL = -2.0
"""log10 of the p-value, corrected for the number of references, at which a reference stands out."""
FEWEST_CONTROLS = 10
"""Below so many strangers nothing is concluded."""
_WEAKEST = 3
_CLOSE = 1.0 + 1e-9


@dataclass(frozen=True)
class Beside:
    """A figure of the model and the reference beside the same of strangers.

    Attributes:
        value: of the two.
        strangers: of every two models of which one at least is a control.
        controls: how many controls.
        p: conformal p-value, the largest seen from either model and among all pairs; never below
            ``1 / (controls + 1)``.
    """

    value: float
    strangers: Floats
    controls: int
    p: float

    @property
    def highest(self) -> bool:
        """Whether no two strangers score as high."""
        return self.p <= _CLOSE / (self.controls + 1)


class Closeness:
    """The model in column 0, the reference in column 1, three controls or more behind them.

    Args:
        codes: ``(prompts, models)`` replies as numbers.
    """

    def __init__(self, codes: Codes) -> None:
        self.codes = codes
        self.counts = equal_counts(codes)
        self.prompts, models = codes.shape
        self.controls = models - 2
        upper = np.triu_indices(models, 1)
        apart = (upper[0] != 0) | (upper[1] != 1)
        self.pairs = upper[0][apart], upper[1][apart]

    @property
    def equal(self) -> int:
        """Prompts to which model and reference reply the same."""
        return int(self.counts[0, 1])

    @cached_property
    def agreement(self) -> Beside:
        """Share of equal replies, beside that of strangers."""
        return self._beside(self.counts / self.prompts)

    @cached_property
    def habit(self) -> Beside:
        """Agreement beyond what either model has with all others: good models agree with everyone."""
        return self._beside(beyond_habit(self.counts / self.prompts))

    @cached_property
    def chances(self) -> Floats:
        """Of each prompt, that two of the models drawn at random reply the same."""
        return exchange_chances(self.codes)

    @cached_property
    def exchange(self) -> float:
        """log10 p of the shared replies, were replies dealt to models at random, prompt by prompt."""
        return exchange_log10_p(self.equal, self.chances)

    @cached_property
    def _leads(self) -> tuple[Codes, Codes]:
        """Of every other pair: prompts on which only model and reference agree, and those on which only it does."""
        joint = equal_counts(self.codes[self.codes[:, 0] == self.codes[:, 1]])[self.pairs]
        return self.equal - joint, self.counts[self.pairs] - joint

    def paired(self) -> tuple[float, tuple[int, int]]:
        """Largest p-value of sign-flip tests against every other pair, as log10, and that pair's columns.

        Null: against some pair, which of the two agrees on a prompt where one does is a fair coin. The largest of
        several p-values holds whichever pair that is, so that nothing more is to be paid for choosing.
        """
        return self._weakest(np.arange(len(self.pairs[0])))

    def paired_controls(self) -> tuple[float, int]:
        """Likewise against the model's agreement with each control alone, and that control's column."""
        log10_p, pair = self._weakest(np.flatnonzero((self.pairs[0] == 0) & (self.pairs[1] > 1)))
        return log10_p, pair[1]

    def _weakest(self, among: np.ndarray) -> tuple[float, tuple[int, int]]:
        heads, tails = (each[among] for each in self._leads)
        lean = (heads - tails) / np.sqrt(np.maximum(heads + tails, 1.0))
        # The weakest by exact p is among the weakest by z; ties between pairs of other sizes are settled exactly.
        tried = np.argsort(lean, kind="stable")[:_WEAKEST]
        found = [fair_coins_log10_p(int(heads[each]), int(heads[each] + tails[each])) for each in tried]
        weakest = among[tried[int(np.argmax(found))]]
        return max(found), (int(self.pairs[0][weakest]), int(self.pairs[1][weakest]))

    def stands_out(self, level: float) -> bool:
        """Whether the reference stands out; the cheapest questions first.

        Args:
            level: log10 of the p-value asked for.
        """
        return (
            self.controls >= FEWEST_CONTROLS
            and self.agreement.highest
            and self.habit.highest
            and self.paired()[0] <= level
            and (dealt_at_most(self.equal, self.chances) <= level or self.exchange <= level)
        )

    def _beside(self, figures: Floats) -> Beside:
        value = float(figures[0, 1])
        every = figures[self.pairs]
        rows = figures[0, 2:], figures[1, 2:]
        p = max(conformal_p(value, each) for each in (*rows, every))
        return Beside(value, every, self.controls, max(p, 1.0 / (self.controls + 1)))
