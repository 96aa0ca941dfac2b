"""Simulated endpoints: what a model with known token probabilities says, and transcripts of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.statistics.arrays import Floats

LETTERS = "abcdefghijklmnopqrstuvwxyz ,.\n"


def logits(prompts: int, length: int = 40, spread: float = 3.0, seed: int = 0) -> Floats:
    """``(prompts, length, letters)`` of a model whose replies end where it says so, at the last letter."""
    return np.random.default_rng(seed).normal(0, spread, (prompts, length, len(LETTERS)))


def rounded(of: Floats, error: float, seed: int = 1) -> Floats:
    """The same model after a rounding that moves every logit by so much."""
    return of + np.random.default_rng(seed).normal(0, error, of.shape)


def said(of: Floats, samples: int, rng: np.random.Generator, temperature: float = 1.0) -> list[list[str]]:
    """So many replies to each prompt, letters drawn independently (Gumbel's way)."""
    noise = rng.gumbel(size=(samples, *of.shape))
    chosen = np.argmax(of / temperature + noise, axis=-1)
    letters = np.array(list(LETTERS))
    replies = [["".join(letters[row]).split(LETTERS[-1])[0] for row in prompt] for prompt in chosen.swapaxes(0, 1)]
    return replies


def transcript(name: str, replies: Sequence[Sequence[str]], temperature: float = 1.0) -> Transcript:
    """Replies as an endpoint's transcript."""
    prompts = Prompts("simulated", [Prompt(f"p{place}", f"prompt {place}") for place in range(len(replies))])
    settings = Settings(temperature=temperature, samples=max(map(len, replies)))
    listed = [
        Reply(prompt.id, place, text)
        for prompt, texts in zip(prompts.prompts, replies, strict=True)
        for place, text in enumerate(texts)
    ]
    return Transcript(name, f"{name}.jsonl", name, "http://localhost/v1", settings, prompts, listed)
