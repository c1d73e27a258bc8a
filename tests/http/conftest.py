"""One server for most of the tests of HTTP, another for each storage where that matters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from tests.http.workflows import workflows
from tests.support.live import ALICE, STORAGES, Live, live_server, storage_settings


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the default storage."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("live")) as server:
        yield server


@pytest.fixture(scope="session", params=STORAGES)
def live_on_each(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    """A server on each storage."""
    folder = tmp_path_factory.mktemp("live")
    with (
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings) as server,
    ):
        yield server


@pytest_asyncio.fixture
async def http(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    """Alice."""
    headers = {"Authorization": f"Bearer {ALICE}"}
    async with httpx.AsyncClient(base_url=live.http_url, headers=headers) as client:
        yield client
