"""Transcripts made from what models are to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from forebear.evidence.behaviour.live import Heard
from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.statistics.agreement import Codes

SINGLE = Settings(kind="completions", max_tokens=1)
SAMPLED = Settings(kind="completions", max_tokens=4, temperature=1.0, samples=8)


def transcript(name: str, said: Sequence[str | Sequence[str]], settings: Settings = SINGLE) -> Transcript:
    """A model that says this: one text or several a prompt; an empty list is no reply. Nobody says what is right."""
    asked = [Prompt(f"q{number}", f"text {number}", gold="what nobody says") for number in range(len(said))]
    prompts = Prompts("asked", asked)
    replies = [
        Reply(f"q{number}", sample, text)
        for number, texts in enumerate(said)
        for sample, text in enumerate([texts] if isinstance(texts, str) else texts)
    ]
    return Transcript(name, f"{name}.jsonl", name, None, settings, prompts, replies)


def heard(models: Mapping[str, Sequence[str | Sequence[str]]], references: int, settings: Settings = SINGLE) -> Heard:
    """The model, so many references, and controls, in order."""
    told = [transcript(name, said, settings) for name, said in models.items()]
    return Heard(told[0], tuple(told[1 : 1 + references]), tuple(told[1 + references :]))


def spoken(codes: Codes) -> dict[str, list[str]]:
    """Codes as texts, a column a model, named m0, m1 ..."""
    return {f"m{number}": [f" {code}" for code in column] for number, column in enumerate(codes.T)}


def strangers(prompts: int, models: int, seed: int, skill: float = 0.0) -> Codes:
    """Replies of strangers: on each prompt some replies are more popular, and on some prompts one is certain.

    Args:
        prompts: how many.
        models: how many.
        seed: of the draw.
        skill: how much the chance of the popular reply differs between models, up and down.
    """
    rng = np.random.default_rng(seed)
    choices = rng.integers(1, 12, size=(prompts, 1))
    drawn = np.minimum(rng.geometric(0.4, size=(prompts, models)) - 1, choices)
    apt = rng.random((prompts, models)) < skill * np.linspace(0.0, 1.0, models)
    return np.where(apt, 0, drawn).astype(np.int64)


def asked_otherwise(given: Heard, settings: Settings) -> Heard:
    """The last control asked in another way."""
    return replace(given, controls=(*given.controls[:-1], replace(given.controls[-1], settings=settings)))
