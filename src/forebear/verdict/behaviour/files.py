"""From files of answers to a result: the model beside each reference, with controls, and every two models' overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from forebear import __version__
from forebear.errors import UsageError
from forebear.evidence.behaviour.numeric import wrong_of
from forebear.evidence.behaviour.panel import side_by_side
from forebear.responses.answers import Answers, Value
from forebear.responses.numbers import as_numbers
from forebear.responses.reading import read_answers
from forebear.verdict.behaviour.contract import BehavedModel, Behaviour
from forebear.verdict.behaviour.naming import distinct
from forebear.verdict.behaviour.pairs import Asked, judged
from forebear.verdict.behaviour.published import published
from forebear.verdict.behaviour.reconstructed import reconstructed_column
from forebear.verdict.sides import Progress

Source = str | Path


@dataclass(frozen=True, slots=True)
class Files:
    """Files of answers, opened.

    Attributes:
        model: the side in question.
        references: what it may be kin to.
        controls: strangers.
        reconstructed: the reference with the recovered recipe applied to it; None where there is none.
    """

    model: Answers
    references: tuple[Answers, ...]
    controls: tuple[Answers, ...] = ()
    reconstructed: Answers | None = None

    @property
    def roles(self) -> list[tuple[Answers, str]]:
        """Every model and its role, the one in question first."""
        extra = [] if self.reconstructed is None else [(self.reconstructed, "reconstructed")]
        references = [(each, "reference") for each in self.references]
        return [(self.model, "model"), *references, *extra, *((each, "control") for each in self.controls)]


def behaviour(
    model: Source,
    references: Source | Sequence[Source],
    *,
    controls: Sequence[Source] = (),
    gold: Source | None = None,
    reconstructed: Source | None = None,
    share: float = 0.2,
    power: float = 0.99,
    seed: int = 0,
    progress: Progress | None = None,
) -> Behaviour:
    """Whether two models' answers to the same items have more in common than strangers' have.

    Args:
        model: file of the model's answers, as `forebear.responses.reading.read_answers` takes it.
        references: one file or several; p-values are corrected for their number.
        controls: files of strangers' answers to the same items; ten or more allow a verdict.
        gold: file of right answers, where the others do not hold them.
        reconstructed: answers of the first reference with the recovered recipe applied to it, one more column.
        share: of answers copied, that the power is stated for, 0-1.
        power: share of draws, 0-1, for which the number of items is stated.
        seed: of every draw.
        progress: told what is being done and how far it is, 0-1.

    Returns:
        A pair for each reference, and the overlap of every two models.

    Raises:
        UsageError: an option out of range, no item in common, or contradicting right answers.
        ForebearError: a file is refused.
    """
    named = _named(references, share, power)
    asked = Asked(share, power, seed, len(named))
    told = progress or (lambda stage, fraction: None)
    files = opened(model, named, controls, gold, reconstructed)
    pairs = []
    for number, other in enumerate(files.references):
        told(f"{files.model.name} and {other.name}", number / (len(named) + 1))
        pairs.append(judged(side_by_side([files.model, other], files.controls), asked))
    roles, copy = files.roles, files.reconstructed
    golds = {each.id: each.gold for one, _ in roles for each in one.items.values() if each.gold is not None}
    return Behaviour(
        tool={"name": "forebear", "version": __version__},
        test="errors",
        models=[_model(each, role, golds) for each, role in roles],
        pairs=pairs,
        overlap=overlap_matrix([each for each, _ in roles]),
        reconstructed=None if copy is None else reconstructed_column(files.model, files.references[0], copy),
        published=published(),
        computation={
            "model": str(model),
            "references": [str(each) for each in named],
            "controls": [str(each) for each in controls],
            "gold": None if gold is None else str(gold),
            "reconstructed": None if reconstructed is None else str(reconstructed),
            "share": share,
            "power": power,
            "seed": seed,
        },
    )


def _named(references: Source | Sequence[Source], share: float, power: float) -> list[Source]:
    """The references as a list, once the request is one that can be carried out."""
    named = [references] if isinstance(references, str | Path) else list(references)
    if not named:
        remedy = "Name the file of another model's answers"
        raise UsageError("no reference was named", where="REFERENCE", remedy=remedy)
    if not 0 < share < 1 or not 0 < power < 1:
        raise UsageError("a share lies between 0 and 1", where="--share, --power", remedy="Write 0.2, 0.99")
    return named


def opened(
    model: Source,
    references: Sequence[Source],
    controls: Sequence[Source],
    gold: Source | None,
    reconstructed: Source | None,
) -> Files:
    """Read every file, and take answers for numbers where all are.

    Raises:
        ForebearError: a file is refused.
    """
    sources = [model, *references, *controls, *([] if reconstructed is None else [reconstructed])]
    names = distinct([Path(each) for each in sources])
    read = [read_answers(each, name=name, gold=gold) for each, name in zip(sources, names, strict=True)]
    numbered = as_numbers(read)
    extra = numbered.pop() if reconstructed is not None else None
    count = len(references)
    return Files(numbered[0], tuple(numbered[1 : count + 1]), tuple(numbered[count + 1 :]), extra)


def overlap_matrix(models: Sequence[Answers]) -> list[list[float | None]]:
    """Share of equal answers of every two models among the items both have; None where they have none."""
    found: list[list[float | None]] = [[None] * len(models) for _ in models]
    for row, one in enumerate(models):
        for column, other in enumerate(models[: row + 1]):
            common = [each for each in one.items if each in other.items]
            equal = sum(one.items[each].value == other.items[each].value for each in common)
            found[row][column] = found[column][row] = equal / len(common) if common else None
    return found


def _model(answers: Answers, role: str, golds: Mapping[str, Value]) -> BehavedModel:
    """One model's line; its errors are counted where anyone's file knows the right answer."""
    scored = [each for each in answers.items.values() if each.id in golds]
    return BehavedModel(
        name=answers.name,
        role=role,
        source=answers.source,
        form=answers.form,
        digest=answers.digest,
        items=len(answers.items),
        errors=sum(wrong_of(each.value, golds[each.id]) for each in scored) if scored else None,
        notes=list(answers.notes),
    )
