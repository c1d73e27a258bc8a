"""A real log and a real store, on a SQLite file of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from tests.support.databases import put_sqlite
from tests.support.storage import Storage

from interlock.database import open_database


@pytest_asyncio.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """The log and the store, with today's tables and nothing in them."""
    put_sqlite(tmp_path / "interlock.db")
    database = open_database(f"sqlite+aiosqlite:///{tmp_path}/interlock.db")
    try:
        storage = Storage(database)
        await storage.log.start()
        yield storage
        await storage.log.close()
    finally:
        await database.close()
