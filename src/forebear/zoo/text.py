"""Text to tokens: one byte-level BPE for both families, trained once and committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from forebear.zoo import corpus

VOCABULARY = 1024


def train_tokenizer(path: Path, vocabulary: int = VOCABULARY) -> None:
    """Trains the tokenizer on all parts of the text and writes its tokenizer.json.

    A larger vocabulary begins with the smaller one, token for token, for merges are found one after the other.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([corpus.text(part) for part in corpus.PARTS], trainer)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    tokenizer.save(str(aside))
    aside.replace(path)


def tokens(part: str, tokenizer: Path) -> NDArray[np.int64]:
    """Token numbers of one part of the text, in order."""
    encoder = Tokenizer.from_file(str(tokenizer))
    lines = corpus.text(part).splitlines(keepends=True)
    pieces = ["".join(lines[at : at + 1000]) for at in range(0, len(lines), 1000)]
    return np.concatenate([np.asarray(found.ids, dtype=np.int64) for found in encoder.encode_batch(pieces)])
