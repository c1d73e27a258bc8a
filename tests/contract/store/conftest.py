"""A store on a real SQLite and on a real PostgreSQL, for the suites of its ports."""

from __future__ import annotations

import pytest
import pytest_asyncio
from tests.contract.store.samples import Clock

from interlock.database import Database
from interlock.store.port import Store
from interlock.store.sql import SqlStore


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def store(database: Database, clock: Clock) -> Store:
    return SqlStore(database, clock=clock)
