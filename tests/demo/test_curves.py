from pathlib import Path

import numpy as np
import pytest

from forebear.checkpoint import open_model
from forebear.demo.curves import PROJECTIONS, correlation, std_curves
from forebear.demo.models import COPIED, DISPUTED, REFERENCE, shipped
from forebear.errors import UsageError
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.surgery import permute_neurons, shift_layers


def curves(folder: Path) -> np.ndarray:
    with open_model(folder) as model:
        return std_curves(model)


def test_curves_are_normalised_along_the_layers() -> None:
    found = curves(shipped(COPIED))
    layers = read_config(shipped(COPIED))["num_hidden_layers"]
    assert found.shape == (len(PROJECTIONS), layers)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1), 1)


def test_curves_agree_with_the_tensors_read_by_name() -> None:
    tensors = read_tensors(shipped(COPIED))
    queries = [name for name in sorted(tensors) if name.endswith("q_proj.weight")]
    spreads = np.array([tensors[name].astype(np.float64).std() for name in queries])
    expected = (spreads - spreads.mean()) / spreads.std()
    np.testing.assert_allclose(curves(shipped(COPIED))[0], expected, atol=1e-3)


def test_curves_do_not_see_neurons_but_see_the_order_of_layers(tmp_path: Path) -> None:
    source = shipped(COPIED)
    tensors, config = read_tensors(source), read_config(source)
    write_folder(tmp_path / "permuted", permute_neurons(tensors), config)
    write_folder(tmp_path / "shifted", shift_layers(tensors), config)
    own = curves(source)
    assert correlation(own, curves(tmp_path / "permuted")) == pytest.approx(1.0)
    np.testing.assert_allclose(curves(tmp_path / "shifted"), np.roll(own, 1, axis=1), atol=1e-12)


def test_the_disputed_pair_runs_alike() -> None:
    assert correlation(curves(shipped(DISPUTED)), curves(shipped(REFERENCE))) > 0.9


def test_constant_curves_and_missing_tensors_are_refused(tmp_path: Path) -> None:
    source = shipped(COPIED)
    same = {name: np.ones_like(tensor) for name, tensor in read_tensors(source).items()}
    write_folder(tmp_path / "constant", same, read_config(source))
    with pytest.raises(UsageError, match="constant"):
        curves(tmp_path / "constant")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="no tensors"):
        curves(tmp_path / "empty")
