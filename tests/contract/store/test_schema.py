"""The tables: made, migrated and refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic_core import to_json
from sqlalchemy import Connection, CursorResult, inspect, select, text
from tests.contract.store.samples import ALICE, BOB, COMPLETED, PAUSED, all_changes, new_run, settlement, the_run

from interlock.database import Database, open_database
from interlock.store.migrate import SchemaOutdated, _config, check_current, migrate
from interlock.store.port import WaitingFilter
from interlock.store.sql import SqlStore
from interlock.store.tables import metadata, waiting


async def test_the_revisions_make_exactly_todays_tables(database: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    assert await database.read(differences) == []


async def test_a_database_without_tables_is_outdated_until_migrated(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    with pytest.raises(SchemaOutdated, match="interlock migrate"):
        await check_current(database)
    await migrate(database)
    await check_current(database)
    await SqlStore(database).create_run(new_run("run"))
    await migrate(database)
    assert await SqlStore(database).run("run") is not None
    await database.close()


async def test_migrating_by_url_does_the_same_and_two_at_once_are_fine(empty_database_url: str) -> None:
    if empty_database_url.startswith("sqlite"):
        await migrate(empty_database_url)
    else:
        await asyncio.gather(*(migrate(empty_database_url) for _ in range(3)))
    database = open_database(empty_database_url)
    await check_current(database)
    await database.close()


def first_release(connection: Connection) -> None:
    """The tables of revision 0001, and a run in them that has paused."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0001")
    for statement in (
        "INSERT INTO runs VALUES ('old', 'release', '1.0', 'print', 'session', 'alice', '{\"a\":[1]}', 'PAUSED', 0, 9, "
        '1000, 2000, \'[{"id":"r1"}]\', 1)',
        "INSERT INTO run_assignees VALUES ('old', 'bob')",
        "INSERT INTO snapshots VALUES ('old', 0, 9, 1, 'state')",
        "INSERT INTO changes (run_id, status, pending, changed_at) VALUES ('old', 'PAUSED', '[{\"id\":\"r1\"}]', 2000)",
    ):
        connection.exec_driver_sql(statement)


async def test_a_database_of_the_first_release_is_upgraded_with_its_data(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await database.write(first_release)
    with pytest.raises(SchemaOutdated, match="0001"):
        await check_current(database)
    await migrate(database)
    await check_current(database)
    store = SqlStore(database)
    run = await the_run(store, "old")
    assert (run.status, run.next_index, run.pending, run.assignees) == (PAUSED, 9, ({"id": "r1"},), (BOB,))
    assert (run.input, run.next_timer) == ({"a": [1]}, None)
    assert [change.run.run_id for change in await all_changes(store)] == ["old"]
    assert [run.run_id for run in (await store.waiting(WaitingFilter(unnamed_of=ALICE))).runs] == ["old"]
    await store.settle(replace(settlement("old", PAUSED, 10), next_timer=5000))
    assert list(await store.take_due(5000, hold_ms=1)) == ["old"]
    await store.settle(settlement("old", COMPLETED, 11))
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session"))[1]] == ["old"]
    await database.close()


def before_waiting(connection: Connection) -> None:
    """The tables of revision 0006, and more runs in them than are looked at at a time."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0006")
    asked = [{"id": "r1", "kind": "k", "assignees": ["bob", "bob", "\x01"]}, {"id": "r2", "assignees": None}]
    timed = [{"id": "r3", "kind": "k", "message": "\x00", "timeout_at": "1970-01-01T00:00:02Z"}]
    insert = text(
        "INSERT INTO runs VALUES (:run_id, 'release', NULL, 'print', 'session', 'alice', '{}', :status, 1, 9, :number,"
        " 1, :pending, 1, NULL)"
    )
    for number in range(450):
        status, pending = [("PAUSED", asked), ("RUNNING", timed), ("COMPLETED", [])][number % 3]
        values = {"status": status, "pending": to_json(pending).decode(), "number": number // 100}
        connection.execute(insert, {"run_id": f"run{number:03}", **values})


async def test_what_waits_is_known_after_an_upgrade(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await database.write(before_waiting)
    await migrate(database)
    columns = [waiting.c[name] for name in ("run_id", "requirement_id", "assignee", "kind", "due", "created_at")]
    found = await database.read(lambda connection: {tuple(row) for row in connection.execute(select(*columns))})
    assert found == {
        (f"run{number:03}", *rest, number // 100)
        for number in range(450)
        for rest in (
            [("r1", "bob", "k", None), ("r1", "\x01", "k", None), ("r2", "", "", None)],
            [("r3", "", "k", 2000)],
            [],
        )[number % 3]
    }
    store = SqlStore(database)
    await store.settle(settlement("run000", COMPLETED, 11, epoch=1))
    page = await store.waiting(WaitingFilter(assignees=frozenset({BOB}), limit=500))
    assert [run.run_id for run in page.runs] == [f"run{number:03}" for number in range(447, 0, -3)]
    await database.close()


def before_the_outbox(connection: Connection) -> None:
    """The tables of revision 0007, and pause notices in them: one that was told, one that is held, and a new one."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0007")
    for values in ("'run', 'told', 1, 5, 1", "'run', 'held', 2, 5000, 0", "'run', 'new', 3, 0, 0"):
        connection.exec_driver_sql(f"INSERT INTO pause_notices VALUES ({values})")


async def test_pauses_that_were_not_told_before_an_upgrade_are_in_the_outbox(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await database.write(before_the_outbox)
    await migrate(database)
    store = SqlStore(database)
    assert list(await store.take_messages("pause", 1000, hold_ms=1000)) == [("run", "new")]
    assert list(await store.take_messages("pause", 9000, hold_ms=1000)) == [("run", "held"), ("run", "new")]
    await database.close()


BEFORE = (
    "INSERT INTO pause_notices (run_id, requirement_id, created_at, taken_until, done)"
    " SELECT * FROM unnest(ARRAY['run', 'run'], ARRAY['old', 'new'], ARRAY[4, 4], ARRAY[0, 0], ARRAY[0, 0])"
    " ON CONFLICT DO NOTHING",
    "WITH free AS (SELECT run_id, requirement_id FROM pause_notices WHERE done = 0 AND taken_until <= 7"
    " ORDER BY taken_until, created_at LIMIT 1 FOR UPDATE SKIP LOCKED) UPDATE pause_notices SET taken_until = 7000"
    " WHERE (run_id, requirement_id) IN (SELECT run_id, requirement_id FROM free)"
    " RETURNING created_at, run_id, requirement_id",
    "UPDATE pause_notices SET done = 1 WHERE run_id = 'run' AND requirement_id = 'held'",
)
"""What nodes of the version before do with pause notices: leave two, take one, tell of another."""


async def test_nodes_of_the_version_before_go_on_with_the_outbox(pg_empty_url: str) -> None:
    database = open_database(pg_empty_url)
    await database.write(before_the_outbox)
    await migrate(database)

    def of_before(connection: Connection) -> list[Any]:
        return [tuple(row) for each in BEFORE for row in _rows(connection.exec_driver_sql(each))]

    assert await database.write(of_before) == [(3, "run", "new")]
    store = SqlStore(database)
    assert list(await store.take_messages("pause", 6000, hold_ms=1)) == [("run", "old")]
    await database.close()


def _rows(result: CursorResult[Any]) -> list[Any]:
    return list(result) if result.returns_rows else []


async def test_a_database_of_a_newer_interlock_is_left_alone(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await migrate(database)
    await database.write(lambda c: c.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(SchemaOutdated, match="newer"):
        await check_current(database)
    with pytest.raises(SchemaOutdated, match="newer"):
        await migrate(database)
    await database.close()


async def test_a_migration_that_fails_leaves_no_tables(empty_database_url: str) -> None:
    database = open_database(empty_database_url)
    await database.write(lambda connection: connection.exec_driver_sql("CREATE TABLE log_batches (n INTEGER)"))
    with pytest.raises(Exception, match="already exists"):
        await migrate(database)
    assert await database.read(lambda connection: inspect(connection).get_table_names()) == ["log_batches"]
    await database.close()
