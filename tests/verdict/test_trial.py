"""What is tested in a fitted frame, what is refused there, and why."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from sys import maxsize
from typing import Any

import pytest

from forebear.alignment.align import Alignment, align
from forebear.checkpoint import open_model
from forebear.evidence import registry
from forebear.evidence.finding import Finding
from forebear.evidence.weights.pair import Pair
from forebear.verdict.sides import Prepared, Settings, opened, prepare
from forebear.verdict.trial import FITTED, Trial, Trials
from forebear.zoo.folder import write_folder
from forebear.zoo.surgery import (
    flip_signs,
    mix_values,
    permute_heads,
    permute_neurons,
    permute_residual,
    prune_hidden,
    reorder_layers,
    rotate_residual,
)
from tests.alignment.framed import Model, changed, framed, sides, zoo
from tests.models import ZOO

SETTINGS = Settings(64_000_000, full=False, seed=0, references=1)
SPENT = "residual labels were spent on fitting the residual map"
OF_THE_STREAM = ("t1.residual", "t3.neurons", "t3.values")
EXACT = ("t1.neurons", "t1.values", "t2.signs")
LEVEL = -4.0


def quiet(_doing: str, _done: float) -> None:
    return None


def prepared(source: Path, **options: Any) -> Prepared:
    model = opened(source)
    assert model.tensors is not None
    return prepare(model, model.tensors, replace(SETTINGS, **options), quiet)


def tried(folder: Path, model: Model, reference: str, **options: Any) -> Trial:
    write_folder(folder, *model)
    return Trials(prepared(folder, **options), prepared(ZOO / reference, **options), quiet).of("seed 0", "testing")


def named(findings: list[Finding], frame: str) -> dict[str, Finding]:
    return {one.test: one for one in findings if one.frame == frame}


@cache
def fitted_pair(model: str, reference: str, seed: int, disguise: str) -> Pair:
    """A rotated or relabelled model in the frame fitted to it, its neurons and heads left where they were."""
    plain = zoo(model)
    made = rotate_residual(*plain, seed=seed) if disguise == "rotated" else permute_residual(plain[0], seed=seed)
    hidden = changed(plain, made)
    both = sides(hidden, zoo(reference))
    found = align(*both, f"seed {seed}", maxsize, framed(hidden, zoo(reference)))
    assert isinstance(found, Alignment)
    return Pair.of(found)


@cache
def found_in_frame(model: str, reference: str, seed: int, disguise: str) -> dict[str, Finding]:
    return run(fitted_pair(model, reference, seed, disguise))


def run(pair: Pair) -> dict[str, Finding]:
    return {one.test: one for one in (test.run(pair) for test in registry.tests_of("weights"))}


STRANGERS = [
    *(("gated/g01", "gated/g00", seed, "rotated") for seed in range(4)),
    *(("gated/g03", "gated/g02", seed, "permuted") for seed in range(2)),
    *(("plain/p01", "plain/p00", seed, "rotated") for seed in range(2)),
]


@pytest.mark.parametrize("case", STRANGERS)
def test_a_stranger_in_a_fitted_frame_fires_no_test_that_is_left(case: tuple[str, str, int, str]) -> None:
    findings = found_in_frame(*case)
    for name in EXACT:
        found = findings[name]
        if name == "t2.signs" and case[0].startswith("plain"):
            assert found.reason == "no gated FFN on both sides"
        else:
            assert found.log10_p is not None, found.reason
            assert found.log10_p > LEVEL


@pytest.mark.parametrize("case", STRANGERS)
def test_what_the_fit_has_spent_is_refused_with_the_reason(case: tuple[str, str, int, str]) -> None:
    findings = found_in_frame(*case)
    for name in OF_THE_STREAM:
        assert findings[name].log10_p is None
        assert findings[name].reason == SPENT


class Unspent(Alignment):
    """An alignment that claims its residual labels were never looked at."""

    @property
    def spent(self) -> None:
        return None


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("pair", [("gated/g01", "gated/g00"), ("plain/p01", "plain/p00")])
def test_the_refused_tests_would_convict_a_stranger(pair: tuple[str, str], seed: int) -> None:
    made = fitted_pair(*pair, seed, "rotated")
    aligned = made.alignment
    claimed = Unspent(aligned.model, aligned.reference, aligned.frame, aligned.not_aligned)
    findings = run(replace(made, alignment=claimed))
    assert (findings["t1.residual"].log10_p or 0.0) < -6.0
    assert (findings["t3.values"].value or 0.0) > 4.5
    if pair[0].startswith("plain"):
        assert all((findings[name].log10_p or 0.0) < -6.0 for name in OF_THE_STREAM)


CHILD = zoo("gated/g00-continued")


def test_a_rotated_child_fires_in_the_fitted_frame_alone(tmp_path: Path) -> None:
    trial = tried(tmp_path, changed(CHILD, rotate_residual(*CHILD, seed=1)), "gated/g00")
    fixed, fitted = named(trial.findings, "fixed"), named(trial.findings, FITTED)
    assert all((fixed[name].log10_p or 0.0) > LEVEL for name in (*EXACT, *OF_THE_STREAM))
    assert all((fitted[name].log10_p or 0.0) < -20.0 for name in EXACT)
    assert not set(OF_THE_STREAM) & set(fitted)
    assert trial.fitted is not None
    assert trial.best is trial.fitted
    assert trial.best.aligned.spent == SPENT


def test_signs_are_left_where_neurons_and_heads_were_relabelled_too(tmp_path: Path) -> None:
    turned = rotate_residual(*CHILD, seed=1)
    hidden = mix_values(permute_heads(permute_neurons(turned.tensors), turned.config), turned.config)
    fitted = named(tried(tmp_path, (hidden, turned.config), "gated/g00").findings, FITTED)
    assert (fitted["t2.signs"].log10_p or 0.0) < -100.0
    assert all((fitted[name].log10_p or 0.0) > LEVEL for name in ("t1.neurons", "t1.values"))


def test_with_flips_on_top_only_the_effect_is_left(tmp_path: Path) -> None:
    turned = rotate_residual(*CHILD, seed=1)
    hidden = flip_signs(mix_values(permute_neurons(turned.tensors), turned.config))
    trial = tried(tmp_path, (hidden, turned.config), "gated/g00")
    assert all(one.log10_p is None or one.log10_p > LEVEL for one in trial.findings)
    effects = [one for one in trial.findings if one.test == "t4.consistency"]
    assert [one.frame for one in effects] == [FITTED]
    assert (effects[0].effect["effect"] or 0.0) > 0.4


def test_a_plain_child_is_tested_once(tmp_path: Path) -> None:
    trial = tried(tmp_path, CHILD, "gated/g00")
    assert trial.fitted is None
    assert trial.frame is not None
    assert trial.frame.plain
    assert {one.frame for one in trial.findings} == {"fixed"}
    assert all((named(trial.findings, "fixed")[name].log10_p or 0.0) < -20.0 for name in (*EXACT, *OF_THE_STREAM))


def test_reordered_layers_spend_the_residual_labels_too(tmp_path: Path) -> None:
    trial = tried(tmp_path, changed(CHILD, reorder_layers(*CHILD, seed=1)), "gated/g00")
    assert trial.fitted is not None
    assert trial.fitted.aligned.spent is not None
    assert trial.fitted.aligned.spent.startswith("layers were matched in residual coordinates")
    assert (named(trial.findings, FITTED)["t1.neurons"].log10_p or 0.0) < -100.0


def test_of_another_width_only_the_fitted_frame_is_tested(tmp_path: Path) -> None:
    trial = tried(tmp_path, changed(CHILD, prune_hidden(*CHILD, 0.25)), "gated/g00")
    assert trial.fixed is None
    assert trial.fitted is not None
    assert {one.frame for one in trial.findings} == {FITTED}
    assert (named(trial.findings, FITTED)["t1.neurons"].log10_p or 0.0) < -100.0


def test_no_frame_is_looked_for_in_a_sample(tmp_path: Path) -> None:
    trial = tried(tmp_path, changed(CHILD, rotate_residual(*CHILD, seed=1)), "gated/g00", budget=100_000)
    assert trial.frame is None
    assert trial.fitted is None


def test_replaced_embeddings_do_not_hide_a_stream_that_was_kept(tmp_path: Path) -> None:
    other = zoo("gated/g01")[0]
    swapped = {name: other[name] if "embed" in name or "lm_head" in name else value for name, value in CHILD[0].items()}
    trial = tried(tmp_path, (swapped, CHILD[1]), "gated/g00")
    assert trial.frame is not None
    assert trial.frame.residual.kind == "identity"


def test_models_without_a_common_width_are_not_tested(tmp_path: Path) -> None:
    plain = zoo("plain/p00")
    bare = {name: tensor for name, tensor in plain[0].items() if "wte" not in name}
    write_folder(tmp_path, bare, plain[1])
    with open_model(tmp_path) as model:
        assert model.tensors is not None
        trial = Trials(prepare(model, model.tensors, SETTINGS, quiet), prepared(ZOO / "gated/g00"), quiet).of(
            "seed 0", "testing"
        )
    assert trial.fixed is None
    assert trial.fitted is None
    assert trial.reason is not None
    with pytest.raises(ValueError, match="nothing was tested"):
        _ = trial.best
