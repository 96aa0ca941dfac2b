"""Makes the sets of prompts that Forebear ships for next tokens and continuations; the same bytes on every machine.

Prose and spoken passages are cut from the public-domain text that the activation profiles read, code from the bundled
text of the zoo, and the rest is put together here from words of our own. Each prompt stops in mid-sentence, after a
word, where several words could follow: what is certain tells models apart as little as what is random.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from json import dumps
from pathlib import Path
from random import Random

from forebear.checkpoint.writer import write_aside
from forebear.zoo import corpus

SETS = Path("src/forebear/responses/sets")
SEED = 20_071
SIZES = {"prose": 400, "dialogue": 200, "code": 200, "list": 100, "invented": 100}
CONTINUED = {"prose": 48, "dialogue": 24, "code": 24, "list": 16, "invented": 16}
_WORDS = (12, 40)
_GOES_ON = 6
"""Words of the source that are told as the right way to go on."""

_TRADES = ("ferryman", "tuner of bells", "surveyor", "night baker", "glazier", "archivist", "beekeeper", "pilot")
_THINGS = ("copper lamp", "ledger", "third key", "barometer", "canvas tent", "blue jar", "folding chair", "spare wheel")
_PLACES = ("Velmar", "Ostrey", "Little Quenby", "Harrowmouth", "Tasselback", "Inchgarvie", "Port Dunnow", "Sallowfield")
_TIMES = (
    "since the flood",
    "all winter",
    "for eleven days",
    "since Tuesday",
    "before breakfast",
    "for longer than I can say",
)
_FEELINGS = ("quietly", "with a frown", "after a while", "without looking up", "rather too quickly", "half asleep")
_TOPICS = (
    *("things to mend", "birds seen from the quay", "spices in the left drawer", "rules of the house"),
    *("reasons to wait", "towns on the northern line", "tools for the roof", "questions for the clerk"),
)
_ITEMS = (
    *("gutter", "heron", "cumin", "no boots indoors", "the tide", "a plumb line", "saffron", "two ladders"),
    *("an old map", "wren", "slate nails", "the second bell", "lime", "patience", "a spare fuse", "rope"),
)
_SPOKEN = (
    '"I have kept the {thing} {time}," said the {trade} {feeling}, "and if you ask me it',
    "- Where did you leave the {thing}?\n- With the {trade} in {place}.\n- Then tell him that",
    "{place}, evening.\nThe {trade}: Nobody has asked for the {thing} {time}.\nThe visitor: In that case",
    '"You cannot take the {thing} to {place}," the {trade} answered {feeling}. "It would',
)
_INVENTED = (
    "The {trade} of {place} is known for the {thing}, which {time} has",
    "In {place} it is the custom that whoever finds a {thing} must give it to the {trade}, because",
    "Nobody in {place} remembers why the {trade} painted the {thing}",
    "According to the minutes of the {place} council, the {trade} refused the {thing} and instead",
    "Between {place} and the coast there are nine bridges, and under the fourth the {trade} hides",
)


def run(arguments: list[str]) -> None:
    """Writes both sets and prints what was written; takes no arguments."""
    for name, sizes in (("next-token", SIZES), ("continuations", CONTINUED)):
        made = list(lines(name, sizes))
        write_aside(SETS / f"{name}.jsonl", [("\n".join(made) + "\n").encode("utf-8")])
        print(f"{SETS / name}.jsonl: {len(made)} prompts")


def lines(name: str, sizes: dict[str, int]) -> Iterator[str]:
    """One prompt a line; no text stands in a set twice."""
    seen: set[str] = set()
    for stratum, size in sizes.items():
        draw = _SOURCES[stratum]
        rng = Random(f"{SEED} {name} {stratum}")
        number = 0
        while number < size:
            text, rest = draw(rng)
            if text in seen:
                continue
            seen.add(text)
            number += 1
            prompt = {"id": f"{stratum}-{number:03}", "prompt": text, "stratum": stratum}
            yield dumps(prompt if rest is None else prompt | {"gold": rest}, ensure_ascii=False)


def _story() -> str:
    return (files("forebear.evidence.activations") / "text" / "alice.txt").read_text(encoding="utf-8")


@cache
def _paragraphs(spoken: bool) -> list[list[str]]:
    """Words of each paragraph long enough to be cut, of those with or without quotation marks."""
    found = (" ".join(each.split()) for each in re.split(r"\n\s*\n", _story()))
    kept = (each.split(" ") for each in found if ("`" in each) == spoken and "*" not in each)
    return [words for words in kept if len(words) > _WORDS[0] + 4]


Drawn = tuple[str, str | None]
"""A prompt, and how its source goes on; None where it has none."""


def _cut(rng: Random, words: list[str]) -> Drawn:
    """A run of words whose last ends no sentence and no clause, and the next ones."""
    while True:
        length = rng.randint(*_WORDS)
        start = rng.randrange(max(1, len(words) - length))
        run = words[start : start + length]
        if len(run) >= _WORDS[0] and run[-1].isalpha() and start + len(run) < len(words):
            after = start + len(run)
            return " ".join(run), " " + " ".join(words[after : after + _GOES_ON])


def _dialogue(rng: Random) -> Drawn:
    if rng.random() < 0.6:
        return _cut(rng, rng.choice(_paragraphs(True)))
    return _filled(rng, _SPOKEN)


@cache
def _modules(part: str) -> list[str]:
    return corpus.text(part).split("\n")


def code(rng: Random) -> Drawn:
    """Three to eight lines of a bundled module, the last cut after a word, and the rest of that line."""
    lines = _modules(rng.choice(corpus.PARTS))
    while True:
        start = rng.randrange(len(lines) - 8)
        block = lines[start : start + rng.randint(3, 8)]
        words = re.findall(r"\s*\S+", block[-1])
        if len(words) >= 3 and all(len(line) < 100 for line in block) and sum(map(bool, block)) >= 3:
            kept = rng.randint(1, len(words) - 1)
            return "\n".join([*block[:-1], "".join(words[:kept])]), "".join(words[kept:])


def _list(rng: Random) -> Drawn:
    items = rng.sample(_ITEMS, rng.randint(2, 5))
    head = rng.choice(_TOPICS).capitalize()
    if rng.random() < 0.5:
        numbered = (f"{place}. {item}" for place, item in enumerate(items, 1))
        return "\n".join([f"{head}:", *numbered, f"{len(items) + 1}."]), None
    return f"{head}: {', '.join(items)},", None


def _filled(rng: Random, patterns: tuple[str, ...]) -> Drawn:
    words = {"thing": _THINGS, "time": _TIMES, "trade": _TRADES, "feeling": _FEELINGS, "place": _PLACES}
    return rng.choice(patterns).format(**{name: rng.choice(choices) for name, choices in words.items()}), None


_SOURCES: dict[str, Callable[[Random], Drawn]] = {
    "prose": lambda rng: _cut(rng, rng.choice(_paragraphs(False))),
    "dialogue": _dialogue,
    "code": code,
    "list": _list,
    "invented": lambda rng: _filled(rng, _INVENTED),
}
