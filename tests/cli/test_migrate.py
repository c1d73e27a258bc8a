"""`interlock migrate`: the tables of a real database, made and left as they are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from tests.cli.conftest import Cli
from tests.cli.test_commands import FLOWS
from tests.support.services import free_port

DONE = "The database's tables are up to date now.\n"
NOTHING_TO_DO = "The database's tables are up to date already; nothing was changed.\n"


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """A PostgreSQL database without tables."""
    name = f"migrate_{os.getpid()}"

    async def execute(statement: str) -> None:
        connection = await asyncpg.connect(postgres_url.replace("+asyncpg", ""))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(execute(f"CREATE DATABASE {name}"))
    yield f"{postgres_url.rpartition('/')[0]}/{name}"
    asyncio.run(execute(f"DROP DATABASE {name} WITH (FORCE)"))


def test_tables_of_postgres_are_made_once_and_then_a_server_starts(
    cli: Cli, tmp_path: Path, empty_postgres: str
) -> None:
    (tmp_path / "flows.py").write_text(FLOWS)
    refused = cli("serve", "flows:one", "--port", str(free_port()), INTERLOCK_DATABASE_URL=empty_postgres)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "run `interlock migrate`" in refused.stderr

    done = cli("migrate", INTERLOCK_DATABASE_URL=empty_postgres)
    assert (done.returncode, done.stdout, done.stderr) == (0, DONE, "")
    again = cli("migrate", "--database-url", empty_postgres)
    assert (again.returncode, again.stdout, again.stderr) == (0, NOTHING_TO_DO, "")


def test_file_in_the_data_folder_is_the_default(cli: Cli, tmp_path: Path) -> None:
    assert cli("migrate", INTERLOCK_DATA_DIR="data").stdout == DONE
    assert (tmp_path / "data" / "interlock.db").exists()
    assert cli("migrate", INTERLOCK_DATA_DIR="data").stdout == NOTHING_TO_DO


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("postgresql://ada:s3cret@127.0.0.1:1/x", 5, "can't be reached"),
        ("sqlite:////proc/nothing/x.db", 5, "can't be opened"),
        ("mysql://ada:s3cret@127.0.0.1/x", 2, "--database-url must be"),
        ("sqlite://host/x.db", 2, "must be sqlite"),
    ],
)
def test_database_that_can_t_be_used_is_one_sentence_without_the_password(
    cli: Cli, url: str, code: int, sentence: str
) -> None:
    done = cli("migrate", "--database-url", url)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    assert sentence in done.stderr
    assert "s3cret" not in done.stderr
