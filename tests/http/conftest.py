"""A server with the workflows of the socket's tests, and somebody who asks it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from tests.live import ALICE, Live, live_server
from tests.socket.workflows import workflows


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the default storage."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("http")) as server:
        yield server


@pytest_asyncio.fixture
async def http(live: Live) -> AsyncIterator[httpx.AsyncClient]:
    """Alice."""
    headers = {"Authorization": f"Bearer {ALICE}"}
    async with httpx.AsyncClient(base_url=live.http_url, headers=headers) as client:
        yield client
