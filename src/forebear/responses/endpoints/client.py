"""One reply of an endpoint: asked for again after faults that may pass, refused in one line after any other."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from typing import Any

import httpx2

from forebear import __version__
from forebear.checkpoint.sources.retry import GivenUpError, RetryPolicy, TransientError, keep_trying
from forebear.checkpoint.sources.transport import RETRIED, transient
from forebear.checkpoint.strict_json import quoted
from forebear.errors import CheckpointError, ForebearError, UsageError
from forebear.responses.endpoints.address import Address
from forebear.responses.endpoints.bodies import Fault, Form, read_fault, read_reply
from forebear.responses.endpoints.key import Key
from forebear.responses.endpoints.pace import Pace
from forebear.responses.prompts import Prompt
from forebear.responses.transcript import Reply, Settings

MAX_ANSWER = 8 * 2**20
MAX_FAULT = 64 * 2**10
MOST_FORMS = 6
"""Requests for one attempt while the endpoint names one field after another that it does not take."""
_PATHS = {"chat": "chat/completions", "completions": "completions"}
_BUSY = RETRIED | {520, 521, 522, 523, 524, 529}
"""The last six are what proxies and providers in front of a model say when it is overloaded or does not answer."""
_OUT_OF_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_ONE_PROMPT = frozenset({400, 413, 422})
_REMEDIES = {
    401: "Check the key and the variable it comes from, see --key-env",
    403: "Check what the key may be used for",
    404: "Check --base-url and the model's name",
}


class PromptRefusedError(UsageError):
    """An endpoint refused one request, for what is in it; others may be answered."""


class Client:
    """The way to one model behind an endpoint; used by several threads at once.

    Args:
        address: of the endpoint.
        model: as the endpoint calls it.
        key: sent to that address alone: no redirect is followed.
        policy: when to wait, try again and give up; ``stall`` is also the longest that one answer may take to arrive.
        pace: gives out turns.

    Attributes:
        told: called with each note for the transcript, from any thread.
    """

    def __init__(self, address: Address, model: str, key: Key, *, policy: RetryPolicy, pace: Pace) -> None:
        self._address, self._model, self._key = address, model, key
        self._policy, self._pace = policy, pace
        self.told: Callable[[str], None] = lambda _: None
        self._form = Form()
        self._lock = Lock()
        headers = {"User-Agent": f"forebear/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
        if key.secret is not None:
            headers["Authorization"] = f"Bearer {key.secret}"
        self._headers = headers
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._http = httpx2.Client(
            limits=limits,
            timeout=httpx2.Timeout(policy.stall, connect=policy.connect),
            follow_redirects=False,
            trust_env=not address.here,  # a proxy cannot reach this machine
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def reply(self, prompt: Prompt, sample: int, settings: Settings, stop: Event) -> Reply:
        """Ask until there is a reply.

        Raises:
            SourceUnreachableError: no answer in as many attempts as the policy has.
            PromptRefusedError: refused for what is in it.
            UsageError: refused whatever is asked: key, model, address, or no credit.
            GivenUpError: ``stop`` was set, or no turn is left.
        """

        def attempt(deadline: float) -> Reply:
            for _ in range(MOST_FORMS):
                form = self._form
                found = self._once(form, prompt, sample, settings, stop)
                if found is not None:
                    return found
            raise TransientError("refused in every form")

        return keep_trying(self._policy, attempt, 0, self._address.base, stop)

    def _once(self, form: Form, prompt: Prompt, sample: int, settings: Settings, stop: Event) -> Reply | None:
        """One request; None where its form was refused and there is another now."""
        sent = form.body(self._model, prompt, sample, settings)
        self._pace.turn(stop)
        status, headers, data = self._post(self._address.url(_PATHS[settings.kind]), sent, stop)
        encoding = headers.get("Content-Encoding", "").strip().lower().replace("identity", "")
        if status == 200 and encoding:
            raise TransientError(f"an answer in the encoding {quoted(encoding)}, which was not asked for")
        if status == 200:
            return self._read(data, prompt, sample)
        fault = Fault("") if encoding else read_fault(data)
        if status in (400, 422) and self._adapt(form, sent, fault):
            return None
        raise self._refusal(status, headers, fault)

    def _read(self, data: bytes, prompt: Prompt, sample: int) -> Reply:
        try:
            found = read_reply(data, prompt, sample)
        except CheckpointError as error:
            raise TransientError(f"an answer that cannot be read ({error.rule})") from None
        except ValueError as error:
            raise TransientError(self._said(str(error))) from None
        finish = None if found.finish is None else self._hidden(found.finish)
        text = self._hidden(found.text)
        if text != found.text:
            self.told("the key stood in a reply, and was taken out of it")
        return Reply(prompt.id, sample, text, finish, found.prompt_tokens, found.reply_tokens)

    def _adapt(self, form: Form, sent: dict[str, Any], fault: Fault) -> bool:
        """Ask in another form from now on, where the refusal names what was wrong with this one."""
        found = form.adapted(sent, fault.words, fault.field)
        if found is None:
            return False
        with self._lock:
            if self._form is form:  # else another thread has learned of it meanwhile
                self._form = found[0]
                self.told(found[1])
        return True

    def _refusal(self, status: int, headers: httpx2.Headers, fault: Fault) -> ForebearError | TransientError:
        if 300 <= status < 400:
            return self._redirected(headers.get("Location"))
        said = self._said(fault.words)
        rule = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        if fault.code in _OUT_OF_CREDIT:
            return UsageError(rule, where=self._address.base, remedy="Nothing is asked until the account has credit")
        if status in _BUSY or status < 300:
            asked = seconds_asked(headers.get("Retry-After"), time.time())
            if asked is not None:
                self._pace.hold(asked)
            return TransientError(rule, asked)
        kind = PromptRefusedError if status in _ONE_PROMPT else UsageError
        return kind(rule, where=self._address.base, remedy=_REMEDIES.get(status, "Check the model's name and settings"))

    def _redirected(self, location: str | None) -> UsageError:
        shown = self._said(location or "nowhere").partition("?")[0]
        return UsageError(
            f"redirects to {quoted(shown)}, and the key and the prompts go nowhere but here",
            where=self._address.base,
            remedy="Give that address with --base-url if you trust it",
        )

    def _hidden(self, text: str) -> str:
        return self._address.hidden(self._key.hidden(text))

    def _said(self, words: str) -> str:
        """A server's words in a short line without the key."""
        hidden = self._address.hidden(self._key.hidden_in_error(words)).rstrip(". ")
        return hidden if len(hidden) <= 200 else f"{hidden[:197]}..."

    def _post(self, url: str, body: dict[str, Any], stop: Event) -> tuple[int, httpx2.Headers, bytes]:
        content = json.dumps(body, allow_nan=False).encode("ascii")
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            with self._http.stream("POST", url, content=content, headers=headers) as response:
                return response.status_code, response.headers, self._body(response, stop)
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL, UnicodeError):
            # The library's words may quote a header, and so the key.
            raise UsageError(
                "a request to it cannot be written", where=self._address.base, remedy="Check --base-url and the key"
            ) from None
        except httpx2.TransportError as error:
            raise transient(error, self._address.base) from None

    def _body(self, response: httpx2.Response, stop: Event) -> bytes:
        """The whole body, bounded in bytes and in time."""
        end = time.monotonic() + self._policy.stall
        limit = MAX_ANSWER if response.status_code == 200 else MAX_FAULT
        got = bytearray()
        for chunk in response.iter_raw():
            got += chunk
            if stop.is_set():
                raise GivenUpError
            if len(got) > limit:
                if response.status_code != 200:
                    break
                raise TransientError(f"an answer of more than {limit >> 20} MiB")
            if time.monotonic() > end:
                raise TransientError("too slow")
        return bytes(got)


def seconds_asked(retry_after: str | None, now: float) -> float | None:
    """Seconds that a server asks to wait.

    Args:
        retry_after: its header: seconds, or a date.
        now: seconds since the epoch.

    Returns:
        0 or more; None where it asks nothing that can be understood.
    """
    text = (retry_after or "").strip()
    if not text or len(text) > 64:
        return None
    if text.replace(".", "", 1).isdigit() and text.isascii():
        return min(float(text), 1e9)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
