"""PostgreSQL, for many processes: a bounded pool, and a transaction of its own for each piece of work.

Laws:
- Writes are READ COMMITTED: each statement sees what was committed before it. Reads are REPEATABLE READ.
- Nothing is tried twice behind the caller's back. (Drawing a closed connection from the pool isn't a try.)
- A password is never part of a message.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import create_async_engine

from .port import DatabaseUnavailable

T = TypeVar("T")

_CONNECT_SECONDS = 3.0
_POOL_SECONDS = 4.0
_ANSWER_SECONDS = 5.0  # for a whole piece of work, connecting included
_LONG_ANSWER_SECONDS = 60.0

# Classes of SQLSTATE that say how the server is, and not what is wrong with a statement: connection,
# authorization, no such database, rolled back (deadlock), resources, intervention, system.
_UNAVAILABLE = ("08", "28", "3D", "40", "53", "57", "58")
_READ_ONLY = "25006"  # a standby, after a failover


class PostgresDatabase:
    """The database on a server. It connects when first used.

    Args:
        url: `postgresql+asyncpg://user:password@host:port/name`; `?sslmode=` is understood as libpq does.
        connections: the most it holds at a time.
    """

    dialect = "postgresql"

    def __init__(self, url: URL, *, connections: int = 10) -> None:
        self._engine = create_async_engine(
            _for_asyncpg(url),
            pool_size=connections,
            max_overflow=0,
            pool_timeout=_POOL_SECONDS,
            isolation_level="READ COMMITTED",
            connect_args={
                "timeout": _CONNECT_SECONDS,
                "server_settings": {"application_name": "interlock", "jit": "off"},
            },
        )
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._snapshots = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._where = f"{url.host or 'localhost'}:{url.port or 5432}"
        self._running = 0
        self._closed = False
        self._idle = asyncio.Event()  # set when closed and nothing is running any more
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)

    async def write(self, work: Callable[[Connection], T], *, one_statement: bool = False, long: bool = False) -> T:
        begun = self._autocommit.connect() if one_statement else self._engine.begin()
        async with self._answering(None if long else _ANSWER_SECONDS), begun as connection:
            return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], T], *, long: bool = False) -> T:
        seconds = _LONG_ANSWER_SECONDS if long else _ANSWER_SECONDS
        async with self._answering(seconds), self._snapshots.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Finish what was begun, then close the connections. Again is fine."""
        self._closed = True
        if self._running:
            await self._idle.wait()
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _answering(self, seconds: float | None) -> AsyncIterator[None]:
        """A piece of work, which is given up after so many seconds: a server that is gone may never say so.

        SQLAlchemy then throws the connection away, without waiting for its other end.
        """
        with self._begun(), self._translating():
            async with asyncio.timeout(seconds):
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
    if error.connection_invalidated:
        return True
    state = str(getattr(error.orig, "sqlstate", None) or "")
    return state.startswith(_UNAVAILABLE) or state == _READ_ONLY


def _refuse_closed(connection: Any, record: Any, proxy: Any) -> None:
    """Have the pool replace a connection that was closed while idle; asking costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _for_asyncpg(url: URL) -> URL:
    url = url.set(drivername="postgresql+asyncpg")
    mode = url.query.get("sslmode")
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode}) if mode else url
