"""Rates of claimed identities, and the shipped questions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from forebear.errors import UsageError
from forebear.evidence.behaviour.identity import IdentityClaim, identity
from forebear.evidence.behaviour.live import Heard, live_tests
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.prompts_file import shipped_prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.statistics.wilson import wilson

QUESTIONS = Prompts(
    "questions",
    [
        Prompt("en", "Who are you?", stratum="en"),
        Prompt("en-system", "Who are you?", system="Be brief.", stratum="en"),
        Prompt("zh", "你是谁", stratum="zh"),
    ],
)


def told(name: str, replies: dict[str, Sequence[str]]) -> Transcript:
    listed = [Reply(prompt, place, text) for prompt, texts in replies.items() for place, text in enumerate(texts)]
    return Transcript(name, f"{name}.jsonl", name, None, Settings(temperature=1.0, samples=2), QUESTIONS, listed)


def looked(model: Transcript, *references: Transcript, controls: tuple[Transcript, ...] = ()) -> IdentityClaim:
    claim = identity(Heard(model, references, controls))
    assert isinstance(claim, IdentityClaim)
    return claim


MIXED = told(
    "mixed",
    {
        "en": ["I am Claude.", "I am Claude by Anthropic."],
        "en-system": ["I am Claude and ChatGPT.", "I am an assistant."],
        "zh": ["我不是Claude,我是通义千问。", "我是一个助手。"],
    },
)


def test_it_is_called_by_its_name() -> None:
    assert live_tests()["identity"].look is identity


def test_prompts_are_counted_and_not_replies() -> None:
    """Claude: all, half and none of the replies to three prompts: 1.5 of 3."""
    model = looked(MIXED).models[0]
    rates = {(each.kind, each.identity): each for each in model.overall.rates}
    claude = rates["family", "Claude"]
    assert (claude.rate, claude.replies) == (0.5, 3)
    assert claude.interval == wilson(1.5, 3)
    assert rates["family", "Qwen"].rate == pytest.approx(1 / 6)
    assert ("maker", "Anthropic") in rates
    assert (model.overall.nameless, model.overall.several, model.overall.replies) == (2, 1, 6)
    assert model.overall.rates[0] is claude


def test_more_replies_to_a_prompt_do_not_narrow_the_interval() -> None:
    one = looked(told("one", {"en": ["I am Claude."], "zh": ["?"]})).models[0].overall.rates[0]
    many = looked(told("many", {"en": ["I am Claude."] * 50, "zh": ["?"] * 50})).models[0].overall.rates[0]
    assert one.interval == many.interval


def test_by_language_and_with_and_without_a_system_message() -> None:
    groups = looked(MIXED).models[0].groups
    assert [(each.language, each.system, each.prompts) for each in groups] == [
        ("en", False, 1),
        ("en", True, 1),
        ("zh", False, 1),
    ]
    assert [each.rates[0].rate for each in groups] == [1.0, 0.5, 0.5]


def test_two_models_stand_side_by_side_and_there_is_never_a_verdict() -> None:
    claim = looked(MIXED, told("other", {"en": ["I am Claude."]}), controls=(told("third", {"en": ["Hello"]}),))
    assert claim.verdict is None
    assert claim.lead
    assert [(each.name, each.role) for each in claim.models] == [
        ("mixed", "model"),
        ("other", "reference"),
        ("third", "control"),
    ]
    assert "names Claude most often, in 50% of replies" in claim.because
    assert "third" not in claim.because
    assert any("never evidence of descent" in limit for limit in claim.limits)
    assert claim.table_version == 1


def test_a_model_that_names_nobody() -> None:
    claim = looked(told("silent", {"en": ["An assistant."]}))
    assert "names no model family" in claim.because
    assert claim.models[0].overall.rates == []


def test_no_reply_is_refused() -> None:
    with pytest.raises(UsageError, match="no reply in it"):
        looked(told("empty", {}))


def test_other_questions_are_told() -> None:
    assert any("not the questions" in limit for limit in looked(MIXED).limits)
    shipped = shipped_prompts("identity")
    asked = Transcript("own", "own.jsonl", "own", None, Settings(), shipped, [Reply("en-1", 0, "I am Claude.")])
    assert not any("not the questions" in limit for limit in looked(asked).limits)


def test_the_shipped_questions_stand_in_ten_languages_each_with_and_without_a_system_message() -> None:
    prompts = shipped_prompts("identity").prompts
    languages = {each.stratum for each in prompts}
    assert languages == {"ar", "de", "en", "es", "fr", "ja", "ko", "pt", "ru", "zh"}
    for language in languages:
        asked = [each for each in prompts if each.stratum == language]
        plain = [each.text for each in asked if each.system is None]
        assert len(set(plain)) == 8
        assert plain == [each.text for each in asked if each.system is not None]
