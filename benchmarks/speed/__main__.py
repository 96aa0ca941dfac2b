"""Compares two synthetic Llama-shaped models of 1.5 GB by default sampling, against ``sha256sum`` of one file."""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.speed.synthetic import matrices, write

LAYERS = 26
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
        needed = 2 * 2 * sum(rows * columns for _, rows, columns in matrices(chosen.layers))
        if shutil.disk_usage(room).free < 1.1 * needed:
            sys.exit(f"{room}: {needed / 1e9:.1f} GB needed for the pair; name another place with --folder")
        pair = [Path(room) / name for name in ("model", "reference")]
        # In processes of their own: on Linux a child's peak memory starts at what its parent holds.
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
            list(pool.map(write, pair, [chosen.layers] * 2, range(2)))
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


if __name__ == "__main__":
    main()
