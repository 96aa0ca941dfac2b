"""Hugging Face style folders, written and read with numpy alone, so that surgeries need no torch.

For models of the project's own making: it trusts its input. Foreign files go through ``forebear.checkpoint``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from forebear.errors import UsageError

Arrays = dict[str, NDArray[Any]]
"""Tensors by name, in their stored type; the order of the dictionary is the order in the file."""

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


def pack(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """One safetensors file as bytes, tensors in the order given, header padded to eight bytes."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    blobs, end = [], 0
    for name, tensor in tensors.items():
        blob = np.ascontiguousarray(tensor).tobytes()
        spelling = _SPELLING[tensor.dtype]
        header[name] = {"dtype": spelling, "shape": list(tensor.shape), "data_offsets": [end, end + len(blob)]}
        blobs.append(blob)
        end += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *blobs])


def unpack(blob: bytes) -> Arrays:
    """Tensors of one safetensors file, in the file's order."""
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors: Arrays = {}
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(blob[begin:end], DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
    return tensors


def read_tensors(folder: Path) -> Arrays:
    """All tensors of a folder, sharded or not.

    Raises:
        UsageError: the folder holds no safetensors file.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UsageError("no safetensors file in this folder", where=folder)
    return {name: tensor for file in files for name, tensor in unpack(file.read_bytes()).items()}


def read_config(folder: Path) -> dict[str, Any]:
    """The folder's config.json."""
    config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def write_folder(
    folder: Path,
    tensors: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    *,
    shards: int = 1,
    beside: Sequence[Path] = (),
) -> str:
    """Writes config.json and the weights, aside first, then puts the folder in place (an older one is replaced).

    Args:
        folder: where the model shall lie.
        tensors: arrays of a type in ``DTYPES``, in the order they shall have in the file.
        config: content of config.json.
        shards: number of weight files, 1 or more; with more than one an index is written.
        beside: files to copy along, e.g. a tokenizer.

    Returns:
        sha256 of the weight files' bytes, one after the other.
    """
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    (aside / "config.json").write_text(json.dumps(dict(config), indent=2) + "\n", encoding="utf-8")
    for path in beside:
        shutil.copyfile(path, aside / path.name)
    digest = _write_shards(aside, tensors, shards)
    shutil.rmtree(folder, ignore_errors=True)
    aside.replace(folder)
    return digest


def _write_shards(folder: Path, tensors: Mapping[str, NDArray[Any]], shards: int) -> str:
    names = list(tensors)
    if not 1 <= shards <= len(names):
        raise UsageError(f"{shards} shards asked for, 1 to {len(names)} are possible", where=folder, field="shards")
    seen = hashlib.sha256()
    weight_map: dict[str, str] = {}
    for number in range(shards):
        mine = names[number * len(names) // shards : (number + 1) * len(names) // shards]
        file = "model.safetensors" if shards == 1 else f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        blob = pack({name: tensors[name] for name in mine})
        seen.update(blob)
        (folder / file).write_bytes(blob)
        weight_map.update(dict.fromkeys(mine, file))
    if shards > 1:
        total = sum(tensor.nbytes for tensor in tensors.values())
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return seen.hexdigest()
