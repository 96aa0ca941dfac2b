"""Whether a model replies as one reference does more than strangers reply like one another.

That a reference is the closest of all proves little: some model always is, and with enough prompts significantly so.
Nor does raw agreement tell: models that say what most say agree with everyone, and a child trained on other text agrees
with nobody. What counts is agreement beyond what either model has with all others, and two questions are put to it.
Does it exceed that of any two strangers by more than the prompts leave to chance? And, counted in controls, does it
stand above all that strangers score?
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
    equal_counts,
    exchange_chances,
    exchange_log10_p,
    fair_coins_log10_p,
    habit_scores,
    log_shares,
)
from forebear.statistics.arrays import Floats
from forebear.statistics.conformal import conformal_p
from forebear.statistics.tails import normal_log10_sf

LEVEL = -2.0
"""log10 of the p-value, corrected for the number of references, at which a reference stands out."""
FEWEST_CONTROLS = 10
"""Below so many strangers nothing is concluded."""
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
        """Whether the p-value is the smallest that there is: neither model has a stranger as close."""
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
        """Logarithm of how many times as often the two agree as their agreement with all others gives."""
        return self._beside(beyond_habit(log_shares(self.counts, self.prompts)))

    @cached_property
    def chances(self) -> Floats:
        """Of each prompt, that two of the models drawn at random reply the same."""
        return exchange_chances(self.codes)

    @cached_property
    def exchange(self) -> float:
        """log10 p of the shared replies, were replies dealt to models at random, prompt by prompt.

        Strangers of unequal habits break this null, so it decides nothing.
        """
        return exchange_log10_p(self.equal, self.chances)

    @cached_property
    def _scores(self) -> Floats:
        """Of every other pair: how far the two exceed it beyond habit, in standard errors over prompts."""
        first, second = (np.concatenate([[place], each]) for place, each in enumerate(self.pairs))
        each = habit_scores(self.codes, (self.counts + 0.5) / (self.prompts + 1.0), first, second)
        own, theirs = each[:, 0], each[:, 1:]
        ahead = self.habit.value - self.habit.strangers
        moved = own.mean() - theirs.mean(axis=0)
        squares = np.square(own).mean() + np.square(theirs).mean(axis=0) - 2.0 * (own @ theirs) / self.prompts
        errors = np.sqrt(np.maximum(squares - np.square(moved), 0.0) / self.prompts)
        return np.asarray(np.divide(ahead, errors, out=np.zeros_like(ahead), where=errors > 0.0))

    def paired(self) -> tuple[float, tuple[int, int]]:
        """Largest p-value of paired tests against every other pair, as log10, and that pair's columns.

        Null: beyond habit, the two agree no more than some two strangers do. By the normal law of
        means over prompts and the linear part of their logarithms.
        The largest of several p-values holds whichever pair that is, so nothing more is to be paid for choosing it.
        """
        weakest = int(np.argmin(self._scores))
        pair = int(self.pairs[0][weakest]), int(self.pairs[1][weakest])
        return normal_log10_sf(float(self._scores[weakest])), pair

    def paired_controls(self) -> tuple[float, int]:
        """Largest p-value of exact sign-flip tests of agreement with the model, reference against control; its column.

        Null: on prompts on which one of the two alone agrees with the model, either is as likely to.
        """
        joint = equal_counts(self.codes[self.codes[:, 0] == self.codes[:, 1]])[0, 2:]
        ahead, behind = self.equal - joint, self.counts[0, 2:] - joint
        found = [fair_coins_log10_p(int(one), int(one + other)) for one, other in zip(ahead, behind, strict=True)]
        return max(found), 2 + int(np.argmax(found))

    @cached_property
    def alike(self) -> bool:
        """Whether the model or the reference is like the controls: it agrees with them as the least of them does.

        Where both are unlike them, what the two share may be data or a task that no control has seen, and the controls
        say nothing of what strangers of their kind score. One is enough: with the other held fixed it is the stranger.
        """
        among = self.counts[2:, 2:].sum(axis=1) - self.prompts
        least = float(among.min()) / max(1, self.controls - 1)
        return any(float(each.mean()) >= least for each in (self.counts[0, 2:], self.counts[1, 2:]))

    def stands_out(self, level: float) -> bool:
        """Whether the reference stands out.

        Args:
            level: log10 of the p-value asked for.
        """
        enough = self.controls >= FEWEST_CONTROLS
        return enough and self.alike and self.habit.highest and self.paired()[0] <= level

    def _beside(self, figures: Floats) -> Beside:
        value = float(figures[0, 1])
        every = figures[self.pairs]
        rows = figures[0, 2:], figures[1, 2:]
        p = max(conformal_p(value, each) for each in (*rows, every))
        return Beside(value, every, self.controls, max(p, 1.0 / (self.controls + 1)))
