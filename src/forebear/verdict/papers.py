"""What travels beside the weights: every strand on the two sides' papers, each its own claim."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import msgspec

from forebear.checkpoint import Model
from forebear.checkpoint.model import Warn
from forebear.errors import ForebearError, UsageError
from forebear.evidence.documents.claim import StrandClaim, strands
from forebear.evidence.documents.declared import DeclaredClaim, against_weights
from forebear.evidence.documents.licence.scancode import scan_licences
from forebear.evidence.documents.papers import Beside, Papers, open_papers
from forebear.verdict.comparison import Comparison
from forebear.verdict.sides import Progress, Source

WEIGHTS, DOCUMENTS = "weights", "documents"
STRANDS = ("repository", "tokenizer", "configuration", "code", "licence", "declared")
CHOICES = (WEIGHTS, DOCUMENTS, *STRANDS)


@dataclass(frozen=True)
class Asked:
    """What was asked of the papers.

    Attributes:
        only: kinds of evidence to take, of `CHOICES`; all where empty.
        claimed: sources that the model says it has, which compete with the reference.
        base_code: folders of code that any model may hold.
        redact: leave names of people out of excerpts.
        dates: file of dates that the user vouches for.
        scan: have scancode-toolkit look for licences too.
        behaviour: files of answers: the model's, the reference's, then strangers'.
    """

    only: tuple[str, ...] = ()
    claimed: tuple[str, ...] = ()
    base_code: tuple[str, ...] = ()
    redact: bool = False
    dates: str | None = None
    scan: bool = False
    behaviour: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.only:
            if name not in CHOICES:
                raise UsageError(
                    f"there is no evidence {name!r}", where="--only", remedy=f"Choose from: {', '.join(CHOICES)}"
                )

    @classmethod
    def of(
        cls,
        only: Sequence[str],
        claimed: Sequence[str | Path],
        base_code: Sequence[str | Path],
        *,
        redact_names: bool,
        dates: str | Path | None,
        scan_licences: bool,
        behaviour: Sequence[str | Path],
    ) -> Self:
        """What the arguments of `forebear.compare` ask for."""
        sources, folders, answers = (tuple(str(each) for each in given) for given in (claimed, base_code, behaviour))
        dated = None if dates is None else str(dates)
        return cls(tuple(only), sources, folders, redact_names, dated, scan_licences, answers)

    @property
    def weights(self) -> bool:
        """Whether weights are to be compared."""
        return not self.only or WEIGHTS in self.only

    @property
    def strands(self) -> tuple[str, ...]:
        """Strands to take."""
        if not self.only or DOCUMENTS in self.only:
            return STRANDS
        return tuple(each for each in STRANDS if each in self.only)

    @property
    def record(self) -> dict[str, Any]:
        """What a replay needs, where it is not the default."""
        found = {
            "only": list(self.only),
            "claimed_sources": list(self.claimed),
            "base_code": list(self.base_code),
            "redact_names": self.redact,
            "dates": self.dates,
            "scan_licences": self.scan,
            "behaviour": list(self.behaviour),
        }
        return {name: value for name, value in found.items() if value}


def papers_of(source: Source, name: str, asked: Asked, warn: Warn | None) -> Papers:
    """One side's papers; of a model that is open already its documents and tensor names."""
    if isinstance(source, Model):
        store = source.tensors
        shapes = {} if store is None else {tensor: store.info(tensor).shape for tensor in store.names()}
        return Papers(name, source.source, source.documents, shapes)
    return open_papers(source, warn, name=name, dates=asked.dates if name == "model" else None)


def open_beside(model: Source, reference: Source, asked: Asked, warn: Warn | None) -> Beside:
    """The papers of both sides and of every claimed source.

    Raises:
        ForebearError: as `open_papers`.
    """
    claimed = tuple(open_papers(source, warn, name=source) for source in asked.claimed)
    return Beside(
        papers_of(model, "model", asked, warn),
        papers_of(reference, "reference", asked, warn),
        claimed,
        tuple(Path(folder) for folder in asked.base_code),
        asked.redact,
    )


def looked_at(beside: Beside, wanted: Collection[str], progress: Progress) -> dict[str, StrandClaim]:
    """Every strand asked for; one that is refused says why and leaves the others be."""
    found: dict[str, StrandClaim] = {}
    for number, each in enumerate(each for each in strands() if each.name in wanted):
        progress(f"reading documents: {each.name}", number / len(wanted))
        try:
            found[each.name] = each.look(beside)
        except ForebearError as error:
            found[each.name] = StrandClaim(verdict=None, because="could not be read", reason=error.line())
    return found


def with_papers(
    result: Comparison,
    sources: tuple[Source, Source],
    asked: Asked,
    *,
    reference: str,
    progress: Progress,
    warn: Warn | None = None,
) -> Comparison:
    """A comparison with its document strands, the declared lineage held against what the weights say.

    Args:
        result: of the weights.
        sources: model and reference as they were given.
        asked: which strands, and what competes with the reference.
        reference: what the reference is called once opened.
        progress: told what is being done.
        warn: told of what costs time or bytes.
    """
    if not asked.strands:
        return result
    beside = open_beside(*sources, asked, warn)
    found = looked_at(beside, asked.strands, progress)
    declared = found.get("declared")
    if isinstance(declared, DeclaredClaim):
        claim = result.weights
        verdict, direction = (None, None) if claim is None else (claim.verdict, claim.direction)
        names = [reference] if isinstance(sources[1], Model) else [str(sources[1]), reference]
        found |= {"declared": against_weights(declared, verdict, direction, names)}
    plain = {name: msgspec.to_builtins(claim) for name, claim in found.items()}
    if asked.scan and "licence" in plain:
        sides = (beside.model, beside.reference)
        plain["licence"]["scanned"] = {each.name: msgspec.to_builtins(scan_licences(each)) for each in sides}
    return msgspec.structs.replace(result, strands=result.strands | plain)
