"""What a reader sees of next-token agreement."""

from __future__ import annotations

from io import StringIO

import msgspec

from forebear.evidence.behaviour.live import Heard
from forebear.evidence.behaviour.next_token import next_token
from forebear.report.behaviour.next_token import show
from tests.evidence.behaviour.replying import heard, spoken, strangers


def shown(given: Heard) -> str:
    stream = StringIO()
    show(msgspec.to_builtins(next_token(given)), stream)
    return stream.getvalue()


def test_a_related_reference_is_shown_with_every_figure() -> None:
    codes = strangers(300, 13, 0)
    codes[:200, 0] = codes[:200, 1]
    told = shown(heard(spoken(codes), 1))
    assert "Verdict on next tokens: related" in told
    assert "Innocent explanation: One was trained" in told
    assert "0.083" in told
    assert "nan" not in told


def test_power_is_told_where_nothing_is_found() -> None:
    told = shown(heard(spoken(strangers(300, 13, 2)), 1))
    assert "Power:" in told
    assert "of the replies are kept from it" in told


def test_without_controls_dashes_stand_and_nothing_breaks() -> None:
    told = shown(heard(spoken(strangers(120, 2, 2)), 1))
    assert "undetermined" in told
    assert "—" in told


def test_a_name_cannot_disturb_the_terminal() -> None:
    models = spoken(strangers(120, 12, 3))
    models["evil\x1b[2J\u202e"] = models.pop("m1")
    told = shown(heard({"m0": models.pop("m0"), "evil\x1b[2J\u202e": models.pop("evil\x1b[2J\u202e"), **models}, 1))
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "\\u001b" in told
