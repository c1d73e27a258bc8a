"""An upgrade from the release before, node by node: a node of it, from its very sources, beside one of this version.

The sources come from this repository's history. Where that isn't there, as in a shallow clone, this is skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis
from tests.faults.test_upgrade import decided_on, paused_on
from tests.support.live import Live, Served, served, settings_with
from tests.support.services import ask, free_port, running, until_ready

from interlock.store.migrate import migrate

ROOT = Path(__file__).parents[2]
RELEASE = "e71fad9023234e34ec41b9a2f323b6de034ca0f1"
"""The last commit of version 0.1.0."""

WORKFLOWS = """
from interlock import Confirm, Step, Workflow

def nothing(_): ...

workflows = [
    Workflow("plain", steps=[Step("send", nothing, human_review=Confirm("Send it?")), Step("after", nothing)])
]
"""
MIGRATE = "import asyncio, sys; from interlock.store.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the release."""
    git = subprocess.run(["git", "archive", RELEASE], cwd=ROOT, capture_output=True, check=False)
    if git.returncode:
        pytest.skip("the history of the repository isn't there")
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=io.BytesIO(git.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@dataclass
class Upgrade:
    """A node of the release that serves, and what becomes of its database and of another node."""

    older: Live
    newer: Served
    database: str

    @contextlib.contextmanager
    def upgraded(self) -> Iterator[None]:
        """The tables are moved while the older node serves; then a newer one starts."""
        asyncio.run(migrate(self.database))
        with self.newer.start():
            yield


@pytest.fixture
def upgrade(
    checkout: Path, tmp_path: Path, redis_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Upgrade]:
    (tmp_path / "upgraded.py").write_text(WORKFLOWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    paths = [tmp_path, *(checkout / part for part in ("server", "protocol", "clients/python"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(empty_database(postgres_url))
        with redis.Redis.from_url(redis_url) as client:
            client.flushall()
        subprocess.run([sys.executable, "-c", MIGRATE, database], cwd=tmp_path, env=environment, check=True)
        storage: dict[str, Any] = {"database_url": database, "redis_url": redis_url}
        older = stack.enter_context(serving(checkout, tmp_path / "older", environment, **storage))
        yield Upgrade(older, served("upgraded:workflows", tmp_path / "newer", **storage), database)


@contextlib.contextmanager
def empty_database(server: str) -> Iterator[str]:
    name = f"release_{os.getpid()}"

    def execute(statement: str) -> None:
        async def work() -> None:
            connection = await asyncpg.connect(server.replace("+asyncpg", ""))
            await connection.execute(statement)
            await connection.close()

        asyncio.run(work())

    execute(f"CREATE DATABASE {name}")
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def serving(checkout: Path, folder: Path, environment: dict[str, str], **storage: Any) -> Iterator[Live]:
    """A node of the release."""
    folder.mkdir()
    port, log = free_port(), folder / "server.log"
    settings = settings_with(**storage, data_dir=folder) | {"port": port}
    names = {f"INTERLOCK_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "tests.live", "upgraded:workflows"]
    with running(command, log, signal.SIGTERM, cwd=checkout, env=environment | names) as process:
        answers = b"GET /health/live HTTP/1.0\r\n\r\n"
        until_ready("the older node", process, lambda: ask(port, answers, 12).endswith(b" 200"), log)
        yield Live(port, settings)
    assert "Traceback" not in log.read_text(), log.read_text()


async def listed_on(node: Live, **which: Any) -> set[str]:
    """The runs of a list."""
    async with node.talk() as talk:
        await talk.send(action="follow-runs", filter=which)
        told = await talk.until("runs_listed")
        return {each["run"]["run_id"] for each in told if each["event"] == "run_changed"}


def test_runs_go_on_from_node_to_node_and_are_listed_by_namespace_whoever_began_them(upgrade: Upgrade) -> None:
    async def before() -> Any:
        return await paused_on(upgrade.older, "plain")

    async def meanwhile(first: Any) -> None:
        late, new = await paused_on(upgrade.older, "plain"), await paused_on(upgrade.newer, "plain")
        everything = {first["run_id"], late["run_id"], new["run_id"]}
        for which in ({}, {"waiting_for_me": True}):
            assert await listed_on(upgrade.newer, namespace="user_alice", **which) == everything
        for node, paused in ((upgrade.newer, first), (upgrade.newer, late), (upgrade.older, new)):
            assert (await decided_on(node, paused))[-1] == "WorkflowCompleted"

    first = asyncio.run(before())
    with upgrade.upgraded():
        asyncio.run(meanwhile(first))
