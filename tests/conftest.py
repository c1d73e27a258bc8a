"""Real services, started once for all tests that ask for them."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import settings
from tests.support.services import Master, free_master, free_port, postgres_server, redis_cluster, redis_server

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Under `nohup`, or with `&` in a script, SIGINT is ignored, which programs that we start would inherit: those that
    # are to end by it never would. A handler of ours, even one that does nothing, isn't inherited.
    signal.signal(signal.SIGINT, lambda *_: None)


# How long an example takes says something of the machine, and nothing of the claim.
# Each run of the suite draws other examples: fewer of them at a time keep a change's cycle short.
settings.register_profile("interlock", deadline=None, max_examples=60)
settings.load_profile("interlock")

# Nor does how long a server of ours takes to answer: the default is five seconds.
for _of in ("connect", "read", "write", "pool"):
    setattr(httpx._config.DEFAULT_TIMEOUT_CONFIG, _of, 60.0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis that everybody shares: whoever uses it empties it."""
    with redis_server(data_dir=tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_masters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Master, ...]]:
    """A Redis Cluster of three that everybody shares, whose clients are sent to where a proxy has to stand."""
    masters = tuple(free_master(announced=free_port()) for _ in range(3))
    with redis_cluster(masters, data_dir=tmp_path_factory.mktemp("masters")):
        yield masters


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL that everybody shares: its database `postgres` is left empty, tests make their own.

    Not under pytest's own folder: each session of pytest makes that one private again, and a PostgreSQL that root had
    to start as another user loses its files under its feet.
    """
    with tempfile.TemporaryDirectory(prefix="interlock-postgres-") as folder:
        Path(folder).chmod(0o711)
        with postgres_server(data_dir=Path(folder) / "data") as url:
            yield url
