import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebear.anatomy.partition import FEWEST_MATRICES, partition, shared_beginning
from tests.anatomy.families import Shapes
from tests.anatomy.stores import empty


def stack(prefix: str, hidden: int, layers: int, flat: bool = False) -> Shapes:
    """Layers of a transformer ``hidden`` wide with FFNs three times as wide, and an embedding."""
    found: Shapes = {f"{prefix}embed": (50 + hidden, hidden)}
    for layer in range(layers):
        start = f"{prefix}{'' if flat else 'layers.'}{layer}{'_' if flat else '.'}"
        found |= {f"{start}q": (hidden, hidden), f"{start}o": (hidden, hidden), f"{start}norm": (hidden,)}
        found |= {
            f"{start}up": (3 * hidden, hidden),
            f"{start}down": (hidden, 3 * hidden),
            f"{start}bias": (3 * hidden,),
        }
    return found


def parted(shapes: Shapes) -> list[set[str]]:
    return [set(group) for group in partition(empty(shapes), list(shapes))]


@pytest.mark.parametrize("outer", ["", "model.", "a.1."])
def test_beginnings_part_towers(outer: str) -> None:
    one, two = stack(f"{outer}text.", 20, 4), stack(f"{outer}sight.", 20, 3)
    between = {f"{outer}between.a": (20, 20), f"{outer}between.b": (20, 20)}
    assert parted(one | two | between) == [set(one), set(two)]


def test_widths_part_towers_without_telling_names() -> None:
    one, two = stack("one_", 20, 4, flat=True), stack("two_", 14, 3, flat=True)
    shapes = [*(one | two).items(), ("between", (20, 14))]
    random.Random(0).shuffle(shapes)
    names = {name: f"t{number}" for number, (name, _) in enumerate(shapes)}
    renamed = {names[name]: shape for name, shape in shapes}
    assert parted(renamed) == [{names[name] for name in one}, {names[name] for name in two}]


def test_one_tower_stays_whole() -> None:
    alone = stack("model.", 20, 4)
    assert parted(alone) == [set(alone)]
    assert parted(alone | {"lm_head.weight": (70, 20)}) == [set(alone)]
    flat = stack("t", 20, 4, flat=True)
    assert parted(flat) == [set(flat)]


def test_too_little_is_no_tower() -> None:
    assert parted({f"a.{number}": (4, 4) for number in range(FEWEST_MATRICES - 1)}) == []
    assert parted({}) == []


names = st.lists(st.sampled_from(["a", "b", "0", "1", "w", ""]), min_size=1, max_size=4).map(".".join)


@given(shapes=st.dictionaries(names, st.lists(st.integers(0, 5), max_size=3).map(tuple), max_size=40))
def test_groups_are_disjoint(shapes: Shapes) -> None:
    found = [name for group in partition(empty(shapes), list(shapes)) for name in group]
    assert len(found) == len(set(found))
    assert set(found) <= set(shapes)


@given(found=st.lists(names, min_size=1, max_size=6))
def test_a_shared_beginning_is_shared_and_dotted(found: list[str]) -> None:
    start = shared_beginning(found)
    assert all(name.startswith(start) for name in found)
    assert not start or start.endswith(".")
