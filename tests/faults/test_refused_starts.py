"""What a server says that can't start: which setting it is, and what to do. No traceback, no password, exit code 1."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis import Redis
from tests.support import nursery
from tests.support.live import settings_with, storage_settings
from tests.support.services import free_port, postgres_server, redis_server

SECRET = "s3cret-that-nobody-is-to-see"


def refused(folder: Path, **settings: Any) -> str:
    """What is said by a server that doesn't start with these settings."""
    values = settings_with(port=free_port(), data_dir=folder / "data", **settings)
    names = {f"INTERLOCK_{name.upper()}": str(value) for name, value in values.items()}
    done = nursery.run(
        [sys.executable, "-m", "tests.support.live", "tests.faults.workflows:workflows"],
        env={**os.environ, **names},
        cwd=Path(__file__).parents[2],
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("Interlock can't start: "), done.stderr
    assert "Traceback" not in done.stderr
    assert "<class" not in done.stderr
    assert done.stderr.count("\n") == 1, "one line"
    assert SECRET not in done.stderr + done.stdout
    return done.stderr


@contextmanager
def redis_with(folder: Path, **config: str) -> Iterator[str]:
    """The address (host and port) of a Redis with this configuration."""
    with redis_server(data_dir=folder / "redis") as url:
        with Redis.from_url(url) as client:
            for name, value in config.items():
                client.config_set(name.replace("_", "-"), value)
        yield url.removeprefix("redis://").removesuffix("/0")


# ── Redis ───────────────────────────────────────────────────────────────────────────────────────────────


def test_redis_that_isn_t_there(tmp_path: Path) -> None:
    said = refused(tmp_path, redis_url=f"redis://ada:{SECRET}@127.0.0.1:1")
    assert "INTERLOCK_REDIS_URL" in said
    assert "that this Redis runs" in said


@pytest.mark.parametrize("credentials", ["", f":{SECRET}@", f"ada:{SECRET}@"], ids=["none", "password", "user"])
def test_redis_that_doesn_t_let_us_in(tmp_path: Path, credentials: str) -> None:
    with redis_with(tmp_path, requirepass="another") as address:
        said = refused(tmp_path, redis_url=f"redis://{credentials}{address}")
    assert "INTERLOCK_REDIS_URL" in said
    assert "lets you in" in said


def test_redis_user_that_may_not_do_what_is_needed(tmp_path: Path) -> None:
    with redis_with(tmp_path) as address:
        with Redis.from_url(f"redis://{address}") as client:
            client.execute_command("ACL", "SETUSER", "ada", "on", f">{SECRET}", "~*", "+get", "+info")
        said = refused(tmp_path, redis_url=f"redis://ada:{SECRET}@{address}")
    assert "INTERLOCK_REDIS_URL" in said
    assert "permissions" in said


@pytest.mark.parametrize(
    ("config", "what_to_do"),
    [
        ({"appendonly": "no"}, "set `appendonly yes`"),
        ({"maxmemory": "100mb", "maxmemory_policy": "allkeys-lru"}, "set `maxmemory-policy noeviction`"),
    ],
)
def test_redis_that_may_forget(tmp_path: Path, config: dict[str, str], what_to_do: str) -> None:
    with redis_with(tmp_path, **config) as address:
        said = refused(tmp_path, redis_url=f"redis://{address}")
    assert what_to_do in said
    assert "INTERLOCK_REDIS_URL" in said
    assert "INTERLOCK_ALLOW_VOLATILE_REDIS=true" in said


# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────────────


def executed(url: str, *statements: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute())


def test_postgres_that_isn_t_there(tmp_path: Path) -> None:
    said = refused(tmp_path, database_url=f"postgresql://ada:{SECRET}@127.0.0.1:1/runs")
    assert "INTERLOCK_DATABASE_URL" in said
    assert "that this PostgreSQL runs" in said


def test_postgres_that_knows_no_such_user_or_database(tmp_path: Path, postgres_url: str) -> None:
    address = postgres_url.rpartition("@")[2].rpartition("/")[0]
    for url in (f"postgresql://ghost:{SECRET}@{address}/postgres", f"postgresql://postgres@{address}/nowhere"):
        said = refused(tmp_path, database_url=url)
        assert "INTERLOCK_DATABASE_URL" in said
        assert "does not exist" in said


def test_postgres_that_doesn_t_take_the_password(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    folder = tmp_path_factory.mktemp("postgres")
    with postgres_server(data_dir=folder) as url:
        executed(url, "ALTER USER postgres PASSWORD 'another'")
        (folder / "cluster" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        executed(url, "SELECT pg_reload_conf()")
        said = refused(tmp_path, database_url=url.replace("postgres@", f"postgres:{SECRET}@"))
    assert "INTERLOCK_DATABASE_URL" in said
    assert "password authentication failed" in said


@pytest.mark.parametrize("revision", ["", "0001", "9999"], ids=["no tables", "older", "newer"])
def test_postgres_whose_tables_are_another_version_s(
    tmp_path: Path, redis_url: str, postgres_url: str, revision: str
) -> None:
    with storage_settings("postgresql", tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings:
        url = settings["database_url"]
        executed(url, "DELETE FROM alembic_version")
        if revision:
            executed(url, f"INSERT INTO alembic_version VALUES ('{revision}')")
        said = refused(tmp_path, database_url=url)
    assert "INTERLOCK_DATABASE_URL" in said
    assert ("Upgrade this one" if revision == "9999" else "run `interlock migrate`") in said


# ── SQLite ──────────────────────────────────────────────────────────────────────────────────────────────


def test_file_that_isn_t_a_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("This is no database. " * 1000)
    said = refused(tmp_path, database_url=f"sqlite:///{tmp_path}/notes.txt")
    assert "INTERLOCK_DATABASE_URL" in said
    assert "notes.txt" in said


def test_folder_that_can_t_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(tmp_path, database_url=f"sqlite:///{tmp_path}/file/interlock.db")
    assert "INTERLOCK_DATA_DIR" in said
