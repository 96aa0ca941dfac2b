from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy.options import Options
from benchmarks.accuracy.svg import Chart, Line, drawn, write_chart
from benchmarks.accuracy.sweeps import tables
from benchmarks.accuracy.sweeps.page import markdown, write_page
from benchmarks.accuracy.sweeps.points import SHARES, SIGMAS, points, said_at
from benchmarks.accuracy.tables import Table
from forebear.errors import UsageError

CHART = Chart("a < b", "share", "log10 p", ["1", "2"], [Line("one & two", [-3.0, None])], (-300.0, 0.0), (0, -300))


def test_a_chart_is_well_formed_and_holds_its_words() -> None:
    root = ElementTree.fromstring(drawn(CHART))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in texts and "one & two" in texts


@given(st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=9))
def test_every_mark_lies_inside_the_picture(values: list[float | None]) -> None:
    places = [str(number) for number in range(len(values))]
    chart = Chart("title", "x", "y", places, [Line("one", values)], (-300.0, 0.0), (0,), (-6.0, "level"))
    marks = ElementTree.fromstring(drawn(chart)).iter("{http://www.w3.org/2000/svg}circle")
    assert all(0.0 <= float(one.attrib["cx"]) <= 560.0 and 0.0 <= float(one.attrib["cy"]) <= 300.0 for one in marks)


def test_shares_go_down_to_one_neuron_in_a_hundred_and_noise_to_ten_deviations_and_beyond() -> None:
    assert min(SHARES) == 0.01 and max(SIGMAS) > 10.0 and 10.0 in SIGMAS


def test_quick_points_are_drawn_once() -> None:
    found = points(quick=True, families=["gated"])
    assert len(found) == len(set(found)) and {one.draw for one in found} == {0}
    assert {one.family for one in found} == {"gated"}


def test_names_a_model_that_is_not_built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.accuracy.cases.kind.ZOO", tmp_path)
    point = points(quick=True, families=["gated"])[0]
    assert said_at(point).missing.startswith("gated/g02-")


def test_refuses_a_sweep_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no sweep"):
        tables(Options(kinds=("nothing of the sort",)))


def test_a_table_in_markdown() -> None:
    text = markdown(Table("t", ("a", "b"), [[1, None], [0.25, (0.0, 1.0)]], ("A note.",)))
    assert text.splitlines() == ["| a | b |", "| --- | --- |", "| 1 | - |", "| 0.25 | [0, 1] |", "", "A note."]


def test_the_page_shows_table_and_chart(tmp_path: Path) -> None:
    write_chart(tmp_path / "sweeps" / "noise-gated.svg", CHART)
    table = Table("Sweep: noise", ("a",), [[1]])
    write_page(tmp_path / "sweeps.md", "the command", {"noise": table}, {"noise": [("noise-gated.svg", CHART)]})
    text = (tmp_path / "sweeps.md").read_text(encoding="utf-8")
    assert "the command" in text and "## Noise" in text and "(sweeps/noise-gated.svg)" in text and "| 1 |" in text
    assert (tmp_path / "sweeps" / "noise-gated.svg").is_file()
