import json as standard
import math
import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.errors import ForebearError
from forebear.evidence.finding import Finding
from forebear.report import json
from forebear.verdict.comparison import ClassPower, Comparison, Ranking, Retention, WeightsClaim
from forebear.verdict.further import BeyondBase, Calibration, MergeClaim
from tests.report import examples


class Holder(msgspec.Struct):
    value: object


@pytest.mark.parametrize("result", [*examples.every_kind(), examples.ranking()], ids=lambda each: type(each).__name__)
def test_what_is_written_is_read_back(result: Comparison | Ranking, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.encode(result), encoding="utf-8")
    back, raw = json.read(path)
    assert type(back) is type(result)
    assert raw == json.document(result) == json.document(back)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_six_significant_digits(value: float) -> None:
    written = json.document(Holder(value))["value"]
    assert written == pytest.approx(value, rel=5.1e-6)
    assert json.document(Holder(written))["value"] == written


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_its_place(value: float) -> None:
    claim = msgspec.structs.replace(examples.claim("derived"), retention={"x": Retention(curve=[1.0, value])})
    broken = msgspec.structs.replace(examples.comparison("derived"), weights=claim)
    with pytest.raises(ValueError, match=r"result\.weights\.retention\.x\.curve\[1\]"):
        json.encode(broken)


def test_integers_and_booleans_stay_what_they_are() -> None:
    document = json.document(Holder([1234567891, True, "x", None]))
    assert document["value"] == [1234567891, True, "x", None]
    assert document["value"][1] is True


def test_schema_stands_first_and_other_keys_keep_their_order() -> None:
    keys = list(json.document(examples.ranking()))
    assert keys == ["schema", "tool", "comparisons"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        '{"schema": "forebear.comparison/1", "schema": "forebear.comparison/1"}',
        '{"schema": "forebear.comparison/2"}',
        '{"schema": 1}',
        "{}",
        '{"schema": "forebear.comparison/1"}',
        '{"schema": "forebear.ranking/1", "tool": {}, "comparisons": [{}]}',
        '{"schema": "forebear.ranking/1", "tool": {}, "comparisons": [NaN]}',
        '{"schema": "forebear.ranking/1", "tool": {}, "comparisons": [1e999]}',
        '{"a":' * 5000 + "1" + "}" * 5000,
    ],
)
def test_what_is_no_result_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ForebearError) as caught:
        json.read(path)
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.line()
    assert "\n" not in caught.value.line()


@given(st.binary(max_size=60))
def test_any_bytes_are_a_result_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(data)
    with pytest.raises(ForebearError):
        json.read(path)


def test_a_wrong_verdict_or_type_is_named_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for key, value, place in (("verdict", "stolen", "$.verdict"), ("seed", None, None), ("tool", 3, "$.tool")):
        document = json.document(examples.comparison("same"))
        document[key] = value
        path.write_text(standard.dumps(document), encoding="utf-8")
        if place is None:
            assert json.read(path)[1][key] is None
            continue
        with pytest.raises(ForebearError) as caught:
            json.read(path)
        assert place in caught.value.line()


@pytest.mark.parametrize("name", ["comparison", "ranking", "inspect"])
def test_a_schema_names_every_field(name: str) -> None:
    text = json.dumps(json.schema(name))
    fields = {
        "comparison": examples.comparison("same"),
        "ranking": examples.ranking(),
    }
    for field in fields[name].__struct_fields__ if name in fields else ("disagreements", "unrecognised", "documents"):
        assert f'"{field}"' in text


@pytest.mark.parametrize(
    "claim",
    [Comparison, WeightsClaim, ClassPower, BeyondBase, MergeClaim, Calibration, Finding],
    ids=lambda each: each.__name__,
)
def test_the_schema_describes_every_field_of_a_claim(claim: type[msgspec.Struct]) -> None:
    described = json.schema("comparison")["$defs"][claim.__name__]
    assert list(described["properties"]) == list(claim.__struct_fields__)
    for field in claim.__struct_fields__:
        assert re.search(rf"\b{field}\b", described["description"]), field


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(ForebearError, match="comparison, ranking, inspect"):
        json.schema("nonsense")
