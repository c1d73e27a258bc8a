"""One connection to a server, made again whenever it is lost.

Laws:
- Reading never waits for writing: a task of its own writes. Between two messages it may wait for `Listener.room`,
  whose bound in time is the listener's duty.
- A connection is dead when neither a message nor a pong came in time. Messages count: a pong may be queued behind
  megabytes of them.
- What is sent while there is no connection isn't kept here: `Listener.ready` says when to send it (again).
- A close code of the final band, a refused token and a server that doesn't keep to the protocol end the link; all
  else is a failure of the moment.
- `server_error` isn't a refusal of the token: the server couldn't tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeAlias

from websockets.asyncio.client import ClientConnection as WebSocket
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from interlock_client.backoff import Backoff
from interlock_client.errors import ActionRefused, AuthenticationFailed, ClientError, ConnectionEnded, Disconnected
from interlock_protocol.close_codes import CloseCode, may_reconnect
from interlock_protocol.codec import Codec, codec_for
from interlock_protocol.connection import ClientConnection, ClientState
from interlock_protocol.errors import AuthErrorCode, ErrorCode, ProtocolViolation
from interlock_protocol.limits import MAX_MESSAGE_BYTES
from interlock_protocol.messages import (
    AnyClientMessage,
    Authenticate,
    Authenticated,
    AuthError,
    AuthRequired,
    Connected,
    ErrorMessage,
    ServerMessage,
)

logger = logging.getLogger("interlock_client")

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A token, or what gets one: called for each connection, and again before the token expires."""

MAX_FRAME_BYTES = 64 * 1024 * 1024
_CLOSE_SECONDS = 2.0
_MAX_VIOLATIONS = 5
_BREATH = 32  # messages; a burst that fits one read of the socket must not starve those who take events
_PASSING_STATUSES = frozenset({404, 408, 425, 429})  # a proxy says these too while its server restarts


class Listener(Protocol):
    """Who the link works for."""

    def ready(self) -> None:
        """Messages can be sent: after each reconnection, and after a new token when the old one had expired."""

    def lost(self, reason: str) -> None:
        """The connection is gone; another one is being made."""

    def received(self, message: ServerMessage, size: int) -> None:
        """A message came, other than of connecting and authenticating."""

    async def room(self) -> None:
        """Returns when the next message may come."""


@dataclass(frozen=True, kw_only=True)
class LinkOptions:
    """How to connect."""

    url: str
    codec: Codec
    token: Token | None = field(default=None, repr=False)
    open_timeout: float = 10.0
    heartbeat: float = 10.0
    reconnect_timeout: float | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    ssl: ssl.SSLContext | None = None


class Link:
    """The connection, and the tasks that keep it."""

    def __init__(self, options: LinkOptions, listener: Listener, backoff: Backoff | None = None) -> None:
        self.user: Authenticated | None = None
        self._options = options
        self._listener = listener
        self._backoff = backoff or Backoff()
        self._session: _Session | None = None
        self._violations = 0
        self._renewal: asyncio.Task[None] | None = None
        self._last_token: str | None = None

    @property
    def ready(self) -> bool:
        """Whether an action can be sent now."""
        return self._session is not None and self._session.ready

    def send(self, message: AnyClientMessage) -> None:
        """Queues a message. Only when `ready`.

        Raises:
            ValueError: a value that the wire can't carry; nothing was sent.
            ActionRefused: it is larger than the server accepts; nothing was sent.
        """
        assert self._session is not None
        self._session.send(message)

    async def token(self, *, fresh: bool = False) -> str | None:
        """The token in use, for requests beside the connection; `fresh`: a new one, where one can be got.

        Raises:
            AuthenticationFailed: there is none any more.
        """
        if self._options.token is None:
            return None
        return self._last_token if self._last_token and not fresh else await self._token()

    async def open(self) -> None:
        """Makes the first connection, in one attempt.

        Raises:
            ConnectionEnded: it can't be had.
        """
        try:
            self._session = await self._attempt()
        except Exception as error:
            if (final := self._final(error)) is not None:
                raise final from error
            raise Disconnected(f"No connection to {self._options.url}: {_reason(error)}.") from error

    async def close(self) -> None:
        """Closes the connection, if there is one that nobody reads any more."""
        if self._session is not None:
            await self._session.close()

    async def keep(self) -> None:
        """Reads the connection, and makes it again, until it ends for good.

        Raises:
            ConnectionEnded: why it ended.
        """
        while True:
            reason = await self._live()
            self._listener.lost(_reason(reason))
            await self._within_timeout(reason)
            self._listener.ready()

    # ── One connection ──────────────────────────────────────────────────────────────────────────────────

    async def _attempt(self) -> _Session:
        options = self._options
        socket = await open_websocket(
            options.url,
            subprotocols=[Subprotocol(options.codec.subprotocol)],
            additional_headers=options.headers,
            ssl=options.ssl,
            open_timeout=options.open_timeout,
            ping_interval=None,  # `_Session.watch` does it
            close_timeout=_CLOSE_SECONDS,
            max_size=MAX_FRAME_BYTES,
            compression=None,
        )
        session = _Session(socket)
        try:
            async with asyncio.timeout(options.open_timeout):
                await self._introduce(session)
        except BaseException:
            await socket.close()
            raise
        return session

    async def _introduce(self, session: _Session) -> None:
        connected, _ = await session.receive()
        assert isinstance(connected, Connected)  # the protocol accepts nothing else first
        session.max_bytes = connected.max_message_bytes
        if self._options.token is None:
            if connected.requires_auth:
                code = AuthErrorCode.AUTH_REQUIRED
                raise AuthenticationFailed("The server asks for a token; pass token=….", code=code)
            return
        session.send(Authenticate(token=await self._token()))
        await session.flush()
        message, _ = await session.receive()
        while not self._authenticated(session, message):
            message, _ = await session.receive()

    async def _token(self) -> str:
        token = self._options.token
        if callable(token):
            given = token()
            token = await given if inspect.isawaitable(given) else given
        if not token:
            raise AuthenticationFailed("The token is empty; pass one that the server knows.")
        self._last_token = token
        return token

    def _authenticated(self, session: _Session, message: ServerMessage) -> bool:
        if isinstance(message, Authenticated):
            self.user = message
            session.good_for = _seconds_until(message.expires_at)
            session.renewed.set()
            return True
        if isinstance(message, AuthError):
            if message.code == AuthErrorCode.SERVER_ERROR:
                raise _NotNow(message.error)
            raise AuthenticationFailed(message.error, code=message.code)
        return False

    async def _live(self) -> Exception:
        """Reads the current connection to its end, and says why it ended if another one may be made."""
        session = self._session
        assert session is not None
        helpers = [asyncio.create_task(session.write()), asyncio.create_task(session.watch(self._options.heartbeat))]
        if callable(self._options.token):
            helpers.append(asyncio.create_task(self._keep_fresh(session)))
        try:
            return await self._read(session)
        finally:
            self._session = None
            await _cancel(*helpers, *([self._renewal] if self._renewal else []))
            self._renewal = None
            await session.close()

    async def _read(self, session: _Session) -> Exception:
        count = 0
        try:
            while True:
                message, size = await session.receive()
                self._dispatch(session, message, size)
                await self._listener.room()
                count += 1
                if count % _BREATH == 0:
                    await asyncio.sleep(0)
        except (ConnectionClosed, ProtocolViolation, _NotNow, AuthenticationFailed) as error:
            if (final := self._final(error)) is not None:
                raise final from error
            return error

    def _dispatch(self, session: _Session, message: ServerMessage, size: int) -> None:
        if isinstance(message, AuthRequired):
            self._authenticate_again(session, message)
        elif isinstance(message, Authenticated | AuthError):
            if self._authenticated(session, message) and session.expired:
                session.expired = False
                self._listener.ready()
        else:
            if not isinstance(message, ErrorMessage):
                self._backoff.progressed()
            self._listener.received(message, size)

    def _authenticate_again(self, session: _Session, refused: AuthRequired) -> None:
        if not callable(self._options.token):
            raise AuthenticationFailed(refused.error, code=refused.code)
        session.expired = True
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(session))

    async def _keep_fresh(self, session: _Session) -> None:
        """Sends a new token when four fifths of the life of the last one are over."""
        while True:
            session.renewed.clear()
            if session.good_for is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(session.good_for * 0.8):
                        await session.renewed.wait()
                    continue
                await self._renew(session)
            await session.renewed.wait()

    async def _renew(self, session: _Session) -> None:
        try:
            session.send(Authenticate(token=await self._token()))
        except Exception as error:
            # The old token may still be good; and if it isn't, the next connection asks again, with its backoff.
            logger.warning("no new token: %s", _reason(error))
            if not session.ready:
                await session.close()

    # ── Again ───────────────────────────────────────────────────────────────────────────────────────────

    async def _within_timeout(self, reason: Exception) -> None:
        limit = self._options.reconnect_timeout
        try:
            async with asyncio.timeout(limit):
                await self._reconnect(reason)
        except TimeoutError:
            raise Disconnected(
                f"The connection to {self._options.url} was lost ({_reason(reason)}) and couldn't be had"
                f" again within {limit:g} s."
            ) from reason

    async def _reconnect(self, reason: Exception) -> None:
        while self._session is None:
            if isinstance(reason, ConnectionClosed) and _close_code(reason) >= 4500:
                self._backoff.sent_away()
            await asyncio.sleep(self._backoff.delay())
            try:
                self._session = await self._attempt()
            except Exception as error:
                if (final := self._final(error)) is not None:
                    raise final from error
                logger.info("still no connection to %s: %s", self._options.url, _reason(error))
                reason = error

    def _final(self, error: Exception) -> ConnectionEnded | None:
        """What `error` ends the link with; None if the next attempt may go better."""
        if isinstance(error, ConnectionEnded):
            return error
        if isinstance(error, ConnectionClosed) and not may_reconnect(_close_code(error)):
            code = _close_code(error)
            return Disconnected(f"The connection was closed for good: {_reason(error)}.", close_code=code)
        if isinstance(error, InvalidStatus) and _is_refusal(error.response.status_code):
            status = error.response.status_code
            return Disconnected(f"{self._options.url} refused the connection with HTTP status {status}.")
        if isinstance(error, ssl.SSLCertVerificationError):
            return Disconnected(f"The certificate of {self._options.url} can't be verified: {error.verify_message}.")
        if isinstance(error, ProtocolViolation):
            self._violations += 1
            if self._violations >= _MAX_VIOLATIONS:
                return Disconnected(f"{self._options.url} doesn't keep to the protocol: {error}.")
        return None


class _NotNow(ClientError):  # noqa: N818 - the name of its state
    """The server can't check tokens at the moment."""


class _Session:
    """One connection in its time: the socket, the protocol, and what waits to be written."""

    def __init__(self, socket: WebSocket) -> None:
        self.good_for: float | None = None
        self.max_bytes = MAX_MESSAGE_BYTES
        self.expired = False
        self.renewed = asyncio.Event()
        self._socket = socket
        self._protocol = ClientConnection(codec_for(socket.subprotocol))
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._received = 0

    @property
    def ready(self) -> bool:
        return self._protocol.state is ClientState.READY

    def send(self, message: AnyClientMessage) -> None:
        frame = self._protocol.send(message)
        if (size := _size(frame)) > self.max_bytes:
            sentence = f"The message has {size} bytes; the server accepts at most {self.max_bytes}."
            raise ActionRefused(ErrorCode.MESSAGE_TOO_LARGE, sentence)
        self._outbox.put_nowait(frame)

    async def receive(self) -> tuple[ServerMessage, int]:
        frame = await self._socket.recv()
        self._received += 1
        return self._protocol.receive(frame), len(frame)

    async def flush(self) -> None:
        while not self._outbox.empty():
            await self._socket.send(self._outbox.get_nowait())

    async def write(self) -> None:
        with contextlib.suppress(ConnectionClosed):  # the reader is told too, and knows why
            while True:
                await self._socket.send(await self._outbox.get())

    async def watch(self, heartbeat: float) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                before = self._received
                await asyncio.sleep(heartbeat)
                if before == self._received and not await self._answers(heartbeat):
                    self._socket.transport.abort()

    async def _answers(self, seconds: float) -> bool:
        before = self._received
        try:
            async with asyncio.timeout(seconds):
                await (await self._socket.ping())
        except TimeoutError:
            return self._received != before
        return True

    async def close(self) -> None:
        await self._socket.close()


def _size(frame: str | bytes) -> int:
    return len(frame) if isinstance(frame, bytes) else len(frame.encode())


def _close_code(error: ConnectionClosed) -> int:
    """What the server said, or this side to a frame over `MAX_FRAME_BYTES`; 1006 where nobody said anything."""
    if error.rcvd:
        return error.rcvd.code
    return CloseCode.MESSAGE_TOO_BIG if error.sent and error.sent.code == CloseCode.MESSAGE_TOO_BIG else 1006


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in _PASSING_STATUSES


def _seconds_until(moment: str | None) -> float | None:
    if moment is None:
        return None
    parsed = datetime.fromisoformat(moment)
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 1.0)


def _reason(error: Exception) -> str:
    """Why, in a few words for people."""
    if isinstance(error, ConnectionClosed):
        if error.rcvd:
            return f"{error.rcvd.reason or 'closed'} ({error.rcvd.code})"
        return "the connection broke"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error) or type(error).__name__
    return str(error).rstrip(".") or type(error).__name__


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
