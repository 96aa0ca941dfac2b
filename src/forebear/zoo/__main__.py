"""``python -m forebear.zoo``: build the zoo, list it, make the text anew, disguise a model, or let models answer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from forebear.errors import ForebearError, UsageError
from forebear.zoo import corpus, disguise, manifest
from forebear.zoo.recipes import RECIPES, with_ancestors

_REMEDY = "Install them with `pip install 'forebear[zoo]'`."


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        further = _FURTHER.get(given[0]) if given else None
        return further(given[1:]) if further else _run(given)
    except ForebearError as error:
        print(error.line(), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    more = "Further commands change a model in a known way and let models answer items: disguise --help, answers --help"
    parser = argparse.ArgumentParser(prog="python -m forebear.zoo", description=__doc__, epilog=more)
    parser.add_argument("command", choices=("build", "list", "corpus"))
    parser.add_argument("models", nargs="*", metavar="MODEL", help="build these alone, as family/name, with ancestors")
    parser.add_argument("--zoo", type=Path, default=Path("tests/zoo"), help="folder of the zoo (default: tests/zoo)")
    parser.add_argument("--workers", type=int, default=2, help="models trained at a time (default: 2)")
    options = parser.parse_intermixed_args(arguments)
    {"build": _build, "list": _list, "corpus": _corpus}[options.command](options)
    return 0


def _build(options: argparse.Namespace) -> None:
    try:
        from forebear.zoo.build import build  # noqa: PLC0415 - the list needs no torch
    except ModuleNotFoundError as error:
        raise UsageError(f"the zoo's libraries are missing ({error.name})", remedy=_REMEDY) from None
    wanted = with_ancestors(options.models) if options.models else RECIPES
    done = build(options.zoo, options.workers, wanted)
    print(f"{len(done)} built, {len(wanted) - len(done)} were up to date.")


def _answers(arguments: list[str]) -> int:
    try:
        from forebear.zoo.answering import main as answer  # noqa: PLC0415 - the list needs no torch
    except ModuleNotFoundError as error:
        raise UsageError(f"the zoo's libraries are missing ({error.name})", remedy=_REMEDY) from None
    return answer(arguments)


def _list(options: argparse.Namespace) -> None:
    entries = manifest.load_all(options.zoo)
    print(
        f"{'model':34} {'kind':22} {'from':22} {'start':>5} {'data':>4} "
        f"{'order':>5} {'steps':>5} {'rate':>7} {'loss':>6}"
    )
    for recipe in sorted(RECIPES, key=lambda item: item.path):
        start = "" if recipe.start_seed is None else str(recipe.start_seed)
        loss = f"{entries[recipe.path]['final_loss']:.3f}" if recipe.path in entries else "-"
        print(
            f"{recipe.path:34} {recipe.kind:22} {recipe.parent or '':22} {start:>5} {recipe.data:>4} "
            f"{recipe.order_seed:>5} {recipe.steps:>5} {recipe.rate:>7} {loss:>6}"
        )


def _corpus(options: argparse.Namespace) -> None:
    for part, size in corpus.bundle().items():
        print(f"part {part}: {size} bytes compressed")


_FURTHER: dict[str, Callable[[list[str]], int]] = {"disguise": disguise.main, "answers": _answers}


if __name__ == "__main__":
    sys.exit(main())
