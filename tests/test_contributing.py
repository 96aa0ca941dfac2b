"""The how-to for adding a test, followed word for word: one new file, and the comparison lists what it finds."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebear.evidence import registry, weights
from forebear.evidence.finding import Finding
from forebear.verdict.compare import compare
from tests.models import ZOO

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The file of the how-to beside the tests that are there, in a folder of its own; its finding's name."""
    section = GUIDE.read_text(encoding="utf-8").partition("## Adding a test")[2].partition("\n## ")[0]
    written = re.search(r"`src/forebear/evidence/weights/(\w+)\.py`", section)
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert written is not None
    assert code is not None
    (tmp_path / f"{written[1]}.py").write_text(code[1], encoding="utf-8")
    known = {test.run for test in registry.tests_of("weights")}
    monkeypatch.setattr(registry, "_TESTS", dict(registry._TESTS))
    monkeypatch.setattr(weights, "__path__", [*weights.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    new = [test for test in registry.tests_of("weights") if test.run not in known]
    assert len(new) == 1
    module = sys.modules[new[0].run.__module__]
    yield module.NAME
    del sys.modules[module.__name__]
    delattr(weights, written[1])


def listed(name: str, model: str, reference: str) -> list[Finding]:
    claim = compare(ZOO / model, ZOO / reference).weights
    assert claim is not None
    return [finding for finding in claim.findings if finding.test == name]


def test_one_file_with_one_function_adds_a_test(added: str) -> None:
    found = listed(added, "gated/g00-continued", "gated/g00")
    assert found
    assert found[0].log10_p is not None
    assert found[0].log10_p < -4.0
    assert [check.holds for check in found[0].assumptions] == [True] * 4


def test_strangers_agree_by_chance_only(added: str) -> None:
    found = listed(added, "gated/g01", "gated/g00")
    assert found
    assert all(each.log10_p is not None and each.log10_p > -3.0 for each in found)


def test_the_file_is_gone_afterwards() -> None:
    assert all(test.run.__name__ != "neuron_lengths" for test in registry.tests_of("weights"))
