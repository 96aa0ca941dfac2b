"""`forebear behaviour` at the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evidence.behaviour.panels import founders, zoo_answers


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """Answers of some of the zoo's models to items with options, one file each."""
    folder = tmp_path_factory.mktemp("answers")
    found = {}
    for name in (*founders("gated")[:13], "gated/g00-finetuned"):
        path = folder / f"{name.split('/')[1]}.jsonl"
        lines = [
            json.dumps({"id": each.id, "answer": each.value, "gold": each.gold, "options": 4})
            for each in zoo_answers("choice")[name].items.values()
        ]
        path.write_text("\n".join(lines))
        found[name.split("/")[1]] = str(path)
    return found


def controls(files: dict[str, str], many: int = 11) -> list[str]:
    return [files[f"g{number:02d}"] for number in range(2, 2 + many)]


def test_published_counts(command):
    done = command("behaviour", "--counts", "1000", "236", "194", "182", "--json")
    assert done.code == 0
    pair = json.loads(done.out)["pairs"][0]
    assert round(pair["expected_shared_errors"], 1) == 45.8
    assert round(pair["kappa"], 3) == 0.805
    assert round(pair["log10_p_equal_difficulty"]) == -132
    assert pair["verdict"] == "undetermined"
    assert any("equally hard" in each for each in pair["warnings"])
    assert pair["log10_p_stratified"] is None
    assert "controls" in pair["reasons"]["log10_p_stratified"]
    shown = command("behaviour", "--counts", "1000", "236", "194", "182").out
    assert "Verdict on behaviour: undetermined" in shown
    assert "equally hard" in shown


def test_a_child_is_related_and_a_stranger_is_independent(command, files):
    both = [files["g00"], "--controls", *controls(files), "--json"]
    child = json.loads(command("behaviour", files["g00-finetuned"], *both).out)["pairs"][0]
    assert child["verdict"] == "related"
    assert "distillation" in child["innocent_explanation"]
    found = json.loads(command("behaviour", files["g01"], *both).out)
    stranger = found["pairs"][0]
    assert stranger["verdict"] in ("independent", "undetermined")
    assert stranger["population"]["in_place_of"] == "g00"
    assert [each["role"] for each in found["models"]] == ["model", "reference", *["control"] * 11]
    assert len(found["overlap"]) == 13
    assert found["overlap"][0][0] == 1.0


def test_too_few_controls_say_how_many_are_needed(command, files):
    done = command("behaviour", files["g00-finetuned"], files["g00"], "--controls", *controls(files, 4), "--json")
    pair = json.loads(done.out)["pairs"][0]
    assert pair["verdict"] == "undetermined"
    assert pair["population"]["needed"] == 10
    assert pair["log10_p"] is not None
    assert "needs 10" in pair["because"]


def test_without_controls(command, files):
    done = command("behaviour", files["g00-finetuned"], files["g00"])
    assert done.code == 0
    assert "no verdict" in done.out
    assert "undetermined" in done.out


def test_several_references_are_each_a_pair(command, files):
    given = [files["g00-finetuned"], files["g00"], files["g01"], "--controls", *controls(files), "--json"]
    pairs = json.loads(command("behaviour", *given).out)["pairs"]
    assert [(each["b"], each["verdict"] == "related") for each in pairs] == [("g00", True), ("g01", False)]


def test_a_reconstructed_control_is_one_more_column(command, files, tmp_path):
    rows = [json.loads(line) for line in Path(files["g00"]).read_text().splitlines()]
    garbled = tmp_path / "garbled.jsonl"
    garbled.write_text("\n".join(json.dumps(row | ({"answer": "?"} if at % 2 else {})) for at, row in enumerate(rows)))
    given = [files["g00-finetuned"], files["g00"], "--reconstructed", str(garbled), "--json"]
    found = json.loads(command("behaviour", *given).out)
    assert [each["role"] for each in found["models"]] == ["model", "reference", "reconstructed"]
    assert [each["b"] for each in found["pairs"]] == ["g00"]
    column = found["reconstructed"]
    assert column["model_and_reference"] == found["overlap"][0][1]
    assert column["copy_and_reference"] == found["overlap"][1][2] == 0.5
    assert column["log10_p"] < -2
    assert "keeps more of the answers" in column["says"]
    copy = [files["g00-finetuned"], files["g00"], "--reconstructed", files["g00-finetuned"]]
    assert "accounts for how often the two differ" in command("behaviour", *copy).out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no file was named"),
        (["--controls", "one.jsonl", "two.jsonl"], "before --controls"),
        (["--counts", "10", "11", "3", "3"], "counts"),
        (["--counts", "1000000000000", "500000000000", "400000000000", "300000000000"], "counts"),
        (["--counts", "10", "3", "3", "1", "nothing.jsonl"], "--counts"),
        (["nothing.jsonl", "neither.jsonl"], "nothing.jsonl"),
        (["one.jsonl"], "REFERENCE"),
        (["one.jsonl", "two.jsonl", "--share", "2"], "--share"),
        (["one.jsonl", "two.jsonl", "--test", "astrology"], "next-token"),
        (["one.jsonl", "two.jsonl", "--test", "next-token", "--gold", "g.jsonl"], "--gold"),
    ],
)
def test_mistakes_are_one_line(command, arguments, told):
    done = command("behaviour", *arguments)
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert told in done.err


def test_hostile_names_and_answers_cannot_disturb_the_terminal(command, tmp_path: Path):
    for name in ("a", "b"):
        lines = [json.dumps({"id": f"i{each}", "answer": "\x1b[2J\u202e", "gold": "x"}) for each in range(12)]
        (tmp_path / f"{name}\x1b[31m.jsonl").write_text("\n".join(lines))
    done = command("behaviour", str(tmp_path / "a\x1b[31m.jsonl"), str(tmp_path / "b\x1b[31m.jsonl"))
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "\u202e" not in done.out
