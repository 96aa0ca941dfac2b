from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from forebear.errors import UsageError
from forebear.report.wording import further_told
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison
from forebear.zoo import surgery
from forebear.zoo.folder import Arrays, read_config, read_tensors, write_folder
from tests.models import ZOO

G = ZOO / "gated"
FIRST, SECOND, BASE = G / "g00-continued", G / "g00-sibling", G / "g00"


def written(folder: Path, tensors: Arrays) -> Path:
    write_folder(folder, tensors, read_config(BASE))
    return folder


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    first, second = (read_tensors(folder) for folder in (FIRST, SECOND))
    mixed = {
        name: (0.6 * first[name].astype(np.float32) + 0.4 * second[name].astype(np.float32)).astype(ml_dtypes.bfloat16)
        for name in first
    }
    folder = tmp_path_factory.mktemp("merged") / "model"
    return compare(written(folder, surgery.permute_neurons(mixed)), FIRST, also=[SECOND], bases=[BASE])


def step(comparison: Comparison, name: str) -> dict[str, Any] | None:
    assert comparison.weights is not None
    return next((one for one in comparison.weights.recipe if one["step"] == name), None)


def test_a_merge_is_derived_from_its_reference_neurons_permuted_or_not(merged: Comparison) -> None:
    assert merged.weights is not None
    assert (merged.verdict, merged.weights.direction) == ("derived", "reference to model")
    found = step(merged, "merged")
    assert found is not None
    assert found["method"] == "linear"
    assert found["weights"] == pytest.approx({str(FIRST): 0.6, str(SECOND): 0.4}, abs=0.001)
    assert step(merged, "trained") is None


def test_beyond_the_base_a_merge_is_no_sibling(merged: Comparison) -> None:
    assert merged.beyond_base is not None
    assert merged.beyond_base.verdict == "derived beyond base"
    assert "merged" in merged.beyond_base.because


def test_what_was_declared_is_recorded_and_told(merged: Comparison) -> None:
    assert [one["source"] for one in merged.computation["also"]] == [str(SECOND)]
    assert [one["source"] for one in merged.computation["bases"]] == [str(BASE)]
    assert all(one["digest"] for one in merged.computation["also"])
    told = further_told(merged)
    assert set(told) == {"Beyond the declared base", "Merged from several"}
    assert "0.6" in told["Merged from several"]


def test_siblings_stay_related_and_are_explained_by_their_base() -> None:
    found = compare(FIRST, SECOND, bases=[BASE])
    assert found.beyond_base is not None
    assert (found.verdict, found.beyond_base.verdict, found.merge) == ("related", "explained by base", None)


def test_without_further_models_nothing_is_added() -> None:
    found = compare(FIRST, SECOND)
    assert (found.beyond_base, found.merge, further_told(found)) == (None, None, {})
    assert "also" not in found.computation


def test_a_model_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="more than once"):
        compare(FIRST, SECOND, also=[SECOND])


def test_a_base_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="--base"):
        compare(FIRST, SECOND, bases=[tmp_path])
