"""Prints the tables: ``python -m benchmarks.accuracy [null|checks|retention|positives|power|recipe|all] [--json FILE]``."""

from __future__ import annotations

import argparse
import json
import time
from importlib import import_module
from pathlib import Path

PARTS = ("null", "tail", "checks", "retention", "positives", "power", "recipe")


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=(*PARTS, "all"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables there too")
    chosen = parser.parse_args()
    content = []
    for part in PARTS if chosen.part == "all" else (chosen.part,):
        started = time.monotonic()
        for table in import_module(f"benchmarks.accuracy.{part}").tables():
            print(table.text(), flush=True)
            content.append({"part": part, **table.content()})
        print(f"({part}: {time.monotonic() - started:.0f} s)\n", flush=True)
    if chosen.json:
        aside = chosen.json.with_name(chosen.json.name + ".part")
        aside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        aside.replace(chosen.json)


if __name__ == "__main__":
    main()
