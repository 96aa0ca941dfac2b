"""Prints the tables of one module of this folder: ``python -m benchmarks.behaviour PART [OPTIONS]``.

A part is a module with ``run(arguments) -> None``; its name may be written with hyphens.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from forebear.errors import ForebearError


def main(arguments: list[str] | None = None) -> int:
    """Run one part; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    parts = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if "\ndef run(" in path.read_text("utf-8"))
    name = given[0].replace("-", "_") if given else ""
    if name not in parts:
        shown = ", ".join(part.replace("_", "-") for part in parts)
        print(f"usage: python -m benchmarks.behaviour PART [OPTIONS]\nparts: {shown}", file=sys.stderr)
        return 2
    try:
        import_module(f"benchmarks.behaviour.{name}").run(given[1:])
    except ForebearError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
