"""The tokenizer a model is run with: its own, or one that the user gives for models that bring none."""

from __future__ import annotations

from typing import Any

from forebear.evidence.activations.classes import UnprobeableError
from forebear.evidence.profiles.side import ProfiledSide


def tokenizer_of(side: ProfiledSide, given: str | None) -> Any:
    """A tokenizer that neither cuts nor pads.

    Args:
        side: a model; its tokenizer.json comes first.
        given: content of another, for a model without; None for none.

    Raises:
        UnprobeableError: there is none, or the file is none.
    """
    from tokenizers import Tokenizer

    document = side.model.documents.get("tokenizer.json")
    content = given if document is None else document.text()
    if content is None:
        raise untokenised(side, "no tokenizer.json", "Put it beside the weights, or give it with --tokenizer")
    try:
        tokenizer = Tokenizer.from_str(content)
    except Exception as error:
        if type(error) is not Exception:  # what the library raises of a bad file is this class itself, none narrower
            raise
        raise untokenised(side, f"no tokenizer: {str(error)[:200]}", "Download it again") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def untokenised(side: ProfiledSide, rule: str, remedy: str) -> UnprobeableError:
    """The error of a tokenizer that cannot be used."""
    return UnprobeableError(rule, where=side.model.source, field="tokenizer.json", remedy=remedy)
