"""The reconstructed control: the reference with the recipe's steps done again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from forebear.checkpoint.digest import digest
from forebear.checkpoint.model import open_model
from forebear.errors import UsageError
from forebear.verdict import reconstructing
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison, Side, WeightsClaim
from forebear.verdict.reconstructing import NOTE_NAME, Reconstructed, reconstruct
from forebear.zoo.disguise import disguise
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.steps import read_step
from tests.models import ZOO

SIGMA = 0.005
G00 = ZOO / "gated/g00"


def result(recipe: list[dict[str, Any]], reference: Path = G00, **side: Any) -> Comparison:
    if not side:
        with open_model(reference) as model:
            assert model.tensors is not None
            side = {"digest": digest(model.tensors)}
    claim = WeightsClaim("derived", "", recipe=recipe)
    return Comparison({}, Side("model"), Side(str(reference), **side), "derived", claim)


@dataclass(frozen=True)
class Case:
    model: Path
    copy: Path
    note: Reconstructed
    sigma: float


@pytest.fixture(scope="module")
def noised(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("reconstructed")
    disguise(G00, folder / "model", [read_step("noise", str(SIGMA), 3)])
    found = compare(str(folder / "model"), str(G00))
    assert found.weights is not None
    note = reconstruct(found, folder / "copy", seed=1)
    return Case(folder / "model", folder / "copy", note, found.weights.recipe[0]["sigma"])


def test_every_tensor_lies_as_far_from_the_reference_as_recorded(noised: Case) -> None:
    assert noised.sigma == pytest.approx(SIGMA, rel=0.02)
    mine, model, yours = (read_tensors(folder) for folder in (noised.copy, noised.model, G00))
    assert mine.keys() == yours.keys()
    for name, values in yours.items():
        assert mine[name].dtype == values.dtype
        difference = mine[name].astype(np.float64) - values.astype(np.float64)
        # Six deviations of a standard deviation, and what rounding to bfloat16 adds to it.
        rounding = float(np.square(values.astype(np.float64) * 2**-8).mean()) / 3
        within = noised.sigma * 6 / np.sqrt(2 * values.size)
        assert (
            noised.sigma - within < np.sqrt(np.square(difference).mean()) < np.sqrt(noised.sigma**2 + rounding) + within
        )
        assert not np.array_equal(mine[name], model[name])


def test_it_answers_as_the_model_does_and_no_more_like_it_than_the_reference(noised: Case) -> None:
    pytest.importorskip("torch")
    from forebear.zoo.answering import answer, contexts
    from forebear.zoo.items import Items, load
    from forebear.zoo.recipes import recipe
    from forebear.zoo.text import tokens

    items, _ = load(ZOO / "answers/answers.npz.xz")
    few = np.flatnonzero(items.parts == "A")[::4]
    items = Items(**{name: getattr(items, name)[few] for name in Items.__dataclass_fields__})
    before = contexts(items, {"A": tokens("A", ZOO / "tokenizer.json")})

    def said(folder: Path) -> NDArray[np.int16]:
        return answer(recipe("gated/g00"), folder, items, before).free

    model, copy, reference = said(noised.model), said(noised.copy), said(G00)
    own, again, both = (np.mean(one == other) for one, other in ((model, reference), (copy, reference), (model, copy)))
    assert 0.5 < own < 0.99
    assert abs(own - again) < 4 * np.sqrt((own * (1 - own) + again * (1 - again)) / len(few))
    assert both <= own


def test_the_note_says_what_was_done(noised: Case) -> None:
    assert [(step.step, step.applied) for step in noised.note.steps] == [("noise", True)]
    assert (noised.note.tensors, noised.note.changed, noised.note.explained) == (63, 63, 1.0)
    written = json.loads((noised.copy / NOTE_NAME).read_text(encoding="utf-8"))
    assert written == json.loads(msgspec.json.encode(noised.note))
    assert read_config(noised.copy) == read_config(G00)


def test_the_seed_decides_the_noise(tmp_path: Path) -> None:
    found = result([{"step": "noise", "sigma": 0.01}])
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        reconstruct(found, tmp_path / name, seed=seed)
    one, again, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "again", "other"))
    assert one == again != other


def test_parts_that_a_step_does_not_name_keep_their_bytes(tmp_path: Path) -> None:
    reference = ZOO / "plain/p00"
    note = reconstruct(result([{"step": "noise", "sigma": 0.01, "parts": ["k in layer 1"]}], reference), tmp_path / "k")
    mine, yours = read_tensors(tmp_path / "k"), read_tensors(reference)
    differ = {name for name in yours if not np.array_equal(mine[name], yours[name])}
    assert differ == {"transformer.h.1.attn.c_attn.weight"} and note.changed == 1
    columns = np.any(mine[differ.pop()] != yours["transformer.h.1.attn.c_attn.weight"], axis=0)
    assert not columns[:60].any() and columns[60:120].all() and not columns[120:].any()


def test_steps_follow_one_another_and_rounding_comes_where_it_stands(tmp_path: Path) -> None:
    recipe: list[dict[str, Any]] = [
        {"step": "trained", "relative_change": 0.1},
        {"step": "noise", "sigma": 0.001, "at_most": True},
        {"step": "cast", "from": "BF16", "to": "F16"},
    ]
    note = reconstruct(result(recipe), tmp_path / "cast")
    assert [step.applied for step in note.steps] == [False, True, True]
    assert len(note.limits) == 2 and note.explained is None
    assert {array.dtype for array in read_tensors(tmp_path / "cast").values()} == {np.dtype(np.float16)}
    assert read_config(tmp_path / "cast")["torch_dtype"] == "float16"


def test_it_is_written_in_several_files_where_one_would_be_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstructing, "SHARD_BYTES", 100_000)
    found = result([{"step": "noise", "sigma": 0.01}])
    reconstruct(found, tmp_path / "many")
    monkeypatch.undo()
    reconstruct(found, tmp_path / "one")
    many, one = read_tensors(tmp_path / "many"), read_tensors(tmp_path / "one")
    assert len([*(tmp_path / "many").glob("*.safetensors")]) > 3
    assert all(np.array_equal(many[name], one[name]) for name in one)


def test_tokenizer_and_licence_come_along_and_the_card_does_not(tmp_path: Path) -> None:
    documents = {"tokenizer.json": b"{}", "LICENSE": b"do", "README.md": b"a card"}
    write_folder(tmp_path / "reference", read_tensors(G00), read_config(G00), documents=documents)
    reconstruct(result([{"step": "noise", "sigma": 0.01}], tmp_path / "reference"), tmp_path / "copy")
    written = {path.name for path in (tmp_path / "copy").iterdir()}
    assert written == {"tokenizer.json", "LICENSE", "config.json", "model.safetensors", NOTE_NAME}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (result([]), "holds no recipe"),
        (result([{"step": "trained"}]), "no step of the recipe can be done again"),
        (result([{"step": "noise", "sigma": 0.1}], digest="sha256:0"), "is not the reference that was compared"),
        (result([{"step": "noise", "sigma": 0.1}], parameters=3), "is not the reference that was compared"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused_and_leaves_nothing(
    tmp_path: Path, found: Comparison, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        reconstruct(found, tmp_path / "copy")
    assert not [*tmp_path.iterdir()]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("kept")
    with pytest.raises(UsageError, match="not an empty folder"):
        reconstruct(result([{"step": "noise", "sigma": 0.1}]), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failure_half_way_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reconstructing, "write_streamed", full)
    with pytest.raises(UsageError, match="No space left"):
        reconstruct(result([{"step": "noise", "sigma": 0.1}]), tmp_path / "copy")
    assert not [*tmp_path.iterdir()]
