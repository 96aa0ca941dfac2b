"""Prompts as a local model's chat template writes them, rendered where a stranger's template can do no harm."""

from __future__ import annotations

from collections.abc import Sequence

from forebear.evidence.activations.classes import UnprobeableError
from forebear.evidence.documents.tokenizer.companions import Companions
from forebear.evidence.documents.tokenizer.templates import render
from forebear.evidence.profiles.side import ProfiledSide
from forebear.responses.prompts import Prompt

AT_ONCE = 32
"""Prompts rendered in one process, which has a second of processor time."""


def chat_texts(side: ProfiledSide, companions: Companions, prompts: Sequence[Prompt]) -> list[tuple[bool, str]]:
    """Each prompt in the model's chat format, its system message before it and the reply begun behind it.

    Args:
        side: the model.
        companions: of its tokenizer.
        prompts: in any number.

    Returns:
        Whether the template took it, and the text; or the kind of error that the template raised.

    Raises:
        UnprobeableError: there is no chat template, or it cannot be rendered at all.
    """
    if companions.template is None:
        raise _untemplated(side, "no chat template", "Leave out --kind chat: prompts are then continued as plain text")
    found: list[tuple[bool, str]] = []
    for start in range(0, len(prompts), AT_ONCE):
        some = [_conversation(prompt) for prompt in prompts[start : start + AT_ONCE]]
        rendered = render(companions.template, companions.roles, some)
        if rendered.answers is None:
            raise _untemplated(side, f"its chat template: {rendered.note}", "Leave out --kind chat")
        found.extend((status == "rendered", text) for status, text in rendered.answers)
    return found


def _conversation(prompt: Prompt) -> dict[str, object]:
    before = [] if prompt.system is None else [{"role": "system", "content": prompt.system}]
    return {"messages": [*before, {"role": "user", "content": prompt.text}], "add_generation_prompt": True}


def _untemplated(side: ProfiledSide, rule: str, remedy: str) -> UnprobeableError:
    return UnprobeableError(rule, where=side.model.source, field="chat template", remedy=remedy)
