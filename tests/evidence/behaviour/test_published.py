"""The table of published figures: each row has its source, and figures in range."""

from __future__ import annotations

import re
from itertools import combinations

import msgspec
import numpy as np
import pytest

from forebear.evidence.behaviour.panel import side_by_side
from forebear.evidence.behaviour.published import PublishedFigure, published_figures
from forebear.statistics.shared_errors import ErrorCounts, error_consistency
from tests.evidence.behaviour.panels import founders, zoo_answers

FIGURES = {
    "same_wrong",
    "error_consistency",
    "parent_not_closest",
    "wrongly_named_parent",
    "endpoints_differing",
    "identity_confusion",
}


@pytest.mark.parametrize("row", published_figures(), ids=lambda row: f"{row.figure} {row.arxiv} {row.models}")
def test_every_row_has_a_source_and_a_known_figure(row: PublishedFigure) -> None:
    assert row.figure in FIGURES
    own = row.source.startswith("Forebear's zoo")
    assert row.arxiv is None if own else re.fullmatch(r"\d{4}\.\d{5}", row.arxiv or "")
    assert re.search(r"20\d\d", row.source)
    assert row.setting
    assert row.note.endswith(".")
    figures = [value for value in (row.mean, row.median, row.p95, row.p99, row.highest) if value is not None]
    assert figures
    assert all(0 < value < 1 for value in figures)
    assert row.chance is None or row.chance < max(figures)


def test_shares_are_the_counts_the_sources_state() -> None:
    told = {row.figure: row.mean for row in published_figures()}
    assert told["endpoints_differing"] == pytest.approx(11 / 31, abs=1e-4)
    assert told["identity_confusion"] == pytest.approx(7 / 27, abs=1e-4)


def test_rows_of_ones_own_come_last() -> None:
    own = PublishedFigure(figure="same_wrong", setting="a zoo", models=12, source="measured", median=0.4)
    assert published_figures([own])[-1] is own
    assert len(published_figures([own])) == len(published_figures()) + 1


@pytest.mark.parametrize(
    "change", [{"mean": None}, {"mean": float("nan")}, {"mean": 1.5}, {"source": ""}, {"setting": ""}, {"models": 1}]
)
def test_a_row_without_a_figure_or_a_source_cannot_be_made(change: dict[str, object]) -> None:
    row = PublishedFigure(figure="same_wrong", setting="a", models=2, source="b", mean=0.5)
    with pytest.raises(ValueError, match="a row needs"):
        msgspec.structs.replace(row, **change)


def test_rows_of_the_zoo_are_what_its_strangers_score() -> None:
    told = {row.figure: row for row in published_figures() if row.source.startswith("Forebear's zoo")}
    kappas, same = [], []
    for family in ("gated", "plain", "deep"):
        held = zoo_answers("free")
        panel = side_by_side([held[name] for name in founders(family)], [])
        assert panel.wrong is not None
        for one, other in combinations(range(20), 2):
            mine, yours = panel.wrong[:, one], panel.wrong[:, other]
            both = mine & yours
            counts = ErrorCounts(panel.items, int(mine.sum()), int(yours.sum()), int(both.sum()))
            kappas.append(error_consistency(counts))
            same.append((panel.codes[both, one] == panel.codes[both, other]).mean())
    for figure, values in (("error_consistency", kappas), ("same_wrong", same)):
        assert told[figure].median == pytest.approx(np.median(values), abs=1e-3)
        assert told[figure].p95 == pytest.approx(np.quantile(values, 0.95), abs=2e-3)
