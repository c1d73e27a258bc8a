"""One real server for all of the client's tests, and proxies in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.client.workflows import workflows
from tests.faults.proxy import Proxy, proxied
from tests.support.live import Live, live_server


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the workflows of `tests.client.workflows`, embedded storage."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("client")) as server:
        yield server


@pytest.fixture
async def proxy(live: Live) -> AsyncIterator[Proxy]:
    """A proxy in front of the server."""
    async with proxied(live.port) as proxy:
        yield proxy


@pytest.fixture(params=["json", "msgpack"])
def codec(request: pytest.FixtureRequest) -> str:
    """Both ways to write a frame."""
    return str(request.param)
