import pytest

from benchmarks.accuracy.controls import OTHERS, SPARE, TUNED, WAYS, Effect, Task, _largest, _tasks, effects_of
from benchmarks.accuracy.strangers import Two
from forebear.zoo.recipes import TUNED_ON

TWO = Two("plain", "p05", "p06")


def test_groups_of_pairs_keep_tuned_on_lineages_apart() -> None:
    for task in _tasks("gated"):
        tuned = {name[:3] for name in task.two.names} <= TUNED_ON
        assert (task.group == TUNED) == tuned


def test_shipped_founders_are_those_without_children_in_the_cases() -> None:
    spare = {name for task in _tasks("plain") if task.group == SPARE for name in task.two.names}
    assert spare == {"p05", "p06", "p07"}


def test_the_largest_way_counts_for_a_pair() -> None:
    task, other = Task(OTHERS, TWO), Task(OTHERS, Two("plain", "p05", "p07"))
    found = [Effect(task, "a", 1.0, 0.1), Effect(task, "b", 0.5, 0.2), Effect(other, "a", 0.0, -0.1)]
    assert _largest(iter(found)) == {task.two: 0.2, other.two: -0.1}


def test_strangers_are_fitted_in_every_way() -> None:
    found = effects_of(Task(SPARE, TWO))
    assert [one.way for one in found] == [name for name, _, _ in WAYS]
    assert max(abs(one.effect) for one in found) < 1.0


def test_a_copy_reaches_the_largest_effect_there_is() -> None:
    found = effects_of(Task(SPARE, Two("plain", "p05", "p05")))
    assert found[0].effect == pytest.approx(1.0, abs=0.25)
