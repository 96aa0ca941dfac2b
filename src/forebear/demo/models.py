"""Where the tiny models of the demonstration lie: inside an installed package, or in the checkout beside it."""

from __future__ import annotations

from pathlib import Path

from forebear.errors import UsageError

COPIED = "gated/g00"
"""The model that is copied, renamed and noised."""

DISPUTED = "plain/p06"
"""A model trained apart from ``REFERENCE``, whose std curves run like the reference's: the closest of the 28 pairs
of strangers in its family, as a dispute would pick."""

REFERENCE = "plain/p01"
DESCENDANT = "plain/p01-continued"

_HERE = Path(__file__).resolve().parent
_HOMES = (_HERE / "models", _HERE.parents[2] / "tests" / "zoo")


def shipped(name: str) -> Path:
    """Folder of a shipped model.

    Args:
        name: family and name, as in the zoo's manifest.

    Raises:
        UsageError: it is neither in the package nor in a checkout.
    """
    for home in _HOMES:
        if (home / name / "config.json").is_file():
            return home / name
    raise UsageError(
        f"the demonstration's model {name!r} is not installed",
        remedy="Reinstall forebear, or run 'make zoo' in a checkout",
    )
