"""The transport of all requests to addresses that others choose: it reaches no inner host unless the settings name it.

Laws:
- The address that is checked is the address that is connected to: a name is looked up here, once for each connection,
  and the library that speaks HTTP is given the connection. TLS and `Host` are still about the name.
- If one of a name's addresses may not be reached, none is.
- Every redirect is checked like a first request. On the way to another origin, a request loses its credentials, and
  whatever else its sender marks as private.
- No proxy, no cookie jar, no kept connection, nothing of the environment but the trusted certificates: nothing of one
  request is seen by another.
- Errors quote no address, and nothing that was received.

Source: `docs/settings.md`, "What HTTP calls may reach"; RFC 9110, 15.4.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from ipaddress import ip_address
from typing import Any, Final, TypeAlias

import httpcore
import httpx

from interlock.addresses import Address, Allowed, address_in, host_of, is_inner, is_inner_name
from interlock.aio.threads import in_thread
from interlock_protocol.limits import KIB

MAX_REDIRECTS: Final = 5
MAX_LOOKUPS: Final = 32
"""How many names are looked up at a time. A look-up keeps a thread until the system gives up, whoever still waits."""

CONNECT_SECONDS: Final = 5.0
"""How long one of several addresses may take to answer before the next is tried."""

READ_BYTES: Final = 8 * KIB
"""How much of an answer is read at a time."""

MAX_ADDRESSES: Final = 64
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OF_CONNECTION: Final = frozenset({"host", "content-length", "transfer-encoding"})
_OF_CONTENT: Final = frozenset(
    {"content-encoding", "content-language", "content-location", "content-type", "idempotency-key"}
)

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Looks up a name for a port, and returns its addresses; raises an `OSError` if there are none."""


class Forbidden(httpx.TransportError):
    """A request would reach what it may not."""


class Guard:
    """Decides which addresses a host may be reached at.

    Args:
        allowed: the inner hosts that may be reached.
        resolve: looks names up.
        setting: what the server's operator says that with.
    """

    def __init__(self, allowed: Allowed, resolve: Resolve, setting: str = "INTERLOCK_HTTP_ALLOW") -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._inner = (
            "the host isn't on the public internet; what else may be reached, the server's operator says with"
            f" {setting}"
        )

    def check(self, host: str, port: int) -> None:
        """Refuse a host that may not be reached, whatever its name resolves to.

        Raises:
            Forbidden: it may not be.
        """
        host = _checked_host(host)
        literal = address_in(host)
        is_inside = is_inner_name(host) if literal is None else is_inner(literal)
        if is_inside and not self._allowed.has(host if literal is None else literal, port):
            raise Forbidden(self._inner)

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Return the addresses of a host, all of which may be connected to, in the order to try them.

        Raises:
            Forbidden: it may not be reached.
            httpx.ConnectError: its name can't be resolved.
        """
        self.check(host, port)
        host = _checked_host(host)
        literal = address_in(host)
        if literal is not None:
            return [literal]
        addresses = await self._looked_up(host, port)
        is_named = self._allowed.has(host, port)
        if not is_named and any(is_inner(each) and not self._allowed.has(each, port) for each in addresses):
            raise Forbidden(self._inner)
        return addresses

    async def _looked_up(self, host: str, port: int) -> list[Address]:
        try:
            found = await self._resolve(host, port)
            addresses = [ip_address(each) for each in dict.fromkeys(found)]
        except (OSError, UnicodeError, ValueError):
            addresses = []
        if not 0 < len(addresses) <= MAX_ADDRESSES:
            raise httpx.ConnectError("the name of the host can't be resolved")
        return addresses


class Resolver:
    """Looks names up as this machine does, in threads of its own: a server of names that never answers holds up nothing
    else."""

    def __init__(self) -> None:
        self._room = asyncio.Semaphore(MAX_LOOKUPS)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        await self._room.acquire()
        is_begun = False

        def begin() -> Callable[[], None]:
            nonlocal is_begun
            is_begun = True
            return self._room.release  # when the thread has ended, even if nobody waits for it any more

        try:
            found = await in_thread(lambda _: _addresses(host, port), None, begin=begin)
        finally:
            if not is_begun:
                self._room.release()
        assert isinstance(found, list)
        return found


def _addresses(host: str, port: int) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to checked addresses only."""

    def __init__(self, guard: Guard, network: httpcore.AsyncNetworkBackend) -> None:
        self._guard = guard
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        *others, last = await self._guard.addresses(host, port)
        for address in others:
            try:
                return _Stream(await self._network.connect_tcp(str(address), port, timeout=CONNECT_SECONDS))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(await self._network.connect_tcp(str(last), port, timeout=timeout))

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise Forbidden("a socket of this machine isn't reached by HTTP")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that is read in small parts: what is in one is parsed without giving others their turns."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._stream.read(min(max_bytes, READ_BYTES), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class GuardedTransport(httpx.AsyncBaseTransport):
    """Sends requests to where they may go, one connection for each.

    Args:
        allowed: the inner hosts that may be reached.
        resolve: looks names up; as this machine does by default.
        network: connects to addresses; as this machine does by default.
        ssl_context: what certificates are trusted; by default the public authorities, or `SSL_CERT_FILE`.
    """

    def __init__(
        self,
        allowed: Allowed,
        *,
        resolve: Resolve | None = None,
        network: httpcore.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.guard = Guard(allowed, resolve or Resolver())
        self._network = _GuardedNetwork(self.guard, network or httpcore.AnyIOBackend())
        self._ssl_context = ssl_context

    @cached_property
    def _pool(self) -> httpcore.AsyncConnectionPool:
        """Made for the first request: to read the trusted certificates takes a while."""
        return httpcore.AsyncConnectionPool(
            ssl_context=self._ssl_context or httpx.create_ssl_context(),
            max_connections=None,
            max_keepalive_connections=0,
            network_backend=self._network,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, and return its answer, whose content is still to be read.

        Raises:
            Forbidden: its host may not be reached.
            httpx.TransportError: it can't be, or broke off.
        """
        url = _checked(request.url)
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=request.headers.raw,
            content=request.stream,
            extensions={each: value for each, value in request.extensions.items() if each == "timeout"},
        )
        with _as_httpx():
            answer = await self._pool.handle_async_request(asked)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Content(answer), request=request, extensions={}
        )

    async def aclose(self) -> None:
        if "_pool" in self.__dict__:
            await self._pool.aclose()


class _Content(httpx.AsyncByteStream):
    """The content of an answer, as it comes."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._answer.aiter_stream():
                yield part

    async def aclose(self) -> None:
        with _as_httpx():
            await self._answer.aclose()


@contextmanager
def _as_httpx() -> Iterator[None]:
    """Raise httpcore's errors as httpx's, which have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        kind = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, httpcore.TimeoutException):
        return "the host took too long"
    if isinstance(error, httpcore.ConnectError):
        cause = error.__cause__ or error.__context__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the host's certificate isn't valid for its name, or isn't trusted"
        if isinstance(cause, ssl.SSLError):
            return "no encrypted connection to the host can be made"
        return "the host can't be reached"
    if isinstance(error, httpcore.LocalProtocolError):
        return "the request can't be sent as HTTP"
    if isinstance(error, httpcore.RemoteProtocolError):
        return "the host's answer isn't HTTP, or broke off"
    return "the connection to the host broke off"


def request_to(
    method: str, url: str, headers: Iterable[tuple[str, str]] = (), content: bytes | None = None
) -> httpx.Request:
    """Make a request, whose address is written in the one way in which it is checked.

    A user name and password in the address become an `Authorization` header, unless there is one.

    Raises:
        Forbidden: the address isn't one of HTTP.
    """
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Forbidden(_NO_URL) from None
    fields = [(name.encode(), value.encode()) for name, value in headers]
    if address.userinfo and not any(name.lower() == b"authorization" for name, _ in fields):
        fields.append((b"Authorization", basic(address.username, address.password).encode()))
    return httpx.Request(method, _checked(address), headers=fields, content=content)


_NO_URL: Final = "the address isn't one that starts with http:// or https:// and a host"


def basic(user: str, password: str) -> str:
    """Return the `Authorization` of a user name and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _checked(url: httpx.URL) -> httpx.URL:
    """Return an address without a user name, and with its host as `host_of` has it.

    Raises:
        Forbidden: it isn't one of HTTP.
    """
    if url.scheme not in DEFAULT_PORTS or not url.raw_host:
        raise Forbidden(_NO_URL)
    if url.port is not None and not 0 < url.port < 1 << 16:
        raise Forbidden("the port in the address isn't from 1 to 65535")
    return url.copy_with(host=_checked_host(url.raw_host.decode("ascii")), userinfo=b"")


def _checked_host(host: str) -> str:
    try:
        return host_of(host)
    except ValueError:
        raise Forbidden("the host in the address is neither a name nor an address in its usual form") from None


async def send(
    transport: httpx.AsyncBaseTransport,
    request: httpx.Request,
    *,
    private: Collection[str] = (),
    is_content_private: bool = False,
    is_home: Callable[[httpx.URL], bool] = lambda _: True,
) -> httpx.Response:
    """Send a request, follow redirects, and return the last answer, whose content is still to be read.

    Args:
        private: headers, in lower case, that are only for the origin of the request, besides its credentials.
        is_content_private: True if a redirect to another origin may not carry the content there, and so is refused.
        is_home: returns False for what, of the same origin, is to be treated as another.

    Raises:
        Forbidden: the request, or a redirect, goes where it may not.
        httpx.RequestError: it can't be sent. `request` is the one that failed.
    """
    for _ in range(MAX_REDIRECTS + 1):
        try:
            answer = await transport.handle_async_request(request)
        except httpx.RequestError as error:
            error.request = request
            raise
        target = _target(request, answer)
        if target is None:
            return answer
        await answer.aclose()
        url = _led_to(request, target)
        if _origin(url) == _origin(request.url) and is_home(url):
            request = _redirected(request, answer.status_code, url)
        else:
            left_out = CREDENTIALS.union(private)
            request = _redirected(request, answer.status_code, url, left_out, is_content_refused=is_content_private)
    raise httpx.TooManyRedirects(f"the host redirected more than {MAX_REDIRECTS} times", request=request)


def _target(request: httpx.Request, answer: httpx.Response) -> str | None:
    """Return where an answer redirects to; None if it doesn't."""
    return answer.headers.get("location") if answer.status_code in _REDIRECTS else None


def _led_to(request: httpx.Request, target: str) -> httpx.URL:
    """Return the address that a redirect leads to.

    Raises:
        Forbidden: nothing may be sent there.
    """
    try:
        return _checked(request.url.join(target))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise Forbidden(f"the redirect leads nowhere: {_NO_URL}", request=request) from None
    except Forbidden as error:
        raise Forbidden(f"the redirect leads nowhere: {error}", request=request) from None


def _redirected(
    request: httpx.Request,
    status: int,
    url: httpx.URL,
    left_out: Collection[str] = (),
    *,
    is_content_refused: bool = False,
) -> httpx.Request:
    """Return the request that follows a redirect: with a method and a content as browsers have them."""
    becomes_get = (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST")
    content = b"" if becomes_get else request.content
    if content and is_content_refused:
        raise Forbidden("the redirect would carry a secret to another host", request=request)
    without = _OF_CONNECTION.union(_OF_CONTENT if becomes_get else (), left_out)
    headers = [(name, value) for name, value in request.headers.raw if name.decode("latin-1").lower() not in without]
    return httpx.Request("GET" if becomes_get else request.method, url, headers=headers, content=content or None)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme]
