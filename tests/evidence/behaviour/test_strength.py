"""What stands out among strangers, what must not, and where controls cannot tell."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.special import expit

from benchmarks.behaviour.simulated import answered
from forebear.evidence.behaviour.likeness import of_their_kind, overlap, steadier
from forebear.evidence.behaviour.panel import Panel, side_by_side
from forebear.evidence.behaviour.strength import FEWEST_CONTROLS, strength
from forebear.statistics.shared_errors import ErrorCounts, shared_errors
from tests.evidence.behaviour.panels import coded, founders, reordered, zoo_answers, zoo_panel


def naive(panel) -> float:
    mine, yours = panel.wrong[:, 0], panel.wrong[:, 1]
    return shared_errors([ErrorCounts(panel.items, *(int(x.sum()) for x in (mine, yours, mine & yours)))]).log10_p


@pytest.mark.parametrize("law", ["gradient", "Rasch"])
def test_strangers_fail_the_naive_test_and_keep_the_others(law):
    draw = np.random.default_rng(23)
    panels = [answered(law, 400, 10, draw) for _ in range(150)]
    found = [strength(panel) for panel in panels]
    assert np.mean([naive(panel) <= -3 for panel in panels]) > 0.9
    for level in (0.1, 0.05, 0.01):
        few = level + 3 * (level / 150) ** 0.5
        assert np.mean([each.shared.log10_p <= np.log10(level) for each in found]) <= few
        assert np.mean([each.same.log10_p <= np.log10(level) for each in found]) <= few
        assert np.mean([(each.log10_p or 0.0) <= np.log10(level) for each in found]) <= few
    assert not any(each.fires() for each in found)


@pytest.mark.parametrize("law", ["sharp pair", "other schools"])
def test_controls_of_another_kind_are_refused(law):
    """Strata then explain too little, so that strangers share more than chance: nothing may be said."""
    draw = np.random.default_rng(29)
    found = [strength(answered(law, 600, 12, draw)) for _ in range(30)]
    assert np.mean([each.shared.log10_p <= -2 for each in found]) > 0.5
    assert not any(each.fires() for each in found)
    refused = np.mean([each.kind is False or each.steadier for each in found])
    assert refused >= 0.9


def test_same_data_strangers_of_the_zoo_do_not_fire_at_a_hundredth():
    """Every pair of twenty gated strangers, trained on the same text in the same order, the others as controls."""
    ps = []
    for family in ("gated", "plain"):
        held = zoo_answers("choice")
        whole = side_by_side([held[each] for each in founders(family)], [])
        for pair in combinations(range(20), 2):
            found = strength(reordered(whole, [*pair, *(each for each in range(20) if each not in pair)]))
            assert not found.fires()
            ps.append(0.0 if found.log10_p is None else found.log10_p)
    assert len(ps) == 380
    # Thirteen and more of 380 would have a chance of less than 1 in 10,000 at 1e-2, were pairs independent.
    assert sum(p <= -2 for p in ps) < 13


@pytest.mark.parametrize("form", ["free", "choice"])
@pytest.mark.parametrize(
    ("child", "parent"),
    [
        ("gated/g00-finetuned", "gated/g00"),
        ("gated/g01-finetuned", "gated/g01"),
        ("plain/p00-finetuned", "plain/p00"),
        ("gated/g03-low-rank-4", "gated/g03"),
        ("gated/g00-distilled", "gated/g00"),
    ],
)
def test_children_and_a_distilled_student_stand_out(child, parent, form):
    found = strength(zoo_panel(child, parent, form))
    assert found.fires()
    assert found.exchanged == 1


@pytest.mark.parametrize("child", ["gated/g00-finetuned", "gated/g02-continued", "plain/p00-frozen"])
def test_a_child_and_a_stranger_do_not(child):
    reference = f"{child.split('/')[0]}/{child.split('/')[1][0]}05"
    assert not strength(zoo_panel(child, reference, "choice")).fires()


def test_a_model_of_another_family_is_a_stranger_though_no_control_is_like_it():
    found = strength(zoo_panel("plain/p04", "gated/g05", "choice"))
    assert found.kind
    assert found.exchanged == 1
    assert not found.fires()


def test_few_controls_never_fire():
    panel = zoo_panel("gated/g03-low-rank-4", "gated/g03", "free", 9)
    assert len(panel.names) - 2 == FEWEST_CONTROLS - 1
    found = strength(panel)
    assert found.log10_p is not None and found.log10_p < -3
    assert not found.fires()


def test_without_controls_there_is_nothing():
    held = zoo_answers("free")
    found = strength(side_by_side([held["gated/g00"], held["gated/g01"]], []))
    assert (found.shared, found.same, found.places, found.log10_p, found.kind) == (None, None, (), None, None)


def test_likeness_of_controls():
    panel = zoo_panel("gated/g00-continued", "gated/g00", "free")
    shares = overlap(panel)
    assert np.allclose(shares, shares.T)
    assert np.allclose(np.diag(shares), 1.0)
    assert of_their_kind(panel, 1)
    assert of_their_kind(panel, 0) is False
    assert not steadier(panel, 1)


def lettered(draw: np.random.Generator, copied: float) -> Panel:
    """Four letters, of which 0 is right; who does not know says a favourite, 1 to the pair and 2 or 3 to controls."""
    items, models = 500, 12
    knows = draw.random((items, models)) > expit(draw.normal(0, 1.5, (items, 1)))
    favourite = np.r_[1, 1, draw.integers(2, 4, models - 2)]
    said = np.where(draw.random((items, models)) < 0.6, favourite, draw.integers(0, 4, (items, models)))
    codes = np.where(knows, 0, said)
    over = draw.random(items) < copied
    codes[over, 0] = codes[over, 1]
    return coded(codes)


def test_a_letter_that_two_strangers_prefer_is_no_kinship():
    draw = np.random.default_rng(31)
    found = [strength(lettered(draw, 0.0)) for _ in range(30)]
    assert sum(each.habit() for each in found) >= 10
    assert not any(each.fires() for each in found)


def test_copied_answers_show_beside_a_preferred_letter():
    draw = np.random.default_rng(37)
    assert sum(strength(lettered(draw, 0.6)).fires() for _ in range(10)) >= 9
