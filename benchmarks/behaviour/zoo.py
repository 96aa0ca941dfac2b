"""What models of the zoo share in answering items of their own text: by relation, and beside what strangers score.

``python -m benchmarks.behaviour zoo [--form free|choice|both] [--part A|B|C] [--raw]``. The answers are those packed in
``tests/zoo/answers``. Every pair of strangers of a family is held against the other strangers of the family, so that
false positives can be counted; every descendant and its relative likewise, with all strangers but their own founders.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.tables import Table, counted
from forebear.evidence.behaviour.panel import side_by_side
from forebear.evidence.behaviour.strength import Strength, strength
from forebear.responses.answers import Answers
from forebear.statistics.shared_errors import ErrorCounts, error_consistency, shared_errors
from forebear.zoo.items import CHOICE, FREE, Items, Sheet, answers, load
from forebear.zoo.recipes import RECIPES, Recipe

PACKED = Path("tests/zoo/answers/answers.npz.xz")
STRANGERS = "strangers of one family"
OTHER_FAMILIES = "strangers of other families"
CHILD_AND_STRANGER = "a child and a founder that is not its own"
CHILDREN = "children of strangers, trained on the same data"
WHOLE = (
    *("finetuned", "continued", "frozen", "decayed", "low-rank"),
    *("sibling", "sibling-same-data", "sibling-same-order"),
)
"""Relations of a child to the parent all of whose weights it began with, in the parent's shape."""
UNRELATED = (CHILD_AND_STRANGER, CHILDREN, STRANGERS, OTHER_FAMILIES)
LEVEL = -2.0
FORMS = {FREE: (FREE,), CHOICE: (CHOICE,), "both": (FREE, CHOICE)}
SHOWN = {FREE: "free items", CHOICE: "items with options", "both": "items of both forms"}

Pair = tuple[str, str]
Column = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""A model's answers as numbers, and which are wrong."""


@dataclass(frozen=True)
class Raw:
    """What two models share, uncorrected.

    Attributes:
        overlap: share of items answered alike.
        errors: share of items that the first, and the second, get wrong.
        kappa: error consistency.
        same: share of equal answers among the items both get wrong.
    """

    overlap: float
    errors: tuple[float, float]
    kappa: float
    same: float


@dataclass(frozen=True)
class Judged:
    """One pair beside strangers; ``naive`` is log10 p were all items equally hard."""

    found: Strength
    naive: float


def run(arguments: Sequence[str]) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.behaviour zoo", description=__doc__)
    parser.add_argument("--form", choices=tuple(FORMS), action="append", help="of the items; default: each")
    parser.add_argument("--part", choices=("A", "B", "C"), help="of the text; default: all")
    parser.add_argument("--raw", action="store_true", help="print raw figures alone")
    given = parser.parse_args(arguments)
    items, sheets = load(PACKED)
    for form in given.form or FORMS:
        label = f"{SHOWN[form]}, part {given.part}" if given.part else SHOWN[form]
        print(raw_table(items, sheets, form, given.part, label).text(), flush=True)
        if not given.raw:
            models = {name: _said(name, items, sheet, form, given.part) for name, sheet in sheets.items()}
            for table in judged_tables(models, label):
                print(table.text(), flush=True)


def relations(names: Sequence[str]) -> dict[str, list[Pair]]:
    """Pairs of models by how they are related; strangers last."""
    known = {each.path: each for each in RECIPES if each.path in names}
    found: dict[str, list[Pair]] = {}
    for each in known.values():
        for relation, other in _ancestors(each):
            if other in known:
                found.setdefault(relation, []).append((each.path, other))
    for one, other in combinations(sorted(known), 2):
        if _siblings(known[one], known[other]):
            found.setdefault("siblings, one trained on other data", []).append((one, other))
    strangers = [each for each in known.values() if each.kind == "stranger"]
    for mine, yours in combinations(sorted(strangers, key=lambda each: each.path), 2):
        relation = STRANGERS if mine.family == yours.family else OTHER_FAMILIES
        found.setdefault(relation, []).append((mine.path, yours.path))
    found |= {CHILD_AND_STRANGER: list(_child_and_stranger(known)), CHILDREN: list(_children(known))}
    return dict(sorted(found.items(), key=lambda item: (item[0] in UNRELATED, item[0])))


def _ancestors(each: Recipe) -> Iterator[tuple[str, str]]:
    if each.parent is None:
        return
    founder = f"{each.family}/{each.founder}"
    parent = f"{each.family}/{each.parent}"
    yield each.kind, parent
    if parent != founder and each.kind == "grandchild":
        yield "grandchild and founder", founder


def _child_and_stranger(known: Mapping[str, Recipe]) -> Iterator[Pair]:
    """Every child beside the founder that is next in number."""
    for each in known.values():
        other = f"{each.family}/{each.name[0]}{(int(each.founder[1:]) + 1) % 20:02d}"
        if each.parent is not None and other in known:
            yield each.path, other


def _children(known: Mapping[str, Recipe]) -> Iterator[Pair]:
    """Children of different founders of a family that one recipe made."""
    made = [each for each in known.values() if each.parent is not None]
    for one, other in combinations(sorted(made, key=lambda each: each.path), 2):
        alike = (one.family, one.name[3:]) == (other.family, other.name[3:])
        if alike and one.founder != other.founder:
            yield one.path, other.path


def _siblings(one: Recipe, other: Recipe) -> bool:
    kinds = {one.kind, other.kind}
    return one.parent == other.parent and one.parent is not None and kinds == {"continued", "sibling"}


def raw_table(items: Items, sheets: Mapping[str, Sheet], form: str, part: str | None, label: str) -> Table:
    """Raw figures by relation: medians, and the range from the 5th to the 95th percentile."""
    columns = {name: _column(items, sheet, FORMS[form], part) for name, sheet in sheets.items()}
    many = len(next(iter(columns.values()))[0])
    rows = []
    for relation, pairs in relations(list(sheets)).items():
        found = [raw(columns[one], columns[other]) for one, other in pairs]
        errors = [error for each in found for error in each.errors]
        rows.append([
            relation, len(pairs), float(np.median(errors)),
            *_spread([each.overlap for each in found]),
            *_spread([each.kappa for each in found]),
            *_spread([each.same for each in found]),
        ])  # fmt: skip
    header = ("relation", "pairs", "errors", "overlap", "5-95%", "kappa", "5-95%", "same of both wrong", "5-95%")
    return Table(f"What models of the zoo share ({label}, {many} each)", header, rows)


def _column(items: Items, sheet: Sheet, forms: Sequence[str], part: str | None) -> Column:
    kept = np.ones(len(items.parts), dtype=np.bool_) if part is None else items.parts == part
    said = np.concatenate([(sheet.free if form == FREE else sheet.choice)[kept] for form in forms]).astype(np.int64)
    gold = np.concatenate([(items.free_gold if form == FREE else items.right)[kept] for form in forms])
    return said, said != gold


def raw(one: Column, other: Column) -> Raw:
    """Raw figures of two models."""
    (said, wrong), (again, amiss) = one, other
    counts = _counts(wrong, amiss)
    kappa, both = error_consistency(counts), wrong & amiss
    return Raw(
        float(np.mean(said == again)),
        (float(wrong.mean()), float(amiss.mean())),
        0.0 if kappa is None else kappa,
        float(np.mean(said[both] == again[both])) if both.any() else 0.0,
    )


def judged_tables(models: Mapping[str, Answers], label: str) -> Iterator[Table]:
    """False positives among strangers, then how relatives stand out, pair by pair against strangers."""
    pairs = relations(list(models))
    strangers = [judged(models, pair) for pair in pairs[STRANGERS]]
    yield _null(strangers, f"{STRANGERS}, each pair beside the others ({label})")
    for relation in (CHILD_AND_STRANGER, CHILDREN):
        yield _null([judged(models, pair) for pair in pairs[relation]], f"{relation}, beside strangers ({label})")
    related = {name: [judged(models, pair) for pair in of] for name, of in pairs.items() if name not in UNRELATED}
    related["children of the parent's shape"] = [each for name in WHOLE for each in related.get(name, ())]
    rows = [_relatives(relation, found, _values(strangers)) for relation, found in related.items()]
    header = ("relation", "related", "pairs", "share", "95% interval", "deviations", "log10 p", "with p", "AUC")
    yield Table(
        f"Relatives beside strangers ({label})",
        header,
        rows,
        (
            "deviations: agreement beyond chance, median; log10 p: median of those that have one",
            "AUC: of the deviations against those of all pairs of strangers of one family",
        ),
    )


def _relatives(relation: str, found: Sequence[Judged], strangers: Sequence[float]) -> list[Any]:
    values = _values(found)
    p = [each.found.log10_p for each in found if each.found.log10_p is not None]
    fired = sum(each.found.fires() for each in found)
    return [relation, *counted(fired, len(found)), _median(values), _median(p), len(p), area(values, strangers)]


def judged(models: Mapping[str, Answers], pair: Pair) -> Judged:
    """A pair against the strangers of the family that are founders of neither."""
    family = pair[1].split("/")[0]
    own = {f"{name.split('/')[0]}/{name.split('/')[1][:3]}" for name in pair}
    controls = [
        models[each.path]
        for each in RECIPES
        if each.kind == "stranger" and each.family == family and each.path in models and each.path not in own
    ]
    panel = side_by_side([models[name] for name in pair], controls)
    assert panel.wrong is not None
    counts = _counts(panel.wrong[:, 0], panel.wrong[:, 1])
    return Judged(strength(panel), shared_errors([counts]).log10_p)


def area(found: Sequence[float], beside: Sequence[float]) -> float | None:
    """Area under the ROC curve; None without figures on both sides."""
    if not found or not beside:
        return None
    ranked, of = np.sort(np.asarray(beside)), np.asarray(found)
    below, upto = np.searchsorted(ranked, of, side="left"), np.searchsorted(ranked, of, side="right")
    return float(np.mean((below + upto) / 2) / len(ranked))


def _null(strangers: Sequence[Judged], label: str) -> Table:
    tests: dict[str, list[float | None]] = {
        "shared errors, items equally hard": [each.naive for each in strangers],
        "shared errors by difficulty": [each.found.shared.log10_p for each in strangers if each.found.shared],
        "equal wrong answers": [each.found.same.log10_p for each in strangers if each.found.same],
        "both": [each.found.place.exact for each in strangers if each.found.place],
        "place among strangers": [each.found.place.beyond for each in strangers if each.found.place],
        "the verdict's p": [each.found.log10_p for each in strangers],
    }
    rows = []
    for name, values in tests.items():
        p = np.array([value for value in values if value is not None])
        rows.append([name, *counted(int(np.sum(p <= LEVEL)), len(p)), float(10 ** p.min()) if len(p) else None])
    fired = sum(each.found.fires() for each in strangers)
    rows.append(["called related", *counted(fired, len(strangers)), None])
    return Table(
        f"P-values of at most 0.01: {label}",
        ("test", "p<=1e-2", "pairs", "share", "95% interval", "smallest p"),
        rows,
        ("Pairs share models and items, so that the intervals, which take them for independent, are too narrow.",),
    )


def _values(pairs: Sequence[Judged]) -> list[float]:
    return [each.found.place.value for each in pairs if each.found.place is not None]


def _said(name: str, items: Items, sheet: Sheet, form: str, part: str | None) -> Answers:
    said = answers(name, str(PACKED), items, sheet, FORMS[form])
    kept = {id_: each for id_, each in said.items.items() if part is None or each.stratum == part}
    return Answers(said.name, said.source, said.form, kept)


def _counts(wrong: NDArray[np.bool_], amiss: NDArray[np.bool_]) -> ErrorCounts:
    return ErrorCounts(len(wrong), int(wrong.sum()), int(amiss.sum()), int((wrong & amiss).sum()))


def _spread(values: Sequence[float]) -> tuple[float, tuple[float, float]]:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return round(float(middle), 3), (round(float(low), 3), round(float(high), 3))


def _median(values: Sequence[float]) -> float | None:
    return float(np.median(values)) if values else None
