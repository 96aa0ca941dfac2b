import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from forebear import __version__
from forebear.cli.app import app
from tests.cli.conftest import Command
from tests.models import ZOO

DOCUMENTED = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")


def options() -> Iterator[tuple[str, str, str | None]]:
    commands = dict(vars(typer.main.get_command(app))["commands"])
    groups = {name: vars(each)["commands"] for name, each in commands.items() if "commands" in vars(each)}
    inner = {f"{name} {below}": each for name, found in groups.items() for below, each in found.items()}
    for name, each in (commands | inner).items():
        for parameter in each.params:
            for option in parameter.opts:
                if option.startswith("-"):
                    yield name, option, parameter.help


def section(command: str) -> str:
    parts = DOCUMENTED.split(f"\n## forebear {command}\n")
    assert len(parts) == 2, f"docs/commands.md has no section on {command}"
    return parts[1].split("\n## ")[0]


@pytest.mark.parametrize(("command_name", "option", "help_text"), [*options()])
def test_every_command_and_option_is_documented(command_name: str, option: str, help_text: str | None) -> None:
    assert help_text
    assert f"`{option}" in section(command_name)


def test_every_command_prints_json() -> None:
    names = {name for name, _, _ in options()}
    assert names == {
        "ask",
        "behaviour",
        "compare",
        "inspect",
        "profile",
        "reconstruct",
        "replay",
        "schema",
        "demo",
        "cache info",
        "cache clear",
    }
    assert {name for name, option, _ in options() if option == "--json"} == names


def test_version_and_help(command: Command) -> None:
    assert command("--version").out == f"forebear {__version__}\n"
    assert "Commands:" in command("--help").out
    assert "Commands:" in command().out
    assert "clear" in command("cache").out


@pytest.mark.parametrize("name", ["comparison", "ranking", "inspect", "profile", "behaviour"])
def test_schemas_are_printed(command: Command, name: str) -> None:
    document = json.loads(command("schema", name).out)
    assert document["title"] == f"forebear {name}"
    assert "$defs" in document


def test_python_dash_m_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "forebear", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"forebear {__version__}\n"


def test_unprintable_names_cannot_disturb_the_terminal(command: Command) -> None:
    done = command("inspect", "no\nsuch\x1b[2Jfolder")
    assert done.code == 2
    assert done.err.count("\n") == 1
    assert "\x1b" not in done.err


def test_a_base_for_what_is_no_adapter_is_refused(command: Command) -> None:
    model = str(ZOO / "gated/g00")
    done = command("inspect", model, "--adapter-base", model)
    assert (done.code, done.out) == (2, "")
    assert f"--adapter-base: {model} is no PEFT adapter" in done.err
