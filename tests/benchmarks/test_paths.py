from collections import Counter

import numpy as np
import pytest

from benchmarks.accuracy.options import Options
from benchmarks.accuracy.paths import PATHS, Found, Task, closest, tables, walk
from benchmarks.accuracy.strangers import Two, disguised, fitted, frame_of, held, laid, pairs, places_in, upcycled
from forebear.alignment.residual import Kind, ResidualMap
from forebear.alignment.sampled import Place
from forebear.errors import UsageError

TWO = Two("gated", "g05", "g06")


def test_path_names_differ() -> None:
    assert len({path.name for path in PATHS}) == len(PATHS)


def test_every_pair_of_founders_comes_once() -> None:
    found = pairs("plain")
    assert len(found) == len(set(found)) == 28


@pytest.mark.parametrize("kind", ["permutation", "signed permutation", "rotation"])
def test_a_map_of_the_kind_asked_for_is_fitted_to_strangers(kind: Kind) -> None:
    mine, yours = held("gated", "g05", disguised, 1), held("gated", "g06")
    assert fitted(mine, yours, kind).kind == kind


def test_a_permutation_is_recovered_from_a_disguised_copy() -> None:
    mine, yours = held("gated", "g05", disguised, 1), held("gated", "g05")
    found = fitted(mine, yours, "signed permutation")
    assert found.source is not None and sorted(found.source) == list(range(yours.anatomy.geometry.hidden))


def test_one_layer_alone_is_laid_beside_the_one_named() -> None:
    mine, yours = (held("gated", name) for name in TWO.names)
    frame = frame_of(mine, yours, ResidualMap.unchanged(72), (None, None, 4, None, None))
    assert laid(mine, yours, frame, "one layer").places() == [Place(2)]


def test_every_expert_is_laid_beside_the_dense_ffn() -> None:
    mine, yours = held("gated", "g05", upcycled, 1), held("gated", "g06")
    frame = frame_of(mine, yours, ResidualMap.unchanged(72), (3, None, None, None, None))
    assert {frame.places[place] for place in places_in(mine, 0)} == {Place(3)}
    assert len(places_in(mine, 0)) == 4


def test_closest_layers_of_a_copy_are_its_own() -> None:
    side = held("gated", "g05")
    assert closest(side, side, ResidualMap.unchanged(72)) == (0, 1, 2, 3, 4)


def test_every_layer_is_held_against_every_layer() -> None:
    found = walk(Task("widths, FFN pruned 50%", TWO, 0))
    assert isinstance(found, Found)
    assert {test: len(p) for test, p in found.layers.items()} == {"T2 signs": 25}
    assert found.refused == Counter() and found.pair is not None
    assert np.all((np.array(found.layers["T2 signs"]) > 0.0) & (np.array(found.layers["T2 signs"]) <= 1.0))


def test_refuses_a_path_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="no path"):
        tables(Options(kinds=("nothing of the sort",)))
