"""The one root of every error a user can cause, so that callers catch one type and read one line.

An error says where (file, and the offset or field in it), which rule was broken and what to do about it.
"""

from __future__ import annotations

from pathlib import Path


class ForebearError(Exception):
    """Refused input or request.

    Args:
        rule: what was required and what was found instead.
        where: file, tensor or option at fault; None where there is none.
        field: field, key or byte offset inside ``where``; None where the whole is meant.
        remedy: what the user can do; None where nothing helps.
    """

    exit_code = 2

    def __init__(
        self,
        rule: str,
        *,
        where: str | Path | None = None,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.rule = rule
        self.where = None if where is None else str(where)
        self.field = field
        self.remedy = remedy
        super().__init__(self.line())

    def line(self) -> str:
        """The whole error in one line."""
        place = ": ".join(part for part in (self.where, self.field) if part)
        text = f"{place}: {self.rule}" if place else self.rule
        return f"{text}. {self.remedy}" if self.remedy else text


class CheckpointError(ForebearError):
    """A checkpoint, index or header breaks a rule of its format."""


class AnatomyError(ForebearError):
    """A family table or a part asked for does not exist or contradicts itself."""


class UsageError(ForebearError):
    """A request that cannot be carried out as stated."""


class SourceUnreachableError(ForebearError):
    """The place a model should come from did not answer."""

    exit_code = 4
