"""`interlock webhooks listen`: a receiver on this machine, which shows what webhooks bring.

Laws:
- What is shown as verified has a signature of a known secret, in both families of headers, and isn't over five minutes
  old. Anything else is refused with 401, and said to be.
- Nothing that came is an instruction to the terminal. A body of over 4 MiB is refused unread.
- However it ends, but by SIGKILL, the subscription that was made for it is deleted.
"""

from __future__ import annotations

import hmac
import json
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from interlock.cli.exits import ExitCode, Failure
from interlock.cli.http import ApiRefused
from interlock.cli.subscriptions import attempt_words, attempts_of, short_event, subscribe, tested, unsubscribe
from interlock.cli.target import Target
from interlock.cli.words import harmless, in_short
from interlock.webhooks.signing import key_of, new_secret

MAX_BODY_BYTES: Final = 4 * 1024 * 1024
LATE_SECONDS: Final = 300
"""How old, or how far ahead, the time of a signed request may be."""

FORWARD_SECONDS: Final = 25.0
"""How long the address to which everything is sent on may take: less than the server waits for this one."""

MAX_RUNS: Final = 10_000
"""Of how many runs the numbers are known."""

_ENDS: Final = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_FORWARDED: Final = ("content-type", "user-agent", "traceparent")
_FAMILIES: Final = ("x-interactor-", "x-interlock-", "webhook-")


def fault_of(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> str | None:
    """What keeps a request from being one of the server's, in a few words; None if it is one.

    Args:
        headers: by their names in lower case.
        now: in seconds since 1970.
    """
    at, delivery = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    if not (at.isascii() and at.isdigit()):
        return "it isn't signed"
    if abs(now - int(at)) > LATE_SECONDS:
        return "its signature is over five minutes old; compare the clocks of both machines"
    standard = hmac.digest(key_of(secret), f"{delivery}.{at}.".encode() + body, "sha256")
    given = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(each.encode(), b"v1," + b64encode(standard)) for each in given):
        return "its signature is another secret's"
    plain = hmac.digest(secret.encode(), f"{headers.get('x-interactor-timestamp')}.".encode() + body, "sha256")
    in_rotation = len(given) > 1  # then this one is the old secret's
    if not in_rotation and not hmac.compare_digest(
        headers.get("x-interactor-signature", "").encode(), f"sha256={plain.hex()}".encode()
    ):
        return "its header X-Interactor-Signature is another secret's"
    return None


@dataclass
class Numbers:
    """The sequence numbers of the runs that were told of last, to tell what is missing and what came again."""

    _last: dict[str, int] = field(default_factory=dict)

    def remark(self, run: str, number: int) -> str:
        """What there is to say of a number; nothing if it is the next one."""
        before = self._last.pop(run, None)
        self._last[run] = max(number, before or 0)
        if len(self._last) > MAX_RUNS:
            del self._last[next(iter(self._last))]
        if before is None or number == before + 1:
            return ""
        if number <= before:
            return "came again"
        return f"gap: {before + 1}" + (f" to {number - 1}" if number > before + 2 else "") + " didn't come"


class Listener:
    """One `listen` command.

    Args:
        forward: where everything is sent on to.
        as_json: prints bodies as they came.
    """

    def __init__(self, *, port: int, forward: str | None, as_json: bool, out: IO[str], err: IO[str]) -> None:
        self._port = port
        self._forward = forward
        self._as_json = as_json
        self._out = out
        self._err = err
        self._secret = ""
        self._numbers = Numbers()
        self._printing = threading.Lock()

    def run(
        self,
        target: Target | None,
        secret: str | None,
        *,
        address: str | None,
        events: Sequence[str] | None,
        given: Mapping[str, Any],
    ) -> ExitCode:
        """Receive until Ctrl-C or SIGTERM.

        Args:
            target: where to subscribe; None: only what `secret` signed is waited for.
            address: where the server reaches this.
        """
        over = threading.Event()
        for name in _ENDS:
            signal.signal(getattr(signal, name), lambda *_: over.set())
        with self._served() as served:
            at = address or f"http://127.0.0.1:{served.server_address[1]}/"
            self._secret = secret or new_secret()  # known before anything can come
            made = None if target is None else self._subscribed(target, at, events, given)
            try:
                self._tell(f"Listening at {at}{'' if made is None else f' for {made}'}. Ctrl-C ends it.")
                if target is not None and made is not None:
                    threading.Thread(target=self._try, args=(target, made), daemon=True).start()
                over.wait()
            finally:
                served.shutdown()
                if target is not None and made is not None:
                    self._unsubscribed(target, made)
        return ExitCode.COMPLETED

    def _served(self) -> ThreadingHTTPServer:
        try:
            served = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self._received))
        except OSError as error:
            words = f"Nothing can listen on port {self._port} ({error.strerror}); choose another with --port."
            raise Failure(words, ExitCode.ERROR) from None
        threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return served

    def _subscribed(self, target: Target, address: str, events: Sequence[str] | None, given: Mapping[str, Any]) -> str:
        try:
            made = subscribe(target, address, events, {**given, "secret": self._secret})
        except ApiRefused as refused:
            if refused.reason != "invalid_webhook":
                raise
            raise Failure(f"{refused} {_ALLOW}", ExitCode.UNREACHABLE) from None
        return str(made["id"])

    def _unsubscribed(self, target: Target, subscription: str) -> None:
        try:
            unsubscribe(target, subscription)
        except Failure as failure:
            again = f"interlock webhooks delete {subscription}"
            raise Failure(f"{subscription} isn't deleted: {failure} Later: {again}", failure.code) from None
        self._tell(f"{subscription} is deleted.")

    def _try(self, target: Target, subscription: str) -> None:
        """Find out whether the server reaches this at all."""
        try:
            delivery = tested(target, subscription)
        except Failure as failure:
            self._tell(str(failure))
            return
        tried = attempts_of(delivery)
        if delivery.get("status") == "delivered":
            return
        why = attempt_words(tried[-1]) if tried else "it hasn't tried yet"
        self._tell(f"The server didn't reach this ({why}). {_ALLOW}")

    def _received(self, headers: Mapping[str, str], body: bytes) -> int:
        """Show a request, send it on, and return the status to answer with."""
        fault = fault_of(headers, body, self._secret, time.time())
        if fault is not None:
            self._tell(f"Refused: {fault}.")
            return 401
        status = 200 if self._forward is None else self._sent_on(headers, body)
        self._show(headers, body)
        return status

    def _show(self, headers: Mapping[str, str], body: bytes) -> None:
        with self._printing:
            line = body.decode(errors="replace") if self._as_json else in_words(headers, body, self._numbers)
            print(harmless(line), file=self._out, flush=True)

    def _sent_on(self, headers: Mapping[str, str], body: bytes) -> int:
        """Send a request on; the status of the answer, which is the answer to the server."""
        kept = {name: value for name, value in headers.items() if name in _FORWARDED or name.startswith(_FAMILIES)}
        begun = time.monotonic()
        try:
            request = Request(str(self._forward), body, kept, method="POST")  # noqa: S310 - the user's own address
            with urlopen(request, timeout=FORWARD_SECONDS) as answer:  # noqa: S310 - as above
                status, words = int(answer.status), str(answer.status)
        except HTTPError as error:
            error.close()
            status, words = error.code, str(error.code)
        except (URLError, OSError, ValueError) as error:
            status, words = 502, f"no answer ({getattr(error, 'reason', error)})"
        self._tell(f"  sent on: {words} in {int((time.monotonic() - begun) * 1000)} ms")
        return status

    def _tell(self, sentence: str) -> None:
        with self._printing:
            print(harmless(sentence), file=self._err, flush=True)


_ALLOW: Final = (
    "Is this machine's own address to be reached, the server has to be started with"
    " INTERLOCK_WEBHOOK_ALLOW=127.0.0.1; or name an address that it reaches with --address."
)


def in_words(headers: Mapping[str, str], body: bytes, numbers: Numbers) -> str:
    """A delivery on one line."""
    payload = _object(body)
    data = payload.get("data")
    about: Mapping[str, Any] = data if isinstance(data, dict) else {}
    run = str(about.get("instance_id") or "")
    number = headers.get("x-interlock-sequence", "")
    parts = [
        time.strftime("%H:%M:%S"),
        short_event(payload),
        *(str(about[name]) for name in ("workflow_name", "instance_id") if about.get(name)),
        f"at {about['current_state']}" if about.get("current_state") else "",
        f"#{number}" if number and run else "",
        _more(about),
        "verified",
        _attempt(headers),
        numbers.remark(run, int(number)) if run and number.isascii() and number.isdigit() else "",
    ]
    return "  ".join(in_short(part, 160) for part in parts if part)


def _more(about: Mapping[str, Any]) -> str:
    """What else there is to know: what is asked, who resumed, why it failed."""
    shown = about.get("halting_presentation")
    title = shown.get("title") if isinstance(shown, dict) else None
    by, error = about.get("resumed_by"), about.get("error")
    found = [f"asks “{title}”" if title else "", f"by {by}" if by else "", in_short(error, 80) if error else ""]
    return ", ".join(filter(None, found))


def _attempt(headers: Mapping[str, str]) -> str:
    retry = headers.get("x-interactor-retry-count", "0")
    return "" if retry == "0" else f"attempt {int(retry) + 1}" if retry.isascii() and retry.isdigit() else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _handler(received: Callable[[Mapping[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 30

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY_BYTES:
                self._answer(413)
                return
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._answer(received(headers, self.rfile.read(int(length))))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is logged: what came is shown."""

    return Handler
