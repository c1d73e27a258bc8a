"""Requests to the server's HTTP API below `/api/v1`.

Laws:
- An answer is `{"data": …}` or `{"error": {code, message, details, request_id}}`. The first is returned, the second
  raised as an `ActionRefused`.
- A request that got no answer may have been carried out. It is sent again only if doing so changes nothing: it reads,
  or it carries an idempotency key, which stays the same on every try.
- A token that was refused is renewed once, if it can be.
- Each request has a daemon thread of its own: one that waits for half a minute holds up neither the loop's own threads
  nor the end of the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException
from typing import Any, Final, Protocol, TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from interlock_client.backoff import Backoff
from interlock_client.errors import ActionRefused, ClientError, RequestFailed, refusal_of
from interlock_protocol.errors import ProtocolMisuse
from interlock_protocol.types import JsonValue

_T = TypeVar("_T")

PREFIX: Final = "/api/v1"

TRIES: Final = 4
"""How often a request is sent at most."""

SECONDS: Final = 45.0
"""How long an answer may take, in seconds; 30 of them the server itself may wait for a machine."""

LONGEST_PAUSE: Final = 10.0
"""The longest `Retry-After`, in seconds, that is waited for; the caller is told of a longer one."""

_GATEWAY: Final = frozenset({502, 503, 504})
"""What a proxy says while its server is away, and a server that can't do it now."""


class Tokens(Protocol):
    """Where requests get their token: the link."""

    async def token(self, *, fresh: bool = False) -> str | None:
        """The token in use; None if there is none. `fresh`: a new one, because the server refused that one."""


class Upload(Protocol):
    """A body that is sent as it is read, on each try from its start."""

    @property
    def headers(self) -> Mapping[str, str]:
        """`Content-Type` and `Content-Length`."""

    def pieces(self) -> Iterator[bytes]:
        """The body."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        path: below `prefix`; made by `path()`.
        query: parameters; those that are None are left out.
        key: its idempotency key, if the route takes one.
        repeatable: sending it again changes nothing, even if the first try was carried out.
        wait: how long the server may wait for the machine to halt or end, in seconds; None leaves that to the server.
        upload: the body, instead of one in JSON.
    """

    method: str
    path: str
    query: Mapping[str, str | int | None] = field(default_factory=dict)
    body: JsonValue = None
    key: str | None = None
    repeatable: bool = False
    wait: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    upload: Upload | None = None
    prefix: str = PREFIX

    @property
    def is_repeatable(self) -> bool:
        return self.repeatable or self.method == "GET" or self.key is not None


def path(*parts: str) -> str:
    """A path of these parts, each of them quoted."""
    if not all(parts) or {".", ".."} & set(parts):
        raise ProtocolMisuse("a name or an id of the path is empty; pass the one that the server gave")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


class Rest:
    """The HTTP API of one server.

    Args:
        base: `http(s)://HOST[:PORT][/PREFIX]`.
    """

    def __init__(
        self,
        base: str,
        tokens: Tokens,
        *,
        headers: Mapping[str, str] | None = None,
        ssl: ssl.SSLContext | None = None,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        self._base = base
        self._tokens = tokens
        self._headers = dict(headers or {})
        self._ssl = ssl
        self._opener: OpenerDirector | None = None
        self._backoff = backoff

    async def send(self, call: Call) -> Any:
        """The `data` of the answer.

        Raises:
            ActionRefused: the server refuses; nothing was changed, unless its code says so (a machine that failed).
            RequestFailed: there was no answer, or not one of this API.
        """
        return await self._read(call, _data)

    async def fetch(self, call: Call) -> bytes:
        """The content that the answer is; raises as `send`."""
        return await self._read(call, _content)

    async def _read(self, call: Call, read: Callable[[_Answer], _T]) -> _T:
        backoff, renewed = self._backoff(), False
        token = await self._tokens.token()
        for tried in range(1, TRIES + 1):
            try:
                return read(await self._try(call, token))
            except ActionRefused as refused:
                if refused.status == 401 and not renewed and (fresh := await self._renewed(token)) is not None:
                    token, renewed = fresh, True
                    continue
                error: ClientError = refused
                pause = refused.retry_after if refused.status == 429 else None
                again = pause is not None and pause <= LONGEST_PAUSE
            except _Unanswered as unanswered:
                error, pause = RequestFailed(str(unanswered)), unanswered.retry_after
                again = unanswered.is_undone or call.is_repeatable
            if not again or tried == TRIES:
                raise error
            await asyncio.sleep(min(max(pause or 0.0, backoff.delay()), LONGEST_PAUSE))
        raise AssertionError("every try returns or raises")

    async def _renewed(self, refused: str | None) -> str | None:
        """Another token than the one that was refused; None if there is no other."""
        fresh = await self._tokens.token(fresh=True)
        return None if fresh == refused else fresh

    async def _try(self, call: Call, token: str | None) -> _Answer:
        request = self._request(call, token)
        seconds = SECONDS if call.wait is None else call.wait + SECONDS
        return await _in_thread(lambda: self._exchange(request, seconds))

    def _request(self, call: Call, token: str | None) -> Request:
        asked = urlencode({name: value for name, value in call.query.items() if value is not None})
        headers = {**self._headers, "Accept": "application/json", **call.headers}
        body: bytes | Iterator[bytes] | None = None
        if call.upload is not None:
            body = call.upload.pieces()
            headers.update(call.upload.headers)
        elif call.method in ("POST", "PUT", "PATCH"):
            body = _written(call.body)
            headers["Content-Type"] = "application/json"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if call.key is not None:
            headers["Idempotency-Key"] = call.key
        if call.wait is not None:
            headers["Prefer"] = f"wait={math.ceil(call.wait)}"
        url = f"{self._base}{call.prefix}{call.path}{'?' if asked else ''}{asked}"
        return Request(url, data=body, headers=headers, method=call.method)  # noqa: S310 - `http_url` made its scheme

    def _exchange(self, request: Request, seconds: float) -> _Answer:
        """Sends the request and reads the answer, in a thread.

        Raises:
            _Unanswered: there was none.
        """
        if self._opener is None:
            self._opener = build_opener(_NoRedirect, HTTPSHandler(context=self._ssl))
        what = f"{request.get_method()} {request.full_url.partition('?')[0]}"
        try:
            with self._opener.open(request, timeout=seconds) as response:
                return _Answer(what, response.status, response.headers, response.read())
        except HTTPError as error:
            with error:
                return _Answer(what, error.code, error.headers, _rest(error))
        except (OSError, HTTPException) as error:
            reason = error.reason if isinstance(error, URLError) else error
            raise _Unanswered(what, reason, is_undone=isinstance(reason, ConnectionRefusedError)) from None


@dataclass(frozen=True)
class _Answer:
    """An answer, as it came."""

    what: str
    status: int
    headers: Message
    body: bytes


class _Unanswered(Exception):  # noqa: N818 - what happened
    """Nobody knows whether the request was carried out; `is_undone`: it certainly wasn't."""

    def __init__(self, what: str, reason: object, *, is_undone: bool = False, retry_after: float | None = None) -> None:
        super().__init__(f"No answer to {what}: {_words(reason)}.")
        self.is_undone = is_undone
        self.retry_after = retry_after


class _NoRedirect(HTTPRedirectHandler):
    """The token goes to no other address than the one that the program named."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _data(answer: _Answer) -> Any:
    """What an answer gives.

    Raises:
        ActionRefused: the server refuses.
        RequestFailed: it isn't an answer of this API.
        _Unanswered: a proxy answered in the place of the server, or the server can't answer now.
    """
    found = _parsed(answer.body)
    if isinstance(error := found.get("error"), dict):
        refused = refusal_of(error, status=answer.status, retry_after=_seconds(answer.headers.get("Retry-After")))
        if answer.status not in _GATEWAY:
            raise refused
        raise _Unanswered(answer.what, refused.message.rstrip("."), retry_after=refused.retry_after)
    if answer.status in _GATEWAY:
        raise _Unanswered(answer.what, f"HTTP status {answer.status}")
    if answer.status == 204:
        return None
    if answer.status >= 300 or "data" not in found:
        raise RequestFailed(
            f"{answer.what} was answered with HTTP status {answer.status}, and not by Interlock's HTTP API; check the"
            f" address, and whether the server has that API."
        )
    return found["data"]


def _content(answer: _Answer) -> bytes:
    """The content that an answer is; raises as `_data`."""
    if answer.status == 200:
        return answer.body
    _data(answer)
    raise RequestFailed(f"{answer.what} was answered with HTTP status {answer.status}, and without content.")


def _parsed(body: bytes) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        if isinstance(found := json.loads(body), dict):
            return found
    return {}


def _written(body: JsonValue) -> bytes:
    try:
        return json.dumps({} if body is None else body, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolMisuse(f"it can't be written as JSON: {error}") from None


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds; its form with a date isn't used by this API."""
    return float(value) if value is not None and value.strip().isdigit() else None


def _rest(error: HTTPError) -> bytes:
    try:
        return error.read()
    except (OSError, HTTPException):
        return b""


def _words(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "it took too long"
    return (getattr(reason, "strerror", None) or str(reason) or type(reason).__name__).rstrip(".")


async def _in_thread(work: Callable[[], _T]) -> _T:
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def settle(give: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if done.done() else give())

    def run() -> None:
        try:
            value = work()
        except Exception as error:
            failed = error
            settle(lambda: done.set_exception(failed))
        else:
            settle(lambda: done.set_result(value))

    threading.Thread(target=run, name="interlock-http", daemon=True).start()
    return await done
