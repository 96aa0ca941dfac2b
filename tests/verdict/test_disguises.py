"""Verdicts of whole comparisons whose model was disguised: which test still speaks, and what the recipe then says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forebear.verdict import weighing
from forebear.verdict.compare import compare
from forebear.verdict.comparison import Comparison, Power, WeightsClaim
from forebear.verdict.power import STATED_COSINE, STATED_SHARE
from forebear.zoo.folder import read_config, read_tensors, write_folder
from forebear.zoo.surgery import (
    Changed,
    drop_layers,
    everything,
    mix_queries,
    mix_values,
    permute_heads,
    permute_neurons,
    permute_residual,
    prefix_names,
    prune_hidden,
    prune_neurons,
    rename,
    repeat_layers,
    rescale_norms,
    rotate_residual,
)
from tests.alignment.framed import Model, changed
from tests.models import ZOO, Tensors

Surgery = Callable[[Model], Changed | Tensors]
Disguised = Callable[[str, Surgery, str], Comparison]
EXACT, CALIBRATED = "exact", "calibrated, not exact"


def stored(name: str) -> Model:
    """A committed model in its stored types."""
    return dict(read_tensors(ZOO / name)), read_config(ZOO / name)


@pytest.fixture
def disguised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disguised:
    """Compares a disguised model; power, which says nothing of a pair that fired, is not measured."""

    def unmeasured(*_pairs: object, **_options: Any) -> Power:
        return Power(STATED_SHARE, STATED_COSINE, {})

    monkeypatch.setattr(weighing, "measure_power", unmeasured)

    def run(name: str, surgery: Surgery, reference: str) -> Comparison:
        model = stored(name)
        write_folder(tmp_path, *changed(model, surgery(model)), shards=2)
        return compare(tmp_path, ZOO / reference)

    return run


def claim(found: Comparison) -> WeightsClaim:
    assert found.weights is not None
    return found.weights


def free_of(found: WeightsClaim) -> set[tuple[str, str | None]]:
    return {(step["step"], step.get("what")) for step in found.recipe if step["step"] in FREE}


FREE = ("permuted", "rotated", "rescaled", "sign-flipped", "layers", "width")
STREAM, VALUES, QUERIES = "residual stream", "values and outputs inside heads", "queries and keys inside heads"


def stacked(model: Model) -> Changed:
    """All that leaves signs alone, and other names."""
    made = everything(*model, seed=3, signs=False)
    return Changed(prefix_names(made.tensors, "body."), made.config)


CHILDREN: dict[str, tuple[Surgery, set[tuple[str, str | None]]]] = {
    "nothing": (lambda model: model[0], set()),
    "permuted stream": (lambda model: permute_residual(model[0], seed=1, signs=True), {("permuted", STREAM)}),
    "rotated stream, permuted neurons": (
        lambda model: rotate_residual(permute_neurons(model[0], seed=1), model[1], seed=2),
        {("rotated", STREAM), ("permuted", "neurons")},
    ),
    "heads permuted and mixed": (
        lambda model: mix_queries(mix_values(permute_heads(*model, seed=1), model[1], seed=2), model[1], seed=3),
        {("permuted", "heads"), ("rotated", VALUES), ("rotated", QUERIES)},
    ),
    "rescaled norms": (lambda model: rescale_norms(model[0], seed=1), {("rescaled", "norms")}),
    "repeated layers": (lambda model: repeat_layers(*model, [0, 1, 1, 2, 3, 4]), {("layers", None)}),
    "pruned": (
        lambda model: prune_hidden(*as_model(prune_neurons(*model, 0.5, shuffle=True)), 0.25),
        {("width", "hidden"), ("width", "neurons"), ("permuted", STREAM)},
    ),
    "all but signs": (
        stacked,
        {
            ("rotated", STREAM),
            ("permuted", "heads"),
            ("rotated", VALUES),
            ("rotated", QUERIES),
            ("permuted", "neurons"),
            ("rescaled", "neurons"),
        },
    ),
}


def as_model(made: Changed) -> Model:
    return made.tensors, dict(made.config)


@pytest.mark.parametrize("name", CHILDREN)
def test_a_disguised_long_trained_child_is_derived_exactly(disguised: Disguised, name: str) -> None:
    surgery, free = CHILDREN[name]
    found = claim(disguised("gated/g00-continued", surgery, "gated/g00"))
    assert (found.verdict, found.basis) == ("derived", EXACT), found.because
    assert found.log10_p is not None
    # Pruning leaves half of the coins.
    assert found.log10_p < (-50.0 if name == "pruned" else -100.0)
    assert found.direction == "reference to model"
    assert free <= free_of(found)
    assert "trained" in [step["step"] for step in found.recipe]
    assert found.inherited.layers == 1.0


def test_with_flips_on_top_it_is_derived_by_calibration(disguised: Disguised) -> None:
    found = claim(disguised("gated/g00-continued", lambda model: everything(*model, seed=3), "gated/g00"))
    assert (found.verdict, found.basis) == ("derived", CALIBRATED), found.because
    assert found.because.endswith(f"({CALIBRATED})")
    assert found.log10_p is not None
    assert found.log10_p > -6.0
    assert found.direction == "reference to model"
    assert ("sign-flipped", "neurons") in free_of(found)


@pytest.mark.parametrize(("signs", "basis"), [(False, EXACT), (True, CALIBRATED)])
@pytest.mark.parametrize("rotate", [True, False])
def test_a_copy_disguised_in_every_way_is_the_same(disguised: Disguised, signs: bool, basis: str, rotate: bool) -> None:
    def hide(model: Model) -> Changed:
        return everything(*model, seed=5, signs=signs, rotate=rotate)

    found = claim(disguised("gated/g00", hide, "gated/g00"))
    assert (found.verdict, found.basis) == ("same", basis), found.because
    assert found.direction is None
    assert "trained" not in [step["step"] for step in found.recipe]


def test_an_ungated_copy_disguised_in_every_way_is_the_same_by_calibration(disguised: Disguised) -> None:
    found = claim(disguised("plain/p00", lambda model: everything(*model, seed=5), "plain/p00"))
    assert (found.verdict, found.basis) == ("same", CALIBRATED), found.because


def test_fewer_layers_are_named_not_guessed(disguised: Disguised) -> None:
    found = claim(disguised("gated/g00", lambda model: drop_layers(*model, [1]), "gated/g00"))
    assert (found.verdict, found.basis) == ("derived", EXACT)
    assert found.layer_map == [0, 2, 3, 4]
    assert next(step for step in found.recipe if step["step"] == "layers")["dropped"] == [1]


def test_a_disguised_stranger_is_independent(tmp_path: Path) -> None:
    model = stored("gated/g01")
    write_folder(tmp_path, *changed(model, everything(*model, seed=7)))
    found = claim(compare(tmp_path, ZOO / "gated/g00"))
    assert (found.verdict, found.basis) == ("independent", None), found.because
    assert found.log10_p is not None
    assert found.log10_p > -4.0
    assert found.recipe == []
    assert found.power is not None
    assert found.power.classes["relabelled"].detected == 299


def test_a_name_in_front_costs_nothing(disguised: Disguised) -> None:
    found = claim(disguised("gated/g00", lambda model: rename(model[0], {"model.": "m.n."}), "gated/g00"))
    assert (found.verdict, found.basis) == ("same", EXACT)
    assert "renamed" in [step["step"] for step in found.recipe]
