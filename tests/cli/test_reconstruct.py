import json
from pathlib import Path

import pytest

from forebear.report.json import encode
from forebear.verdict.comparison import Comparison, Ranking, Side, WeightsClaim
from tests.cli.conftest import Command
from tests.models import ZOO


@pytest.fixture
def written(tmp_path: Path) -> Path:
    recipe = [{"step": "noise", "sigma": 0.01}, {"step": "low-rank", "rank": 4}]
    claim = WeightsClaim("derived", "", recipe=recipe)
    reference = Side(str(ZOO / "gated/g00"), parameters=373_488)
    found = Comparison({}, Side("model"), reference, "derived", claim)
    (tmp_path / "result.json").write_text(encode(found), encoding="utf-8")
    return tmp_path / "result.json"


def test_every_step_is_told(command: Command, written: Path, tmp_path: Path) -> None:
    done = command("reconstruct", str(written), "-o", str(tmp_path / "copy"))
    assert done.code == 0, done.err
    assert "63 of 63 tensors" in done.out
    assert "noise: done again, sigma 0.01" in done.out
    assert "low-rank: left out, the record says the rank" in done.out
    assert (tmp_path / "copy/model.safetensors").is_file()


def test_json_is_the_note(command: Command, written: Path, tmp_path: Path) -> None:
    done = command("reconstruct", str(written), "--output", str(tmp_path / "copy"), "--seed", "2", "--json")
    found = json.loads(done.out)
    assert (found["schema"], found["seed"]) == ("forebear.reconstruction/1", 2)
    assert found == json.loads((tmp_path / "copy/reconstruction.json").read_text())


def test_what_is_no_comparison_is_refused_in_a_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "ranking.json").write_text(encode(Ranking({}, [])))
    (tmp_path / "other.json").write_text("{}")
    for name, said in (
        ("ranking.json", "no comparison with a single reference"),
        ("other.json", "no schema"),
        ("none.json", "cannot be read"),
    ):
        done = command("reconstruct", str(tmp_path / name), "-o", str(tmp_path / "copy"))
        assert done.code == 2 and said in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "copy").exists()
