"""What would have been found."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.behaviour.simulated import answered
from forebear.evidence.behaviour.planted import DRAWS, planted
from forebear.verdict.behaviour.planting import power_told


def test_so_much_is_planted_as_was_said():
    draw = np.random.default_rng(1)
    panel = answered("Rasch", 2000, 3, draw)
    copied = planted(panel, 0.3, draw)
    apart = panel.codes[:, 0] != panel.codes[:, 1]
    taken = copied.codes[apart, 0] == panel.codes[apart, 1]
    assert taken.mean() == pytest.approx(0.3, abs=0.05)
    assert (copied.codes[:, 1:] == panel.codes[:, 1:]).all()
    assert (copied.wrong == (copied.codes != 0)).all()


def test_power_grows_with_the_share_copied():
    panel = answered("Rasch", 600, 10, np.random.default_rng(2))
    found = [power_told(panel, share=share, wanted=0.99, references=1, seed=0) for share in (0.05, 0.15, 0.5)]
    detected = [each.detected for each in found]
    assert detected == sorted(detected)
    assert detected[0] < DRAWS == detected[-1]
    needed = [each.items_needed for each in found]
    assert needed == sorted(needed, reverse=True)
    assert needed[-1] < 600 < needed[0]


def test_too_few_controls_have_no_power():
    found = power_told(
        answered("Rasch", 100, 4, np.random.default_rng(3)), share=0.2, wanted=0.99, references=1, seed=0
    )
    assert found.detected is None
    assert found.reason is not None and "10 controls" in found.reason
