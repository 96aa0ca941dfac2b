"""Next-token agreement: strangers are left alone, inheritance is found, and nothing is said on too little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from forebear.errors import UsageError
from forebear.evidence.behaviour.likeness import overlap
from forebear.evidence.behaviour.live import Heard
from forebear.evidence.behaviour.next_token import next_token, panel_of
from forebear.evidence.behaviour.planted import smallest_share
from forebear.evidence.behaviour.replied import AS_GIVEN, FIRST_WORD, replied
from forebear.evidence.behaviour.strength import strength
from forebear.responses.transcript import Settings
from tests.evidence.behaviour.replying import asked_otherwise, heard, spoken, strangers, transcript


def test_a_reference_whose_replies_were_kept_is_named() -> None:
    codes = strangers(800, 14, 0)
    codes[:400, 0] = codes[:400, 2]
    claim = next_token(heard(spoken(codes), 3))
    assert claim.verdict == "related"
    assert claim.candidates[0].name == "m2"
    assert [each.stands_out for each in claim.candidates] == [True, False, False]
    assert claim.candidates[0].log10_p is not None
    assert claim.candidates[0].log10_p < -4
    assert "m2" in claim.because
    assert claim.innocent_explanation


def test_no_parent_among_the_candidates_is_said() -> None:
    claim = next_token(heard(spoken(strangers(600, 13, 1)), 1))
    assert claim.verdict == "independent"
    assert "The parent is not among the candidates" in claim.because
    assert all((each.share_found or 1.0) <= claim.share_sought for each in claim.candidates)


def test_too_few_controls_give_no_verdict_and_say_how_many_are_needed() -> None:
    codes = strangers(300, 8, 2)
    codes[:, 0] = codes[:, 1]
    claim = next_token(heard(spoken(codes), 1))
    assert (claim.verdict, claim.controls, claim.controls_needed) == ("undetermined", 6, 4)
    assert "give 4 more" in claim.because
    assert claim.candidates[0].agreement == 1.0
    assert next_token(heard(spoken(codes[:, :2]), 1)).candidates[0].reason == "no controls"


def test_too_few_prompts_give_no_verdict() -> None:
    codes = strangers(60, 13, 3)
    codes[:, 0] = codes[:, 1]
    claim = next_token(heard(spoken(codes), 1))
    assert claim.verdict == "undetermined"
    assert claim.reason == "60 prompts, at least 100 are needed"


def test_without_power_nothing_is_ruled_out_and_the_prompts_needed_are_told() -> None:
    # Replies so popular that few prompts tell models apart.
    codes = np.where(np.random.default_rng(4).random((110, 13)) < 0.9, 0, strangers(110, 13, 4))
    claim = next_token(heard(spoken(codes), 1))
    assert claim.verdict == "undetermined"
    assert claim.reason == "too little power"
    assert (claim.candidates[0].prompts_needed or 0) > 110
    assert "prompts like these are needed" in claim.because


def test_the_closest_of_all_is_not_related_without_being_far_beyond_the_controls() -> None:
    codes = strangers(2000, 12, 5)
    codes[:150, 0] = codes[:150, 1]
    claim = next_token(heard(spoken(codes), 1))
    assert claim.verdict == "undetermined"
    assert claim.reason == "the closest of all, but not beyond doubt"


def test_two_good_models_are_not_kin_for_being_good() -> None:
    # The two last are the most skilled of all: they agree most, and by habit alone.
    codes = np.ascontiguousarray(strangers(1000, 14, 6, skill=0.8)[:, ::-1])
    panel = panel_of(codes, list(map(str, range(14))))
    shares = overlap(panel)
    assert shares[0, 1] == np.sort(shares[np.triu_indices(14, 1)])[-1]
    assert not strength(panel).fires()
    assert next_token(heard(spoken(codes), 1)).verdict != "related"


def test_a_child_that_learned_other_text_is_found_though_it_agrees_with_nobody() -> None:
    # On half of the prompts the model says what nobody else does; of the rest it kept half.
    codes = strangers(1000, 14, 13)
    codes[:250, 0] = codes[:250, 1]
    codes[500:, 0] = 99
    claim = next_token(heard(spoken(codes), 1))
    among = claim.candidates[0].among
    assert among is not None
    assert among.in_place_of == "m1"
    assert claim.verdict == "related"


def test_strangers_that_learned_what_no_control_did_are_not_called_kin() -> None:
    codes = strangers(1000, 13, 14)
    taught = np.random.default_rng(14).integers(50, 60, size=1000)
    for model in (0, 1):
        learned = np.random.default_rng(15 + model).random(1000) < 0.6
        codes[learned, model] = taught[learned]
    claim = next_token(heard(spoken(codes), 1))
    candidate = claim.candidates[0]
    assert (candidate.log10_p_controls or 0.0) < -10
    assert candidate.log10_p is None
    assert claim.verdict == "undetermined"
    assert "neither model's kind" in claim.because


def test_strangers_do_not_fire() -> None:
    ps = []
    for seed in range(6):
        codes = strangers(300, 13, 100 + seed)
        for first, second in combinations(range(13), 2):
            others = [each for each in range(13) if each not in (first, second)]
            found = strength(panel_of(codes[:, [first, second, *others]], list(map(str, range(13)))))
            assert not found.fires()
            ps.append(0.0 if found.log10_p is None else found.log10_p)
    # Fifteen and more of 468 would have a chance of 1 in 5,000 at 1e-2, were pairs independent.
    assert sum(each <= -2 for each in ps) < 15


def test_power_grows_with_the_number_of_prompts() -> None:
    panels = [panel_of(strangers(prompts, 12, 7), list(map(str, range(12)))) for prompts in (150, 900)]
    shares = [smallest_share(each, references=1, seed=0) or 1.0 for each in panels]
    assert shares[0] > shares[1]
    assert shares[1] <= 0.25


def test_a_claim_is_the_same_again() -> None:
    given = heard(spoken(strangers(200, 13, 9)), 2)
    assert next_token(given) == next_token(given)


def test_the_rule_for_one_token_is_the_text_as_received() -> None:
    found = replied(heard({"a": [" x", ""], "b": ["x", ""], "c": [" x", "y"]}, 1))
    assert found.rule == AS_GIVEN
    assert found.codes[0, 0] != found.codes[0, 1]
    assert found.codes[0, 0] == found.codes[0, 2]
    assert found.codes[1, 0] == found.codes[1, 1]


def test_a_reply_that_begins_the_way_the_text_goes_on_is_right() -> None:
    given = heard({"a": [" the", "x", ""], "b": ["the", " x ", "y"], "c": [" tha", "xy", ""]}, 1)
    golds = (" the cat sat", "x", None)
    found = replied(told(given, golds))
    assert found.wrong is not None
    # Where nothing tells how a prompt goes on, no reply is more right than another.
    assert found.wrong.tolist() == [[False, False, True], [False, False, True], [True, True, True]]
    assert replied(told(given, [None, None, "x"])).wrong is None


def told(given: Heard, golds: Sequence[str | None]) -> Heard:
    """The same, each prompt with how its text goes on, where that is known."""
    prompts = [replace(each, gold=gold) for each, gold in zip(given.model.prompts.prompts, golds, strict=True)]
    return replace(given, model=replace(given.model, prompts=replace(given.model.prompts, prompts=prompts)))


def test_two_able_strangers_are_not_called_kin_for_being_right() -> None:
    """Both know how most texts go on, controls know few."""
    draw = np.random.default_rng(21)
    codes = 1 + strangers(800, 14, 22)
    able = np.r_[0.6, 0.6, np.full(12, 0.2)]
    codes[draw.random((800, 1)) + draw.normal(0, 0.15, codes.shape) < able] = 0
    right = [f" right {place}" for place in range(800)]
    models = {
        f"m{number}": [text if code == 0 else f" {code}" for code, text in zip(column, right, strict=True)]
        for number, column in enumerate(codes.T)
    }
    unknown = next_token(told(heard(models, 1), [None] * 800))
    assert unknown.candidates[0].stands_out
    assert (unknown.verdict, unknown.reason) == ("undetermined", "right replies are not known")
    known = next_token(told(heard(models, 1), right))
    assert not known.candidates[0].stands_out
    assert known.verdict != "related"


def test_an_empty_reply_that_was_cut_is_no_reply() -> None:
    given = heard({"a": ["x", "", "", ""], "b": ["x", "", "", ""], "c": ["x", "y", "y", "y"]}, 1)
    ends = ("length", "stop", "length", "content_filter")
    cut = [replace(each, finish=end) for each, end in zip(given.model.replies, ends, strict=True)]
    found = replied(replace(given, model=replace(given.model, replies=cut)))
    assert found.prompts == 2
    assert "2 of 4 prompts" in found.left_out[0]


def test_the_rule_for_more_tokens_is_the_first_word() -> None:
    more = Settings(kind="completions", max_tokens=8)
    found = replied(heard({"a": [" the cat", "  "], "b": ["the\ndog", "x"], "c": ["The cat", "x"]}, 1, more))
    assert found.rule == FIRST_WORD
    assert found.codes.tolist() == [[0, 0, 1]]
    assert "1 of 2 prompts" in found.left_out[0]


def test_a_control_that_hardly_replied_is_left_out() -> None:
    models = spoken(strangers(40, 4, 10))
    found = replied(heard({**models, "silent": [["x"], *([[]] * 39)]}, 1))
    assert found.controls == 2
    assert found.prompts == 40
    assert "control silent" in found.left_out[0]


def test_where_nobody_replied_to_the_same_nothing_is_said() -> None:
    claim = next_token(heard({"a": ["x", []], "b": [[], "x"]}, 1))
    assert (claim.verdict, claim.prompts) == ("undetermined", 0)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(kind="completions", max_tokens=1, temperature=0.7),
        Settings(kind="completions", max_tokens=20),
        Settings(kind="chat", max_tokens=1),
    ],
    ids=["temperature", "length", "kind"],
)
def test_models_asked_in_different_ways_are_refused(settings: Settings) -> None:
    given = heard(spoken(strangers(10, 4, 11)), 1)
    with pytest.raises(UsageError) as refused:
        next_token(asked_otherwise(given, settings))
    assert "Ask every model in the same way" in refused.value.line()
    assert "m3.jsonl" in refused.value.line()


def test_sampled_replies_are_refused() -> None:
    sampled = Settings(kind="completions", max_tokens=1, temperature=0.7)
    with pytest.raises(UsageError, match="--temperature 0"):
        next_token(heard(spoken(strangers(10, 4, 11)), 1, sampled))


def test_no_reference_and_other_prompts_are_refused() -> None:
    given = heard(spoken(strangers(10, 4, 12)), 1)
    with pytest.raises(UsageError, match="no reference"):
        next_token(replace(given, references=()))
    with pytest.raises(UsageError, match="other prompts"):
        next_token(replace(given, references=(transcript("other", ["x"]),)))
