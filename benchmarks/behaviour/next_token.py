"""Next-token agreement and continuations on the zoo: strangers, children, distilled students; and simulated strangers.

Needs the replies that ``python -m benchmarks.behaviour asking-zoo`` keeps.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.tables import Table, share_interval
from benchmarks.behaviour.zoo_replies import asked, prompts_of, replies_of
from forebear.errors import UsageError
from forebear.evidence.behaviour.continuations import continuations
from forebear.evidence.behaviour.live import Heard
from forebear.evidence.behaviour.next_token import PAIRED_LEVEL, against_controls, panel_of
from forebear.evidence.behaviour.planted import smallest_share
from forebear.evidence.behaviour.replied import begins
from forebear.evidence.behaviour.strength import Strength, strength
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.statistics.agreement import Codes
from forebear.zoo.recipes import Recipe

SETS = ("next-token", "code")
FEW = 10
"""Controls in the rows that draw some."""


def run(arguments: Sequence[str]) -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour next-token", description=__doc__)
    parser.add_argument("--family", action="append", choices=("gated", "plain", "deep"), help="default: gated, plain")
    given = parser.parse_args(arguments)
    families = given.family or ["gated", "plain"]
    if not any(strangers(family) for family in families):
        raise UsageError("no replies kept", remedy="python -m benchmarks.behaviour asking-zoo")
    print(_simulated().text(), flush=True)
    for table in (_null, _children, _confounded, _power, _apart):
        print(table(families).text(), flush=True)


def strangers(family: str) -> list[str]:
    """Paths of the strangers of a family that were asked."""
    return [each.path for each in asked(family) if each.kind == "stranger"]


def codes_of(paths: Sequence[str], name: str) -> Codes:
    """``(prompts, models)`` greedy replies to a set of prompts."""
    said = [(replies_of(path) or {})["greedy"][name] for path in paths]
    texts = np.array(said).T
    return np.unique(texts, return_inverse=True)[1].reshape(texts.shape).astype(np.int64)


@dataclass(frozen=True)
class Tested:
    """A model beside a reference and controls: the paired test, the place among strangers, and the verdict."""

    paired: float
    found: Strength

    @property
    def related(self) -> bool:
        """Whether the reference would be called related."""
        return self.found.fires() and self.paired <= PAIRED_LEVEL


def tested(codes: Codes, wrong: NDArray[np.bool_] | None = None) -> Tested:
    """The model in column 0, the reference in column 1, controls behind them."""
    panel = panel_of(codes, list(map(str, range(codes.shape[1]))), wrong)
    return Tested(against_controls(panel)[0], strength(panel))


@cache
def wrong_of(paths: tuple[str, ...], name: str) -> NDArray[np.bool_]:
    """``(prompts, models)`` whether a greedy reply goes on otherwise than the text does."""
    golds = [each.get("gold", "") for each in prompts_of(name)]
    said = [(replies_of(path) or {})["greedy"][name] for path in paths]
    rows = zip(golds, zip(*said, strict=True), strict=True)
    return np.array([[not begins(gold, text) for text in row] for gold, row in rows])


def _null(families: Sequence[str]) -> Table:
    rows = []
    for family in families:
        for name in SETS:
            codes, wrong = codes_of(strangers(family), name), wrong_of(tuple(strangers(family)), name)
            for few in (False, True):
                found = list(_pairs(codes, few, wrong))
                rows.append([family, name, FEW if few else codes.shape[1] - 2, *_fired(found)])
    return Table(
        "pairs of strangers",
        ("family", "prompts", "controls", "pairs", *_FIRED, "95% interval"),
        rows,
        (
            "all others of the family are controls, or ten of them drawn at random",
            "paired: exact test of agreement with the model against every control, largest p at most 1e-2",
            "p at most 0.05, 0.01: the larger of replies dealt and of the place among strangers",
            "related: what the verdict asks for, with its interval; refused: controls not of the reference's kind",
        ),
    )


_FIRED = ("paired", "p 0.05", "p 0.01", "refused", "related")


def _fired(found: Sequence[Tested]) -> list[object]:
    ps = [0.0 if each.found.log10_p is None else each.found.log10_p for each in found]
    counts = [
        sum(each.paired <= PAIRED_LEVEL for each in found),
        sum(p <= np.log10(0.05) for p in ps),
        sum(p <= -2.0 for p in ps),
        sum(each.found.kind is False for each in found),
        sum(each.related for each in found),
    ]
    return [len(found), *counts, share_interval(counts[-1], len(found))]


def _pairs(codes: Codes, few: bool, wrong: NDArray[np.bool_] | None = None) -> Iterator[Tested]:
    rng = np.random.default_rng(0)
    for pair in combinations(range(codes.shape[1]), 2):
        others = [each for each in range(codes.shape[1]) if each not in pair]
        chosen = rng.choice(others, FEW, replace=False) if few else others
        order = [*pair, *chosen]
        yield tested(codes[:, order], None if wrong is None else wrong[:, order])


def _simulated() -> Table:
    """Strangers of equal and of unequal skill, and of two schools that share what they say."""
    rows = []
    for told, skill, school in (("equal", 0.0, 0.0), ("unequal skill", 0.7, 0.0), ("two schools", 0.0, 0.3)):
        found = []
        for seed in range(8):
            found += list(_pairs(_drawn(np.random.default_rng(seed), 500, skill, school), False))
        rows.append([told, *_fired(found)])
    notes = ("8 times 13 models, 500 prompts", "two schools: half of the models share 30 % of their replies")
    return Table("simulated strangers", ("strangers", "pairs", *_FIRED, "95% interval"), rows, notes)


def _drawn(rng: np.random.Generator, prompts: int, skill: float, school: float, models: int = 13) -> Codes:
    choices = rng.integers(1, 12, size=(prompts, 1))
    codes = np.minimum(rng.geometric(0.4, size=(prompts, models)) - 1, choices)
    codes = np.where(rng.random((prompts, models)) < skill * np.linspace(0, 1, models), 0, codes)
    taught = rng.random((prompts, models)) < school
    taught[:, models // 2 :] = False
    return np.where(taught, rng.integers(0, 12, size=(prompts, 1)), codes).astype(np.int64)


def _kin(family: str) -> Iterator[tuple[Recipe, str]]:
    """Each model that is no stranger, with the stranger it comes from in the end."""
    known = {each.name: each for each in asked(family)}
    for each in known.values():
        root = each
        while root.parent in known:
            root = known[root.parent]
        if each.kind != "stranger" and root.kind == "stranger":
            yield each, root.path


@cache
def _tested(path: str, root: str, name: str) -> Tested:
    others = [each for each in strangers(path.split("/", maxsplit=1)[0]) if each != root]
    paths = (path, root, *others)
    return tested(codes_of(paths, name), wrong_of(paths, name))


def _children(families: Sequence[str]) -> Table:
    by_kind: dict[tuple[str, str], list[tuple[Recipe, str]]] = defaultdict(list)
    for family in families:
        for each, root in _kin(family):
            by_kind[family, each.kind].append((each, root))
    rows = []
    for (family, kind), kin in sorted(by_kind.items()):
        for name in SETS:
            found = [_tested(each.path, root, name) for each, root in kin]
            values = [each.found.places[0].value for each in found]
            highest = [float(each.found.places[0].strangers.max()) for each in found]
            refused, related = sum(o.found.kind is False for o in found), sum(o.related for o in found)
            auc = _auc(values, _stranger_figures(family, name))
            rows.append([family, kind, name, len(found), related, refused, np.median(values), np.median(highest), auc])
    return Table(
        "models held against the stranger they come from, all other strangers as controls",
        ("family", "kind", "prompts", "models", "related", "refused", "deviations", "controls at most", "AUC"),
        rows,
        ("deviations: agreement beyond what popular replies give, median",
         "siblings share their first steps, same-start models their start alone: neither is a child"),
    )  # fmt: skip


def _confounded(families: Sequence[str]) -> Table:
    """Children of different parents that learned the same other text, no control having learned it."""
    rows = []
    for family in families:
        kin = [(each, root) for each, root in _kin(family) if each.data != "A"]
        for name in SETS:
            found = []
            for (one, root), (other, second) in combinations(kin, 2):
                if root != second and (one.data, one.kind) == (other.data, other.kind):
                    controls = [each for each in strangers(family) if each not in (root, second)]
                    paths = (one.path, other.path, *controls)
                    found.append(tested(codes_of(paths, name), wrong_of(paths, name)))
            closest = sum(each.paired <= PAIRED_LEVEL for each in found)
            refused = sum(each.found.kind is False for each in found)
            rows.append([family, name, len(found), closest, refused, sum(each.related for each in found)])
    return Table(
        "no kin, but trained on the same text that no control has seen",
        ("family", "prompts", "pairs", "closer than controls", "refused", "related"),
        rows,
    )


@cache
def _stranger_figures(family: str, name: str) -> tuple[float, ...]:
    codes, wrong = codes_of(strangers(family), name), wrong_of(tuple(strangers(family)), name)
    return tuple(each.found.places[0].value for each in _pairs(codes, False, wrong))


def _auc(kin: Sequence[float], apart: Sequence[float]) -> float:
    return float(np.mean([one > other for one in kin for other in apart]))


def _power(families: Sequence[str]) -> Table:
    rows = []
    for family in families:
        for name in SETS:
            codes, wrong = codes_of(strangers(family), name), wrong_of(tuple(strangers(family)), name)
            names = list(map(str, range(codes.shape[1])))
            for prompts in (250, 500, 1000):
                kept = np.random.default_rng(1).permutation(len(codes))[:prompts]
                turned = ([np.roll(each[kept], turn, axis=1) for each in (codes, wrong)] for turn in range(0, 20, 5))
                shares = [smallest_share(panel_of(said, names, off), references=1, seed=0) for said, off in turned]
                rows.append([family, name, prompts, *shares])
    return Table(
        "smallest share of replies kept that is found in 99 of 100 draws, four pairs of strangers",
        ("family", "prompts of", "prompts", "pair 1", "pair 2", "pair 3", "pair 4"),
        rows,
    )


def _apart(families: Sequence[str]) -> Table:
    rows = []
    for family in families:
        pairs = [(str(each.kind), each.path, root) for each, root in _kin(family)]
        names = strangers(family)
        pairs += [("stranger", *pair) for pair in list(combinations(names, 2))[:: max(1, len(names) // 4)]]
        by_kind: dict[str, list[tuple[bool, float]]] = defaultdict(list)
        for kind, model, reference in pairs:
            by_kind[kind].append(_related(model, reference))
        for kind, found in sorted(by_kind.items()):
            related, farther = zip(*found, strict=True)
            rows.append([family, kind, len(found), sum(related), float(np.mean(farther))])
    return Table(
        "continuations: models and the stranger they come from, and pairs of strangers",
        ("family", "kind", "pairs", "related", "strangers farther apart"),
        rows,
        ("128 prompts, 16 samples each of four tokens, all other strangers as controls",),
    )


def _related(model: str, reference: str) -> tuple[bool, float]:
    """Whether the two are called related, and the share of pairs of strangers that lie farther apart."""
    family = model.split("/", maxsplit=1)[0]
    controls = [each for each in strangers(family) if each not in (model, reference)]
    heard = Heard(_sampled(model), (_sampled(reference),), tuple(map(_sampled, controls)))
    claim = continuations(heard)
    apart = [each.distance for each in claim.pairs[1:] if each.distance is not None]
    own = claim.pairs[0].distance
    return claim.verdict == "related", 0.0 if own is None else float(np.mean(np.array(apart) > own))


@cache
def _sampled(path: str) -> Transcript:
    said = (replies_of(path) or {})["sampled"]
    prompts = Prompts("continuations", [Prompt(each["id"], each["prompt"]) for each in prompts_of("continuations")])
    replies = [
        Reply(each.id, sample, text)
        for each, texts in zip(prompts.prompts, said, strict=True)
        for sample, text in enumerate(texts)
    ]
    settings = Settings(kind="local", temperature=1.0, samples=len(said[0]), max_tokens=4)
    return Transcript(path, path, path, None, settings, prompts, replies)
