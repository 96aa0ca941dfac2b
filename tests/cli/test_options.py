import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.cli.options import parse_bytes, parse_verdicts
from forebear.errors import UsageError
from forebear.verdict.comparison import VERDICTS


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("64000000", 64_000_000),
        ("64MB", 64_000_000),
        ("64mb", 64_000_000),
        ("2GiB", 2 << 30),
        ("1.5k", 1500),
        (" 3 TB ", 3 * 10**12),
        ("512B", 512),
    ],
)
def test_sizes_are_read_in_decimal_and_binary_units(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1", "0.2", "64 Mega", "1e6", "MB", "nan", "9" * 19, "1_000", "٣"])
def test_what_is_no_size_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UsageError, match="Write 64000000, 64MB or 2GiB"):
        parse_bytes(text)


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_a_refusal(text: str) -> None:
    try:
        assert parse_bytes(text) >= 1
    except UsageError as error:
        assert error.exit_code == 2


def test_verdict_words_are_read_with_space_or_hyphen() -> None:
    assert parse_verdicts("derived, same,shared-start") == {"derived", "same", "shared start"}
    assert parse_verdicts("") == frozenset()
    assert parse_verdicts(",".join(VERDICTS)) == set(VERDICTS)


@pytest.mark.parametrize("text", ["stolen", "derived,", "Derived", "same;derived"])
def test_unknown_verdict_words_are_refused_with_the_list(text: str) -> None:
    with pytest.raises(UsageError, match="same, derived, related, shared start, independent, undetermined"):
        parse_verdicts(text)
