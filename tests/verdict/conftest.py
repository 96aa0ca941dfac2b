from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison
from forebear.zoo.folder import write_folder

Compared = Callable[..., Comparison]


@pytest.fixture
def compared(tmp_path: Path) -> Compared:
    """Compares two dictionaries of tensors, written as folders first."""

    def run(
        model: Mapping[str, NDArray[Any]], reference: Mapping[str, NDArray[Any]], config: dict[str, Any], **options: Any
    ) -> Comparison:
        for name, tensors in (("model", model), ("reference", reference)):
            write_folder(tmp_path / name, tensors, config)
        return compare(tmp_path / "model", tmp_path / "reference", **options)

    return run
