import io

import msgspec
import pytest

from forebear.report import plain, terminal
from forebear.verdict.comparison import Comparison
from tests.report import examples


def printed(result: Comparison) -> str:
    stream = io.StringIO()
    terminal.show_comparison(result, stream)
    return stream.getvalue()


def test_the_answer_the_tests_and_the_limits_are_printed() -> None:
    text = printed(examples.comparison("derived", "reference to model"))
    for piece in (
        "Verdict: derived",
        "t1.neurons",
        "-300",
        "Limits:",
        "Not compared:",
        "noise added (standard deviation 0.005)",
    ):
        assert piece in text
    assert "not computable: the residual widths" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= terminal.PIPED_WIDTH


def test_markup_and_escapes_in_names_are_shown_not_obeyed() -> None:
    side = examples.side("[bold]x[/bold]\x1b[2J\u202e", "a")
    text = printed(msgspec.structs.replace(examples.comparison("same"), model=side))
    assert "[bold]x[/bold]\\u001b[2J\\u202e" in text
    assert "\x1b" not in text


def test_tests_in_a_fitted_frame_stand_apart() -> None:
    text = printed(examples.disguised())
    own, _, laid_out = text.partition("Parts laid out by content first:")
    assert "Parts of the same number side by side:" in own
    assert "t4.consistency" in laid_out
    assert "held against 93 pairs of unrelated" in " ".join(laid_out.split())
    assert "side by side:" not in printed(examples.comparison("derived"))


def test_steps_names_layers_and_what_is_accounted_for_are_told() -> None:
    text = " ".join(printed(examples.disguised()).split())
    for piece in (
        "Basis: calibrated, not exact",
        "Layer by layer of the model, the reference's: 0-2, new, 2, 5",
        "residual stream (the values that pass between layers) rotated",
        "It could also be: changed along few directions",
        "noise 99.2 %; 0.8 % is left",
        "Names: 8 tensors of the model bear another name",
        "and 4 more; --json and --html list them",
    ):
        assert piece in text


def test_an_independent_pair_lists_power_by_way_of_hiding() -> None:
    text = " ".join(printed(examples.comparison("independent")).split())
    assert "- labels kept (nothing was moved): found in 299 of 299 draws by t1.neurons" in text
    assert "- all: no exact test remains for this class" in text


def test_a_ranking_is_one_line_a_reference() -> None:
    stream = io.StringIO()
    terminal.show_ranking(examples.ranking(), stream)
    assert "reference to model" in " ".join(stream.getvalue().split())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "—"),
        (0, "0"),
        (0.0, "0"),
        (1234567, "1,234,567"),
        (0.0123456, "0.0123"),
        (-300.0, "-300"),
        (1.5e-7, "1.50e-07"),
    ],
)
def test_numbers_are_short(value: float | None, shown: str) -> None:
    assert plain.number(value) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(None, "unknown"), (12, "12 bytes"), (805_568, "806 kB"), (1_500_000_000, "1.5 GB")]
)
def test_volumes_are_decimal(size: int | None, shown: str) -> None:
    assert plain.volume(size) == shown
