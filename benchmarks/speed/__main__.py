"""Compares two synthetic Llama-shaped models of 1.5 GB by default sampling, against ``sha256sum`` of one file."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import ml_dtypes
import numpy as np

HIDDEN, NEURONS, LAYERS, VOCABULARY, HEADS, KV_HEADS = 1536, 4096, 26, 32_000, 12, 4
_PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
_COMPARE = (
    "import sys; from forebear.verdict.compare import compare; c = compare(sys.argv[1], sys.argv[2]); "
    f"print(c.verdict, c.model.bytes_read, end=' '); {_PEAK}"
)


def main() -> None:
    """Make the pair, time, print, remove."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--layers", type=int, default=LAYERS, help="fewer for a smaller pair (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made (default: the system's)")
    chosen = parser.parse_args()
    with TemporaryDirectory(dir=chosen.folder) as room:
        needed = 2 * 2 * sum(rows * columns for _, rows, columns in _matrices(chosen.layers))
        if shutil.disk_usage(room).free < 1.1 * needed:
            sys.exit(f"{room}: {needed / 1e9:.1f} GB needed for the pair; name another place with --folder")
        pair = [Path(room) / name for name in ("model", "reference")]
        # In processes of their own: on Linux a child's peak memory starts at what its parent holds.
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(_write, pair, [chosen.layers] * 2, range(2)))
        size = (pair[0] / "model.safetensors").stat().st_size
        print(f"pair of {size / 1e9:.2f} GB each, bf16, synthetic", flush=True)
        _report([_run(pair) for _ in range(chosen.runs)])


def _report(runs: list[dict[str, float | str]]) -> None:
    print(f"{'run':>3}  {'compare s':>9}  {'sha256sum s':>11}  {'ratio':>6}  {'peak MB':>8}  {'read MB':>8}  verdict")
    for number, run in enumerate(runs, start=1):
        print(
            f"{number:>3}  {run['compare']:>9.2f}  {run['hash']:>11.2f}  {run['ratio']:>6.2f}  {run['peak']:>8.0f}  "
            f"{run['read']:>8.0f}  {run['verdict']}"
        )
    ratio, peak = (statistics.median(float(run[key]) for run in runs) for key in ("ratio", "peak"))
    idle = int(subprocess.run([sys.executable, "-c", f"import numpy, scipy.special; {_PEAK}"], check=True,
                              capture_output=True, text=True).stdout) * _unit() / 1e6  # fmt: skip
    print(
        f"median: {ratio:.2f} of sha256sum of one file; peak {peak:.0f} MB, of which numpy and scipy alone {idle:.0f}"
    )
    print("Each comparison runs in a process of its own, start-up included; files lie in the page cache for both.")


def _run(pair: list[Path]) -> dict[str, float | str]:
    started = time.monotonic()
    subprocess.run(["sha256sum", str(pair[0] / "model.safetensors")], check=True, capture_output=True)
    hashed = time.monotonic() - started
    started = time.monotonic()
    command = [sys.executable, "-c", _COMPARE, *map(str, pair)]
    verdict, read, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    compared = time.monotonic() - started
    return {
        "compare": compared,
        "hash": hashed,
        "ratio": compared / hashed,
        "peak": int(peak) * _unit() / 1e6,
        "read": int(read) / 1e6,
        "verdict": verdict,
    }


def _unit() -> int:
    """Bytes in a unit of ``ru_maxrss``."""
    return 1 if sys.platform == "darwin" else 1024


def _matrices(layers: int) -> Iterator[tuple[str, int, int]]:
    yield "model.embed_tokens.weight", VOCABULARY, HIDDEN
    narrow = HIDDEN // HEADS * KV_HEADS
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name, width in (("q", HIDDEN), ("k", narrow), ("v", narrow), ("o", HIDDEN)):
            yield f"{at}.self_attn.{name}_proj.weight", width, HIDDEN
        for name in ("gate", "up"):
            yield f"{at}.mlp.{name}_proj.weight", NEURONS, HIDDEN
        yield f"{at}.mlp.down_proj.weight", HIDDEN, NEURONS
    yield "lm_head.weight", VOCABULARY, HIDDEN


def _write(folder: Path, layers: int, seed: int) -> None:
    """One model, written matrix by matrix so that memory stays small."""
    folder.mkdir()
    matrices = list(_matrices(layers))
    gains = [f"model.layers.{layer}.{norm}_layernorm.weight" for layer in range(layers)
             for norm in ("input", "post_attention")] + ["model.norm.weight"]  # fmt: skip
    shapes: dict[str, tuple[int, ...]] = {name: (rows, columns) for name, rows, columns in matrices}
    shapes |= dict.fromkeys(gains, (HIDDEN,))
    header, at = {}, 0
    for name, shape in shapes.items():
        end = at + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(seed)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            values = np.ones(shape, np.float32) if len(shape) == 1 else rng.standard_normal(shape, np.float32) * 0.02
            file.write(values.astype(ml_dtypes.bfloat16).tobytes())
    config = {
        "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": NEURONS, "num_hidden_layers": layers,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCABULARY,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


if __name__ == "__main__":
    main()
