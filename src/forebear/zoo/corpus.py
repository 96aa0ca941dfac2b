"""The text the zoo learns from, bundled so that every machine trains on the same bytes.

Three parts of the Python standard library: A, single-file modules; B, the language reference and the windowed packages;
C, packages around networks and tests. Different enough that training on B after A moves a model, alike enough that one
tokenizer serves all.
"""

from __future__ import annotations

import ast
import hashlib
import lzma
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from forebear.errors import UsageError

PARTS = ("A", "B", "C")
PART_BYTES = 1_800_000
"""Most bytes of text in one part."""

_DATA = Path(__file__).parent / "data"
_PACKAGES = ("asyncio", "concurrent", "email", "http", "importlib", "json", "logging", "multiprocessing", "unittest")
_WINDOWED = ("tkinter", "idlelib", "turtledemo")


def text(part: str) -> str:
    """One part of the bundled text.

    Args:
        part: ``"A"``, ``"B"`` or ``"C"``.

    Returns:
        The text, at most ``PART_BYTES`` bytes of UTF-8.

    Raises:
        UsageError: no such part, or the bundle lacks it.
    """
    path = _path(part)
    if not path.is_file():
        raise UsageError("the bundled text is missing", where=path, remedy="Run `python -m forebear.zoo corpus`.")
    return lzma.decompress(path.read_bytes()).decode("utf-8")


def digest() -> str:
    """sha256 over the three parts, in order; it names the text a model was trained on."""
    seen = hashlib.sha256()
    for part in PARTS:
        seen.update(hashlib.sha256(text(part).encode("utf-8")).digest())
    return seen.hexdigest()


def bundle(library: Path | None = None, folder: Path | None = None) -> dict[str, int]:
    """Makes the three compressed parts from a standard library.

    Args:
        library: folder of the standard library; that of the running Python when None. Another version of Python gives
            other text, hence another ``digest``.
        folder: where the parts go; the package's own data folder when None.

    Returns:
        Compressed size of each part in bytes.
    """
    source = Path(sysconfig.get_paths()["stdlib"]) if library is None else library
    if not (source / "pydoc_data" / "topics.py").is_file():
        raise UsageError("not a standard library: pydoc_data/topics.py is missing", where=source)
    makers = {"A": _modules, "B": _reference, "C": _packages}
    sizes = {}
    for part in PARTS:
        target = _path(part, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        packed = lzma.compress(_capped(makers[part](source)), preset=9 | lzma.PRESET_EXTREME)
        aside = target.with_name(target.name + ".part")
        aside.write_bytes(packed)
        aside.replace(target)
        sizes[part] = len(packed)
    return sizes


def _path(part: str, folder: Path | None = None) -> Path:
    if part not in PARTS:
        raise UsageError(f"no part {part!r} of the text", remedy=f"The parts are {', '.join(PARTS)}.")
    return (_DATA if folder is None else folder) / f"part_{part.lower()}.txt.xz"


def _capped(pieces: Iterator[str]) -> bytes:
    """Pieces joined until the cap, cut at the last whole line."""
    whole = "\n".join(pieces).encode("utf-8")[:PART_BYTES]
    return whole[: whole.rfind(b"\n") + 1]


def _sources(files: Iterator[Path]) -> Iterator[str]:
    for path in sorted(files):
        content = path.read_text(encoding="utf-8")
        if content.isascii():
            yield content


def _modules(library: Path) -> Iterator[str]:
    # Build-time configuration differs from one installation to the next, so it stays out.
    return _sources(path for path in library.glob("*.py") if not path.name.startswith("_sysconfigdata"))


def _packages(library: Path) -> Iterator[str]:
    for name in _PACKAGES:
        yield from _sources((library / name).rglob("*.py"))


def _reference(library: Path) -> Iterator[str]:
    topics = ast.parse((library / "pydoc_data" / "topics.py").read_text(encoding="utf-8"))
    for node in ast.walk(topics):
        if isinstance(node, ast.Dict):
            texts = [ast.literal_eval(item) for item in node.values]
            yield from (text for text in texts if text.isascii())
    for name in _WINDOWED:
        yield from _sources((library / name).rglob("*.py"))
