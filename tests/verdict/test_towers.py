"""Two models tower by tower: the story of 2024 in miniature, and what only one side has."""

from __future__ import annotations

import re
from io import StringIO

import numpy as np

from forebear.report.html import render
from forebear.report.json import document
from forebear.report.terminal import show_comparison
from forebear.verdict.comparison import Comparison
from forebear.zoo.surgery import add_noise, rename
from tests.models import zoo_config
from tests.verdict.conftest import Compared
from tests.verdict.multimodal import LANGUAGE, PROJECTOR, VISION, Tensors, config, language, projector, vision

MOVED = {LANGUAGE: "llm.", VISION: "vpm.", PROJECTOR: "mm."}


def parent() -> Tensors:
    return language("g02") | vision("p00") | projector("g03")


def strange(name: str) -> str:
    """A name of which only the numbers and the tower are left to be seen."""
    prefix = next(prefix for prefix in MOVED if name.startswith(prefix))
    rest = re.sub(r"[a-z_]\w*", lambda word: f"x{sum(map(ord, word.group())) % 97:02d}", name.removeprefix(prefix))
    return f"{'abc'[list(MOVED).index(prefix)]}.{rest}"


def verdicts(found: Comparison) -> dict[str, str]:
    return {"language": found.verdict} | {name: claim.verdict for name, claim in found.towers.items()}


def test_a_renamed_and_noised_descendant_is_derived_in_every_tower(compared: Compared) -> None:
    child = rename(add_noise(parent(), 0.005, seed=5), MOVED)
    found = compared(child, parent(), config())
    assert verdicts(found) == {"language": "derived", "vision": "derived", "projector": "derived"}
    assert found.weights is not None
    for claim in (found.weights, *found.towers.values()):
        assert claim.log10_p is not None
        assert claim.log10_p < -10
    assert found.weights.direction == found.towers["vision"].direction == "reference to model"
    assert "modules" not in [step["step"] for step in found.weights.recipe]
    assert [line for line in found.weights.not_compared if "vision" in line or "vpm" in line] == []


def test_towers_are_found_and_paired_whatever_they_are_called(compared: Compared) -> None:
    child = {strange(name): tensor for name, tensor in add_noise(parent(), 0.005, seed=11).items()}
    found = compared(child, parent(), config())
    assert found.verdict == "derived"
    assert set(found.towers) == {"vision", "projector"}
    for claim in found.towers.values():
        assert claim.verdict in ("derived", "related")
        assert claim.log10_p is not None
        assert claim.log10_p < -10


def test_a_swapped_vision_tower_is_independent_and_the_language_tower_derived(compared: Compared) -> None:
    child = add_noise(language("g02") | projector("g03"), 0.005, seed=6) | vision("p03")
    found = compared(child, parent(), config())
    assert verdicts(found) == {"language": "derived", "vision": "independent", "projector": "derived"}


def test_a_shared_vision_tower_shows_between_strangers(compared: Compared) -> None:
    """Language models of strangers over one public encoder: every report says both."""
    model = language("g04") | vision("p00") | projector("g05")
    found = compared(model, parent(), config())
    assert verdicts(found) == {"language": "independent", "vision": "same", "projector": "undetermined"}
    stream = StringIO()
    show_comparison(found, stream)
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    assert any(line.startswith("language independent") for line in lines)
    assert any(line.startswith("vision same") for line in lines)
    page = render(found)
    assert "Tower by tower" in page
    assert "Tower: vision" in page
    assert set(document(found)["towers"]) == {"vision", "projector"}


def test_equal_language_towers_beside_unequal_rest_are_not_the_same(compared: Compared) -> None:
    found = compared(language("g02") | projector("g03"), language("g02"), config())
    assert verdicts(found) == {"language": "derived"}
    assert found.weights is not None
    assert "projector (4 tensors): found in model only" in found.weights.because


def test_towers_of_one_side_are_modules(compared: Compared) -> None:
    bare = add_noise(language("g02"), 0.005, seed=7)
    found = compared(parent(), bare, config())
    assert found.verdict == "derived"
    assert found.towers == {}
    assert found.weights is not None
    (step,) = [step for step in found.weights.recipe if step["step"] == "modules"]
    assert (step["added"], step["removed"]) == (["vision", "projector"], [])
    assert step["parameters"] == sum(tensor.size for tensor in (vision("p00") | projector("g03")).values())


def test_an_encoder_alone_speaks_for_itself(compared: Compared) -> None:
    alone = {name.removeprefix(VISION): tensor for name, tensor in add_noise(vision("p00"), 0.005, seed=8).items()}
    found = compared(alone, parent(), config())
    assert found.verdict == "derived"
    assert found.towers == {}
    assert found.weights is not None
    assert "no language tower was recognised in model" in found.weights.limits[0]


def test_a_copy_is_the_same_in_every_tower(compared: Compared) -> None:
    found = compared(rename(parent(), MOVED), parent(), config())
    assert verdicts(found) == {"language": "same", "vision": "same", "projector": "same"}


def test_tensors_without_an_exact_test_are_told_as_calibrated(compared: Compared) -> None:
    rng = np.random.default_rng(1)
    names = ("resampler.attn.in_proj_weight", "resampler.attn.out_proj.weight", "resampler.query")
    own = {name: rng.normal(0, 0.02, (72, 72)).astype(np.float32) for name in names}
    near = {name: (tensor + rng.normal(0, 0.002, tensor.shape)).astype(np.float32) for name, tensor in own.items()}
    other = {name: rng.normal(0, 0.02, (72, 72)).astype(np.float32) for name in names}
    text, claims = language("g02"), zoo_config("gated/g02")
    found = compared(text | near, text | own, claims).towers["projector"]
    assert (found.verdict, found.log10_p) == ("derived", None)
    assert "calibrated, not exact" in found.because
    found = compared(text | other, text | own, claims).towers["projector"]
    assert found.verdict == "undetermined"


def test_a_sample_reads_no_more_than_its_budget(compared: Compared) -> None:
    child = add_noise(parent(), 0.005, seed=9)
    budget = sum(tensor.nbytes for tensor in child.values()) * 2 // 3
    found = compared(child, parent(), config(), budget=budget)
    assert verdicts(found) == {"language": "derived", "vision": "derived", "projector": "derived"}
    assert 0 < found.model.bytes_read <= budget
    assert found.model.digest is None
