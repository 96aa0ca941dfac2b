import numpy as np
import pytest

from benchmarks.accuracy.tables import Table, joint_cells, share_interval, uniformity


def test_the_interval_of_a_share_holds_it_and_is_clopper_pearson():
    low, high = share_interval(0, 100)
    assert low == 0.0 and high == pytest.approx(1 - 0.025 ** (1 / 100))
    low, high = share_interval(3, 100)
    assert low < 0.03 < high


def test_uniform_values_pass_and_small_ones_do_not():
    even = (np.arange(1000) + 0.5) / 1000
    assert uniformity("even", even)[3] > 0.99
    assert uniformity("small", even**2)[3] < 1e-6
    assert uniformity("none", [])[1] == 0


def test_joint_relabellings_see_an_excess_and_pass_chance():
    rng = np.random.default_rng(0)
    relabelled = rng.standard_normal((300, 199))
    assert max(joint_cells(rng.standard_normal(300) + 1.0, relabelled)) <= 0.02
    assert min(joint_cells(rng.standard_normal(300), relabelled)) > 0.02


def test_a_table_prints_its_notes():
    assert "* pairs share models" in Table("title", ("a",), [[0.123456]], ("pairs share models",)).text()
