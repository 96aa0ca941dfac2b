import pytest

torch = pytest.importorskip("torch")

from benchmarks.accuracy import memory  # noqa: E402
from benchmarks.accuracy.checks import CHECKS, plant  # noqa: E402
from benchmarks.accuracy.simulate import OPTIMISERS, Shape, Text, orthogonalised, train  # noqa: E402
from forebear.evidence.weights.assumptions import EXCHANGEABLE, FAIR_COINS, INDEPENDENT_LAYERS  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(3, 20, 9), (3, 9, 20)])
def test_newton_schulz_brings_singular_values_near_one(shape):
    gradient = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    before, after = torch.linalg.svdvals(gradient), torch.linalg.svdvals(orthogonalised(gradient))
    assert (before.amax(1) / before.amin(1)).min() > 2.0
    assert after.min() > 0.6 and after.max() < 1.3


def test_the_text_is_the_same_for_every_reader():
    assert torch.equal(Text(32, seed=1).batch(3), Text(32, seed=1).batch(3))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("gated", [True, False])
def test_simulated_models_learn_and_strangers_are_not_called_kin(optimiser, gated):
    trained = train(Shape(gated=gated), 4, optimiser, seed=3, steps=60)
    assert trained.losses[1] < trained.losses[0] - 0.4
    held = trained.held()
    pair, found = memory.tested(held[0], held[1], "test")
    assert all(check.holds for check in (*pair.model.all(), *pair.reference.all()))
    assert (found["t2.signs"] is not None) == gated
    assert all(log10_p is None or log10_p > -6.0 for log10_p in found.values())
    _, itself = memory.tested(held[0], held[0], "test")
    assert itself["t1.neurons"] < -30.0


@pytest.mark.parametrize(
    ("violation", "check"),
    [
        ("2 equal shards", EXCHANGEABLE),
        ("8 equal shards", EXCHANGEABLE),
        ("one seed for all layers", INDEPENDENT_LAYERS),
        ("gate-up 0.2", FAIR_COINS),
    ],
)
def test_planted_violations_are_seen(violation, check):
    assert check in CHECKS
    held = train(Shape(layers=4), 2, "AdamW", seed=5, steps=30, start=plant(violation)).held()
    pair, _ = memory.tested(held[0], held[1], "test")
    for side in (pair.model, pair.reference):
        assert check in {each.name for each in side.all() if not each.holds}
