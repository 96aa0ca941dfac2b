from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forebear.checkpoint import open_model
from forebear.verdict.candidates import laid_beside
from forebear.verdict.declared import Further, declared_claims
from forebear.verdict.further import LayerOrigin, MergeClaim
from forebear.verdict.sides import Prepared, Settings, prepare
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.surgery import add_noise, merge
from tests.models import ZOO

SETTINGS = Settings(budget=64_000_000, full=True, seed=0, references=1)
P = ZOO / "plain"
FIRST, SECOND, BASE = P / "p00-continued", P / "p00-sibling-same-data", P / "p00"


def prepared(folder: Path) -> Prepared:
    model = open_model(folder)
    assert model.tensors is not None
    return prepare(model, model.tensors, SETTINGS, lambda _doing, _done: None)


@pytest.fixture
def claimed(tmp_path: Path) -> Callable[..., MergeClaim]:
    def claim(tensors: object, config: object = None, base: Path | None = None) -> MergeClaim:
        assert isinstance(tensors, dict)
        write_folder(tmp_path / "model", tensors, config if isinstance(config, dict) else read_config(BASE))
        further = Further((prepared(SECOND),), () if base is None else (prepared(base),))
        found = declared_claims(
            prepared(tmp_path / "model"), prepared(FIRST), further, SETTINGS, lambda _doing, _done: None
        ).merge
        assert found is not None
        return found

    return claim


def test_tensors_stored_together_are_interpolated_together(claimed: Callable[..., MergeClaim]) -> None:
    found = claimed(merge.slerp(read_tensors(FIRST), read_tensors(SECOND), [0.2, 0.8]))
    assert (found.method, found.missing_parent) == ("slerp", False)
    assert [place[0] for place in found.places.values()] == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=0.01)


def test_tensors_stored_together_are_trimmed_together(claimed: Callable[..., MergeClaim]) -> None:
    made = merge.ties(read_tensors(BASE), [read_tensors(FIRST), read_tensors(SECOND)], [0.6, 0.4], 0.3)
    found = claimed(made, base=BASE)
    assert found.method == "ties"
    assert [density[0] for density in found.densities.values()] == pytest.approx([0.3, 0.3], abs=0.01)
    assert list(found.weights.values()) == pytest.approx([0.6, 0.4], abs=0.01)


def test_a_deeper_frankenmerge_names_whose_layer_each_is(claimed: Callable[..., MergeClaim]) -> None:
    origins = [(0, 0), (0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]
    made = merge.franken([read_tensors(FIRST), read_tensors(SECOND)], read_config(BASE), origins)
    found = claimed(made.tensors, made.config)
    assert found.method == "frankenmerge"
    assert found.origins == {
        layer: LayerOrigin(str((FIRST, SECOND)[model]), source) for layer, (model, source) in enumerate(origins)
    }


def test_a_relative_is_laid_beside_as_stored(tmp_path: Path) -> None:
    write_folder(tmp_path / "model", add_noise(read_tensors(FIRST), 0.005), read_config(BASE))
    found = laid_beside(prepared(tmp_path / "model"), prepared(FIRST), SETTINGS)
    assert found.layer_map == (0, 1, 2, 3)
    assert found.agreeing == 4 * 6
    differences = [float(np.std(pair.model - pair.reference)) for pair in found.pairs if pair.model.ndim == 2]
    assert differences == pytest.approx([0.005] * len(differences), rel=0.05)


def test_another_width_cannot_be_laid_beside() -> None:
    found = laid_beside(prepared(BASE), prepared(ZOO / "gated" / "g00"), SETTINGS)
    assert found.agreeing == 0
