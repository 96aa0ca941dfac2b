"""Shared errors of two models by counts alone: what docs/cases/shared-errors-2024.md says of them."""

from __future__ import annotations

import pytest

from tests.cases.pages import check, strays

PAGE = "shared-errors-2024.md"


def test_the_page_prints_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    check(PAGE, monkeypatch)


def test_every_figure_in_its_prose_is_printed_or_published() -> None:
    assert strays(PAGE) == []
