"""Models of the zoo, sampled: what they say to excerpts of the text they were trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

from forebear.responses.prompts import Prompt, Prompts
from forebear.responses.transcript import Reply, Settings, Transcript
from forebear.zoo.corpus import text

ZOO = Path("tests/zoo")
TOKENS = 8
TEMPERATURE = 0.5
_BEFORE = 24
_BATCH = 500


def zoo_prompts(count: int) -> Prompts:
    """Excerpts of `_BEFORE` tokens, evenly spread over the text."""
    whole, tokenizer = text("A"), Tokenizer.from_file(str(ZOO / "tokenizer.json"))
    starts = range(1000, len(whole) - 1000, (len(whole) - 2000) // count)
    found = [tokenizer.decode(tokenizer.encode(whole[start : start + 400]).ids[:_BEFORE]) for start in starts]
    return Prompts("zoo", [Prompt(f"p{place}", each) for place, each in enumerate(found[:count])])


def sampled(name: str, folder: Path, prompts: Prompts, *, samples: int, seed: int, temperature: float = TEMPERATURE,
            eight_bits: bool = False) -> Transcript:  # fmt: skip
    """So many replies of `TOKENS` tokens to each prompt.

    Args:
        name: of the transcript.
        folder: of the model.
        prompts: what it is asked; their last tokens, as many of each.
        samples: replies to each.
        seed: of sampling.
        temperature: of sampling; the transcript states the usual one, as an endpoint would that does not keep to it.
        eight_bits: rows of every matrix rounded to 8 bits first.
    """
    loader: Any = AutoModelForCausalLM
    module = loader.from_pretrained(folder, dtype=torch.float32).eval()
    if eight_bits:
        _round(module)
    tokenizer = Tokenizer.from_file(str(ZOO / "tokenizer.json"))
    known = [tokenizer.encode(prompt.text).ids for prompt in prompts.prompts]
    shortest = min(map(len, known))
    tokens = torch.tensor([each[-shortest:] for each in known for _ in range(samples)])
    generator = torch.Generator().manual_seed(seed)
    batches = (tokens[start : start + _BATCH] for start in range(0, len(tokens), _BATCH))
    parts = [_continued(module, each, generator, temperature)[:, shortest:] for each in batches]
    texts = tokenizer.decode_batch(torch.cat(parts).tolist())
    replies = [
        Reply(prompt.id, place, texts[row * samples + place])
        for row, prompt in enumerate(prompts.prompts)
        for place in range(samples)
    ]
    settings = Settings(kind="local", temperature=TEMPERATURE, samples=samples, max_tokens=TOKENS, seed=seed)
    return Transcript(name, f"{name}.jsonl", name, None, settings, prompts, replies)


def _continued(module: Any, tokens: torch.Tensor, generator: torch.Generator, temperature: float) -> torch.Tensor:
    with torch.no_grad():
        for _ in range(TOKENS):
            after = module(tokens, logits_to_keep=1).logits[:, -1] / temperature
            tokens = torch.cat([tokens, torch.multinomial(after.softmax(-1), 1, generator=generator)], dim=1)
    return tokens


def _round(module: Any) -> None:
    with torch.no_grad():
        for each in module.parameters():
            if each.ndim == 2:
                step = each.abs().amax(dim=1, keepdim=True) / 127
                each.copy_((each / step).round() * step)


def zoo_transcripts(prompts: Prompts, samples: int) -> dict[str, Transcript]:
    """The zoo's model asked, and asked again, altered, and others."""
    g00, g01 = ZOO / "gated/g00", ZOO / "gated/g01"
    return {
        "g00": sampled("g00", g00, prompts, samples=samples, seed=1),
        "again": sampled("again", g00, prompts, samples=samples, seed=2),
        "eight-bits": sampled("eight-bits", g00, prompts, samples=samples, seed=3, eight_bits=True),
        "colder": sampled("colder", g00, prompts, samples=samples, seed=4, temperature=0.7 * TEMPERATURE),
        "finetuned": sampled("finetuned", ZOO / "gated/g00-finetuned", prompts, samples=samples, seed=5),
        "stranger": sampled("stranger", g01, prompts, samples=samples, seed=6),
    }
