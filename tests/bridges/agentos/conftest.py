"""Servers that speak to clients of AgentOS, and the peer's client in environments of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bridges.agentos import peers
from tests.bridges.agentos.workflows import workflows
from tests.support.live import Live, live_server


@pytest.fixture(scope="session")
def open_at_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """AgentOS's paths at the root, and nobody on this machine needs a token."""
    folder = tmp_path_factory.mktemp("root")
    settings = {"tokens": None, "jwt_secret": None, "agentos": "root", "agentos_open": True}
    with live_server(workflows, data_dir=folder, **settings) as server:
        yield server


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """AgentOS's paths beside the server's own, with the usual users."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("beside"), agentos="beside") as server:
        yield server


@pytest.fixture(scope="session")
def off(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server as it comes."""
    with live_server(workflows, data_dir=tmp_path_factory.mktemp("off")) as server:
        yield server


@pytest.fixture(scope="session", params=list(peers.LINES))
def peer(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with the peer's client, of each line; skipped where it can't be installed."""
    try:
        return peers.python(request.param)
    except peers.NoPeer as missing:
        pytest.skip(str(missing))
