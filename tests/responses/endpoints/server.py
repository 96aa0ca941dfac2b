"""A server that speaks OpenAI's interface over real HTTP, counts what it is asked, and misbehaves as told."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any

PATIENCE = 60.0
"""Seconds after which a test that waits for a server is given up; nothing waits so long where all is well."""

Fault = Callable[["Handler"], None]


def said(text: str, seed: object = None) -> str:
    """What the model behind the server replies: a function of the prompt, and of the seed where one is given."""
    return f"reply {sha256(f'{seed} {text}'.encode()).hexdigest()[:8]} é"


class Server:
    """Answers on 127.0.0.1; see `serving`."""

    def __init__(self) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.always: Fault | None = None
        self.asked: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.at_once = self.most_at_once = 0
        self.changed = Condition()
        self.released = Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.owner = self  # type: ignore[attr-defined]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    prompt: str
    body: dict[str, Any]

    @property
    def owner(self) -> Server:
        owner: Server = self.server.owner  # type: ignore[attr-defined]
        return owner

    def do_POST(self) -> None:
        owner = self.owner
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.prompt = self.body["prompt"] if "prompt" in self.body else self.body["messages"][-1]["content"]
        with owner.changed:
            owner.requests.append((self.path, dict(self.headers), self.body))
            owner.asked[self.prompt] += 1
            owner.at_once += 1
            owner.most_at_once = max(owner.most_at_once, owner.at_once)
            faults = owner.faults.get(self.prompt, [])
            fault = faults.pop(0) if faults else owner.always
            owner.changed.notify_all()
        try:
            (fault or answer)(self)
        except OSError:
            self.close_connection = True  # the client went away
        finally:
            with owner.changed:
                owner.at_once -= 1
                owner.changed.notify_all()

    def reply(self, status: int, data: bytes, **headers: str) -> None:
        with self.owner.changed:  # not at once any more when the client can have read it
            self.owner.at_once -= 1
        try:
            self.send_response(status)
            for name, value in ({"Content_Type": "application/json"} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        finally:
            with self.owner.changed:
                self.owner.at_once += 1

    def log_message(self, format: str, *args: object) -> None:
        return


def right(handler: Handler, text: str | None = None) -> bytes:
    said_text = said(handler.prompt, handler.body.get("seed")) if text is None else text
    message = (
        {"text": said_text} if "prompt" in handler.body else {"message": {"role": "assistant", "content": said_text}}
    )
    usage = {"prompt_tokens": len(handler.prompt), "completion_tokens": 3}
    return json.dumps({"choices": [{"index": 0, "finish_reason": "stop", **message}], "usage": usage}).encode()


def answer(handler: Handler) -> None:
    handler.reply(200, right(handler))


def replying(text: str) -> Fault:
    return lambda handler: handler.reply(200, right(handler, text))


def refusing(
    status: int, message: str = "no", code: str | None = None, param: str | None = None, **headers: str
) -> Fault:
    data = json.dumps({"error": {"message": message, "code": code, "param": param}}).encode()
    return lambda handler: handler.reply(status, data, **headers)


def sending(data: bytes, **headers: str) -> Fault:
    return lambda handler: handler.reply(200, data, **headers)


def truncate_json(handler: Handler) -> None:
    handler.reply(200, right(handler)[:-20])


def disconnect_midway(handler: Handler) -> None:
    data = right(handler)
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])
    hang_up(handler)


def hang_up(handler: Handler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def stall(handler: Handler) -> None:
    handler.owner.released.wait(PATIENCE)
    handler.close_connection = True


def stall_midway(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": ')
    stall(handler)


def send_without_end(handler: Handler) -> None:
    """A body that goes on until the client has had enough."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(64):
        handler.wfile.write(b" " * 2**20)


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.http.shutdown()
        server.http.server_close()
        thread.join()
