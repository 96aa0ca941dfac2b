from __future__ import annotations

from pathlib import Path

import pytest

from forebear.checkpoint import write_safetensors
from tests.checkpoint.builders import tensors


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, tensors(), {"format": "pt"})
    return path
