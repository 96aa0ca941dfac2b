"""Which names a reply claims: a table of identities in their scripts, with a guard against "I am not ...".

A name counts where it stands as a word of its own: no letter of its script beside it, except that Cyrillic names may
carry an ending, and that names in scripts without spaces, or with particles joined to the noun, may have any neighbour.
It does not count behind a negation or a comparison in the same clause; a list of names shares the negation before it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

_TABLE = "identities.json"
LONGEST_REPLY = 4_000
"""Characters of a reply that are looked at."""
_NEAR = 16
"""Characters behind a name in which a negation that follows its noun stands."""
_LATIN = r"0-9a-zA-Z_\u00c0-\u024f"
_LATIN_LETTERS = r"a-zA-Z_\u00c0-\u024f"
_CYRILLIC = r"\u0400-\u04ff"
_ARABIC = r"\u0600-\u06ff"
_ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|.)", re.DOTALL)
_SENTENCES = re.compile(r"[.:](?=\s|$)|[!?;。؟\n]")
"""Text is in NFKC by then, which turns full-width signs into the usual ones."""
_COMMAS = re.compile(r"[,،]")
_JOINS = re.compile(r"\b(or|and|nor|o|y|ni|ou|et|oder|und|noch|e|nem|и|или|ни)\b|[或和及与、أو\W_]")


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table.

    Attributes:
        name: as results give it; unique within its kind.
        kind: ``"family"`` of models, or ``"maker"``.
        names: as they may stand in a reply, whatever their case.
        cased: names that are ordinary words in another case.
    """

    name: str
    kind: str
    names: list[str]
    cased: list[str] = []


class _Negations(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    before: list[str]
    after: list[str]
    turn: list[str]


class Identities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shipped table.

    Attributes:
        version: of the table; results state it.
        negations: words that take a name back, before it and after it, and words that turn a sentence round.
        identities: rows.
    """

    version: int
    negations: _Negations
    identities: list[Identity]


@dataclass(frozen=True, slots=True)
class _Patterns:
    """Compiled from the table."""

    anything: re.Pattern[str]
    folded: list[tuple[Identity, re.Pattern[str]]]
    cased: list[tuple[Identity, re.Pattern[str]]]
    before: re.Pattern[str]
    after: re.Pattern[str]
    turn: re.Pattern[str]


@cache
def identities() -> Identities:
    """The shipped table, decoded once."""
    return msgspec.json.decode(files(__package__).joinpath(_TABLE).read_bytes(), type=Identities)


@cache
def _patterns() -> _Patterns:
    table = identities()
    every = [name for each in table.identities for name in (*each.names, *(word.casefold() for word in each.cased))]
    return _Patterns(
        _any(map(_word, every)),
        [(each, _any(map(_word, each.names))) for each in table.identities if each.names],
        [(each, _any(map(_word, each.cased))) for each in table.identities if each.cased],
        *(_any(map(_cue, words)) for words in (table.negations.before, table.negations.after, table.negations.turn)),
    )


def _any(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(sorted(patterns, key=len, reverse=True)))


def _word(name: str) -> str:
    """A name with what must not stand beside it, by the script of its ends."""
    before = after = ""
    if re.match(f"[{_LATIN}]", name[0]):
        before = f"(?<![{_LATIN}])"
    elif re.match(f"[{_CYRILLIC}]", name[0]):
        before = f"(?<![{_CYRILLIC}])"
    if re.match(f"[{_LATIN}]", name[-1]):
        after = f"(?![{_LATIN_LETTERS}])"
    elif re.match(f"[{_CYRILLIC}]", name[-1]):
        after = f"(?![{_CYRILLIC}]{{4}})"
    return before + re.escape(name) + after


def _cue(word: str) -> str:
    """A negation with what must not stand beside it."""
    if word == "n't":
        return "n['\u2019]t(?![a-z])"
    joined = next((script for script in (_LATIN, _CYRILLIC, _ARABIC) if re.match(f"[{script}]", word[0])), None)
    return re.escape(word) if joined is None else f"(?<![{joined}]){re.escape(word)}(?![{joined}])"


def claimed(reply: str) -> list[Identity]:
    """Identities that a reply names without taking them back, in the order of the table.

    Args:
        reply: as received; escape sequences and invisible characters are passed over.
    """
    text = _readable(reply)
    found: dict[tuple[str, str], Identity] = {}
    for clause, refused in _clauses(text):
        for each in _named(clause, refused=refused):
            found[each.kind, each.name] = each
    return [each for each in identities().identities if (each.kind, each.name) in found]


def _readable(reply: str) -> str:
    """NFKC without escape sequences and format characters, cut to `LONGEST_REPLY`."""
    plain = unicodedata.normalize("NFKC", _ESCAPES.sub("", reply[:LONGEST_REPLY]))
    return "".join(letter for letter in plain if letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf"))


def _clauses(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of sentences between commas and turns, and whether a negation before applies to a part."""
    turn = _patterns().turn
    for sentence in _SENTENCES.split(text):
        for half in turn.split(sentence):
            refused = False
            for clause in _COMMAS.split(half):
                refused = refused and _only_names(clause)
                yield clause, refused
                refused = refused or _patterns().before.search(clause.casefold()) is not None


def _only_names(clause: str) -> bool:
    """Whether a clause is but one more name of a list."""
    rest = clause
    for _, pattern in _patterns().cased:
        rest = pattern.sub("", rest)
    rest = rest.casefold()
    for _, pattern in _patterns().folded:
        rest = pattern.sub("", rest)
    return not _JOINS.sub("", rest).strip()


def _named(clause: str, *, refused: bool) -> Iterator[Identity]:
    folded = clause.casefold()
    if _patterns().anything.search(folded) is None:
        return
    for text, rows in ((folded, _patterns().folded), (clause, _patterns().cased)):
        for identity, pattern in rows:
            if any(not _taken_back(text.casefold(), each, refused=refused) for each in pattern.finditer(text)):
                yield identity


def _taken_back(text: str, match: re.Match[str], *, refused: bool) -> bool:
    if refused or _patterns().before.search(text[: match.start()]):
        return True
    return _patterns().after.search(text[match.end() : match.end() + _NEAR]) is not None
