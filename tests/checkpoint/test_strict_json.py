from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forebear.checkpoint.strict_json import parse_object
from forebear.errors import CheckpointError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    # Lone surrogates have no UTF-8.
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the first draw builds character tables
@given(st.dictionaries(st.text(), VALUES, max_size=4), st.booleans())
def test_agrees_with_json_on_what_is_valid(value: dict[str, object], ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    try:
        found = parse_object(data, "x.json", max_depth=64)
    except CheckpointError as error:
        assert "surrogate" in error.rule or "UTF-8" in error.rule
        with pytest.raises(UnicodeEncodeError):
            json.dumps(value, ensure_ascii=False).encode()
    else:
        assert found == value


@given(st.binary(max_size=60))
def test_bytes_give_an_object_or_our_error(data: bytes) -> None:
    try:
        assert isinstance(parse_object(data, "x.json", max_depth=8), dict)
    except CheckpointError as error:
        assert error.where == "x.json"


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"[1]", "must be a JSON object, found list"),
        (b'{"a":{"b":1,"b":2}}', "duplicate key 'b'"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":' + b"1" * 65 + b"}", "integer of 65 digits, limit 64"),
        (b'{"a":[[[1]]]}', "nested too deep, limit 3"),
        (b'{"a":' * 100_000, "nested too deep, limit 3"),
        (b'\xef\xbb\xbf{"a":1}', "not valid JSON"),
        (b'{"a":"\\udc00"}', "lone surrogate"),
    ],
)
def test_refused(data: bytes, rule: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        parse_object(data, "x.json", max_depth=3, remedy="Repair it")
    assert rule in caught.value.rule
    assert caught.value.remedy == "Repair it"
