"""Forebear finds out which model a model descends from, and says so only as strongly as the evidence allows.

Names are loaded when first used, so that ``import forebear`` costs nothing.

Example:
    >>> import forebear
    >>> result = forebear.compare("path/to/model", "path/to/reference")  # doctest: +SKIP
    >>> result.verdict  # doctest: +SKIP
    'derived'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forebear.checkpoint import open_model as open
    from forebear.errors import (
        AnatomyError,
        CheckpointError,
        ForebearError,
        SourceUnreachableError,
        UsageError,
    )
    from forebear.verdict.behaviour.counts import behaviour_from_counts
    from forebear.verdict.behaviour.files import behaviour
    from forebear.verdict.behaviour.hearing import listen
    from forebear.verdict.compare import compare
    from forebear.verdict.profiling import profile
    from forebear.verdict.ranking import rank

__version__ = "0.1.0"

__all__ = [
    "AnatomyError",
    "CheckpointError",
    "ForebearError",
    "SourceUnreachableError",
    "UsageError",
    "__version__",
    "behaviour",
    "behaviour_from_counts",
    "compare",
    "listen",
    "open",
    "profile",
    "rank",
]

_HOMES = {
    "open": ("forebear.checkpoint", "open_model"),
    "compare": ("forebear.verdict.compare", "compare"),
    "behaviour": ("forebear.verdict.behaviour.files", "behaviour"),
    "behaviour_from_counts": ("forebear.verdict.behaviour.counts", "behaviour_from_counts"),
    "listen": ("forebear.verdict.behaviour.hearing", "listen"),
    "profile": ("forebear.verdict.profiling", "profile"),
    "rank": ("forebear.verdict.ranking", "rank"),
    "AnatomyError": ("forebear.errors", "AnatomyError"),
    "CheckpointError": ("forebear.errors", "CheckpointError"),
    "ForebearError": ("forebear.errors", "ForebearError"),
    "SourceUnreachableError": ("forebear.errors", "SourceUnreachableError"),
    "UsageError": ("forebear.errors", "UsageError"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'forebear' has no attribute {name!r}")
    from importlib import import_module  # loaded when first used

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
