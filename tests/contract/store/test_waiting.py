"""What `Waiting` promises: that it is what the rows of runs have as pending, by whom it waits for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from pydantic_core import to_json
from sqlalchemy import Connection, select, text
from tests.contract.store.samples import (
    ALICE,
    BOB,
    CANCELLED,
    COMPLETED,
    PAUSED,
    RUNNING,
    new_run,
    settlement,
    the_run,
)
from tests.support.live import eventually

from interlock.database import Database, PostgresDatabase
from interlock.store.port import RunFilter, Settlement, Store, WaitingFilter
from interlock.store.sql import SqlStore
from interlock.store.statements.waiting import APART, list_all, list_waiting
from interlock.store.tables import waiting
from interlock_protocol.types import JsonObject, RunStatus

Row = tuple[str, str, str, str, str, str, int | None, int]


def asked(id_: str, *assignees: str, kind: str = "requires_confirmation", **more: str) -> JsonObject:
    """A requirement, as the pending summary has it."""
    return {"id": id_, "kind": kind, **({"assignees": list(assignees)} if assignees else {}), **more}


def pausing(run_id: str, next_index: int, *pending: JsonObject, status: RunStatus = PAUSED) -> Settlement:
    """A run comes to wait for these."""
    return replace(settlement(run_id, status, next_index), pending=pending)


async def rows(database: Database) -> list[Row]:
    """All that waits, in the order of run, requirement and assignee."""

    def read(connection: Connection) -> list[Any]:
        columns = ("run_id", "requirement_id", "assignee", "kind", "owner", "workflow_id", "due", "created_at")
        found = connection.execute(select(*(waiting.c[name] for name in columns)))
        return sorted(tuple(row) for row in found)

    return await database.read(read)


async def whom(database: Database, run_id: str = "run") -> list[tuple[str, str]]:
    """What a run waits for: requirement and assignee."""
    return [row[1:3] for row in await rows(database) if row[0] == run_id]


async def ids(store: Store, which: WaitingFilter) -> list[str]:
    """The runs of a list, all pages of it."""
    page = await store.waiting(which)
    found = [run.run_id for run in page.runs]
    while page.next_cursor is not None:
        page = await store.waiting(replace(which, cursor=page.next_cursor))
        found += [run.run_id for run in page.runs]
    return found


def names(*assignees: str, **more: Any) -> WaitingFilter:
    return WaitingFilter(assignees=frozenset(assignees), **more)


# --- what stands in it ---


async def test_a_pause_waits_for_each_of_its_assignees_or_for_the_owner(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    due = asked("r2", timeout_at="1970-01-01T00:00:05.250000Z", kind="requires_user_input")
    await store.settle(pausing("run", 1, asked("r1", BOB, "group:x", BOB), due))
    assert await rows(database) == [
        ("run", "r1", BOB, "requires_confirmation", ALICE, "release", None, 1000),
        ("run", "r1", "group:x", "requires_confirmation", ALICE, "release", None, 1000),
        ("run", "r2", "", "requires_user_input", ALICE, "release", 5250, 1000),
    ]


async def test_what_waits_for_a_signal_waits_for_nobody(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    signal = asked("s", kind="requires_signal", topic="paid")
    await store.settle(pausing("run", 2, signal, asked("r")))
    assert await whom(database) == [("r", "")]
    await store.settle(pausing("run", 3, signal))
    assert await whom(database) == []
    row = await store.run("run")
    assert row is not None
    assert row.pending == (signal,), "lists say what it waits for"


async def test_what_is_resolved_or_withdrawn_waits_no_more_and_the_rest_stays(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    await store.settle(pausing("run", 1, asked("r1", BOB), asked("r2", BOB, "carol"), asked("r3")))
    await store.settle(pausing("run", 2, asked("r2", BOB, "carol"), asked("r4", "carol"), status=RUNNING))
    assert await whom(database) == [("r2", BOB), ("r2", "carol"), ("r4", "carol")]
    await store.settle(pausing("run", 3, asked("r2", "carol", "dan")))
    assert await whom(database) == [("r2", "carol"), ("r2", "dan")]
    await store.settle(settlement("run", RUNNING, 4))
    assert await rows(database) == []


async def test_what_is_said_of_a_requirement_is_corrected(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    await store.settle(pausing("run", 1, asked("r1", BOB)))
    await store.settle(pausing("run", 2, asked("r1", BOB, timeout_at="1970-01-01T00:00:01Z", kind="other")))
    assert [(row[3], row[6]) for row in await rows(database)] == [("other", 1000)]


@pytest.mark.parametrize("status", [COMPLETED, CANCELLED, RunStatus.ERROR])
async def test_a_run_that_has_ended_waits_for_nobody_whatever_the_settlement_says(
    store: Store, database: Database, status: RunStatus
) -> None:
    for run_id in ("run", "another"):
        await store.create_run(new_run(run_id))
        await store.settle(pausing(run_id, 1, asked("r1", BOB)))
    await store.settle(pausing("run", 2, asked("r1", BOB), status=status))
    await store.settle(pausing("run", 3, asked("r2", BOB), status=status))
    assert [row[0] for row in await rows(database)] == ["another"]
    assert (await the_run(store)).pending == ()


async def test_an_older_settlement_and_one_of_no_run_change_nothing(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    await store.settle(pausing("run", 5, asked("r1", BOB)))
    await store.settle(pausing("run", 4, asked("r0", BOB)))
    await store.settle(settlement("run", RUNNING, 3))
    await store.settle(pausing("nobody", 4, asked("r0", BOB)))
    assert await rows(database) == [("run", "r1", BOB, "requires_confirmation", ALICE, "release", None, 1000)]


def of_pending(run_id: str, pending: Sequence[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """The law, as a function of the pending summary."""
    return {(run_id, each["id"], name) for each in pending for name in each.get("assignees") or [""]}


@pytest.mark.parametrize("seed", range(4))
async def test_what_waits_is_what_is_pending_whatever_was_settled_in_whatever_order(
    store: Store, database: Database, seed: int
) -> None:
    draw = random.Random(seed)
    run_ids = [f"run{number}" for number in range(8)]
    for run_id in run_ids:
        await store.create_run(new_run(run_id))
    for _ in range(6):
        steps = []
        for run_id in draw.choices(run_ids, k=24):
            some = [
                asked(f"r{n}", *draw.sample([ALICE, BOB, "group:x"], draw.randrange(3)))
                for n in draw.sample(range(5), draw.randrange(4))
            ]
            status = draw.choice([RUNNING, PAUSED, PAUSED, PAUSED, *([COMPLETED] if draw.random() < 0.1 else [])])
            steps.append(pausing(run_id, draw.randrange(12), *some, status=status))
        await asyncio.gather(*(store.settle(step) for step in steps))
        expected = set[tuple[str, str, str]]().union(
            *[of_pending(run_id, (await the_run(store, run_id)).pending) for run_id in run_ids]
        )
        assert {row[:3] for row in await rows(database)} == expected


async def test_whoever_settles_behind_another_deletes_what_that_one_wrote(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    """A statement doesn't see what was committed after it began, not even while it waited for the run's row."""
    store = SqlStore(postgres_database)
    await store.create_run(new_run("run"))
    other = await asyncpg.connect(pg_url.replace("+asyncpg", ""))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("UPDATE runs SET pending = '[{\"id\":\"r1\"}]', status = 'PAUSED', next_index = 3")
    await other.execute("INSERT INTO waiting VALUES ('run', 'r1', 'bob', 'kind', 'alice', 'release', NULL, 1000)")

    async def is_waiting() -> bool:
        return bool(await other.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    ending = asyncio.create_task(store.settle(settlement("run", COMPLETED, 5)))
    await eventually(is_waiting)
    await transaction.commit()
    await other.close()
    await ending
    assert (await the_run(store)).status == COMPLETED
    assert await rows(postgres_database) == []


# --- beside nodes that don't know of it ---


async def settled_before(database: Database, run_id: str, next_index: int, pending: str) -> None:
    """As the releases before settle: what waits isn't written."""
    statement = text(
        "UPDATE runs SET status = 'PAUSED', next_index = :next_index, pending = :pending, changed = 1"
        " WHERE run_id = :run_id"
    )
    values = {"run_id": run_id, "next_index": next_index, "pending": pending}
    await database.write(lambda connection: connection.execute(statement, values))


async def test_what_an_older_node_settles_is_found_by_whoever_looks(store: Store, database: Database) -> None:
    for number in range(5):
        await store.create_run(new_run(f"run{number}", created_at=number))
        await store.settle(pausing(f"run{number}", 1, asked("r1", BOB)))
    await settled_before(database, "run0", 2, '[{"id":"r2","kind":"k","assignees":["carol"]}]')
    await settled_before(database, "run1", 2, "[]")
    await settled_before(database, "run2", 2, '[{"id":"r2","kind":"k","assignees":["bob"]}]')
    assert await ids(store, names(BOB, limit=2)) == ["run4", "run3", "run2"]
    assert await ids(store, names("carol")) == ["run0"]
    assert [row[:3] for row in await rows(database)] == [
        ("run0", "r2", "carol"),
        *((f"run{number}", "r2" if number == 2 else "r1", BOB) for number in (2, 3, 4)),
    ]


async def test_what_an_older_node_settled_is_put_right_by_the_next_settlement(store: Store, database: Database) -> None:
    await store.create_run(new_run("run"))
    paused = pausing("run", 2, asked("r1", BOB))
    await settled_before(database, "run", 1, to_json(paused.pending).decode())
    before = (await store.feed_ends()).last
    await store.settle(paused)
    assert await whom(database) == [("r1", BOB)]
    assert (await store.feed_ends()).last == before, "nothing else has changed"


# --- lists of it ---


async def test_a_list_has_the_runs_that_wait_for_those_who_are_asked_about_newest_first(store: Store) -> None:
    pendings: list[tuple[str, tuple[JsonObject, ...]]] = [
        (ALICE, (asked("r", BOB),)),
        (ALICE, (asked("r", "group:x"), asked("s", BOB, "group:x"))),
        (BOB, (asked("r"),)),
        (BOB, (asked("r", "carol"),)),
        (ALICE, ()),
        (ALICE, (asked("r"), asked("s", "carol"))),
    ]
    for number, (owner, pending) in enumerate(pendings):
        await store.create_run(new_run(f"run{number}", user_id=owner, created_at=number))
        await store.settle(pausing(f"run{number}", 1, *pending))
    assert await ids(store, names(BOB)) == ["run1", "run0"]
    assert await ids(store, names("group:x", "carol")) == ["run5", "run3", "run1"]
    assert await ids(store, names("carol", owned_by=BOB)) == ["run3"]
    assert await ids(store, WaitingFilter(unnamed_of=BOB)) == ["run2"]
    assert await ids(store, names(BOB, unnamed_of=BOB)) == ["run2", "run1", "run0"]
    assert await ids(store, names("nobody", unnamed_of="nobody")) == []
    assert await ids(store, WaitingFilter()) == []
    assert await ids(store, WaitingFilter(anybody=True)) == ["run5", "run3", "run2", "run1", "run0"]


async def test_a_list_is_narrowed_by_workflow_session_and_status(store: Store) -> None:
    for number, workflow_id in enumerate(("release", "other", "release")):
        await store.create_run(new_run(f"run{number}", workflow_id=workflow_id, created_at=number))
        await store.settle(pausing(f"run{number}", 1, asked("r", BOB), status=RUNNING if number else PAUSED))
    await store.create_run(replace(new_run("elsewhere"), session_id="other"))
    await store.settle(pausing("elsewhere", 1, asked("r", BOB)))
    for all_of in (names(BOB), WaitingFilter(anybody=True)):
        assert await ids(store, replace(all_of, workflow_id="release")) == ["elsewhere", "run2", "run0"]
        assert await ids(store, replace(all_of, session_id="other")) == ["elsewhere"]
        assert await ids(store, replace(all_of, statuses=frozenset({RUNNING}))) == ["run2", "run1"]


@pytest.mark.parametrize("limit", [1, 3, 50])
async def test_pages_hold_each_run_once_however_many_names_it_waits_for(store: Store, limit: int) -> None:
    many = [f"group:{number:03}" for number in range(APART + 5)]
    await asyncio.gather(*(store.create_run(new_run(f"run{n}", created_at=n // 3)) for n in range(9)))
    for n in range(9):
        await store.settle(pausing(f"run{n}", 1, asked("r", *many[n:]), asked("s", many[-1])))
    newest_first = [f"run{n}" for n in reversed(range(9))]
    for which in (names(*many), names(many[-1]), names(many[-1], many[3]), WaitingFilter(anybody=True)):
        assert await ids(store, replace(which, limit=limit)) == newest_first


async def test_a_page_says_as_of_which_change_it_is(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(pausing("run", 1, asked("r", BOB)))
    ends = await store.feed_ends()
    for which in (names(BOB), names("nobody"), WaitingFilter(), WaitingFilter(anybody=True)):
        assert (await store.waiting(which)).seq == ends.last


async def test_a_run_is_listed_with_all_that_a_row_has(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(pausing("run", 1, asked("r", BOB)), assignees=(BOB,)))
    page = await store.waiting(names(BOB))
    assert page.runs == (await store.runs(RunFilter())).runs
    assert (page.runs[0].pending, page.runs[0].assignees) == ((asked("r", BOB),), (BOB,))


async def test_a_forged_cursor_is_a_value_error(store: Store) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.waiting(names(BOB, cursor="x"))


# --- what it costs ---

ANYTHING = {"workflow": False, "session": False, "place": False, "statuses": False}


@pytest.mark.parametrize("paged", [False, True])
async def test_a_list_reads_no_row_of_others(database: Database, paged: bool) -> None:
    """Each part by an index that has it in the order of the list, and no part sorts more than a page."""
    mine = list_waiting(apart=2, rest=False, owned=False, unnamed=True, home=False, places=1, paged=paged, **ANYTHING)
    everybodys = list_all(paged=paged, **ANYTHING)
    names = {"name_0": "alice", "name_1": "group:x", "unnamed_of": "alice", "place_0": ["user_alice"]}
    values = {**names, "at_most": 5, "of_account": "default", "before_time": 5, "before_run": "run"}

    def plans(connection: Connection) -> list[str]:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        found = []
        for statement in (mine, everybodys):
            used = {name: value for name, value in values.items() if name in statement.compile().params}
            compiled = statement.params(used).compile(connection, compile_kwargs={"literal_binds": True})
            found.append("\n".join(str(row) for row in connection.execute(text(f"{explain} {compiled}"))))
        return found

    by_name, by_all = await database.read(plans)
    assert by_name.count("ix_waiting_assignee") == 2
    assert by_name.count("ix_waiting_unnamed") == by_name.count("ix_waiting_elsewhere") == 1
    if database.dialect == "sqlite":  # the other one decides by how many there are of each
        assert "ix_runs_waiting" in by_all
        assert "SCAN waiting" not in by_name
        assert "SCAN runs" not in by_name
        assert "TEMP B-TREE" not in by_all
        assert by_name.count("TEMP B-TREE") <= 4, "of the parts' pages, and of the whole page"
