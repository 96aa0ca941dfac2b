"""A distance between models from how they continue prompts, and the tree it gives.

A prompt is a gene, the first letters of a sampled continuation an allele; the distance is Nei's, corrected for the
number of samples. It gives findings; a verdict only where a reference lies closer to the model than any two strangers
lie, with ten controls or more, and stays so when prompts are drawn anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from forebear.errors import UsageError
from forebear.evidence.behaviour.live import Heard, LiveClaim, live_test, same_prompts
from forebear.evidence.behaviour.replied import same_asking
from forebear.evidence.behaviour.strength import FEWEST_CONTROLS
from forebear.responses.transcript import Transcript
from forebear.statistics.allele_distance import (
    FEWEST_DRAWS,
    Counts,
    bootstrap_distances,
    nei_distances,
    numbered_identities,
)
from forebear.statistics.arrays import Floats
from forebear.statistics.conformal import conformal_p
from forebear.statistics.neighbours import neighbour_joining, newick

LETTERS = 4
"""First characters of a continuation that make its allele: short enough to recur, long enough to differ."""
FEWEST_PROMPTS = 20
STEADY = 0.99
"""Share of draws of prompts in which a reference must stay closer than any two strangers."""
LIMITS = (
    "The distance measures how alike models continue text, for whatever reason: descent, distillation, shared data.",
    "The tree has no root and no direction; it joins what is close, whether or not anything descends from anything.",
)


class ContinuationPair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models.

    Attributes:
        a: name of the one.
        b: name of the other.
        distance: Nei's distance, slightly below 0 where they cannot be told apart; None where there is none.
        interval: 95 % bootstrap interval over prompts; None where one draw in twenty or more has no distance.
        p: conformal p-value of so small a distance, counted in controls, for pairs of model and reference; None for
            other pairs and without controls.
        closer_than_strangers: share of bootstrap draws in which it lies below the distance of two strangers, the
            smallest such share over all pairs of strangers; null where ``p`` is.
        reason: why something here is null.
    """

    a: str
    b: str
    distance: float | None
    interval: tuple[float, float] | None
    p: float | None = None
    closer_than_strangers: float | None = None
    reason: str | None = None


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """Two nodes of the tree joined: leaves are numbered first, then branches, in order."""

    left: int
    right: int
    left_length: float
    right_length: float


class ContinuationsClaim(LiveClaim, frozen=True, kw_only=True):
    """What continuations say.

    Attributes:
        models: names, the model first, then references, then controls.
        controls: how many of them, at the end.
        prompts: that every model continued twice or more.
        letters: characters of a continuation that are compared.
        pairs: every two models.
        leaves: models of the tree.
        tree: by neighbour joining, unrooted.
        newick: the tree as text; None where there is none.
        tree_reason: which models are not in it, and why.
        left_out: prompts left out, and why.
    """

    models: list[str]
    controls: int
    prompts: int
    letters: int = LETTERS
    pairs: list[ContinuationPair]
    leaves: list[str] = []
    tree: list[Branch] = []
    newick: str | None = None
    tree_reason: str | None = None
    left_out: list[str] = []


@dataclass(frozen=True)
class _Measured:
    names: tuple[str, ...]
    references: int
    distances: Floats
    drawn: Floats
    own: Floats

    @property
    def controls(self) -> int:
        return len(self.names) - 1 - self.references


@live_test("continuations", "a distance from sampled continuations, and the tree it gives")
def continuations(heard: Heard) -> ContinuationsClaim:
    """Measure how far models lie apart in how they continue prompts.

    Args:
        heard: transcripts of the same prompts with several samples each; one reference or more.

    Raises:
        UsageError: no reference, models asked in different ways, one reply to a prompt alone, or too few prompts that
            every model continued.
    """
    same_prompts(heard)
    same_asking(heard)
    transcripts = (heard.model, *heard.references, *heard.controls)
    genes, left_out = _genes(transcripts)
    chances = numbered_identities(genes)
    measured = _Measured(
        tuple(each.name for each in transcripts),
        len(heard.references),
        nei_distances(chances),
        bootstrap_distances(chances, heard.seed),
        np.diagonal(chances.sum(axis=0)),
    )
    pairs = _pairs(measured)
    leaves, tree, written, why = _tree(measured)
    verdict, because, reason = _verdict(measured, pairs)
    return ContinuationsClaim(
        verdict=verdict, because=because, reason=reason, limits=list(LIMITS),
        innocent_explanation="One was trained on the other's replies, or both on the same." if verdict else "",
        models=list(measured.names), controls=measured.controls, prompts=len(genes), pairs=pairs, leaves=leaves,
        tree=tree, newick=written, tree_reason=why, left_out=left_out,
    )  # fmt: skip


def allele(text: str) -> str:
    """First letters of a continuation, white space before it left out: tokenizers differ in where they put it."""
    return text.lstrip()[:LETTERS]


def _genes(transcripts: Sequence[Transcript]) -> tuple[list[Counts], list[str]]:
    drawn = [_alleles(each) for each in transcripts]
    for each, found in zip(transcripts, drawn, strict=True):
        if all(len(alleles) < FEWEST_DRAWS for alleles in found.values()):
            raise UsageError(
                "one reply to each prompt; the distance needs several",
                where=each.source,
                field="settings.samples",
                remedy="Ask with --samples 8 or more and a temperature above 0",
            )
    ids = [each.id for each in transcripts[0].prompts.prompts]
    kept = [each for each in ids if all(len(found.get(each, {})) >= FEWEST_DRAWS for found in drawn)]
    if len(kept) < FEWEST_PROMPTS:
        raise UsageError(
            f"{len(kept)} prompts were continued twice or more by every model, at least {FEWEST_PROMPTS} are needed",
            where=transcripts[0].source,
            remedy="Ask again for the replies that are missing",
        )
    lost = len(ids) - len(kept)
    told = [f"{lost} of {len(ids)} prompts: some model continued them fewer than twice"] if lost else []
    return [_numbered([found[each] for found in drawn]) for each in kept], told


def _alleles(transcript: Transcript) -> dict[str, dict[int, str]]:
    """By prompt and sample."""
    found: dict[str, dict[int, str]] = {}
    for each in transcript.replies:
        found.setdefault(each.prompt, {})[each.sample] = allele(each.text)
    return found


def _numbered(alleles: Sequence[Mapping[int, str]]) -> Counts:
    """``(models, samples)`` numbers of alleles, -1 for no reply."""
    places = {each: place for place, each in enumerate(dict.fromkeys(one for row in alleles for one in row.values()))}
    samples = {each: place for place, each in enumerate(sorted({one for row in alleles for one in row}))}
    numbers = np.full((len(alleles), len(samples)), -1, dtype=np.int64)
    for model, row in enumerate(alleles):
        for sample, each in row.items():
            numbers[model, samples[sample]] = places[each]
    return numbers


def _strangers(measured: _Measured) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of which one at least is a control; references may be kin of one another and of the model."""
    first, second = np.triu_indices(len(measured.names), 1)
    apart = second > measured.references
    return first[apart], second[apart]


def _pairs(measured: _Measured) -> list[ContinuationPair]:
    names = range(len(measured.names))
    return [_pair(measured, first, second) for first in names for second in names if first < second]


def _pair(measured: _Measured, first: int, second: int) -> ContinuationPair:
    distance, drawn = float(measured.distances[first, second]), measured.drawn[:, first, second]
    a, b = measured.names[first], measured.names[second]
    if not np.isfinite(distance):
        return ContinuationPair(a=a, b=b, distance=None, interval=None, reason=_why(measured, first, second))
    told = drawn[np.isfinite(drawn)]
    steady = told.size > 0.95 * drawn.size
    low, high = np.quantile(told, [0.025, 0.975]) if steady else (0.0, 0.0)
    p, share = _standing(measured, second) if first == 0 and second <= measured.references else (None, None)
    return ContinuationPair(
        a=a, b=b, distance=distance, p=p, closer_than_strangers=share,
        interval=(float(low), float(high)) if steady else None,
        reason=None if steady else "too few equal continuations for an interval",
    )  # fmt: skip


def _why(measured: _Measured, first: int, second: int) -> str:
    for each in (first, second):
        if measured.own[each] <= 0.0:
            return f"{measured.names[each]} never continued a prompt twice in the same way: more samples are needed"
    return "the two never continued a prompt in the same way"


def _standing(measured: _Measured, reference: int) -> tuple[float | None, float | None]:
    """Conformal p-value of the distance, and the least share of draws in which it lies below one of strangers."""
    if measured.controls == 0:
        return None, None
    distances, strangers = measured.distances, _strangers(measured)
    controls = np.arange(1 + measured.references, len(measured.names))
    # References other than this one may be kin of it or of the model: they are no strangers.
    apart = np.isin(strangers[0], [0, reference, *controls])
    pairs = strangers[0][apart], strangers[1][apart]
    near = -float(distances[0, reference])
    rows = distances[0, controls], distances[reference, controls], distances[pairs]
    p = max(*(conformal_p(near, -each) for each in rows), 1.0 / (measured.controls + 1))
    closer = measured.drawn[:, [0], [reference]] < measured.drawn[:, pairs[0], pairs[1]]
    return p, float(closer.mean(axis=0).min())


def _unlike(measured: _Measured, reference: int) -> bool:
    """Whether model and reference both lie farther from the controls than any control lies from the others."""
    controls = np.arange(1 + measured.references, len(measured.names))
    among = measured.distances[np.ix_(controls, controls)].sum(axis=1) / (controls.size - 1)
    return bool(measured.distances[np.ix_(np.array([0, reference]), controls)].mean(axis=1).min() > among.max())


def _verdict(measured: _Measured, pairs: Sequence[ContinuationPair]) -> tuple[str | None, str, str | None]:
    own = [
        each for each in pairs if each.a == measured.names[0] and each.b in measured.names[: measured.references + 1]
    ]
    told = sorted((each for each in own if each.distance is not None), key=lambda each: each.distance or 0.0)
    if not told:
        return None, "No distance between the model and a reference could be computed.", own[0].reason
    # The nearest of several references is paid for: as many times the controls.
    best, needed = told[0], FEWEST_CONTROLS * measured.references
    if measured.controls < needed:
        because = f"{best.b} is the nearest reference; {measured.controls} controls are too few to say what that means."
        of = "" if measured.references == 1 else f" of {measured.references} references"
        return None, because, f"{measured.controls} controls, at least {needed} are needed for a verdict{of}"
    first = best.p is not None and best.p <= (1.0 + 1e-9) / (measured.controls + 1)
    if first and _unlike(measured, measured.names.index(best.b)):
        because = (
            f"{best.b} lies closest to {best.a}, but both lie farther from the controls than any of these from the "
            "others: what they share may be data or a task that the controls never saw. Give controls of their kind."
        )
        return None, because, "the controls are of another kind"
    if first and (best.closer_than_strangers or 0.0) >= STEADY:
        return "related", f"{best.b} lies closer to {best.a} than any two strangers lie to one another.", None
    if first:
        because = f"{best.b} lies closest to {best.a}, closer than strangers, but not surely so: ask more prompts."
        return None, because, "not steady when prompts are drawn anew"
    return None, f"{best.b} is the nearest reference, and no nearer than strangers come to one another.", None


def _tree(measured: _Measured) -> tuple[list[str], list[Branch], str | None, str | None]:
    kept, distances = list(range(len(measured.names))), measured.distances
    while len(kept) > 1 and not np.isfinite(distances[np.ix_(kept, kept)]).all():
        # Leave out whoever has no distance to most others, one by one.
        missing = (~np.isfinite(distances[np.ix_(kept, kept)])).sum(axis=1)
        kept.pop(int(np.argmax(missing)))
    names = [measured.names[each] for each in kept]
    absent = [name for name in measured.names if name not in names]
    why = f"no distance to all others: {', '.join(absent)}" if absent else None
    if len(kept) < 3:
        return [], [], None, why or "a tree needs three models"
    joins = neighbour_joining(distances[np.ix_(kept, kept)])
    tree = [Branch(left=each.left, right=each.right, left_length=each.left_length, right_length=each.right_length)
            for each in joins]  # fmt: skip
    return names, tree, newick(joins, names), why
