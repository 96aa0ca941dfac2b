"""The page of the sweeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.accuracy.svg import Chart
from benchmarks.accuracy.tables import Table, shown
from forebear.checkpoint.writer import write_aside

COMMAND = "python -m benchmarks.accuracy sweeps --write"
_INTRODUCTION = """# How far descent is still seen

Three sweeps over the tiny trained models of the zoo, whole comparisons throughout, each against the same founder. They
say what happens to models of this size; larger ones have more neurons, hence more evidence, at the same strength.

Everything here is printed by

```sh
{command}
```

*disguised*: residual stream rotated, norms, heads and neurons rescaled, heads mixed, heads and neurons reordered;
*flipped*: signs too. Where nothing exact is left (flipped, or an ungated FFN under any disguise) log10 p stays near 0
and only the calibrated effect can speak; the tables say where it did.
"""
_SAID = {
    "continued": "A child is trained on, from a fifth of its parent's steps to twenty times as many.",
    "share": "A stranger takes a share of the FFN neurons of every layer from a child trained as long as its parent; "
    "everything else, attention and embeddings among it, is the stranger's own.",
    "noise": "Normal noise is added to every value, in units of each tensor's deviation.",
}


def write_page(
    path: Path, command: str, tables: Mapping[str, Table], charts: Mapping[str, Sequence[tuple[str, Chart]]]
) -> None:
    """Writes the page aside, then puts it in place.

    Args:
        path: of the page.
        command: that prints what is on it.
        tables: by sweep.
        charts: by sweep, with their file names.
    """
    parts = [_INTRODUCTION.format(command=command)]
    for name, table in tables.items():
        figures = "\n".join(
            f"![{chart.title}: {chart.y_title} by {chart.x_title}](sweeps/{file})" for file, chart in charts[name]
        )
        parts.append(
            f"## {table.title.removeprefix('Sweep: ').capitalize()}\n\n{_SAID[name]}\n\n{figures}\n\n{markdown(table)}"
        )
    write_aside(path, ["\n".join(parts).encode("utf-8")])


def markdown(table: Table) -> str:
    """A table in Markdown, its notes below."""
    rows = [table.header, ["---"] * len(table.header), *([shown(cell) for cell in row] for row in table.rows)]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", *table.notes, ""])
