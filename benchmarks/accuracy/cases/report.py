"""Tables of outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from benchmarks.accuracy.cases.chosen import kinds
from benchmarks.accuracy.cases.run import SIGMA_WITHIN, Outcome
from benchmarks.accuracy.tables import Table, counted, share_interval

_SPLITS = (("held-out", True), ("tuned-on", False))


def report(outcomes: Sequence[Outcome]) -> list[Table]:
    """By kind for either split, sums, faults, and models that are not there."""
    made = [one for one in outcomes if not one.missing]
    by_split = [(name, [one for one in made if one.case.lineage.held_out == held]) for name, held in _SPLITS]
    return [
        *(_by_kind(name, found) for name, found in by_split if found),
        _sums([(name, found) for name, found in by_split if found]),
        _faults(made),
        _missing(outcomes),
    ]


def _by_kind(split: str, found: Sequence[Outcome]) -> Table:
    rows = []
    for kind in kinds():
        mine = [one for one in found if one.case.kind == kind]
        if mine:
            rows.append(_row(kind, mine))
    return Table(
        f"Cases, {split} lineages: {len(rows)} kinds, {len(found)} cases",
        (
            "kind", "right", "of", "share", "95% interval", "wrong", "undetermined", "direction", "main step",
            "layer map", "names", "sigma error", "log10 p from", "to", "basis", "seconds",
        ),
        rows,
        (
            "Direction, main step and layer map: right of those where one was named or can be; '-': nothing to judge.",
            "Cases of one kind differ in their founder; cases of one founder depend on one another. Pairs of strangers "
            "share models.",
            "Sigma error: the largest relative one. Basis: what fired, exact or calibrated (e, c), with its count.",
        ),
    )  # fmt: skip


def _row(kind: str, mine: Sequence[Outcome]) -> list[Any]:
    right, undetermined = sum(one.right for one in mine), sum(one.undetermined for one in mine)
    scores = [one.log10_p for one in mine if one.log10_p is not None]
    errors = [one.sigma_error for one in mine if one.sigma_error is not None]
    return [
        kind,
        *counted(right, len(mine)),
        len(mine) - right - undetermined,
        undetermined,
        *(_of([getattr(one, name) for one in mine]) for name in ("direction_right", "step_right", "layers_right")),
        _recovered(mine),
        max(errors) if errors else None,
        min(scores) if scores else None,
        max(scores) if scores else None,
        _bases(mine),
        float(np.mean([one.seconds for one in mine])),
    ]


def _of(found: Sequence[bool | None]) -> str | None:
    known = [one for one in found if one is not None]
    return f"{sum(known)}/{len(known)}" if known else None


def _recovered(mine: Sequence[Outcome]) -> str | None:
    known = [one.names for one in mine if one.names is not None]
    return f"{sum(one[0] for one in known)}/{sum(one[1] for one in known)}" if known else None


def _bases(mine: Sequence[Outcome]) -> str | None:
    counts = [(name[0], sum(one.basis == name for one in mine)) for name in ("exact", "calibrated, not exact")]
    return " ".join(f"{name}{count}" for name, count in counts if count) or None


def _sums(splits: Sequence[tuple[str, Sequence[Outcome]]]) -> Table:
    rows = []
    for split, found in splits:
        groups = list(dict.fromkeys(kinds()[one.case.kind].group for one in found))
        for group in groups:
            mine = [one for one in found if kinds()[one.case.kind].group == group]
            rows.append([split, group, len({one.case.kind for one in mine}), *_summed(mine)])
        rows.append([split, "all", len({one.case.kind for one in found}), *_summed(found)])
    return Table(
        "Cases, sums",
        (
            "lineages", "group", "kinds", "cases", "right", "wrong", "95% interval", "undetermined", "95% interval",
            "direction", "main step", "layer map", "names", f"sigma within {SIGMA_WITHIN:.0%}", "basis", "hours",
        ),
        rows,
        ("Intervals take cases for independent.",),
    )  # fmt: skip


def _summed(mine: Sequence[Outcome]) -> list[Any]:
    right, undetermined = sum(one.right for one in mine), sum(one.undetermined for one in mine)
    wrong = len(mine) - right - undetermined
    sigmas = [one.sigma_error <= SIGMA_WITHIN for one in mine if one.sigma_error is not None]
    return [
        len(mine),
        right,
        wrong,
        share_interval(wrong, len(mine)),
        undetermined,
        share_interval(undetermined, len(mine)),
        *(_of([getattr(one, name) for one in mine]) for name in ("direction_right", "step_right", "layers_right")),
        _recovered(mine),
        _of(sigmas),
        _of([one.basis_right for one in mine]),
        sum(one.seconds for one in mine) / 3600,
    ]


def _faults(made: Sequence[Outcome]) -> Table:
    faulty = [one for one in made if one.faults]
    rows = [
        ["held-out" if one.case.lineage.held_out else "tuned-on", one.case.name, "; ".join(one.faults),
         one.log10_p if one.log10_p is None or isfinite(one.log10_p) else None, one.because]
        for one in sorted(faulty, key=lambda one: one.right)
    ]  # fmt: skip
    return Table("Faults, wrong verdicts first", ("lineages", "case", "said", "log10 p", "because"), rows)


def _missing(outcomes: Sequence[Outcome]) -> Table:
    absent = dict.fromkeys(one.missing for one in outcomes if one.missing)
    rows = [[name, sum(one.missing == name for one in outcomes)] for name in absent]
    return Table(
        "Models of the zoo that are not there",
        ("model", "cases left out"),
        rows,
        ("`make zoo` builds them, about a minute each.",),
    )
