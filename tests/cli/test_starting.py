"""Why a server can't start: one sentence that names the setting and says what to do, and exit code 1."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import redis
from tests.cli.conftest import Cli
from tests.cli.test_commands import FLOWS
from tests.support.live import eventually
from tests.support.services import free_port, postgres_server, redis_server


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A PostgreSQL that asks for passwords: of ada, whose the database `hers` is, and of bob, who may nothing there."""
    with tempfile.TemporaryDirectory(prefix="interlock-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        with postgres_server(data_dir=folder / "data") as url:
            roles = [f"CREATE ROLE {role} LOGIN PASSWORD 'right'" for role in ("ada", "bob")]
            asyncio.run(
                execute(url, "SET password_encryption = 'scram-sha-256'", *roles, "CREATE DATABASE hers OWNER ada")
            )
            cluster = folder / "data/cluster"
            (cluster / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
            os.kill(int((cluster / "postmaster.pid").read_text().splitlines()[0]), signal.SIGHUP)
            place = url.partition("@")[2].rpartition("/")[0]
            asyncio.run(eventually(lambda: _is_refused(f"postgresql://ada:wrong@{place}/hers")))
            yield place


async def _is_refused(url: str) -> bool:
    try:
        await execute(url)
    except asyncpg.InvalidPasswordError:
        return True
    return False


def refused(cli: Cli, tmp_path: Path, code: int = 1, **variables: str) -> str:
    """What a server says that can't start."""
    (tmp_path / "flows.py").write_text(FLOWS)
    done = cli("serve", "flows:one", "--port", str(free_port()), **variables)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert "s3cret" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://ada:s3cret@{}/hers", "password authentication failed"),
        ("postgresql://ada@{}/hers", "password authentication failed"),
        ("postgresql://ada:right@{}/nothing", "does not exist"),
        ("postgresql://ada:right@{}/hers?sslmode=require", "SSL"),
        ("postgresql://ada:s3cret@127.0.0.1:1/hers", "can't be reached"),
    ],
)
def test_database_that_refuses_is_named_by_its_setting(
    cli: Cli, tmp_path: Path, guarded: str, url: str, says: str
) -> None:
    sentence = refused(cli, tmp_path, INTERLOCK_DATABASE_URL=url.format(guarded))
    assert says in sentence
    assert "INTERLOCK_DATABASE_URL" in sentence


@pytest.mark.parametrize(
    "rest",
    [
        "?sslmode=s3cret",
        "?sslmode=a&sslmode=b",
        "?s3cret=1",
        "?sslmode=verify-full&sslrootcert=/s3cret",
        "?sslrootcert=x",
    ],
)
def test_database_url_that_can_t_be_used_is_told_without_repeating_it(cli: Cli, tmp_path: Path, rest: str) -> None:
    assert "INTERLOCK_DATABASE_URL" in refused(cli, tmp_path, 2, INTERLOCK_DATABASE_URL=f"postgresql://h/x{rest}")
    done = cli("migrate", INTERLOCK_DATABASE_URL=f"postgresql://h/x{rest}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr


def test_schema_that_is_missing_old_or_newer_is_told_with_what_to_do(cli: Cli, tmp_path: Path, guarded: str) -> None:
    url = f"postgresql://ada:right@{guarded}/hers"
    sentence = refused(cli, tmp_path, INTERLOCK_DATABASE_URL=url)
    assert "INTERLOCK_DATABASE_URL has no tables" in sentence
    assert "`interlock migrate`" in sentence

    assert cli("migrate", INTERLOCK_DATABASE_URL=url).returncode == 0
    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = '0001'"))
    sentence = refused(cli, tmp_path, INTERLOCK_DATABASE_URL=url)
    assert "INTERLOCK_DATABASE_URL are at revision 0001" in sentence
    assert "`interlock migrate`" in sentence

    asyncio.run(execute(url, "UPDATE alembic_version SET version_num = '9999'"))
    sentence = refused(cli, tmp_path, INTERLOCK_DATABASE_URL=url)
    assert "9999" in sentence
    assert "Upgrade" in sentence
    done = cli("migrate", INTERLOCK_DATABASE_URL=url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr


def test_role_that_may_not_make_tables_is_one_sentence(cli: Cli, guarded: str) -> None:
    done = cli("migrate", INTERLOCK_DATABASE_URL=f"postgresql://bob:right@{guarded}/hers")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (5, "", 1), done.stderr
    assert "permission denied" in done.stderr
    assert "INTERLOCK_DATABASE_URL" in done.stderr


def test_redis_that_can_t_be_used_is_named_by_its_setting(cli: Cli, tmp_path: Path, redis_url: str) -> None:
    away = refused(cli, tmp_path, INTERLOCK_REDIS_URL="redis://:s3cret@127.0.0.1:1/0")
    assert "INTERLOCK_REDIS_URL" in away
    wrong = refused(cli, tmp_path, INTERLOCK_REDIS_URL=redis_url.replace("redis://", "redis://ada:s3cret@"))
    assert "INTERLOCK_REDIS_URL" in wrong


def test_redis_that_forgets_is_refused_with_what_to_set(cli: Cli, tmp_path: Path) -> None:
    with redis_server(data_dir=tmp_path / "redis") as url:
        with redis.Redis.from_url(url) as client:
            client.config_set("appendonly", "no")
        sentence = refused(cli, tmp_path, INTERLOCK_REDIS_URL=url)
    assert "`appendonly yes`" in sentence
    assert "INTERLOCK_ALLOW_VOLATILE_REDIS" in sentence
