import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebear.errors import UsageError
from forebear.report import html, wording
from forebear.verdict.comparison import Comparison, Ranking
from tests.report import examples

HOSTILE = "</title><script>alert(1)</script>\"'&\u202e\x1b[2J"
VOID = {"meta", "link", "br", "hr", "img", "input"}


class Outline(HTMLParser):
    """Collects tags and fails on nesting that does not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


@pytest.mark.parametrize("result", [*examples.every_kind(), examples.ranking()], ids=lambda each: type(each).__name__)
def test_pages_are_well_formed_static_and_self_contained(result: Comparison | Ranking) -> None:
    page = html.render(result)
    tags = outline(page).tags
    names = {name for name, _ in tags}
    assert not names & {"script", "img", "link", "iframe", "object", "form"}
    links = [attributes["href"] for name, attributes in tags if name == "a"]
    assert all(link and link.startswith("#") for link in links)
    assert not re.search(r"https?://|url\(|@import|\bon\w+=", page)
    assert "None" not in page


def test_every_figure_and_table_can_be_read_aloud() -> None:
    tags = outline(html.render(examples.comparison("derived", "reference to model"))).tags
    figures = [attributes for name, attributes in tags if name == "svg"]
    assert len(figures) >= 6
    assert all(each.get("role") == "img" and each.get("aria-label") for each in figures)
    headers = [attributes for name, attributes in tags if name == "th"]
    assert headers
    assert all(each.get("scope") in ("col", "row") for each in headers)


@pytest.mark.parametrize("verdict", ["derived", "independent"])
def test_a_page_holds_the_whole_answer(verdict: str) -> None:
    result = next(each for each in examples.every_kind() if each.verdict == verdict)
    page = html.render(result)
    assert wording.headline(result) in page
    for heading in (
        "Which layer was compared with which",
        "Evidence, layer by layer",
        "What would have been found",
        "Tests",
        "What was not compared",
        "Limits",
        "Record of the computation",
    ):
        assert f"<h2>{heading}</h2>" in page
    assert "a" * 64 in page


def hostile_recipe() -> list[dict[str, Any]]:
    odd = {"step": HOSTILE, HOSTILE: HOSTILE, "what": HOSTILE, "alternatives": [{"step": HOSTILE, "why": HOSTILE}]}
    origins = [{"model": HOSTILE, "reference": HOSTILE, "neurons": HOSTILE, "inherited": HOSTILE}]
    return [odd, {"step": "experts", "origins": origins}, {"step": "renamed", "prefixes": [{"from": HOSTILE}]}]


def hostile_names() -> dict[str, Any]:
    row = {"model": HOSTILE, "reference": HOSTILE, "part": HOSTILE, "confidence": HOSTILE, "how": HOSTILE}
    odd = {"name": HOSTILE, "claims": [HOSTILE], "is": HOSTILE}
    return {"by_content": True, "names": [row], "contradicted": [odd]}


def test_a_disguised_child_shows_frame_basis_names_origins_and_what_is_left() -> None:
    page = html.render(examples.disguised())
    for piece in (
        "Basis of the verdict: calibrated, not exact",
        '<span class="tag">laid out by content</span>',
        "t1.neurons: Do neurons of the same index agree? (laid out by content)",
        "<summary>All 8 rows</summary>",
        "t3: named as layer 1 k, its values are layer 3 q",
        "<summary>Every block and where it came from</summary>",
        "It could also be: changed along few directions, as adapters (LoRA) do, because it is steep.",
        "noise 99.2 %; 0.8 % is left",
        "Without a counterpart in the reference: 3.",
        "Of the reference, compared with none: 3-4.",
    ):
        assert piece in page
    assert page.count('class="cell alone"') == 3


def test_power_shows_what_each_class_means_and_on_what_condition() -> None:
    page = html.render(examples.comparison("independent"))
    assert "neurons reordered, rescaled or with signs flipped" in page
    assert "no exact test remains for this class" in page


def test_hostile_names_are_text() -> None:
    side = msgspec.structs.replace(examples.side(HOSTILE, "a"), family=HOSTILE, oddities=[HOSTILE])
    claim = msgspec.structs.replace(
        examples.claim("derived"),
        because=HOSTILE,
        limits=[HOSTILE],
        not_compared=[HOSTILE],
        recipe=hostile_recipe(),
        reconstruction={"distance": 1.0, "by_step": [{"step": HOSTILE, "share": HOSTILE}], "remaining": HOSTILE},
    )
    result = msgspec.structs.replace(
        examples.comparison("derived"),
        model=side,
        weights=claim,
        computation={HOSTILE: [HOSTILE]},
        strands={HOSTILE: HOSTILE},
        towers={HOSTILE: claim},
        renaming=hostile_names(),
    )
    page = html.render(result)
    assert "script" not in {name for name, _ in outline(page).tags}
    assert "\u202e" not in page
    assert "\x1b" not in page


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.none() | st.integers(0, 90), max_size=90),
    st.lists(st.none() | st.floats(-1e6, 1e6), max_size=90),
    st.lists(st.floats(-5, 5), min_size=1, max_size=8),
)
def test_any_figures_can_be_drawn(mapping: list[int | None], scores: list[float | None], curve: list[float]) -> None:
    claim = examples.claim("derived")
    findings = [msgspec.structs.replace(claim.findings[1], by_layer=scores)]
    retention = {"reference in model": msgspec.structs.replace(claim.retention["reference in model"], curve=curve)}
    drawn = msgspec.structs.replace(claim, layer_map=mapping, findings=findings, retention=retention)
    page = html.render(msgspec.structs.replace(examples.comparison("derived"), weights=drawn))
    outline(page)
    assert "nan" not in re.findall(r'points="([^"]*)"', page)
    assert not re.search(r'(?:width|height)="-', page)


def test_pages_are_written_aside_then_renamed(tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    target.write_text("old", encoding="utf-8")
    assert html.write(examples.ranking(), target) == target
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(UsageError, match="cannot be written"):
        html.write(examples.ranking(), tmp_path / "missing" / "page.html")
