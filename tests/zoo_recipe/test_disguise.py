"""The command, end to end: order, recipe, documents, refusals."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_forward import TOKENS, logits

from forebear.checkpoint.digest import digest
from forebear.checkpoint.model import open_model
from forebear.checkpoint.writer import write_safetensors
from forebear.zoo import disguise as command
from forebear.zoo import surgery
from forebear.zoo.__main__ import main
from forebear.zoo.folder import read_config, read_tensors, write_folder


@pytest.fixture
def source(tmp_path: Path, zoo: Path) -> Path:
    model = zoo / "gated/g00"
    documents = {"notes/a.md": b"kept", "tokenizer.json": (zoo / "tokenizer.json").read_bytes()}
    write_folder(tmp_path / "source", read_tensors(model), read_config(model), documents=documents)
    return tmp_path / "source"


def run(*arguments: object) -> int:
    return main(["disguise", *(str(argument) for argument in arguments)])


def recipe_of(folder: Path) -> dict[str, Any]:
    with open_model(folder) as model:
        assert model.tensors is not None
        found = {values[command.METADATA_KEY] for values in model.tensors.metadata.values()}
    assert len(found) == 1
    recipe: dict[str, Any] = json.loads(found.pop())
    return recipe


def test_free_disguises_stacked_compute_the_same(source: Path, tmp_path: Path) -> None:
    steps = (
        "--cast F32 --permute-neurons --permute-residual --rotate --permute-heads --mix-values --mix-queries "
        "--rescale-norms --rescale-neurons --flip-signs --rescale-heads --flip-heads --everything --reorder-tensors"
    )
    assert run(source, *steps.split(), "--shards", 3, "--seed", 5, "-o", tmp_path / "out") == 0
    made, config = read_tensors(tmp_path / "out"), read_config(tmp_path / "out")
    np.testing.assert_allclose(logits(made, config), logits(read_tensors(source), config), atol=1e-4)
    assert len(list((tmp_path / "out").glob("*.safetensors"))) == 3
    assert config == {**read_config(source), "torch_dtype": "float32"}
    assert (tmp_path / "out/notes/a.md").read_bytes() == b"kept"
    assert (tmp_path / "out/tokenizer.json").read_bytes() == (source / "tokenizer.json").read_bytes()


def test_the_recipe_names_source_steps_amounts_and_seeds(source: Path, tmp_path: Path) -> None:
    assert run(source, "--noise", 0.01, "--prune-neurons", "0.5,choice=random", "--fuse", "-o", tmp_path / "out") == 0
    recipe = recipe_of(tmp_path / "out")
    with open_model(source) as model:
        assert model.tensors is not None
        assert recipe["source"] == digest(model.tensors)
    assert recipe["tool"].startswith("forebear ")
    assert recipe["steps"] == [
        {"step": "noise", "value": 0.01, "seed": 0},
        {"step": "prune-neurons", "value": 0.5, "choice": "random", "seed": 1},
        {"step": "fuse", "seed": 2},
    ]
    by_hand = surgery.add_noise(read_tensors(source), 0.01, seed=0)
    by_hand = surgery.prune_neurons(by_hand, read_config(source), 0.5, choice="random", seed=1).tensors
    made = read_tensors(tmp_path / "out")
    assert all(np.array_equal(made[name], array) for name, array in surgery.fuse(by_hand).items())


def test_steps_are_applied_in_the_order_given(source: Path, tmp_path: Path) -> None:
    name = "model.layers.0.mlp.up_proj.weight"
    for target, steps in (
        ("a", ("--prune-values", 0.5, "--noise", 0.01)),
        ("b", ("--noise", 0.01, "--prune-values", 0.5)),
    ):
        assert run(source, *steps, "-o", tmp_path / target) == 0
    assert np.mean(read_tensors(tmp_path / "a")[name] == 0) < 0.05
    assert np.mean(read_tensors(tmp_path / "b")[name] == 0) >= 0.5
    assert run(source, "--layers", "0,0,1", "--layers", "2", "-o", tmp_path / "c") == 0
    wanted = read_tensors(source)["model.layers.1.mlp.up_proj.weight"]
    assert np.array_equal(read_tensors(tmp_path / "c")[name], wanted)
    assert read_config(tmp_path / "c")["num_hidden_layers"] == 1


def test_the_same_command_writes_the_same_bytes(source: Path, tmp_path: Path) -> None:
    for target in ("a", "b"):
        assert run(source, "--everything-unflipped", "--scramble-names", "--seed", 9, "-o", tmp_path / target) == 0
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()


def test_json_tells_the_truth_of_each_step(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = ("--insert-layers", "2,kind=identity", "--rotate", "--scramble-names")
    assert run(source, *steps, "--json", "-o", tmp_path / "out") == 0
    printed = json.loads(capsys.readouterr().out)
    layers, rotated, names = printed.pop("truth")
    assert layers == {"layer_map": [0, 1, None, 2, 3, 4]}
    assert rotated == {"rotation": "matrix 72 x 72", "untied": False}
    assert set(names["names"]) == set(read_tensors(tmp_path / "out"))
    assert printed == recipe_of(tmp_path / "out")


def test_a_reordered_vocabulary_brings_its_tokenizer(source: Path, tmp_path: Path) -> None:
    assert run(source, "--cast", "F32", "--reorder-vocabulary", "-o", tmp_path / "out") == 0
    old, new = (
        json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        for folder in (source, tmp_path / "out")
    )
    places = np.array([new[token] for token, _ in sorted(old.items(), key=lambda item: item[1])])
    config = read_config(tmp_path / "out")
    found = logits(read_tensors(tmp_path / "out"), config, places[TOKENS])
    np.testing.assert_allclose(found[..., places], logits(read_tensors(source), config), atol=1e-4)


def test_a_single_file_is_disguised_without_documents(source: Path, tmp_path: Path) -> None:
    file = source / "model.safetensors"
    assert run(file, "--permute-neurons", "--rename-prefix", "model.=m.", "-o", tmp_path / "new/out") == 0
    assert [path.name for path in (tmp_path / "new/out").iterdir()] == ["model.safetensors"]
    assert "m.norm.weight" in read_tensors(tmp_path / "new/out")


def test_an_empty_folder_may_be_filled_and_no_other(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    assert run(source, "-o", tmp_path / "out") == 0
    before = (tmp_path / "out/model.safetensors").read_bytes()
    assert run(source, "--noise", 1, "-o", tmp_path / "out") == 2
    assert "not empty" in capsys.readouterr().err
    assert (tmp_path / "out/model.safetensors").read_bytes() == before
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    assert run(source, "-o", tmp_path / "file") == 2
    assert run(source, "-o", tmp_path / "file/below") == 2
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_large_models_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAX_PARAMETERS", 1000)
    assert run(source, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{source}: ")
    assert "at most 1000 are disguised. Take a smaller model" in error
    assert not (tmp_path / "out").exists()


def test_types_and_tokenizers_that_cannot_be_read_are_refused(source: Path, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "odd.safetensors", {"mask": ("BOOL", (2,), b"\0\1")})
    assert run(tmp_path / "odd.safetensors", "-o", tmp_path / "out") == 2
    (source / "tokenizer.json").write_text("{", encoding="utf-8")
    assert run(source, "-o", tmp_path / "out") == 2
    assert run(tmp_path / "nowhere", "-o", tmp_path / "out") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--noise x", "--noise: 'x' cannot be read"),
        ("--noise nan", "--noise: 'nan' cannot be read"),
        ("--prune-neurons 2", "a share lies from 0 to 1"),
        ("--prune-neurons 0.5,odd=1", "no amount 'odd'. Known here: choice, structured, shuffle"),
        ("--prune-neurons 0.5,shuffle=maybe", "'maybe' cannot be read"),
        ("--noise 1,2", "one SIGMA is needed"),
        ("--layers 0,9", "layers are 0 to 4, found 9"),
        ("--rename-prefix odd", "not OLD=NEW"),
        ("--split", "nothing to split"),
        ("--cast F7", "no storage type 'F7'"),
        ("--shards 900", "63 tensors cannot fill 900 shards"),
        ("--shards 0", "63 tensors cannot fill 0 shards"),
        ("--seed -1", "a seed of 0 or more"),
        ("--scramble-names --rotate", "a tensor of unknown role"),
        ("--to-dense mean", "no experts"),
        ("--upcycle 4,slices=5", "do not part into 5 slices"),
    ],
)
def test_wrong_steps_are_refused_in_one_line(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, said: str
) -> None:
    assert run(source, *arguments.split(), "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert ".part" not in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


def test_steps_that_need_a_config_say_so_for_a_single_file(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(source / "model.safetensors", "--rotate", "-o", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith("--rotate: needs a config.json")


SAMPLES = {
    "noise": "0.01,relative=yes",
    "layers": "0,1,1,2",
    "drop-layers": "1",
    "insert-layers": "0,2",
    "upcycle": "4,slices=2,redrawn=0.5",
    "extend-vocabulary": "3",
    "pad-vocabulary": "100",
    "replace-vocabulary": "600,kept=0.5",
    "low-rank": "2,roles=q+v,amount=0.1",
    "quantise": "4,block=8",
    "cast": "F16",
    "rename-prefix": "model.=m.",
    "prefix": "module.",
    "regroup-layers": "2",
    "add-module": "vision",
}


@pytest.mark.parametrize("name", command.OPTIONS)
def test_every_option_works_and_stands_in_the_help(
    name: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], zoo: Path
) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    assert f"--{name}" in capsys.readouterr().out
    before = ["--upcycle", "4"] if name in {"shuffle-experts", "to-dense"} else []
    model = zoo / "plain/p00" if name == "split" else source
    value = [] if command.OPTIONS[name].value is None else [SAMPLES.get(name, "mean" if before else "0.5")]
    assert run(model, *before, f"--{name}", *value, "-o", tmp_path / "out") == 0
    made, old = read_tensors(tmp_path / "out"), read_tensors(model)
    if name == "reorder-tensors":
        assert (tmp_path / "out/model.safetensors").read_bytes() != (source / "model.safetensors").read_bytes()
    elif name != "to-dense":
        assert made.keys() != old.keys() or any(
            made[key].dtype != old[key].dtype or not np.array_equal(made[key], old[key]) for key in old
        )


def test_disguising_needs_no_torch(source: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from forebear.zoo.__main__ import main; "
        "assert main(['disguise', sys.argv[1], '--everything', '-o', sys.argv[2]]) == 0; "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(source), str(tmp_path / "out")], check=False)
    assert done.returncode == 0
