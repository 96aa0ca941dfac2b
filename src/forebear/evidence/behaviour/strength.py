"""How strongly two models' answers speak for a common origin: exact tests together, and the pair among strangers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log10, sqrt

import numpy as np
from scipy.special import stdtr

from forebear.evidence.behaviour.likeness import of_their_kind, steadier
from forebear.evidence.behaviour.numeric import FEWEST_ITEMS
from forebear.evidence.behaviour.panel import Panel
from forebear.evidence.behaviour.stand_ins import Agreed, Bench
from forebear.statistics.arrays import Floats
from forebear.statistics.conformal import conformal_p
from forebear.statistics.error_vectors import alike, dealt, vector_correlation
from forebear.statistics.shared_errors import SharedErrors
from forebear.statistics.tails import LOG10_FLOOR, capped, fisher_log10_p

LEVEL = -3.0
"""log10 of the p-value at which two models count as related in behaviour."""
FEWEST_CONTROLS = 10
"""Below so many strangers no pair is called anything but undetermined."""
FEWEST_FOR_SPREAD = 3
REST_LEVEL = -2.0
"""log10 of the p-value that must be left where the answer that two models share most often does not count."""
VECTOR_DRAWS = 0x6E756D
"""Keys the deals of error vectors, so that they are no other test's draws."""
ANSWERS, VECTORS = "agreement beyond chance, in standard deviations", "correlation of error vectors"


@dataclass(frozen=True, slots=True)
class Place:
    """A pair's figure beside that of strangers.

    Attributes:
        figure: what is compared.
        exact: log10 p of the exact tests behind it.
        value: the pair's.
        strangers: the same of each control in the place of one of the pair.
        beyond: log10 p of a value so far above the strangers', were theirs a sample of a normal law; None below three.
    """

    figure: str
    exact: float
    value: float
    strangers: Floats
    beyond: float | None

    @property
    def p(self) -> float:
        """Conformal p-value of the value among strangers'; never below ``1 / (controls + 1)``."""
        return conformal_p(self.value, self.strangers)

    @property
    def log10_p(self) -> float | None:
        """The weaker of ``exact`` and ``beyond``."""
        return None if self.beyond is None else max(self.exact, self.beyond)

    @property
    def leads(self) -> bool:
        """Whether no stranger's value is as high."""
        return self.value > float(self.strangers.max())


@dataclass(frozen=True, slots=True)
class Strength:
    """What the tests on one pair give.

    Attributes:
        shared: shared errors by difficulty; None without right answers or controls.
        same: equal answers, the wrong ones alone where right answers are known; None without controls.
        places: the pair among strangers, by answers and, where these are numbers, by error vectors; empty without
            controls.
        exchanged: number of the model that controls stand in for, 0 or 1.
        kind: whether they are of its kind; None below three.
        steadier: whether shared errors were left out, for the controls tell little about difficulty.
        rest: the place that says most where items on which the model that stays gave the answer that the two share
            most often are left out; None where the pair does not stand out in the first place.
    """

    shared: SharedErrors | None = None
    same: Agreed | None = None
    places: tuple[Place, ...] = ()
    exchanged: int = 1
    kind: bool | None = None
    steadier: bool = False
    rest: Place | None = None

    @property
    def place(self) -> Place | None:
        """The place that says most."""
        return min(self.places, key=lambda each: each.log10_p or 0.0, default=None)

    @property
    def log10_p(self) -> float | None:
        """That of `place`, paid for by the number of places; None where controls are too few or of neither's kind."""
        place = self.place
        if place is None or place.log10_p is None or not self.kind:
            return None
        return corrected(place.log10_p, len(self.places))

    def fires(self, references: int = 1) -> bool:
        """Whether the pair is related in behaviour, held against so many references.

        Three things are asked: the exact tests, a figure far beyond those of strangers, and none of theirs as high; and
        what is left without the answer that the two share most often must stand out too.
        """
        return self._stands_out(references) and not self.habit(references)

    def habit(self, references: int = 1) -> bool:
        """Whether the pair stands out by one answer alone, such as a preferred letter or a refusal."""
        if not self._stands_out(references) or self.rest is None:
            return False
        left = self.rest.log10_p or 0.0
        return not self.rest.leads or corrected(left, len(self.places)) > REST_LEVEL

    def _stands_out(self, references: int) -> bool:
        found, place = self.log10_p, self.place
        if found is None or place is None or place.strangers.size < FEWEST_CONTROLS:
            return False
        return place.leads and corrected(found, references) <= LEVEL


def corrected(log10_p: float, many: int) -> float:
    """A p-value paid for by the number of those it was chosen from (Bonferroni)."""
    return min(0.0, log10_p + log10(many))


def strength(panel: Panel, *, seed: int = 0) -> Strength:
    """Every test on the first two models of a panel whose other models are controls.

    Controls stand in for the second model, the reference, where they are of its kind; otherwise for the first, where
    they are of its. Given which items both get wrong, what they answered there is a question of its own, so the two
    exact tests are combined as independent ones. Shared errors do not count where the one in question parts hard items
    from easy ones more sharply than the controls do.

    Args:
        panel: of the two and the controls.
        seed: of what is drawn for numeric answers.

    Null: the one that controls stand in for is a stranger like them: as `Bench` states it, and for ``beyond``: figures
    of strangers follow a normal law, whose spread is at least what independent items give.
    """
    if len(panel.names) < 3:
        return Strength()
    exchanged, kind = _exchanged(panel)
    sharp = steadier(panel, exchanged)
    found = replace(_held(panel, exchanged, sharp, seed), kind=kind)
    if not found.fires():
        return found
    left = _without_habit(panel, 1 - exchanged)
    rest = None if left is None else _held(left, exchanged, sharp, seed).place
    # With nothing left, nothing stands out beside that answer.
    return replace(found, rest=rest or Place(ANSWERS, 0.0, 0.0, np.zeros(len(panel.names) - 2), 0.0))


def _held(panel: Panel, exchanged: int, sharp: bool, seed: int) -> Strength:
    """Every test, with controls in the place of one of the pair."""
    bench = Bench(panel, 1 - exchanged, (exchanged, *range(2, len(panel.names))))
    shared = None if panel.wrong is None else bench.shared()
    same = bench.same()
    tests = [same.log10_p] if shared is None or sharp else [shared.log10_p, same.log10_p]
    figures = bench.figures(shared_too=not sharp)
    places = [_place(ANSWERS, capped(fisher_log10_p(tests)), figures, 1.0)]
    vectors = _vectors(panel, bench, seed)
    return Strength(shared, same, tuple([*places, *vectors]), exchanged, steadier=sharp)


def _without_habit(panel: Panel, fixed: int) -> Panel | None:
    """The items on which one of the pair did not give the answer that the two share most often; None where none is.

    The tests assume nothing about that model's answers, so choosing items by them keeps their null.
    """
    equal = (panel.codes[:, 0] == panel.codes[:, 1]) & panel.given[:, 0]
    if panel.wrong is not None:
        equal &= panel.wrong[:, 0]
    codes, many = np.unique(panel.codes[equal, 0], return_counts=True)
    if not codes.size:
        return panel
    kept = panel.codes[:, fixed] != codes[many.argmax()]
    return panel.among(kept) if kept.any() else None


def _vectors(panel: Panel, bench: Bench, seed: int) -> list[Place]:
    """The pair's place by error vectors, where answers are numbers."""
    if not panel.numeric or panel.items < FEWEST_ITEMS:
        return []
    errors = panel.error_vectors()
    exact = dealt(alike(errors, (0, 1)), 0, 1, np.random.default_rng([seed, VECTOR_DRAWS])).log10_p
    # No pair is favoured, so that figures of strangers are exchangeable.
    vectors = alike(errors, (bench.fixed, bench.fixed))
    figures = np.array([float(vector_correlation(vectors[:, bench.fixed], vectors[:, each])[0]) for each in bench.pool])
    return [_place(VECTORS, exact, np.nan_to_num(figures, nan=0.0), panel.items**-0.5)]


def _place(figure: str, exact: float, figures: Floats, noise: float) -> Place:
    value, row = float(figures[0]), figures[1:]
    return Place(figure, exact, value, row, _beyond(value, row, noise))


def _exchanged(panel: Panel) -> tuple[int, bool | None]:
    """Which of the pair controls stand in for, and whether they are of its kind."""
    for each in (1, 0):
        kind = of_their_kind(panel, each)
        if kind or kind is None:
            return each, kind
    return 1, False


def _beyond(value: float, row: Floats, noise: float) -> float | None:
    """log10 p of one more draw from a normal law of which a sample is at hand, by Student's t.

    Args:
        value: the draw.
        row: the sample.
        noise: spread that independent items alone would give.
    """
    if row.size < FEWEST_FOR_SPREAD:
        return None
    spread = max(float(np.std(row, ddof=1)), noise)
    deviate = (value - float(np.mean(row))) / (spread * sqrt(1.0 + 1.0 / row.size))
    tail = float(stdtr(row.size - 1, -deviate))
    return capped(log10(tail)) if tail > 0.0 else LOG10_FLOOR
