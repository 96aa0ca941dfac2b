"""How a test is added: one file with one decorated function.

The decorator says to which strand the test belongs and what it needs; everything in the strand's folder is found
by import, so nothing else changes when a file is added.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from forebear.evidence.finding import Finding

Needs = TypeVar("Needs")


@dataclass(frozen=True)
class Test:
    """A registered test: strand, the type it needs, its order among the others and the function."""

    strand: str
    needs: type
    order: int
    run: Callable[[Any], Finding]


_TESTS: dict[str, Test] = {}


def test(
    *, strand: str, needs: type[Needs], order: int
) -> Callable[[Callable[[Needs], Finding]], Callable[[Needs], Finding]]:
    """Register a function from what it needs to a finding.

    Args:
        strand: ``"weights"``, ...
        needs: type of its one argument.
        order: place in the list of findings.
    """

    def register(function: Callable[[Needs], Finding]) -> Callable[[Needs], Finding]:
        _TESTS[f"{function.__module__}.{function.__qualname__}"] = Test(strand, needs, order, function)
        return function

    return register


def tests_of(strand: str) -> list[Test]:
    """Tests of a strand in order, its folder imported first."""
    package = importlib.import_module(f"forebear.evidence.{strand}")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return sorted((test for test in _TESTS.values() if test.strand == strand), key=lambda test: test.order)
