"""One server with state machines for most tests of /api/v1, another for each storage where that matters."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.http.v1.machines import machines
from tests.http.workflows import workflows
from tests.support.live import STORAGES, Live, live_server, storage_settings

FREE = {"limit_reads": "100000/minute", "limit_writes": "100000/minute", "limit_creations": "100000/minute"}
TOKENS = [
    {
        "token": "token-alice",
        "user_id": "alice",
        "scopes": ["workflows:read", "workflows:write", "workflows:execute", "secrets:manage"],
    },
    {"token": "token-bob", "user_id": "bob", "scopes": ["workflows:read", "workflows:write", "workflows:execute"]},
    {"token": "token-reader", "user_id": "alice", "scopes": ["workflows:read"]},
    {"token": "token-root", "user_id": "root", "scopes": ["admin"]},
    {"token": "token-far", "user_id": "alice", "scopes": ["admin"], "account": "acme"},
    {
        "token": "token-service",
        "user_id": "robot",
        "scopes": ["workflows:execute", "workflows:read"],
        "kind": "service",
    },
]


@pytest.fixture(scope="session")
def machine_live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server with the default storage."""
    folder = tmp_path_factory.mktemp("live")
    with live_server([*machines, workflows[0]], data_dir=folder, tokens=_tokens(), **FREE) as server:
        yield server


@pytest.fixture(scope="session", params=STORAGES)
def machine_live_on_each(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_url: str, postgres_url: str
) -> Iterator[Live]:
    """A server on each storage."""
    folder = tmp_path_factory.mktemp("live")
    with (
        storage_settings(request.param, folder, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server(machines, tokens=_tokens(), **FREE, **settings) as server,
    ):
        yield server


def _tokens() -> str:
    return json.dumps(TOKENS)
