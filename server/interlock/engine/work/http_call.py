"""Makes the HTTP requests of workflows.

Laws:
- A call is one try; whoever called decides whether there is another. An answer below 400 is a result. Everything else
  is a `LogicError`, which says whether another try may help, and how long to wait for it.
- Secrets are inserted at the moment of sending, and only where their fences let them: for these workflows, to these
  hosts. None stands in an error, or goes to another origin by a redirect.
- There is one time limit for everything together, and one size for answers, however they are compressed.
- Only the guarded transport is used.

Source: `docs/settings.md`, "What HTTP calls may reach".
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, unquote, urlencode

import httpx

from interlock.addresses import Allowed
from interlock.engine.work.http_answer import Unreadable, body_of, content_of, is_json, retry_after
from interlock.engine.work.integrations import Authority
from interlock.outgoing.guarded import DEFAULT_PORTS, Forbidden, GuardedTransport, request_to, send
from interlock.secrets.encodings import revealing
from interlock.secrets.fence import Secret
from interlock.secrets.port import struck
from interlock.telemetry.counters import Counters
from interlock.workflow.activities import HttpCall, LogicError, Returned, expand, host_part, paths_in
from interlock_protocol.limits import KIB, MAX_QUOTED, MIB
from interlock_protocol.types import JsonValue
from interlock_protocol.values import NotWire, encoded

MAX_REQUEST_BYTES: Final = 2 * MIB
"""The largest request, with all that templates insert."""

MAX_URL: Final = 8 * KIB
MAX_HEADERS: Final = 32 * KIB

METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_WITH_KEY: Final = frozenset({"PATCH", "POST", "PUT"})

_FIELD_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OF_CONNECTION: Final = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te"}
    | {"trailer", "transfer-encoding", "upgrade"}
)
"""Headers that say how a request is sent, which isn't the workflow's to decide."""

_ROOT: Final = "secrets"

NOT_ALLOWED: Final = "secret_not_allowed"
"""The code of a failure where a secret would go where its fence doesn't let it."""


class HttpCalls:
    """Makes the HTTP requests of a server's workflows. Call `aclose` at the end.

    Args:
        allowed: the inner hosts that may be reached (`INTERLOCK_HTTP_ALLOW`).
        counters: count the calls.
        transport: sends the requests; a guarded one by default.
        clock: returns the seconds since 1970.
    """

    def __init__(
        self,
        allowed: Iterable[str] = (),
        *,
        counters: Counters | None = None,
        transport: GuardedTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport or GuardedTransport(Allowed(allowed))
        self._counters = counters or Counters()
        self._clock = clock

    async def run(
        self,
        call: HttpCall,
        secrets: Mapping[str, Secret],
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        authority: Authority | None = None,
    ) -> Returned:
        """Make a request, and return its answer: `status`, `headers`, `body`.

        Args:
            secrets: the values for `${secrets.X}`.
            headers: sent unless the call has its own: `traceparent`, `X-Request-Id`.
            authority: what it is given for its integration.

        Raises:
            LogicError: `http_error`, `http_timeout`, `secret_not_allowed`, or `data_too_large` for a request that is.
        """
        used: Mapping[str, Secret] = {}
        hidden = frozenset[str]() if authority is None else revealing(authority.secrets)
        try:
            used = _used(call, secrets)
            hidden |= revealing(each.value or "" for each in used.values())
            value = await self._answer(_outgoing(call, used, headers, authority), call.time_limit)
        except LogicError as error:
            raise LogicError(
                error.code,
                str(struck(str(error), hidden)),
                may_retry=error.may_retry,
                retry_after=error.retry_after,
            ) from None
        return Returned(value, secrets=hidden)

    async def aclose(self) -> None:
        """Close the connections that are open."""
        await self._transport.aclose()

    async def _answer(self, outgoing: _Outgoing, time_limit: float) -> JsonValue:
        began, outcome = time.perf_counter(), "ok"
        try:
            async with asyncio.timeout(time_limit):
                return await self._exchange(outgoing)
        except TimeoutError:
            outcome = "http_timeout"
            raise LogicError(
                outcome, f"{outgoing.where}: it took longer than {time_limit:g} s in all", may_retry=True
            ) from None
        except LogicError as error:
            outcome = error.code
            raise
        except asyncio.CancelledError:
            outcome = ""
            raise
        finally:
            if outcome:
                self._counters.called(outcome, time.perf_counter() - began)

    async def _exchange(self, outgoing: _Outgoing) -> JsonValue:
        try:
            answer = await send(
                self._transport,
                outgoing.request,
                private=outgoing.private,
                is_content_private=outgoing.is_content_private,
                is_home=outgoing.is_home,
            )
            try:
                self._check_status(outgoing, answer)
                content = await content_of(answer)
            finally:
                await answer.aclose()
        except Unreadable as error:
            raise outgoing.failed(f"the host's answer {error}", answer.request) from None
        except (Forbidden, httpx.TooManyRedirects, httpx.LocalProtocolError) as error:
            raise outgoing.failed(str(error), error.request) from None
        except httpx.RequestError as error:
            raise outgoing.failed(str(error), error.request, may_retry=True) from None
        return {
            "status": answer.status_code,
            "headers": {name.lower(): value for name, value in answer.headers.items()},
            "body": body_of(content, answer.headers.get("content-type", "")),
        }

    def _check_status(self, outgoing: _Outgoing, answer: httpx.Response) -> None:
        status = answer.status_code
        if status < 400:
            return
        raise outgoing.failed(
            f"the host answered with {status} {httpx.codes.get_reason_phrase(status)}".rstrip(),
            answer.request,
            may_retry=status == 429 or 500 <= status < 600,
            retry_after=retry_after(answer.headers.get("retry-after"), self._clock()),
        )


@dataclass(frozen=True, slots=True)
class _Outgoing:
    """A request to be sent, and what of it is for its first origin only.

    Attributes:
        private: the headers, in lower case, into which secrets were inserted.
        is_content_private: True if secrets were inserted into the content.
        is_host_secret: True if they were inserted into the address up to its host.
        base_url: the integration's, above which it has no credential; None without one.
    """

    request: httpx.Request
    private: frozenset[str]
    is_content_private: bool
    is_host_secret: bool
    base_url: str | None = None

    def is_home(self, url: httpx.URL) -> bool:
        """Return True if the address is one that the request is for, as long as its origin is."""
        return self.base_url is None or _is_below(url, self.base_url)

    @property
    def where(self) -> str:
        """The request, in an error."""
        host = "a secret host" if self.is_host_secret else _host(self.request)
        return f"{self.request.method} {host}"

    def failed(
        self, what: str, last: httpx.Request, *, may_retry: bool = False, retry_after: float | None = None
    ) -> LogicError:
        """Return the error of this request, or of the `last` to which it was redirected."""
        where = self.where
        if not self.is_host_secret and _host(last) != _host(self.request):
            where += f", redirected to {_host(last)}"
        return LogicError("http_error", f"{where}: {what}", may_retry=may_retry, retry_after=retry_after)


def _host(request: httpx.Request) -> str:
    return request.url.netloc.decode("ascii", "replace")


def _refused(what: str, code: str = "http_error") -> LogicError:
    return LogicError(code, f"the HTTP request can't be sent: {what}")


def names_in(call: HttpCall) -> frozenset[str]:
    """Return the names of the secrets that a call uses."""
    return frozenset(_secrets_in([call.url, dict(call.headers), call.body]))


def _used(call: HttpCall, secrets: Mapping[str, Secret]) -> Mapping[str, Secret]:
    """Return the secrets that a call names, by their names.

    Raises:
        LogicError: one of them doesn't exist, can't be opened, or isn't for this workflow.
    """
    names = sorted(names_in(call))
    for name in names:
        shown = repr(name[:MAX_QUOTED])
        if name not in secrets:
            raise _refused(f"there is no secret {shown} for this account")
        if secrets[name].value is None:
            raise _refused(f"the secret {shown} can't be opened with the keys of this server; set it again")
        if not secrets[name].fence.lets_use(call.asker.workflow_id):
            raise _refused(f"the secret {shown} isn't for the workflow {call.asker.workflow_id!r}", NOT_ALLOWED)
    return {name: secrets[name] for name in names}


def _check_fences(call: HttpCall, used: Mapping[str, Secret], request: httpx.Request, where: str) -> None:
    """Check that the secrets of a request may go to its host.

    Raises:
        LogicError: one of them may not.
    """
    port = request.url.port or DEFAULT_PORTS[request.url.scheme]
    is_elsewhere = call.is_host_data or call.url.startswith("/")  # below an integration's address
    of_host = set(_secrets_in(host_part(call.url)))
    for name, secret in used.items():
        is_chosen = is_elsewhere or bool(of_host - {name})
        if not secret.fence.lets_go_to(request.url.scheme, request.url.host, port, is_chosen=is_chosen):
            more = ", which the workflow doesn't write itself: name it in the secret's hosts" if is_chosen else ""
            raise LogicError(NOT_ALLOWED, f"{where}: the secret {name!r} may not go to this host{more}")


def _secrets_in(value: JsonValue) -> Iterator[str]:
    for path in paths_in(value):
        root, _, name = path.partition(".")
        if root == _ROOT:
            yield name


def _outgoing(
    call: HttpCall, used: Mapping[str, Secret], headers: Mapping[str, str], authority: Authority | None
) -> _Outgoing:
    """Return the request of a call, with its secrets.

    Raises:
        LogicError: it can't be sent.
    """
    roots: dict[str, JsonValue] = {_ROOT: {name: each.value for name, each in used.items()}}
    _check_size(call, roots)
    method = call.method.upper()
    if method not in METHODS:
        raise _refused(f"its method is one of {', '.join(sorted(METHODS))}")
    fields = _fields(call, roots)
    body = expand(call.body, roots)
    content = None if body is None else _content(body, fields)
    _complete(fields, method, call.idempotency_key, headers)
    private = {name.lower() for name, text in call.headers.items() if any(_secrets_in(text))}
    url = _url(call.url, roots)
    if authority is not None:
        url = _authorized(url, fields, authority)
        private.update(name.lower() for name in authority.headers)
    try:
        request = request_to(method, url, fields.values(), content)
    except Forbidden as error:
        raise _refused(str(error)) from None
    if authority is not None and not _is_below(request.url, authority.base_url):
        raise LogicError(
            NOT_ALLOWED,
            f"the HTTP request can't be sent: the integration {call.integration!r} is for {authority.base_url} only",
        )
    outgoing = _Outgoing(
        request,
        private=frozenset(private),
        is_content_private=any(_secrets_in(call.body)),
        is_host_secret=any(_secrets_in("/".join(call.url.split("/", 3)[:3]))),
        base_url=None if authority is None else authority.base_url,
    )
    _check_fences(call, used, request, outgoing.where)
    return outgoing


def _check_size(call: HttpCall, roots: Mapping[str, JsonValue]) -> None:
    """Check the size of a request before its secrets are inserted: a few letters may stand for a long one.

    Raises:
        LogicError: it is too large.
    """
    given: JsonValue = [call.url, dict(call.headers), call.body]
    sizes = {path: len(_written(expand(f"${{{path}}}", roots))) for path in paths_in(given)}
    if _size(given, sizes) > MAX_REQUEST_BYTES:
        raise _refused(f"it is larger than {MAX_REQUEST_BYTES // MIB} MB", "data_too_large")


def _size(value: JsonValue, sizes: Mapping[str, int]) -> int:
    """Return about how many characters a value has at most, once its templates are expanded."""
    if isinstance(value, str):
        paths = paths_in(value)
        repeated = value.count("${") - len(paths) + 1
        return len(value) + repeated * sum(sizes[path] for path in paths)
    if isinstance(value, list):
        return sum(_size(each, sizes) for each in value)
    if isinstance(value, dict):
        return sum(len(key) + _size(each, sizes) for key, each in value.items())
    return 8


def _url(template: str, roots: Mapping[str, JsonValue]) -> str:
    url = expand(template, roots, quote=lambda text: quote(text, safe=""))
    if not isinstance(url, str) or len(url) > MAX_URL:
        raise _refused(f"its address is a text of at most {MAX_URL} characters")
    return url


def _authorized(url: str, fields: _Fields, authority: Authority) -> str:
    """Add to the headers what an integration tells of who asks, and return the whole address, with that."""
    for name, text in authority.headers.items():
        fields[name.lower()] = name, _field_text(name, text) or ""
    whole = authority.base_url + url if url.startswith("/") else url
    if not authority.query:
        return whole
    whole, _, _ = whole.partition("#")
    return f"{whole}{'&' if '?' in whole else '?'}{urlencode(authority.query)}"


def _is_below(url: httpx.URL, base_url: str) -> bool:
    """Return True if an address, of a request, is an integration's, or below it."""
    base = request_to("GET", base_url).url
    is_origin = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    above = base.raw_path.decode("ascii").rstrip("/") + "/"
    return is_origin and f"{path}/".startswith(above) and not _climbs(path)


def _climbs(path: str) -> bool:
    """Return True if some server may take a part of a path for `..`: written with `\\` or `;`, or encoded twice."""
    parts = re.split(r"[/\\]", unquote(unquote(path)))
    return any(part.partition(";")[0].strip("\0\t ") == ".." for part in parts)


_Fields = dict[str, tuple[str, str]]
"""Headers as (name, text), by their names in lower case."""


def _fields(call: HttpCall, roots: Mapping[str, JsonValue]) -> _Fields:
    """Return the headers of a call. One whose text is a template without a value is left out."""
    fields: _Fields = {}
    for name, template in call.headers.items():
        text = _field_text(name, expand(template, roots))
        if text is not None:
            fields[name.lower()] = name, text
    if sum(len(name) + len(text) for name, text in fields.values()) > MAX_HEADERS:
        raise _refused(f"its headers are larger than {MAX_HEADERS // KIB} KB")
    return fields


def _field_text(name: str, value: JsonValue) -> str | None:
    if not _FIELD_NAME.fullmatch(name):
        raise _refused(f"{name[:MAX_QUOTED]!r} can't be the name of a header")
    if name.lower() in _OF_CONNECTION:
        raise _refused(f"the header {name} is the server's own to send; leave it out")
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else _written(value).decode()
    if _CONTROL.search(text):
        raise _refused(f"the header {name} has a line break or another control character in it")
    return text


def _content(body: JsonValue, fields: _Fields) -> bytes:
    """Return a body as it is sent, and add its type to the headers if there is none."""
    _, content_type = fields.setdefault("content-type", ("Content-Type", "application/json"))
    if isinstance(body, str) and not is_json(content_type):
        return _in_utf8(body)
    return _written(body)


def _complete(fields: _Fields, method: str, key: str, passed_on: Mapping[str, str]) -> None:
    """Add the headers that every request has, unless it has its own."""
    added = {"Accept": "*/*", "User-Agent": "Interlock"}
    added |= {name: text.strip() for name, text in passed_on.items() if not _CONTROL.search(text)}
    if method in _WITH_KEY:
        added["Idempotency-Key"] = quote(key, safe="!#$%&'()*+,/:;=?@[]~")
    for name, text in added.items():
        fields.setdefault(name.lower(), (name, text))
    fields["accept-encoding"] = "Accept-Encoding", "gzip"
    fields["connection"] = "Connection", "close"


def _written(value: JsonValue) -> bytes:
    try:
        return encoded(value)
    except NotWire as error:
        raise _refused(error.sentence) from None


def _in_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _refused("its body isn't valid Unicode") from None
