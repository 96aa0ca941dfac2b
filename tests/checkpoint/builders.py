"""Builders of checkpoints, valid and not, shared by the reader tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from forebear.checkpoint import Stored, encode
from forebear.checkpoint.dtypes import ITEM_SIZES

DTYPES = sorted(ITEM_SIZES)


def stored(dtype: str, *shape: int, seed: int = 0) -> Stored:
    """A tensor of small random values."""
    values = np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)
    return dtype, shape, encode(np.abs(values) if dtype.startswith("U") else values, dtype)


def tensors(seed: int = 0) -> dict[str, Stored]:
    """One tensor of every storage type, and the shapes that are easily got wrong."""
    found = {f"w.{dtype.lower()}": stored(dtype, 6, 4, seed=seed + i) for i, dtype in enumerate(DTYPES)}
    return found | {
        "vector": stored("BF16", 7, seed=seed),
        "scalar": stored("F32", seed=seed),
        "cube": stored("F16", 2, 3, 5, seed=seed),
        "empty": stored("F32", 0, 4),
    }


def record(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def assemble(header: bytes | str | Mapping[str, object], data: bytes = b"") -> bytes:
    """A file from a header, right or wrong, and its data."""
    if not isinstance(header, bytes):
        header = (header if isinstance(header, str) else json.dumps(header)).encode("utf-8", "surrogatepass")
    return len(header).to_bytes(8, "little") + header + data


def put(path: Path, content: bytes | str | Mapping[str, object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Mapping):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
