"""Every kind of descent and every disguise, made anew and compared: what is said against what is so."""

from __future__ import annotations

from benchmarks.accuracy.cases.chosen import chosen
from benchmarks.accuracy.cases.report import report
from benchmarks.accuracy.cases.run import run_all
from benchmarks.accuracy.options import Options
from benchmarks.accuracy.tables import Table


def tables(options: Options) -> list[Table]:
    """Kinds, sums, faults, and what is not there yet."""
    return report(run_all(chosen(options), options.jobs))
