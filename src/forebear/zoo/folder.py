"""Hugging Face style folders, written and read with numpy alone, so that surgeries need no torch.

A model is a dictionary of arrays here; ``forebear.checkpoint`` reads and writes the files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from forebear.checkpoint.model import open_model
from forebear.checkpoint.writer import write_safetensors, write_sharded
from forebear.errors import UsageError

Arrays = dict[str, NDArray[Any]]
"""Tensors by name, in their stored type; written in the order of the dictionary."""

DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype(np.float64),
    "F32": np.dtype(np.float32),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "I64": np.dtype(np.int64),
    "I32": np.dtype(np.int32),
    "U8": np.dtype(np.uint8),
}
_SPELLING = {dtype: name for name, dtype in DTYPES.items()}


def read_tensors(folder: Path) -> Arrays:
    """All tensors of a folder or of one file, in their stored types, sorted by name.

    Raises:
        CheckpointError: the folder or file breaks a rule of its format.
        UsageError: there are no weights.
    """
    tensors: Arrays = {}
    with open_model(folder) as model:
        if model.tensors is None:
            raise UsageError("no weights in this folder", where=folder)
        for name in model.tensors.names():
            info = model.tensors.info(name)
            raw = b"".join(model.tensors.stream(name))
            tensors[name] = np.frombuffer(raw, DTYPES[info.dtype]).reshape(info.shape).copy()
    return tensors


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def write_folder(
    folder: Path,
    tensors: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any] | None,
    *,
    shards: int = 1,
    beside: Sequence[Path] = (),
    documents: Mapping[str, bytes] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes config.json and the weights, aside first, then puts the folder in place (an older one is replaced).

    Args:
        folder: where the model shall lie.
        tensors: arrays of a type in ``DTYPES``, in the order they shall have in the file.
        config: content of config.json; None writes none.
        shards: number of weight files, 1 or more; with more than one an index is written.
        beside: files to copy along, e.g. a tokenizer.
        documents: further files, content by path inside the folder.
        metadata: free strings for the metadata of every weight file, beside its format.

    Raises:
        UsageError: more shards than tensors, or none.
    """
    if not 1 <= shards <= len(tensors):
        raise UsageError(f"{len(tensors)} tensors cannot fill {shards} shards", where=folder)
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    files = {**{path.name: path.read_bytes() for path in beside}, **(documents or {})}
    if config is not None:
        files["config.json"] = (json.dumps(dict(config), indent=2) + "\n").encode("utf-8")
    stored = {name: (_SPELLING[array.dtype], array.shape, array.tobytes()) for name, array in tensors.items()}
    strings = {"format": "pt", **(metadata or {})}
    try:
        aside.mkdir(parents=True)
        for name, data in files.items():
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            (aside / name).write_bytes(data)
        if shards == 1:
            write_safetensors(aside / "model.safetensors", stored, strings)
        else:
            write_sharded(aside, stored, shards, strings)
        shutil.rmtree(folder, ignore_errors=True)
        aside.replace(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
