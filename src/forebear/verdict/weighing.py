"""The weights of two prepared models, from one draw of rows to a claim."""

from __future__ import annotations

import hashlib
from typing import Any

from forebear.alignment.align import Alignment, Unaligned, align
from forebear.alignment.draw import Planner
from forebear.alignment.sampled import Missing
from forebear.anatomy.parts import Part, Role
from forebear.evidence.finding import Finding, listed
from forebear.evidence.registry import tests_of
from forebear.evidence.weights.identity import Identity, compare_values
from forebear.evidence.weights.inheritance import Inheritance, measure_inheritance
from forebear.evidence.weights.labels import LABELS_KEPT
from forebear.evidence.weights.pair import Pair
from forebear.evidence.weights.residual import measure_residual
from forebear.verdict.comparison import Inherited, Power, Retention, WeightsClaim
from forebear.verdict.decide import FIRES_AT, corrected, decide_related, level_of_one_test
from forebear.verdict.power import STATED_COSINE, STATED_SHARE, measure_power, sufficient
from forebear.verdict.recipe import recipe_of
from forebear.verdict.sides import Prepared, Progress, Settings, fixed_key


class Weighing:
    """The weights of two prepared sides.

    Args:
        mine, yours: model and reference.
        settings: what was asked for.
        progress: told what is being done.
    """

    def __init__(self, mine: Prepared, yours: Prepared, settings: Settings, progress: Progress) -> None:
        self.mine = mine
        self.yours = yours
        self.seed = settings.seed
        self.references = settings.references
        self.progress = progress
        self.keys: list[str] = []
        """Keys of the draws read so far."""

    def claim(self) -> WeightsClaim:
        """Test a draw and say what it shows; a pair that shows nothing is tested on a second draw."""
        aligned = self._align(fixed_key(self.seed))
        if isinstance(aligned, Unaligned):
            return WeightsClaim("undetermined", f"not aligned: {aligned.reason}", limits=_limits(None, self._complete))
        pair, findings = self._test(aligned, "testing")
        log10_p = corrected(findings, self.references)
        power = self._power(pair, findings, curves=True) if log10_p is not None else None
        common: dict[str, Any] = {
            "log10_p": log10_p,
            "layer_map": list(aligned.layer_map),
            "power": power,
            "findings": findings,
            "not_compared": _not_compared(aligned),
            "limits": _limits(aligned, self._complete),
        }
        identity = compare_values(aligned, aligned.neurons())
        if identity.everything or (log10_p is not None and log10_p <= FIRES_AT):
            return self._related(aligned, identity, common)
        return self._unrelated(aligned, identity, power, common)

    @property
    def _complete(self) -> bool:
        return self.mine.complete and self.yours.complete

    def _align(self, key: str) -> Alignment | Unaligned:
        sides = [(side.store, side.anatomy) for side in (self.mine, self.yours)]
        self.keys.append(key)
        return align(sides[0], sides[1], key, min(self.mine.draw_budget, self.yours.draw_budget))

    def _test(self, aligned: Alignment, doing: str) -> tuple[Pair, list[Finding]]:
        pair = Pair.of(aligned)
        tests = tests_of("weights")
        findings = []
        for index, test in enumerate(tests):
            self.progress(doing, index / len(tests))
            findings.append(test.run(pair))
        return pair, findings

    def _power(self, pair: Pair, findings: list[Finding], curves: bool) -> Power:
        self.progress("measuring power", 0.0)
        return measure_power(pair, level_of_one_test(findings, self.references), curves)

    def _related(self, aligned: Alignment, identity: Identity, common: dict[str, Any]) -> WeightsClaim:
        self.progress("measuring what was inherited", 0.0)
        neurons = aligned.neurons()
        inheritance = measure_inheritance(aligned, neurons, identity.equal)
        residual = measure_residual(aligned, neurons)
        decision = decide_related(identity, residual, inheritance, self._differ_elsewhere(aligned), self._complete)
        files = len(self.mine.store.files), len(self.yours.store.files)
        return WeightsClaim(
            decision.verdict,
            decision.because,
            direction=decision.direction,
            direction_reason=decision.direction_reason,
            inherited=Inherited(inheritance.layer_share, inheritance.neuron_share, inheritance.part_share),
            recipe=recipe_of(aligned, identity, residual, neurons, files),
            retention=_retention(inheritance),
            **common,
        )

    def _unrelated(
        self, aligned: Alignment, identity: Identity, power: Power | None, common: dict[str, Any]
    ) -> WeightsClaim:
        """Nothing fired: independent if inheritance would have been seen, on two draws."""
        refused = self._refused(aligned, common["findings"])
        if refused is not None:
            return WeightsClaim("undetermined", refused, **(common | {"log10_p": None}))
        doubt = _copied_matrix(aligned, identity) or self._doubt(power)
        for side in (aligned.model, aligned.reference):
            side.release()
        doubt = doubt or self._doubt_on_second_draw()
        if doubt is not None:
            return WeightsClaim("undetermined", doubt, **common)
        return WeightsClaim(
            "independent",
            f"no test fires, and inheritance of {STATED_SHARE:.0%} of the neurons at cosine {STATED_COSINE:g} was "
            "found in every planted draw, labels kept or relabelled",
            **common,
        )

    def _refused(self, aligned: Alignment, findings: list[Finding]) -> str | None:
        """What could not be tested at all, so that no p-value speaks for the pair; None if everything could."""
        if corrected(findings) is None:
            reasons = listed(finding.reason for finding in findings if finding.reason)
            return f"no test could be computed: {reasons}"
        missing = [*_unreadable(aligned), *_faulty(aligned)]
        if missing:
            return f"part of the weights could not be tested: {missing[0]}"
        # Where only the sign test is refused, the invariant test still covers relabelled neurons.
        refused = [one.reason for one in findings if one.answers == LABELS_KEPT and one.reason and one.assumptions]
        return f"a test had to be refused: {refused[0]}" if refused else None

    def _doubt(self, power: Power | None) -> str | None:
        """Why silence of the tests is not yet an exoneration; None if it is."""
        if power is None or sufficient(power):
            return None
        return _too_weak(power) + self._what_would_help()

    def _what_would_help(self) -> str:
        """Bytes a larger draw would read; nothing where everything was read already."""
        sides = [side for side in (self.mine, self.yours) if not side.complete]
        if not sides:
            return ""
        needed = max(Planner(side.store, side.anatomy).bytes_of_largest() for side in sides)
        return f"; --budget {needed} reads as much as a sample ever does, --full every byte"

    def _doubt_on_second_draw(self) -> str | None:
        """The same on a draw keyed by both digests, which nobody could have prepared for."""
        second = self._align(self._second_key())
        if isinstance(second, Unaligned):
            return f"not aligned on the second draw: {second.reason}"
        pair, again = self._test(second, "testing a second draw")
        log10_p = corrected(again, self.references)
        if log10_p is None or log10_p <= FIRES_AT:
            return "the fixed draw and the second draw disagree; read in full"
        if not sufficient(self._power(pair, again, curves=False)):
            return "the second draw has too little power for an exoneration"
        return None

    def _differ_elsewhere(self, aligned: Alignment) -> bool:
        """Whether something was found in one model only, or was not recognised and is not known to be equal."""
        mine, yours = self.mine.side, self.yours.side
        known = (mine.digest, yours.digest) if self._complete else (mine.sample_digest, yours.sample_digest)
        return bool(aligned.not_aligned) and known[0] != known[1]

    def _second_key(self) -> str:
        digests = sorted(str(side.side.sample_digest) for side in (self.mine, self.yours))
        return hashlib.sha256(f"{self.seed}|{'|'.join(digests)}".encode()).hexdigest()


def _retention(inheritance: Inheritance) -> dict[str, Retention]:
    found = inheritance.containment
    if found is None:
        return {}
    names = ("model in reference", "reference in model")
    return {
        name: Retention(
            deviation=found.deviation[index],
            interval=found.interval[index],
            curve=found.curves[index].tolist(),
            curve_by_layer=found.by_layer[index].tolist(),
        )
        for index, name in enumerate(names)
    }


def _unreadable(aligned: Alignment) -> list[str]:
    """Places whose weights should have been tested and could not be read (NaN, constant)."""
    found = [aligned.ffns(place) for place in aligned.places()]
    unpaired = set(aligned.model.places()) ^ set(aligned.reference.places())
    return [
        *(one.reason for one in found if isinstance(one, Missing)),
        *(f"{place}: an FFN of one side only" for place in sorted(unpaired, key=str)),
    ]


def _faulty(aligned: Alignment) -> list[str]:
    """Value projections, embedding and output that cannot be tested because of the values they hold."""
    found = [aligned.values(layer) for layer in aligned.layers]
    outside = [aligned.matrices(Part(role)) for role in (Role.EMBEDDING, Role.OUTPUT)]
    return [one.reason for one in (*found, *outside) if isinstance(one, Missing) and one.faulty]


def _copied_matrix(aligned: Alignment, identity: Identity) -> str | None:
    """Equal matrices, in places where no test looks."""
    parts = aligned.model.anatomy.parts
    equal = [str(part) for part in identity.equal if len(parts[part].shape) > 1]
    if not equal:
        return None
    return f"no test fires, yet {len(equal)} matrices hold equal values, the first being {equal[0]}"


def _not_compared(aligned: Alignment) -> list[str]:
    values = [aligned.values(layer) for layer in aligned.layers]
    reasons = [*_unreadable(aligned), *(one.reason for one in values if isinstance(one, Missing)), *_faulty(aligned)]
    return [*aligned.not_aligned, *dict.fromkeys(reasons)]


def _too_weak(power: Power) -> str:
    weak = [
        f"{name}: {found.reason or f'{found.detected} of {found.draws} planted draws found'}"
        for name, found in power.classes.items()
        if found.detected is None or found.detected != found.draws
    ][:2]
    return f"nothing fires, but too little could be tested to exonerate ({'; '.join(weak)})"


def _limits(aligned: Alignment | None, complete: bool) -> list[str]:
    limits = [
        "The p-values assume that each model was trained from a start whose law does not depend on a neuron's index; "
        "what can be checked of this inside each model was checked.",
        "Containment is not parenthood: a barely changed sibling of the true parent looks like the parent.",
        "A rotated or permuted residual stream, changed depth or width and replaced vocabularies are not looked for "
        "by this version.",
        "Distillation takes no weights and cannot be seen here.",
        "Not yet verified on released large models.",
    ]
    if aligned is not None and not complete:
        limits.insert(0, "Only a sample of rows was read; rows outside it were not compared.")
    return limits
