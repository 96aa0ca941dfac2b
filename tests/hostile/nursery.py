"""Runs commands of Forebear on hostile files, each in a process of its own under limits.

The process that this file is run as has imported what the commands import and does nothing but fork: a child begins
with its limits set and nothing of any other case in it, without the half second that imports would cost each time. The
time that the imports took is counted into every case.

A request is a line of JSON on stdin, ``{"action": ..., "target": ...}``; the answer a line on stdout.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import IO
from unittest import mock

import forebear.checkpoint.adapters
import forebear.checkpoint.formats.gguf
import forebear.checkpoint.formats.torch
import forebear.checkpoint.quantisation
import forebear.cli.app
import forebear.cli.inspecting
from forebear.alignment.vocabulary import tokens_of
from forebear.checkpoint import digest, open_model
from forebear.errors import ForebearError
from forebear.report.plain import visible
from forebear.responses.reading import read_answers

MEMORY = 512 * 2**20
HARD_SECONDS = 10  # of CPU: only so that a hang ends; what is asserted is the time that was measured
HUNG_SECONDS = 60.0


def inspect(target: str) -> int:
    """``forebear inspect TARGET --json``."""
    return forebear.cli.run(["inspect", target, "--json"])


def read(target: str) -> int:
    """Open, digest and decode every tensor and read every document, with errors told as the command line tells them."""
    try:
        with open_model(target) as model:
            if model.tensors is not None:
                for name in model.tensors.names():
                    model.tensors.read(name)
                print(digest(model.tensors))
            for document in model.documents.files:
                document.data()
    except ForebearError as error:
        print(f"forebear: {visible(error.line())}", file=sys.stderr)
        return error.exit_code
    return 0


def profile(target: str) -> int:
    """``forebear profile TARGET --of bias-max --json``."""
    return forebear.cli.run(["profile", target, "--of", "bias-max", "--json"])


def papers(target: str) -> int:
    """``forebear compare TARGET/model TARGET/reference --only documents --json``."""
    return forebear.cli.run(["compare", f"{target}/model", f"{target}/reference", "--only", "documents", "--json"])


def tokens(target: str) -> int:
    """Read the token strings of a model that has a tokenizer."""
    with open_model(target) as model:
        print(tokens_of(model.documents))
    return 0


def answers(target: str) -> int:
    """Read a file of answers, with errors told as the command line tells them."""
    try:
        print(read_answers(target).digest)
    except ForebearError as error:
        print(f"forebear: {visible(error.line())}", file=sys.stderr)
        return error.exit_code
    return 0


def change(target: str) -> int:
    """As `read`, after every file was written to between opening and reading."""
    with open_model(target) as model:
        assert model.tensors is not None
        for file in model.tensors.files:
            with Path(file).open("r+b") as stream:
                stream.seek(-1, os.SEEK_END)
                stream.write(b"\x01")
            os.utime(file, ns=(1, 1))
        try:
            digest(model.tensors)
        except ForebearError as error:
            print(f"forebear: {visible(error.line())}", file=sys.stderr)
            return error.exit_code
    return 0


ACTIONS: dict[str, Callable[[str], int]] = {
    "answers": answers,
    "inspect": inspect,
    "papers": papers,
    "profile": profile,
    "read": read,
    "tokens": tokens,
    "change": change,
}


def told(error: ForebearError) -> dict[str, str | None]:
    """What an error says, part by part."""
    return {
        "type": type(error).__name__,
        "where": error.where,
        "field": error.field,
        "rule": error.rule,
        "remedy": error.remedy,
    }


def child(request: dict[str, str], streams: tuple[IO[bytes], IO[bytes], IO[bytes]]) -> int:
    """Set the limits, run the command, leave what was said and how much memory it took."""
    out, err, about = streams
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    last: list[dict[str, str | None]] = []
    plain = ForebearError.line

    def line(error: ForebearError) -> str:
        last[:] = [told(error)]
        return plain(error)

    mock.patch.object(ForebearError, "line", line).start()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (HARD_SECONDS, HARD_SECONDS))
    code = ACTIONS[request["action"]](request["target"])
    sys.stdout.flush()
    sys.stderr.flush()
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    peak = int(status["VmPeak"].split()[0]) * 1024
    about.write(json.dumps({"error": last[0] if last else None, "peak": peak}).encode())
    about.flush()
    return code


def run(request: dict[str, str], imports: float) -> dict[str, object]:
    """Run one case in a child and tell how it went; ``imports`` are the seconds spent before."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as about:
        pid = os.fork()
        if not pid:
            code = 1
            try:
                code = child(request, (out, err, about))
            finally:
                if (raised := sys.exception()) is not None:
                    traceback.print_exception(raised)
                os._exit(code)
        ready, _, _ = select.select([os.pidfd_open(pid)], [], [], HUNG_SECONDS)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        texts = []
        for stream in (out, err, about):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
    return {
        "code": os.waitstatus_to_exitcode(status),
        "out": texts[0],
        "err": texts[1],
        "seconds": imports + usage.ru_utime + usage.ru_stime,
        **(json.loads(texts[2]) if texts[2] else {"error": None, "peak": None}),
    }


def warm() -> None:
    """Run once what imports only when it is used."""
    import_module("forebear.checkpoint.formats.safetensors")
    for finder in ("qweight", "bitsandbytes", "compressed", "fp8", "fp4", "mlx"):
        import_module(f"forebear.checkpoint.quantisation.{finder}")
    with tempfile.TemporaryDirectory() as folder, mock.patch("sys.stderr"):
        inspect(f"{folder}/absent")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Answer requests until stdin ends."""
    warm()
    imports = time.process_time()
    for row in sys.stdin:
        answer = json.dumps(run(json.loads(row), imports))
        print(answer, flush=True)


if __name__ == "__main__":
    main()
