"""The same-model test in the terminal."""

from __future__ import annotations

from io import StringIO

import msgspec
import numpy as np

from benchmarks.behaviour._endpoints import logits, said, transcript
from forebear.evidence.behaviour.live import Heard
from forebear.evidence.behaviour.same_model import same_model
from forebear.report.behaviour.same_model import show
from forebear.responses.transcript import Transcript


def shown(model: Transcript, *references: Transcript) -> str:
    stream = StringIO()
    show(msgspec.to_builtins(same_model(Heard(model, references))), stream)
    return " ".join(stream.getvalue().split())


def test_each_reference_its_outcome_and_what_would_have_been_found() -> None:
    rng = np.random.default_rng(0)
    model, other = logits(12, length=15), logits(12, length=15, seed=5)
    text = shown(
        transcript("a", said(model, 8, rng)),
        transcript("b\x1b[2J", said(model, 8, rng)),
        transcript("c", said(other, 8, rng)),
    )
    assert "differ" in text
    assert "do not give the same distribution" in text
    assert "of 100 draws" in text
    assert "nothing on descent" in text
    assert "\x1b[2J" not in text
    assert "nan" not in text.lower()


def test_an_undetermined_comparison_says_so() -> None:
    rng = np.random.default_rng(0)
    model = logits(2, length=10)
    text = shown(transcript("a", said(model, 2, rng)), transcript("b", said(model, 2, rng)))
    assert text.startswith("Verdict on sameness: undetermined")
    assert "no share was found in 99% of them" in text


def test_greedy_replies_are_counted() -> None:
    text = shown(transcript("a", [["x"], ["y"]], 0.0), transcript("b", [["x"], ["z"]], 0.0))
    assert "not identical" in text
    assert "1 equal" in text
    assert "Squared MMD:" not in text
