"""Options that take several values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebear.cli.greedy import spread

VALUE = st.text("abc.", min_size=1, max_size=4)


@given(st.lists(VALUE), st.lists(VALUE, min_size=1), st.lists(VALUE, max_size=2))
def test_every_value_up_to_the_next_option_is_taken(files, controls, after):
    found = list(spread([*files, "--controls", *controls, "--json", *after]))
    repeated = [part for value in controls for part in ("--controls", value)]
    assert found == [*files, *repeated, "--json", *after]


@given(st.lists(VALUE))
def test_spread_out_options_stay_as_they_are(controls):
    once = [part for value in controls for part in ("--controls", value)]
    assert list(spread(once)) == once


def test_an_option_without_a_value_is_left_for_the_parser_to_refuse():
    assert list(spread(["a", "--controls"])) == ["a", "--controls"]
    assert list(spread(["--controls", "--gold", "g"])) == ["--controls", "--gold", "g"]
