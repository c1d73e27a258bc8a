"""Posting much to few: requests to an address that somebody chose, on connections that are kept.

Laws:
- As in `guarded`: the address that is checked is the address that is connected to, for each connection anew; if one of
  a name's addresses may not be reached, none is; no proxy, no cookie, and nothing of the environment but the trusted
  certificates. A connection is kept by one `Poster`, which is for one receiver.
- Redirects are answers like others, and aren't followed.
- An answer counts once its head is there. Of its content no more is read than is asked for, whatever its size and pace;
  a connection on which more would come is closed.
- A kept connection that its other end has closed meanwhile costs no failure: what was sent on it is sent once again.
- Errors quote no address, and nothing that was received.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from interlock.addresses import address_in
from interlock.outgoing.guarded import DEFAULT_PORTS, Forbidden, Guard, request_to
from interlock_protocol.limits import KIB

KEPT_SECONDS: Final = 4.0
"""How long a connection is kept that isn't used: less than most servers keep theirs."""

CONTENT_SECONDS: Final = 2.0
"""How long the beginning of an answer's content may take, once its head is there."""

DRAINED_BYTES: Final = 64 * KIB
"""How much of what isn't asked for is read for the sake of keeping the connection."""

_NOT_SENT: Final = frozenset({"Accept-Encoding", "User-Agent"})


LOOKUP_SECONDS: Final = 5.0
"""How long the name of a new receiver is looked up."""


class NoAnswer(Exception):  # noqa: N818 - an outcome
    """There is no answer; the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status, and how its content begins; `is_whole` if that is all of it."""

    status: int
    content: bytes
    is_whole: bool


@cache
def trusted() -> ssl.SSLContext:
    """The certificates that are trusted: the public authorities', or `SSL_CERT_FILE`. To read them takes a while."""
    return httpx.create_ssl_context()


async def checked_address(guard: Guard, url: str) -> str:
    """Return an address, as it is to be kept, to which something may be posted.

    A name that isn't found may come to be there later: it is checked for each connection anyway.

    Raises:
        Forbidden: it may not be reached.
        ValueError: it isn't one, or has credentials in it.
    """
    try:
        checked = request_to("POST", url).url
    except Forbidden as error:
        raise ValueError(str(error)) from None
    if httpx.URL(url).userinfo:
        raise ValueError("it has a user name or a password in it, which nothing keeps secret")
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            await guard.addresses(checked.raw_host.decode("ascii"), checked.port or DEFAULT_PORTS[checked.scheme])
    except (httpx.ConnectError, TimeoutError):
        pass
    return str(checked.copy_with(fragment=None))


class Poster:
    """Posts to one receiver.

    Args:
        guard: decides what may be reached.
        trust: returns what certificates are trusted.
    """

    def __init__(self, guard: Guard, trust: Callable[[], ssl.SSLContext] = trusted) -> None:
        self._guard = guard
        self._trust = trust
        self._made = 0
        self._known: tuple[str, URL] | None = None
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, seconds: float, most: int = KIB
    ) -> Answer:
        """Post a body, and return the answer.

        Args:
            seconds: how long everything but the answer's content may take.
            most: how much of the content is returned.

        Raises:
            NoAnswer: there is none, or what is asked may not be reached.
        """
        try:
            target = self._target(url)
            return await self._posted(
                self._session(is_secure=target.scheme == "https"), target, headers, body, seconds, most
            )
        except (httpx.TransportError, aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(_sentence(error)) from None

    def _target(self, url: str) -> URL:
        """An address, in the one way in which it is checked; the latest is remembered."""
        if self._known is None or self._known[0] != url:
            checked = request_to("POST", url).url
            host = checked.raw_host.decode("ascii")
            if address_in(host) is not None:  # a name is looked up, and checked, for each connection
                self._guard.check(host, checked.port or DEFAULT_PORTS[checked.scheme])
            self._known = url, URL(str(checked), encoded=True)
        return self._known[1]

    async def _posted(
        self,
        session: aiohttp.ClientSession,
        url: URL,
        headers: Mapping[str, str],
        body: bytes,
        seconds: float,
        most: int,
    ) -> Answer:
        async with asyncio.timeout(seconds):
            while True:
                made = self._made
                try:
                    answer = await session.post(url, data=body, headers=headers, allow_redirects=False)
                    break
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    if self._made != made:  # it was a new one, or might have been
                        raise
        async with answer:
            return Answer(answer.status, *await _begun(answer.content, most))

    def _session(self, *, is_secure: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(is_secure)
        if session is None:
            session = self._sessions[is_secure] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    use_dns_cache=False,
                    resolver=_Guarded(self._guard),
                    keepalive_timeout=KEPT_SECONDS,
                    socket_factory=self._new_socket,
                    ssl=self._trust() if is_secure else True,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_NOT_SENT,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return session

    def _new_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Called for each connection that is made."""
        self._made += 1
        family, kind, protocol, *_ = address
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Close all connections; it may be used again."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()


class _Guarded(AbstractResolver):
    """Finds the addresses of names that may be reached."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._guard.addresses(host, port)
        return [
            ResolveResult(
                hostname=host,
                host=str(each),
                port=port,
                family=socket.AF_INET if each.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for each in found
        ]

    async def close(self) -> None:
        """There is nothing to close."""


async def _begun(content: aiohttp.StreamReader, most: int) -> tuple[bytes, bool]:
    """Read the beginning of an answer's content; what breaks off, or takes long, is at its end."""
    begun = bytearray()
    try:
        async with asyncio.timeout(CONTENT_SECONDS):
            while len(begun) < most + DRAINED_BYTES and not content.at_eof():
                begun += await content.readany()
    except (aiohttp.ClientError, OSError):
        return bytes(begun[:most]), False
    return bytes(begun[:most]), content.at_eof() and len(begun) <= most


def _sentence(error: Exception) -> str:
    if isinstance(error, httpx.TransportError):  # of the guard
        return str(error)
    if isinstance(error, TimeoutError):
        return "the host took too long"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return "the host's certificate isn't valid for its name, or isn't trusted"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "no encrypted connection to the host can be made"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "the host can't be reached"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the host's answer isn't HTTP"
    if isinstance(error, aiohttp.ClientError | OSError):
        return "the connection to the host broke off"
    return "the request can't be sent as HTTP"
