"""A store whose database is gone."""

from __future__ import annotations

from typing import Never

import pytest
from tests.contract.store.samples import new_run

from interlock.database import DatabaseUnavailable
from interlock.store.port import StoreUnavailable
from interlock.store.sql import SqlStore


class _Gone:
    """A database that can't be reached."""

    dialect = "sqlite"

    async def write(self, work: object, *, one_statement: bool = False, long: bool = False) -> Never:
        raise DatabaseUnavailable("gone")

    async def read(self, work: object, *, one_statement: bool = False, long: bool = False) -> Never:
        raise DatabaseUnavailable("gone")

    async def close(self) -> None:
        raise NotImplementedError


async def test_an_unreachable_database_is_an_unavailable_store() -> None:
    store = SqlStore(_Gone())
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.create_run(new_run("run"))
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.run("run")
