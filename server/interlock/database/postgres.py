"""PostgreSQL, for many processes: a bounded pool, and one transaction per piece of work.

Laws:
- Writes are READ COMMITTED: each statement sees what was committed before it. Reads are REPEATABLE READ.
- There are no hidden retries. (Replacing a closed connection from the pool isn't a retry.)
- A password is never part of a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from asyncpg.exceptions import ClientConfigurationError
from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from interlock.aio.timeouts import AnsweredWithin

from .port import DatabaseUnavailable

T = TypeVar("T")

_CONNECT_SECONDS = 3.0
_POOL_SECONDS = 4.0
_ANSWER_SECONDS = 5.0  # for a whole piece of work, connecting included
_LONG_ANSWER_SECONDS = 60.0

# SQLSTATE classes that are due to the server's condition, not to the statement: connection, authorization, no such
# database, rollback (deadlock), missing privilege, resources, operator intervention, system.
_UNAVAILABLE = ("08", "28", "3D", "40", "42501", "53", "57", "58")
_READ_ONLY = "25006"  # a standby, after a failover


class PostgresDatabase:
    """The database on a PostgreSQL server. It connects on first use.

    Args:
        url: `postgresql+asyncpg://user:password@host:port/name`; `?sslmode=` and `?sslrootcert=` mean what they mean in
            libpq.
        connections: the size of the pool.

    Raises:
        ValueError: the URL's query has a parameter that can't be used; the message says which.
    """

    dialect = "postgresql"

    def __init__(self, url: URL, *, connections: int = 10) -> None:
        self._engine = create_async_engine(
            url.set(drivername="postgresql+asyncpg").difference_update_query(_SSL),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            isolation_level="READ COMMITTED",
            hide_parameters=True,  # people's words must not appear in messages
            connect_args={
                **_ssl_of(url),
                "timeout": _CONNECT_SECONDS,
                "server_settings": {"application_name": "interlock", "jit": "off"},
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._where = f"{url.host or 'localhost'}:{url.port or 5432}"
        self._running = 0
        self._closed = False
        self._idle = asyncio.Event()  # set when closed and nothing runs any more
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        begun = self._autocommit.connect() if one_statement else self._engine.begin()
        async with self._answering(None if long else _ANSWER_SECONDS), begun as connection:
            return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        seconds = _LONG_ANSWER_SECONDS if long else _ANSWER_SECONDS
        engine = self._autocommit if one_statement else self._snapshots
        async with self._answering(seconds), engine.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Finish the work that has begun, then close the connections. Idempotent."""
        self._closed = True
        if self._running:
            await self._idle.wait()
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _answering(self, seconds: float | None) -> AsyncIterator[None]:
        """Limit a piece of work to `seconds`, because a server that is gone may never answer.

        After a timeout SQLAlchemy discards the connection without waiting for its peer.
        """
        with self._begun(), self._translating():
            async with AnsweredWithin(seconds):
                yield

    @contextlib.contextmanager
    def _begun(self) -> Iterator[None]:
        if self._closed:
            raise DatabaseUnavailable("The database is closed.")
        self._running += 1
        try:
            yield
        finally:
            self._end()

    def _end(self) -> None:
        self._running -= 1
        if self._closed and not self._running:
            self._idle.set()

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not _is_unavailable(error):
                raise
            raise DatabaseUnavailable(f"PostgreSQL at {self._where} refused: {error.orig}") from error
        except PoolTimeout as error:
            raise DatabaseUnavailable(f"No connection to PostgreSQL at {self._where} was free in time.") from error
        except OSError as error:  # refused, unreachable, or (TimeoutError) silent
            why = str(error) or "it doesn't answer"
            raise DatabaseUnavailable(f"PostgreSQL at {self._where} can't be reached: {why}") from error


def _is_unavailable(error: DBAPIError) -> bool:
    if error.connection_invalidated or isinstance(getattr(error.orig, "__cause__", None), ClientConfigurationError):
        return True
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return state.startswith(_UNAVAILABLE) or state == _READ_ONLY


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace a connection that was closed while idle; the check costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


_SSL = ("sslmode", "ssl", "sslrootcert")
_PLACE = ("host", "port")  # such as the folder of a Unix socket
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def _ssl_of(url: URL) -> dict[str, Any]:
    """Convert the URL's TLS parameters to asyncpg's arguments.

    Raises:
        ValueError: the URL has an unknown parameter, or an impossible value.
    """
    mode, root = _only(url, "sslmode") or _only(url, "ssl"), _only(url, "sslrootcert")
    if not url.query.keys() <= {*_SSL, *_PLACE}:  # not repeated in the message: it may be part of a password with a ?
        raise ValueError(
            "INTERLOCK_DATABASE_URL has something behind its ? that isn't understood: sslmode, sslrootcert, host and "
            "port are. What is special in a password is written with %, as in %3F for ?."
        )
    if mode is not None and mode not in _SSL_MODES:
        raise ValueError(f"INTERLOCK_DATABASE_URL has an sslmode that isn't one: use one of {', '.join(_SSL_MODES)}.")
    if root is None:
        return {} if mode is None else {"ssl": mode}
    if mode not in ("verify-ca", "verify-full"):
        raise ValueError("INTERLOCK_DATABASE_URL has sslrootcert, which needs sslmode=verify-full (or verify-ca).")
    return {"ssl": _trusting(root, checks_name=mode == "verify-full")}


def _only(url: URL, name: str) -> str | None:
    """Return the value of a parameter that may be given at most once."""
    value = url.query.get(name)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"INTERLOCK_DATABASE_URL has {name} twice: give it once.")
    return value


def _trusting(root: str, *, checks_name: bool) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates in the file `root`, or, for `system`, those of this machine."""
    try:
        context = ssl.create_default_context(cafile=None if root == "system" else root)
    except OSError as error:  # an SSLError is one
        reason = error.strerror if error.errno else "it holds no certificate"
        raise ValueError(
            f"INTERLOCK_DATABASE_URL has an sslrootcert that can't be used ({reason}): give the path of a PEM file, or "
            "system."
        ) from None
    context.check_hostname = checks_name
    return context
