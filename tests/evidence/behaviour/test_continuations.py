"""Distances between models from how they go on."""

from __future__ import annotations

import numpy as np
import pytest

from forebear.errors import UsageError
from forebear.evidence.behaviour.continuations import LETTERS, ContinuationsClaim, allele, continuations
from forebear.statistics.arrays import Floats
from tests.evidence.behaviour.replying import SAMPLED, heard

PROMPTS = 60


def laws(models: int, seed: int) -> Floats:
    """``(prompts, models, alleles)`` strangers: what all tend to say, and what each tends to."""
    rng = np.random.default_rng(seed)
    common = rng.dirichlet(np.full(10, 0.4), size=(PROMPTS, 1))
    return 0.3 * common + 0.7 * rng.dirichlet(np.full(10, 0.3), size=(PROMPTS, models))


def said(given: Floats, seed: int, draws: int = 8) -> dict[str, list[list[str]]]:
    rng = np.random.default_rng(seed)
    found = {}
    for model in range(given.shape[1]):
        rows = [rng.choice(10, size=draws, p=law) for law in given[:, model]]
        found[f"m{model}"] = [[f" {'abcdefghij'[each] * LETTERS} and so on" for each in row] for row in rows]
    return found


def claimed(given: Floats, references: int, seed: int = 0) -> ContinuationsClaim:
    return continuations(heard(said(given, seed), references, SAMPLED))


def test_a_child_is_closer_than_all_strangers() -> None:
    given = laws(13, 0)
    given[:, 0] = 0.8 * given[:, 1] + 0.2 * given[:, 0]
    claim = claimed(given, 1)
    assert claim.verdict == "related"
    assert "m1" in claim.because
    first = claim.pairs[0]
    assert (first.a, first.b) == ("m0", "m1")
    assert first.p == pytest.approx(1 / 12)
    assert first.distance is not None
    assert first.interval is not None
    assert first.interval[0] < first.distance < first.interval[1]


def test_the_nearest_of_several_references_is_paid_for_in_controls() -> None:
    given = laws(13, 0)
    given[:, 0] = 0.8 * given[:, 1] + 0.2 * given[:, 0]
    claim = claimed(given, 2)
    assert claim.verdict is None
    assert claim.reason == "10 controls, at least 20 are needed for a verdict of 2 references"


def test_closest_by_a_hair_is_not_enough() -> None:
    given = laws(13, 30)
    given[:, 0] = 0.45 * given[:, 1] + 0.55 * given[:, 0]
    claim = claimed(given, 1)
    assert claim.pairs[0].p == pytest.approx(1 / 12)
    assert claim.verdict is None
    assert claim.reason == "not steady when prompts are drawn anew"


def test_two_models_unlike_all_controls_get_no_verdict() -> None:
    given = laws(13, 31)
    taught = np.random.default_rng(31).dirichlet(np.full(10, 0.2), size=PROMPTS)
    for model in (0, 1):
        given[:, model] = 0.3 * given[:, model] + 0.7 * taught
    claim = claimed(given, 1)
    assert claim.pairs[0].p == pytest.approx(1 / 12)
    assert claim.verdict is None
    assert claim.reason == "the controls are of another kind"


def test_strangers_give_findings_and_no_verdict() -> None:
    verdicts = [claimed(laws(13, seed), 1, seed).verdict for seed in range(1, 16)]
    assert verdicts.count("related") <= 1


def test_few_controls_give_no_verdict_however_close() -> None:
    given = laws(6, 20)
    given[:, 0] = given[:, 1]
    claim = claimed(given, 1)
    assert claim.verdict is None
    assert claim.reason == "4 controls, at least 10 are needed for a verdict"


def test_the_tree_joins_a_child_to_its_parent_first() -> None:
    given = laws(6, 21)
    given[:, 0] = 0.9 * given[:, 3] + 0.1 * given[:, 0]
    claim = claimed(given, 2)
    assert claim.leaves == [f"m{number}" for number in range(6)]
    assert {claim.tree[0].left, claim.tree[0].right} == {0, 3} or claim.newick is not None
    assert "('m0':" in (claim.newick or "") or ",'m0':" in (claim.newick or "")
    assert len(claim.tree) == 5


def test_models_that_never_say_the_same_have_no_distance_and_stay_outside_the_tree() -> None:
    models = said(laws(5, 22), 0)
    models["alien"] = [["zzzz"] * 8 for _ in range(PROMPTS)]
    claim = continuations(heard(models, 1, SAMPLED))
    apart = next(each for each in claim.pairs if each.b == "alien")
    assert apart.distance is None
    assert apart.reason == "the two never continued a prompt in the same way"
    assert "alien" not in claim.leaves
    assert "alien" in (claim.tree_reason or "")


def test_a_model_that_never_repeats_itself_needs_more_samples() -> None:
    models = said(laws(4, 23), 0)
    models["m1"] = [[f"{number:02}{sample:02}" for sample in range(8)] for number in range(PROMPTS)]
    claim = continuations(heard(models, 1, SAMPLED))
    assert claim.pairs[0].distance is None
    assert "more samples are needed" in (claim.pairs[0].reason or "")
    assert claim.reason == claim.pairs[0].reason


def test_one_reply_a_prompt_is_refused() -> None:
    with pytest.raises(UsageError, match="needs several"):
        continuations(heard(said(laws(4, 24), 0, draws=1), 1, SAMPLED))


def test_too_few_prompts_are_refused() -> None:
    models = {name: rows[:10] for name, rows in said(laws(4, 25), 0).items()}
    with pytest.raises(UsageError, match="at least 20"):
        continuations(heard(models, 1, SAMPLED))


def test_white_space_in_front_is_no_part_of_an_allele() -> None:
    assert allele("\n  wonder") == allele("wonderful") == "wond"
    assert allele("") == ""


def test_draws_of_one_seed_bring_models_no_closer() -> None:
    rows = said(laws(1, 5), 0)["m0"]
    # One law and one seed: every draw of a number is the same, and no draw of another number is the nearer for it.
    assert continuations(heard({"a": rows, "b": rows}, 1, SAMPLED)).pairs[0].distance == pytest.approx(0.0, abs=1e-9)
