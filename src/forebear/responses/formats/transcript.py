"""Transcripts as answers: the first reply to each prompt."""

from __future__ import annotations

from collections.abc import Iterator

from forebear.responses.answers import LONGEST_ANSWER, Answer
from forebear.responses.formats.offered import offered_mark
from forebear.responses.formats.opened import refused
from forebear.responses.formats.values import RefusedValueError, text_of
from forebear.responses.transcript import Transcript


def transcript_answers(transcript: Transcript, notes: list[str]) -> Iterator[Answer]:
    """The first reply to each prompt, without outer white space; of a prompt that offers answers, the letter or number
    that the reply begins with, see `forebear.responses.formats.offered.offered_mark`.

    Raises:
        UsageError: a reply that cannot be an answer.
    """
    replies = {each.prompt: each for each in reversed(transcript.replies) if each.sample == 0}
    cut = 0
    for prompt in transcript.prompts.prompts:
        if prompt.id not in replies:
            continue
        said = replies[prompt.id].text
        cut += len(said) > LONGEST_ANSWER
        try:
            text = text_of(said[:LONGEST_ANSWER])
        except RefusedValueError as error:
            raise refused(transcript.source, f"prompt {prompt.id}", f"the reply {error}") from None
        value = offered_mark(text, prompt.options, prompt.gold)
        yield Answer(prompt.id, value, prompt.gold, prompt.options, prompt.stratum)
    missing = len(transcript.prompts.prompts) - len(replies)
    if missing:
        notes.append(f"left out, for want of a reply: {missing:,} prompts")
    if transcript.settings.samples > 1:
        notes.append(f"the first of {transcript.settings.samples} replies to each prompt")
    if cut:
        notes.append(f"cut to {LONGEST_ANSWER:,} characters: {cut:,} replies")
