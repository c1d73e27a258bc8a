"""Databases with today's tables and nothing in them: migrated once in a process, and copied for whoever asks."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg

from interlock.store.migrate import migrate

_numbers = count(1)


def put_sqlite(path: Path) -> None:
    """A file with tables there."""
    path.write_bytes(_sqlite())


@cache
def _sqlite() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        _aside(migrate(f"sqlite:///{path}"))
        return path.read_bytes()


@contextmanager
def new_postgres(server: str, *, empty: bool = False) -> Iterator[str]:
    """The URL of a database of this server, for as long as the block lasts.

    Args:
        server: the URL of any database of it.
        empty: without tables.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    template = "" if empty else f" TEMPLATE {_template(server)}"
    _aside(_execute(server, f"CREATE DATABASE {name}{template}"))
    try:
        yield _of(server, name)
    finally:
        _aside(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


@cache
def _template(server: str) -> str:
    """The name of a database with tables that nobody connects to, as only of such copies are made."""
    name = f"template_{os.getpid()}"
    _aside(_execute(server, f"CREATE DATABASE {name}"))
    _aside(migrate(_of(server, name)))
    return name


def _of(server: str, name: str) -> str:
    return f"{server.rpartition('/')[0]}/{name}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _aside(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run to its end on a thread, out of the way of the test's own event loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, coroutine).result()
