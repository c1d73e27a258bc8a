"""One server per storage for all the conversations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.acceptance.workflows import workflows
from tests.support.live import STORAGES, Live, live_server, storage_settings


@pytest.fixture(scope="session", params=STORAGES)
def live(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    """A server with the workflows of the conversations, on each storage."""
    folder = tmp_path_factory.mktemp("guide")
    with (
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(workflows, **settings) as server,
    ):
        yield server
