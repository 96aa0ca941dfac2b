import numpy as np
import pytest

from benchmarks.accuracy.retention import judged
from benchmarks.accuracy.surgeries import planted
from forebear.statistics.arrays import row_cosines


def model(seed):
    rng = np.random.default_rng(seed)
    shapes = {"gate_proj": (40, 64), "up_proj": (40, 64), "down_proj": (64, 40)}
    return {f"l.0.mlp.{part}.weight": rng.standard_normal(shape) for part, shape in shapes.items()}


def test_half_of_the_neurons_get_the_named_cosine_with_the_source():
    target, source = model(0), model(1)
    made = planted(target, source, 0.5, 0.4, seed=0, relabel=False, exact=True)
    for name, values in made.items():
        mine, theirs = (side.T if "down" in name else side for side in (values, source[name]))
        assert np.count_nonzero(np.isclose(row_cosines(mine, theirs), 0.4)) == 20
        lengths = [np.linalg.norm(side, axis=1 if "down" not in name else 0) for side in (values, target[name])]
        np.testing.assert_allclose(*lengths)


def test_relabelled_plants_come_from_other_indices():
    source = model(1)
    made = planted(model(0), source, 1.0, 0.9, seed=0, relabel=True, exact=True)
    name = "l.0.mlp.up_proj.weight"
    cosines = made[name] @ source[name].T
    assert np.mean(np.argmax(cosines, axis=1) == np.arange(40)) < 0.2


@pytest.mark.parametrize(
    ("truth", "verdict", "direction", "said"),
    [
        ("reference to model", "derived", "reference to model", "right"),
        ("reference to model", "derived", "model to reference", "wrong"),
        ("reference to model", "derived", None, "no direction"),
        ("reference to model", "related", None, "wrong"),
        ("related", "derived", "reference to model", "as parent"),
        ("shared start", "derived", None, "wrong"),
        ("shared start", "undetermined", None, "undetermined"),
    ],
)
def test_a_verdict_is_held_against_the_history(truth, verdict, direction, said):
    assert judged(truth, verdict, direction) == said
