"""Chat templates, compared by what they make of fixed conversations."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from forebear.evidence.documents.tokenizer.companions import Companions

SECONDS = 5
_CHILD = Path(__file__).with_name("render_child.py")
_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather at a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def _said(*turns: str) -> list[dict[str, str]]:
    """Turns of user and assistant, the user first."""
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]


CONVERSATIONS: tuple[dict[str, object], ...] = (
    {"messages": _said("What is the capital of France?"), "add_generation_prompt": True},
    {
        "messages": [{"role": "system", "content": "Be brief."}, *_said("One and one?", "Two.", " And  two more?\n")],
        "add_generation_prompt": True,
    },
    {"messages": _said("Translate: \u4f60\u597d", "Hello"), "add_generation_prompt": False},
    {"messages": _said("Will it rain?"), "tools": [_TOOL], "add_generation_prompt": True},
)
PUBLIC_FORMATS = {
    "ChatML": "<|im_start|>user\n",
    "Llama 2 instructions": "[INST]",
    "Llama 3 headers": "<|start_header_id|>user<|end_header_id|>",
    "Gemma turns": "<start_of_turn>user",
    "Vicuna turns": "USER: ",
    "Alpaca headings": "### Instruction:",
}
"""What shows formats that many publishers use for models of their own."""


class ChatTemplates(msgspec.Struct, frozen=True, kw_only=True):
    """Two templates on the fixed conversations.

    Attributes:
        same_text: they are written alike, line ends and outer spaces aside.
        conversations: on how many both gave an answer, rendered or refused.
        equal: on how many of these the answer was the same.
        public_format: a format in general use that both follow; None where they follow none that is known.
    """

    same_text: bool
    conversations: int
    equal: int
    public_format: str | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template made of the conversations.

    Attributes:
        answers: ``rendered`` and the text, or ``raised`` and the kind of error; None where it was stopped or failed
            as a whole.
        note: why.
    """

    answers: tuple[tuple[str, str], ...] | None
    note: str | None = None


def render(
    template: str, roles: dict[str, str], conversations: Sequence[dict[str, object]] = CONVERSATIONS
) -> Rendered:
    """Render in a process with limits, which a template that does not end or grows without end cannot leave.

    Args:
        template: a stranger's; it runs in a sandbox that changes nothing it is given.
        roles: special tokens that templates name.
        conversations: arguments of each rendering.
    """
    tokens = {"bos_token": "", "eos_token": ""} | {role: token for role, token in roles.items() if role != "messages"}
    job = json.dumps({"template": template, "conversations": [*conversations], "tokens": tokens})
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            check=False,
            input=job,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SECONDS,
        )
        answers = json.loads(done.stdout) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, OSError, ValueError):
        answers = None
    if answers is None:
        return Rendered(None, "it was stopped at its limit of time or memory")
    if len(answers) != len(conversations):
        return Rendered(None, f"it cannot be rendered: {answers[0][1]}")
    return Rendered(tuple((status, text) for status, text in answers))


def compare_templates(model: Companions, reference: Companions) -> ChatTemplates | str:
    """Compare two chat templates.

    Returns:
        What was found, or why there is nothing to compare.
    """
    if model.template is None or reference.template is None:
        return "no chat template on both sides"
    sides = []
    for each in (model, reference):
        rendered = render(each.template or "", each.roles)
        if rendered.answers is None:
            return f"chat template of {each.template_file}: {rendered.note}"
        sides.append(rendered.answers)
    mine, yours = sides
    formats = [name for name, mark in PUBLIC_FORMATS.items() if all(mark in side[0][1] for side in sides)]
    return ChatTemplates(
        same_text=_plain(model.template) == _plain(reference.template),
        conversations=len(mine),
        equal=sum(one == other for one, other in zip(mine, yours, strict=True)),
        public_format=formats[0] if formats else None,
    )


def _plain(template: str) -> str:
    return "\n".join(template.split("\r\n")).strip()
