"""Real services, started once for all tests that ask for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.services import postgres_server, redis_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that everybody shares: whoever uses it empties it."""
    with redis_server(data_dir=tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL that everybody shares: its database `postgres` is left empty, tests make their own."""
    with postgres_server(data_dir=tmp_path_factory.mktemp("postgres")) as url:
        yield url
