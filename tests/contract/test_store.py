"""What every `Store` promises, on a real SQLite and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Never

import asyncpg
import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, inspect, text
from tests.support.live import eventually

from interlock.database import Database, DatabaseUnavailable, PostgresDatabase, open_database
from interlock.store.migrate import SchemaOutdated, _config, check_current, migrate
from interlock.store.port import (
    CHANGES_KEPT_SECONDS,
    IDEMPOTENCY_SECONDS,
    Change,
    Decision,
    FeedEnds,
    IdempotencyKey,
    NewRun,
    Outcome,
    Run,
    RunFilter,
    Settlement,
    Snapshot,
    Store,
    StoreUnavailable,
    StreamTicket,
)
from interlock.store.sql import NUMBERED, SqlStore
from interlock.store.statements import COUNT_PAUSED, COUNT_PAUSED_BEFORE, COUNT_UNFINISHED
from interlock.store.tables import metadata
from interlock_protocol.types import JsonObject, JsonValue, RunStatus

PENDING, RUNNING, PAUSED = RunStatus.PENDING, RunStatus.RUNNING, RunStatus.PAUSED
COMPLETED, CANCELLED = RunStatus.COMPLETED, RunStatus.CANCELLED

ASKED: tuple[JsonObject, ...] = ({"id": "r1", "message": "Publish? „ja“\u0000\u2028"},)
ALICE, BOB = "alice", "bob"


@dataclass
class Clock:
    now: int = 1_000_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def store(database: Database, clock: Clock) -> Store:
    return SqlStore(database, clock=clock)


def new_run(run_id: str, *, user_id: str = ALICE, workflow_id: str = "release", created_at: int = 1000) -> NewRun:
    return NewRun(run_id, workflow_id, "1.0", "print", "session", user_id, {"a": [1, None, "ü"]}, created_at)


def key(name: str = "k", *, user_id: str = ALICE, fingerprint: str = "body") -> IdempotencyKey:
    return IdempotencyKey(user_id, name, fingerprint)


def settlement(run_id: str, status: RunStatus, next_index: int, epoch: int = 0) -> Settlement:
    return Settlement(run_id, status, epoch, next_index, updated_at=2000 + next_index)


def decision(requirement_id: str, event_index: int = 3, by: str = ALICE) -> Decision:
    return Decision("run", requirement_id, {"approved": True, "by": by}, by, 3000, 0, event_index)


async def all_changes(store: Store) -> Sequence[Change]:
    return await store.changes(0)


def facts_of(changes: Sequence[Change]) -> list[tuple[object, ...]]:
    """What stands in the feed, without how the runs are by now."""
    return [(each.seq, each.run.run_id, each.status, each.pending, each.changed_at) for each in changes]


async def the_run(store: Store, run_id: str = "run") -> Run:
    run = await store.run(run_id)
    assert run is not None
    return run


# --- creating ---


async def test_a_created_run_reads_back_as_pending(store: Store) -> None:
    assert await store.create_run(new_run("run")) is None
    assert await store.run("run") == Run(
        run_id="run",
        workflow_id="release",
        version="1.0",
        fingerprint="print",
        session_id="session",
        user_id=ALICE,
        input={"a": [1, None, "ü"]},
        status=PENDING,
        epoch=0,
        next_index=0,
        created_at=1000,
        updated_at=1000,
    )
    assert facts_of(await all_changes(store)) == [(1, "run", PENDING, (), 1000)]


async def test_an_unknown_run_is_none_everywhere(store: Store) -> None:
    assert await store.run("nobody") is None
    assert await store.snapshot("nobody") is None
    assert await store.decision("nobody", "r") is None
    assert list(await store.decisions("nobody")) == []
    assert await store.outcome(ALICE, "nothing") is None


@pytest.mark.parametrize("value", [None, "", "text", 0, -1.5, 2**70, True, [], {}, {"deep": [{"er": [[]]}]}, "\x00"])
async def test_any_json_survives_as_input(store: Store, value: object) -> None:
    run = replace(new_run("run"), input=value, version=None)  # type: ignore[arg-type]
    await store.create_run(run)
    read = await the_run(store)
    assert read.input == value
    assert type(read.input) is type(value)
    assert read.version is None


async def test_the_same_run_id_twice_is_an_error_and_changes_nothing(store: Store) -> None:
    await store.create_run(new_run("run"))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.create_run(new_run("run", user_id=BOB), key())
    assert (await the_run(store)).user_id == ALICE
    assert await store.outcome(ALICE, "k") is None
    assert len(await all_changes(store)) == 1


# --- idempotency ---


async def test_a_repeated_key_returns_the_first_outcome_and_writes_nothing(store: Store) -> None:
    assert await store.create_run(new_run("first"), key(fingerprint="one")) is None
    assert await store.create_run(new_run("second"), key(fingerprint="two")) == Outcome("one", "first")
    assert await store.run("second") is None
    assert len(await all_changes(store)) == 1
    assert await store.outcome(ALICE, "k") == Outcome("one", "first")


async def test_a_key_belongs_to_one_user(store: Store) -> None:
    assert await store.create_run(new_run("hers"), key()) is None
    assert await store.create_run(new_run("his", user_id=BOB), key(user_id=BOB)) is None
    assert await store.outcome(BOB, "k") == Outcome("body", "his")


async def test_fifty_starts_with_one_key_make_one_run(store: Store) -> None:
    outcomes = await asyncio.gather(*(store.create_run(new_run(f"run{n}"), key()) for n in range(50)))
    assert outcomes.count(None) == 1
    winner = f"run{outcomes.index(None)}"
    assert set(outcomes) == {None, Outcome("body", winner)}
    page = await store.runs(RunFilter())
    assert [run.run_id for run in page.runs] == [winner]
    assert [change.run.run_id for change in await all_changes(store)] == [winner]


async def test_a_key_is_kept_24_hours_then_replaced(store: Store, clock: Clock) -> None:
    await store.create_run(new_run("first"), key())
    clock.now += IDEMPOTENCY_SECONDS * 1000 - 1
    assert await store.outcome(ALICE, "k") == Outcome("body", "first")
    assert await store.create_run(new_run("second"), key()) == Outcome("body", "first")
    clock.now += 1
    assert await store.outcome(ALICE, "k") is None
    assert await store.create_run(new_run("third"), key(fingerprint="new")) is None
    assert await store.outcome(ALICE, "k") == Outcome("new", "third")


async def test_fifty_starts_with_one_expired_key_make_one_run(store: Store, clock: Clock) -> None:
    await store.create_run(new_run("old"), key())
    clock.now += IDEMPOTENCY_SECONDS * 1000
    outcomes = await asyncio.gather(*(store.create_run(new_run(f"run{n}"), key()) for n in range(50)))
    assert outcomes.count(None) == 1


async def test_only_so_many_keys_are_forgotten_at_a_time_the_oldest_first(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    for number in range(5):
        await store.create_run(new_run(f"run{number}"), key(f"key{number}"))
        clock.now += 1
    clock.now += IDEMPOTENCY_SECONDS * 1000 - 2  # the last one has a millisecond left
    assert [await store.forget_keys(2) for _ in range(3)] == [2, 2, 0]
    assert await store.outcome(ALICE, "key4") == Outcome("body", "run4")


async def test_many_who_forget_keys_at_once_forget_each_once(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    for number in range(20):
        await store.create_run(new_run(f"run{number}"), key(f"key{number}"))
    clock.now += IDEMPOTENCY_SECONDS * 1000
    assert sum(await asyncio.gather(*(store.forget_keys(7) for _ in range(8)))) == 20
    assert await store.forget_keys() == 0


async def test_expired_keys_are_forgotten_and_no_others(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    await store.create_run(new_run("old"), key("old"))
    clock.now += IDEMPOTENCY_SECONDS * 1000
    await store.create_run(new_run("young"), key("young"))
    assert await store.forget_keys() == 1
    assert await store.forget_keys() == 0
    assert await store.outcome(ALICE, "young") == Outcome("body", "young")


# --- settling ---


async def test_a_settlement_shows_in_the_row_the_feed_and_the_snapshot(store: Store) -> None:
    await store.create_run(new_run("run"))
    snapshot = Snapshot("run", 0, 9, 1, b"\x00state")
    await store.settle(
        Settlement("run", PAUSED, 0, 9, 2000, pending=ASKED, assignees=(BOB, "group:x"), snapshot=snapshot)
    )
    run = await the_run(store)
    assert (run.status, run.epoch, run.next_index, run.updated_at) == (PAUSED, 0, 9, 2000)
    assert (run.pending, run.assignees) == (ASKED, (BOB, "group:x"))
    assert await store.snapshot("run") == snapshot
    assert facts_of(await all_changes(store))[1:] == [(2, "run", PAUSED, ASKED, 2000)]


async def test_settling_a_run_that_is_not_there_does_nothing(store: Store) -> None:
    snapshot = Snapshot("run", 0, 9, 1, b"state")
    await store.settle(Settlement("run", PAUSED, 0, 9, 2000, assignees=(BOB,), snapshot=snapshot))
    assert await store.run("run") is None
    assert await store.snapshot("run") is None
    assert await all_changes(store) == []


async def test_an_older_settlement_is_ignored_altogether(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", PAUSED, 9, epoch=1))
    for older in (settlement("run", RUNNING, 8, epoch=1), settlement("run", RUNNING, 100, epoch=0)):
        late = replace(
            older, pending=ASKED, assignees=(BOB,), snapshot=Snapshot("run", older.epoch, older.next_index, 1, b"")
        )
        await store.settle(late)
    run = await the_run(store)
    assert (run.status, run.epoch, run.next_index, run.pending, run.assignees) == (PAUSED, 1, 9, (), ())
    assert await store.snapshot("run") is None
    assert len(await all_changes(store)) == 2


async def test_another_status_at_the_same_place_is_applied(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", RUNNING, 0))
    assert (await the_run(store)).status == RUNNING
    assert [change.status for change in await all_changes(store)] == [PENDING, RUNNING]


async def test_only_a_change_of_status_or_pending_is_fed(store: Store) -> None:
    await store.create_run(new_run("run"))
    paused = replace(settlement("run", PAUSED, 5), pending=ASKED)
    await store.settle(paused)
    await store.settle(paused)
    await store.settle(replace(paused, next_index=6))
    assert len(await all_changes(store)) == 2
    await store.settle(replace(paused, next_index=7, pending=(*ASKED, {"id": "r2"})))
    await store.settle(replace(paused, next_index=8, pending=()))
    assert [len(change.pending) for change in await all_changes(store)] == [0, 1, 2, 0]
    assert (await the_run(store)).next_index == 8


def settled(run: tuple[RunStatus, int, int], new: Settlement) -> tuple[RunStatus, int, int]:
    """The law of settlements, as a function of status, epoch and next index."""
    status, *place = run
    behind = [new.epoch, new.next_index] < place
    if behind or (status.is_final and new.status != status):
        return run
    return new.status, new.epoch, new.next_index


async def test_every_pair_of_settlements_obeys_the_law(store: Store) -> None:
    places = product((0, 1), (0, 2))
    each = list(product((RUNNING, PAUSED, COMPLETED, CANCELLED), places))

    async def check(run_id: str, steps: Sequence[Settlement]) -> None:
        await store.create_run(new_run(run_id))
        expected = (PENDING, 0, 0)
        for step in steps:
            await store.settle(step)
            expected = settled(expected, step)
            run = await the_run(store, run_id)
            assert (run.status, run.epoch, run.next_index) == expected, steps

    def step(run_id: str, one: tuple[RunStatus, tuple[int, int]]) -> Settlement:
        return settlement(run_id, one[0], one[1][1], epoch=one[1][0])

    pairs = list(product(each, each))
    await asyncio.gather(*(check(f"r{n}", [step(f"r{n}", one) for one in pair]) for n, pair in enumerate(pairs)))


async def test_racing_settlements_end_at_the_furthest_whatever_the_order(store: Store) -> None:
    await store.create_run(new_run("run"))
    steps = [settlement("run", RUNNING if n % 2 else PAUSED, n) for n in range(1, 40)]
    random.Random(7).shuffle(steps)
    await asyncio.gather(*(store.settle(step) for step in steps))
    run = await the_run(store)
    assert (run.status, run.next_index) == (RUNNING, 39)
    fed = await all_changes(store)
    assert fed[-1].status == RUNNING
    assert all(one.status != two.status for one, two in pairwise(fed))


async def test_a_snapshot_never_goes_backwards(store: Store) -> None:
    await store.create_run(new_run("run"))

    async def settle(place: tuple[int, int], snapshot: Snapshot) -> bytes:
        await store.settle(replace(settlement("run", RUNNING, place[1], epoch=place[0]), snapshot=snapshot))
        kept = await store.snapshot("run")
        assert kept is not None
        return kept.state

    assert await settle((0, 5), Snapshot("run", 0, 5, 1, b"five")) == b"five"
    assert await settle((0, 6), Snapshot("run", 0, 4, 1, b"four")) == b"five"
    assert await settle((0, 6), Snapshot("run", 0, 5, 2, b"newer")) == b"newer"
    assert await settle((1, 0), Snapshot("run", 1, 0, 2, b"epoch")) == b"epoch"
    assert await settle((1, 9), Snapshot("run", 0, 99, 2, b"old epoch")) == b"epoch"


async def test_assignees_are_only_ever_added(store: Store) -> None:
    await store.create_run(new_run("run"))
    for n, assignees in enumerate([("b", "a"), (), ("c", "a", "c")]):
        await store.settle(replace(settlement("run", PAUSED, n), assignees=assignees))
    assert (await the_run(store)).assignees == ("a", "b", "c")


async def test_unfinished_are_the_pending_and_running_oldest_first(store: Store) -> None:
    statuses = [PENDING, RUNNING, PAUSED, COMPLETED, CANCELLED, RunStatus.ERROR, RUNNING, PENDING]
    for n, status in enumerate(statuses):
        await store.create_run(new_run(f"run{n}", created_at=1000 - n))
        await store.settle(settlement(f"run{n}", status, 1))
    assert list(await store.unfinished()) == ["run7", "run6", "run1", "run0"]


# --- tickets ---


def ticket(name: str, expires_at: int = 2000) -> StreamTicket:
    return StreamTicket(f"of {name}", name, "/a/b", ALICE, frozenset({"read", "decide"}), frozenset({"x"}), expires_at)


async def test_ticket_is_found_by_its_hash_until_its_user_revokes_it(store: Store) -> None:
    await store.keep_ticket(ticket("one"))
    await store.keep_ticket(ticket("two"))
    assert await store.ticket("of one") == ticket("one")
    assert await store.ticket("one") is None
    await store.revoke_ticket("one", BOB)
    assert await store.ticket("of one") == ticket("one")
    await store.revoke_ticket("one", ALICE)
    await store.revoke_ticket("one", ALICE)
    assert await store.ticket("of one") is None
    assert await store.ticket("of two") == ticket("two")


async def test_expired_tickets_are_forgotten_and_no_others(database: Database, clock: Clock) -> None:
    store = SqlStore(database, clock=clock)
    for number in range(5):
        await store.keep_ticket(ticket(f"old{number}", clock.now - number))
    await store.keep_ticket(ticket("young", clock.now + 1))
    assert [await store.forget_tickets(3) for _ in range(3)] == [3, 2, 0]
    assert await store.ticket("of young") == ticket("young", clock.now + 1)


# --- how it stands ---


async def test_a_database_that_is_there_answers(store: Store, database: Database) -> None:
    await store.check()
    await database.close()
    with pytest.raises(StoreUnavailable):
        await store.check()


async def test_runs_that_have_not_ended_are_counted_and_the_paused_ones_by_age(store: Store) -> None:
    statuses = [PENDING, PENDING, RUNNING, COMPLETED, CANCELLED, PAUSED, PAUSED, PAUSED, PAUSED]
    for n, status in enumerate(statuses):
        await store.create_run(new_run(f"run{n}"))
        await store.settle(replace(settlement(f"run{n}", status, 1), updated_at=1000 * n))
    census = await store.census([7500, 5000])
    assert census.unfinished == {PENDING: 2, RUNNING: 1, PAUSED: 4}
    assert list(census.paused_by_age) == [1, 2, 1]
    assert census.paused_since == 5000


async def test_a_store_without_runs_counts_none(store: Store) -> None:
    census = await store.census([5000])
    assert census.unfinished == {PENDING: 0, RUNNING: 0, PAUSED: 0}
    assert (list(census.paused_by_age), census.paused_since) == ([0, 0], None)


async def test_counting_looks_at_no_run_that_has_ended(sqlite_database: Database) -> None:
    def plans(connection: Connection) -> list[str]:
        counts = [COUNT_UNFINISHED, COUNT_PAUSED, COUNT_PAUSED_BEFORE]
        texts = [str(each.compile(connection, compile_kwargs={"literal_binds": True})) for each in counts[:2]]
        texts.append(str(counts[2].compile(connection)).replace("?", "1"))
        return [row[3] for each in texts for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each}")]

    found = await sqlite_database.read(plans)
    assert all("ix_runs_unfinished" in plan or "ix_runs_paused" in plan or "TEMP B-TREE" in plan for plan in found)


# --- timers ---


async def with_timers(store: Store, **times: int | None) -> None:
    """Paused runs whose timers fire at these times."""
    for run_id, at in times.items():
        await store.create_run(new_run(run_id))
        await store.settle(replace(settlement(run_id, PAUSED, 1), next_timer=at))


async def test_a_timer_is_due_from_its_time_on_the_earliest_first(store: Store) -> None:
    await with_timers(store, late=9000, early=5000, next=5001, never=None)
    assert [(await the_run(store, run_id)).next_timer for run_id in ("early", "never")] == [5000, None]
    assert {run.run_id: run.next_timer for run in (await store.runs(RunFilter())).runs}["late"] == 9000
    assert list(await store.take_due(4999, hold_ms=0)) == []
    assert list(await store.take_due(5000, hold_ms=10)) == ["early"]
    assert list(await store.take_due(2**62, hold_ms=10, limit=1)) == ["next"]
    assert set(await store.take_due(2**62, hold_ms=10)) == {"early", "late"}


async def test_a_timer_is_taken_by_one_until_its_time_is_over(store: Store) -> None:
    await with_timers(store, run=5000)
    assert list(await store.take_due(6000, hold_ms=100)) == ["run"]
    assert list(await store.take_due(6099, hold_ms=100)) == []
    assert list(await store.take_due(6100, hold_ms=100)) == ["run"]
    await store.settle(replace(settlement("run", PAUSED, 1), next_timer=6150))
    assert list(await store.take_due(6150, hold_ms=100)) == ["run"], "its next one is another"
    assert len(await all_changes(store)) == 2, "nobody else hears of it"


async def test_many_who_take_timers_at_once_never_take_the_same(store: Store) -> None:
    runs = {f"run{n:02}": 1000 + n for n in range(40)}
    await with_timers(store, **runs)

    async def takes() -> list[str]:
        taken: list[str] = []
        while some := await store.take_due(5000, hold_ms=100, limit=7):
            assert len(some) <= 7
            taken += some
        return taken

    taken = [run_id for some in await asyncio.gather(*(takes() for _ in range(8))) for run_id in some]
    assert sorted(taken) == sorted(runs)


async def test_a_new_run_has_no_timer(store: Store) -> None:
    await store.create_run(new_run("run"))
    assert (await the_run(store)).next_timer is None
    assert list(await store.take_due(2**62, hold_ms=1)) == []


async def test_each_settlement_moves_or_clears_the_timer_unless_it_is_older(store: Store) -> None:
    await store.create_run(new_run("run"))
    paused = replace(settlement("run", PAUSED, 5), next_timer=5000)
    await store.settle(paused)
    await store.settle(replace(paused, next_index=4, next_timer=1))
    assert (await the_run(store)).next_timer == 5000
    await store.settle(replace(paused, next_timer=7000))
    assert (await the_run(store)).next_timer == 7000
    assert len(await all_changes(store)) == 2
    await store.settle(settlement("run", RUNNING, 6))
    assert (await the_run(store)).next_timer is None


@pytest.mark.parametrize("status", [COMPLETED, CANCELLED, RunStatus.ERROR])
async def test_a_run_that_has_ended_has_no_timer(store: Store, status: RunStatus) -> None:
    await store.create_run(new_run("run"))
    await store.settle(replace(settlement("run", PAUSED, 5), next_timer=5000))
    await store.settle(replace(settlement("run", status, 6), next_timer=6000))
    await store.settle(replace(settlement("run", status, 7), next_timer=6000))
    assert (await the_run(store)).next_timer is None
    assert list(await store.take_due(2**62, hold_ms=1)) == []


async def test_the_clock_is_the_servers_or_the_machines_own(database: Database, clock: Clock) -> None:
    """Both are this machine's; the one given to the store stands for a node's that is wrong."""
    before = time.time_ns() // 1_000_000
    now = await SqlStore(database).now_ms()
    assert type(now) is int
    assert before <= now <= time.time_ns() // 1_000_000
    if database.dialect == "postgresql":
        assert await SqlStore(database, clock=clock).now_ms() >= now


# --- sessions ---


async def patch(store: Store, index: int, *changes: JsonValue, run_id: str = "run") -> JsonObject:
    return await store.patch_session(ALICE, "session", run_id, [(index, list(changes))])


async def test_a_session_that_nobody_patched_is_empty(store: Store) -> None:
    assert await store.session_state(ALICE, "session") == {}
    assert await store.patch_session(ALICE, "session", "run", []) == {}
    assert await store.session_state(ALICE, "session") == {}


async def test_patches_are_applied_in_order_and_read_back(store: Store) -> None:
    odd: JsonValue = {"ü\x00\u2028": [None, True, 1, 1.0, 2**70]}
    patches: list[tuple[int, list[JsonValue]]] = [
        (3, [["set", ["a", "b"], 1], ["extend", ["list"], [1]]]),
        (7, [["set", ["a", "b"], odd], ["delete", ["nothing"]], ["extend", ["list"], [2, 3]]]),
    ]
    expected = {"a": {"b": odd}, "list": [1, 2, 3]}
    for state in (
        await store.patch_session(ALICE, "session", "run", patches),
        await store.session_state(ALICE, "session"),
    ):
        assert state == expected
        assert repr(state) == repr(expected)  # 1.0 is not 1


async def test_a_patch_that_was_applied_is_not_applied_again(store: Store) -> None:
    first: list[tuple[int, list[JsonValue]]] = [(3, [["extend", ["list"], [3]]]), (5, [["extend", ["list"], [5]]])]
    await store.patch_session(ALICE, "session", "run", first)
    assert await store.patch_session(ALICE, "session", "run", first) == {"list": [3, 5]}
    again: list[tuple[int, list[JsonValue]]] = [*first, (9, [["extend", ["list"], [9]]])]
    assert await store.patch_session(ALICE, "session", "run", again) == {"list": [3, 5, 9]}
    assert await patch(store, 4, ["set", ["list"], []]) == {"list": [3, 5, 9]}
    assert await patch(store, 0, ["extend", ["list"], [0]], run_id="other") == {"list": [3, 5, 9, 0]}


async def test_a_session_belongs_to_one_user(store: Store) -> None:
    await store.patch_session(ALICE, "session", "hers", [(1, [["set", ["of"], ALICE]])])
    await store.patch_session(BOB, "session", "his", [(1, [["set", ["of"], BOB]])])
    await store.patch_session(ALICE, "other", "another", [(1, [["set", ["of"], "nobody"]])])
    assert await store.session_state(ALICE, "session") == {"of": ALICE}
    assert await store.session_state(BOB, "session") == {"of": BOB}


async def test_a_patch_that_is_none_changes_nothing(store: Store) -> None:
    await patch(store, 1, ["set", ["a"], 1])
    with pytest.raises(ValueError, match="change"):
        await store.patch_session(ALICE, "session", "run", [(2, [["set", ["a"], 2]]), (3, [["shout", ["a"]]])])
    assert await store.session_state(ALICE, "session") == {"a": 1}
    assert await patch(store, 2, ["set", ["a"], 3]) == {"a": 3}


async def test_runs_that_patch_one_session_at_once_lose_nothing(store: Store) -> None:
    async def one_run(run: int) -> None:
        for index in range(5):
            changes: list[JsonValue] = [["set", ["of", f"run{run}", f"{index}"], index], ["extend", ["all"], [run]]]
            once = store.patch_session(ALICE, "session", f"run{run}", [(index, changes)])
            again = store.patch_session(ALICE, "session", f"run{run}", [(index, changes)])
            await asyncio.gather(once, again)

    await asyncio.gather(*(one_run(run) for run in range(10)))
    state = await store.session_state(ALICE, "session")
    assert state["of"] == {f"run{run}": {f"{index}": index for index in range(5)} for run in range(10)}
    runs = state["all"]
    assert isinstance(runs, list)
    assert sorted(runs, key=str) == sorted([run for run in range(10) for _ in range(5)], key=str)


async def end(store: Store, run_id: str, status: RunStatus = COMPLETED) -> None:
    snapshot = Snapshot(run_id, 0, 1, 1, f"state of {run_id}".encode())
    await store.settle(replace(settlement(run_id, status, 1), snapshot=snapshot))


async def test_earlier_runs_of_a_session_are_the_latest_that_ended_in_it_oldest_first(store: Store) -> None:
    statuses = [COMPLETED, COMPLETED, CANCELLED, RunStatus.ERROR, COMPLETED, PAUSED, RUNNING, COMPLETED]
    for n, status in enumerate(statuses):
        await store.create_run(replace(new_run(f"run{n}", created_at=100 - n), input={"n": n}))
        await end(store, f"run{n}", status)
    assert list((await store.session(ALICE, "session"))[1]) == [
        (f"run{n}", {"n": n}, f"state of run{n}".encode()) for n in (7, 4, 3, 2, 1, 0)
    ]
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session", limit=2))[1]] == ["run1", "run0"]


async def test_earlier_runs_are_of_one_user_and_one_session_and_have_a_snapshot(store: Store) -> None:
    await store.create_run(new_run("hers"))
    await store.create_run(new_run("his", user_id=BOB))
    await store.create_run(replace(new_run("elsewhere"), session_id="other"))
    await store.create_run(new_run("without", created_at=2000))
    for run_id in ("hers", "his", "elsewhere"):
        await end(store, run_id)
    await store.settle(settlement("without", COMPLETED, 1))
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session"))[1]] == ["hers"]
    assert list((await store.session(BOB, "other"))[1]) == []


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("next_timer IS NOT NULL AND next_timer <= 5 ORDER BY next_timer, run_id", "ix_runs_timer"),
        (
            "status IN ('COMPLETED', 'CANCELLED', 'ERROR') AND user_id = 'a' AND session_id = 's'"
            " ORDER BY created_at DESC, run_id DESC",
            "ix_runs_session",
        ),
    ],
)
async def test_sweeping_and_remembering_read_no_more_than_they_need(database: Database, query: str, index: str) -> None:
    def plan(connection: Connection) -> str:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN" if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        return str(connection.execute(text(f"{explain} SELECT run_id FROM runs WHERE {query} LIMIT 20")).all())

    planned = await database.read(plan)
    assert index in planned
    assert "Sort" not in planned
    assert "TEMP B-TREE" not in planned


# --- pause notices ---


async def test_a_notice_is_taken_by_one_until_its_time_is_over(store: Store) -> None:
    await store.notify("run", ["r1", "r2"])
    assert list(await store.take_notices(1000, hold_ms=100)) == [("run", "r1"), ("run", "r2")]
    assert list(await store.take_notices(1099, hold_ms=100)) == []
    assert list(await store.take_notices(1100, hold_ms=100)) == [("run", "r1"), ("run", "r2")]
    assert list(await store.take_notices(1199, hold_ms=100)) == []


async def test_a_notice_that_was_told_is_never_handed_out_again(store: Store) -> None:
    await store.notify("run", ["r1", "r2"])
    await store.take_notices(1000, hold_ms=100)
    await store.notified("run", "r1")
    await store.notified("run", "r1")
    await store.notified("run", "nothing")
    await store.notify("run", ["r1", "r2", "r3", "r3"])
    await store.notify("run", [])
    assert list(await store.take_notices(1001, hold_ms=100)) == [("run", "r3")]
    assert list(await store.take_notices(5000, hold_ms=100)) == [("run", "r2"), ("run", "r3")]


async def test_notices_come_oldest_first_and_those_never_taken_before_all(store: Store, clock: Clock) -> None:
    for n in range(3):
        clock.now -= 1
        await store.notify(f"run{n}", ["r"])
    assert list(await store.take_notices(1000, hold_ms=100, limit=2)) == [("run2", "r"), ("run1", "r")]
    assert list(await store.take_notices(2000, hold_ms=100, limit=1)) == [("run0", "r")]
    assert list(await store.take_notices(2000, hold_ms=100, limit=5)) == [("run2", "r"), ("run1", "r")]


async def test_many_who_take_at_once_never_take_the_same(store: Store) -> None:
    runs = [f"run{n}" for n in range(20)]
    await asyncio.gather(*(store.notify(run_id, order) for run_id in runs for order in (["a", "b"], ["b", "a", "c"])))
    taken = [each for some in await asyncio.gather(*(takes(store) for _ in range(8))) for each in some]
    assert sorted(taken) == [(run_id, requirement) for run_id in sorted(runs) for requirement in "abc"]


async def takes(store: Store) -> list[tuple[str, str]]:
    """What one gets who takes, seven at a time, until there are none (or others are about to take them)."""
    taken: list[tuple[str, str]] = []
    while some := await store.take_notices(1000, hold_ms=100, limit=7):
        assert len(some) <= 7
        taken += some
    return taken


# --- listing ---


async def make_runs(store: Store, count: int) -> list[str]:
    """Runs of Alice's, three to a millisecond, returned newest first."""
    await asyncio.gather(*(store.create_run(new_run(f"run{n:03}", created_at=n // 3)) for n in range(count)))
    return [f"run{n:03}" for n in reversed(range(count))]


async def pages(store: Store, which: RunFilter) -> list[list[str]]:
    found = []
    while True:
        page = await store.runs(which)
        found.append([run.run_id for run in page.runs])
        if page.next_cursor is None:
            return found
        which = replace(which, cursor=page.next_cursor)


@pytest.mark.parametrize("limit", [1, 3, 4, 10, 11, 50])
async def test_pages_hold_every_run_once_newest_first(store: Store, limit: int) -> None:
    newest_first = await make_runs(store, 10)
    found = await pages(store, RunFilter(user_id=ALICE, limit=limit))
    assert [run_id for page in found for run_id in page] == newest_first
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


async def test_runs_created_meanwhile_do_not_disturb_the_pages(store: Store) -> None:
    newest_first = await make_runs(store, 12)
    which = RunFilter(limit=5)
    found: list[str] = []
    for n in range(3):
        page = await store.runs(which)
        found += [run.run_id for run in page.runs]
        await store.create_run(new_run(f"later{n}", created_at=5000 + n))
        await store.settle(settlement(found[0], PAUSED, n + 1))
        which = replace(which, cursor=page.next_cursor)
    assert found == newest_first


async def test_nobody_has_no_runs_and_no_next_page(store: Store) -> None:
    await make_runs(store, 3)
    assert await pages(store, RunFilter(user_id=BOB)) == [[]]
    assert await pages(store, RunFilter(or_assignees=frozenset({BOB}))) == [[]]


async def test_filters_narrow_the_list(store: Store) -> None:
    await store.create_run(new_run("a1", created_at=1))
    await store.create_run(new_run("a2", workflow_id="other", created_at=2))
    await store.create_run(new_run("b1", user_id=BOB, created_at=3))
    await store.settle(settlement("b1", PAUSED, 1))
    assert await pages(store, RunFilter()) == [["b1", "a2", "a1"]]
    assert await pages(store, RunFilter(user_id=ALICE)) == [["a2", "a1"]]
    assert await pages(store, RunFilter(workflow_id="release")) == [["b1", "a1"]]
    assert await pages(store, RunFilter(statuses=frozenset({PAUSED, RUNNING}))) == [["b1"]]
    assert await pages(store, RunFilter(user_id=ALICE, statuses=frozenset({PAUSED}))) == [[]]


async def test_an_assignee_finds_own_runs_and_those_that_ever_named_it(store: Store) -> None:
    for n in range(8):
        await store.create_run(new_run(f"r{n}", user_id=BOB if n % 4 == 0 else ALICE, created_at=n))
    for n, assignees in {1: (BOB,), 2: ("group:x",), 3: ("carol",), 4: (BOB, "group:x")}.items():
        await store.settle(replace(settlement(f"r{n}", PAUSED, 1), assignees=assignees))
    await store.settle(settlement("r1", COMPLETED, 2))
    whom = frozenset({BOB, "group:x"})
    assert await pages(store, RunFilter(user_id=BOB, or_assignees=whom, limit=2)) == [["r4", "r2"], ["r1", "r0"]]
    assert await pages(store, RunFilter(or_assignees=whom)) == [["r4", "r2", "r1"]]
    paused = frozenset({PAUSED})
    assert await pages(store, RunFilter(user_id=BOB, or_assignees=whom, statuses=paused)) == [["r4", "r2"]]
    page = await store.runs(RunFilter(or_assignees=whom))
    assert [run.assignees for run in page.runs] == [(BOB, "group:x"), ("group:x",), (BOB,)]


FORGED = ["null", "[]", "[1]", "[1,2]", '["a","b"]', '[-1,"a"]', '[true,"a"]', r'[1,"\u0000"]', f'[{2**63},"a"]']


@pytest.mark.parametrize("cursor", ["", "x", "é", *(urlsafe_b64encode(it.encode()).decode() for it in FORGED)])
async def test_a_forged_cursor_is_a_value_error(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.runs(RunFilter(cursor=cursor))


# --- decisions ---


async def record(
    store: Store, run_id: str, decisions: Sequence[Decision], used: IdempotencyKey | None = None, *, epoch: int = 1
) -> None:
    """Record in a run, which is created if it isn't there; nobody has moved it on to a later epoch."""
    if await store.run(run_id) is None:
        await store.create_run(new_run(run_id))
    assert await store.record(run_id, epoch, decisions, used)


async def test_a_recorded_decision_reads_back(store: Store) -> None:
    await record(store, "run", [decision("r1")])
    assert await store.decision("run", "r1") == decision("r1")
    assert await store.decision("run", "r2") is None
    assert await store.decision("other", "r1") is None


async def test_the_first_record_of_a_decision_stays(store: Store) -> None:
    await record(store, "run", [decision("r1")])
    await record(store, "run", [decision("r1", by=BOB), decision("r2", by=BOB)])
    assert await store.decision("run", "r1") == decision("r1")
    assert await store.decision("run", "r2") == decision("r2", by=BOB)


async def test_decision_of_a_later_epoch_takes_the_place_of_the_one_before(store: Store) -> None:
    first, later = decision("r1"), replace(decision("r1", 1, by=BOB), epoch=2)
    await record(store, "run", [first])
    await record(store, "run", [later, replace(later, event_index=7), decision("r2")])
    await record(store, "run", [first, replace(later, event_index=9)])
    assert await store.decision("run", "r1") == later


async def test_decisions_come_by_event_index(store: Store) -> None:
    await record(store, "run", [decision("late", 10), decision("early", 9)])
    await record(store, "run", [decision("first", 2)])
    assert [one.requirement_id for one in await store.decisions("run")] == ["first", "early", "late"]


async def test_record_remembers_the_key_and_the_first_stays(store: Store, clock: Clock) -> None:
    await record(store, "run", [decision("r1")], key(fingerprint="one"))
    await record(store, "other", [], key(fingerprint="two"))
    assert await store.outcome(ALICE, "k") == Outcome("one", "run")
    clock.now += IDEMPOTENCY_SECONDS * 1000
    await record(store, "other", [], key(fingerprint="two"))
    assert await store.outcome(ALICE, "k") == Outcome("two", "other")


async def test_twenty_records_of_one_decision_leave_one(store: Store) -> None:
    await store.create_run(new_run("run"))
    await asyncio.gather(*(record(store, "run", [decision("r1", by=f"u{n}")], key()) for n in range(20)))
    kept = await store.decision("run", "r1")
    assert list(await store.decisions("run")) == [kept]


async def test_nothing_is_recorded_in_an_epoch_once_the_row_is_of_a_later_one(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", RUNNING, 0, epoch=2))
    assert not await store.record("run", 1, [decision("r1")], key())
    assert not await store.record("run", 1, [], key())
    assert await store.decisions("run") == []
    assert await store.outcome(ALICE, "k") is None
    assert await store.record("run", 2, [replace(decision("r1"), epoch=2)], key())
    assert await store.record("run", 3, [])
    assert [each.epoch for each in await store.decisions("run")] == [2]


async def test_whoever_moves_the_row_on_reads_all_that_is_ever_recorded_in_the_epochs_before(store: Store) -> None:
    await store.create_run(new_run("run"))

    async def move_on() -> list[str]:
        await asyncio.sleep(0.002)
        await store.settle(settlement("run", RUNNING, 0, epoch=2))
        return [each.requirement_id for each in await store.decisions("run")]

    names = [f"r{number:03}" for number in range(60)]
    moving = asyncio.create_task(move_on())
    recorded = await asyncio.gather(*(store.record("run", 1, [decision(each)]) for each in names))
    found = await moving
    assert sorted(found) == [each for each, is_recorded in zip(names, recorded, strict=True) if is_recorded]
    assert sorted(each.requirement_id for each in await store.decisions("run")) == sorted(found)


async def test_a_record_that_is_held_up_is_waited_for_by_whoever_moves_the_row_on(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    store = SqlStore(postgres_database)
    await store.create_run(new_run("run"))
    other = await asyncpg.connect(pg_url.replace("+asyncpg", ""))
    transaction = other.transaction()
    await transaction.start()
    await other.execute("INSERT INTO decisions VALUES ('run', 'r1', '{}', 'other', 1, 1, 1)")

    async def move_on() -> list[str]:
        await store.settle(settlement("run", RUNNING, 0, epoch=2))
        return [each.requirement_id for each in await store.decisions("run")]

    async def are_waiting(count: int) -> bool:
        return bool(await other.fetchval("SELECT count(*) >= $1 FROM pg_locks WHERE NOT granted", count))

    recording = asyncio.create_task(store.record("run", 1, [decision("r1")]))
    await eventually(lambda: are_waiting(1))
    moving = asyncio.create_task(move_on())
    await eventually(lambda: are_waiting(2))
    await transaction.rollback()
    await other.close()
    assert await recording
    assert await moving == ["r1"]


# --- the change feed ---


async def test_the_feed_is_paged_by_seq(store: Store) -> None:
    await make_runs(store, 10)
    first = await store.changes(0, limit=4)
    rest = await store.changes(first[-1].seq)
    assert [change.seq for change in [*first, *rest]] == list(range(1, 11))
    assert list(await store.changes(10)) == []


async def test_a_reader_misses_nothing_under_concurrent_writers(store: Store) -> None:
    async def one_run(run_id: str) -> None:
        await store.create_run(new_run(run_id))
        await store.settle(settlement(run_id, RUNNING, 0))
        await store.settle(settlement(run_id, PAUSED, 4))
        await store.settle(settlement(run_id, COMPLETED, 9))

    async def follow(writers: asyncio.Task[object]) -> list[Change]:
        seen: list[Change] = []
        while True:
            finished = writers.done()
            news = await store.changes(seen[-1].seq if seen else 0, limit=7)
            seen += news
            if finished and not news:
                return seen

    async def write() -> None:
        await asyncio.gather(*(one_run(f"run{n}") for n in range(40)))

    writers: asyncio.Task[object] = asyncio.create_task(write())
    followed = await asyncio.gather(*(follow(writers) for _ in range(3)))
    await writers
    assert [change.seq for change in followed[0]] == list(range(1, 161))
    written = facts_of(await store.changes(0))
    assert facts_of(followed[0]) == facts_of(followed[1]) == facts_of(followed[2]) == written
    for n in range(40):
        of_run = [change.status for change in followed[0] if change.run.run_id == f"run{n}"]
        assert of_run == [PENDING, RUNNING, PAUSED, COMPLETED]


async def test_a_change_committed_late_comes_after_those_already_read(
    postgres_database: PostgresDatabase, pg_url: str
) -> None:
    store = SqlStore(postgres_database)
    slow = await asyncpg.connect(pg_url.replace("+asyncpg", ""))
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("INSERT INTO changes (run_id, status, pending, changed_at) VALUES ('quick', 'ERROR', '[]', 1)")
    await store.create_run(new_run("quick"))
    assert [(change.seq, change.status) for change in await store.changes(0)] == [(1, PENDING)]
    await transaction.commit()
    await slow.close()
    assert [(change.seq, change.status) for change in await store.changes(1)] == [(2, RunStatus.ERROR)]


async def test_a_change_comes_with_its_run_as_it_is_by_now(store: Store) -> None:
    await store.create_run(new_run("one"))
    await store.create_run(new_run("two", user_id=BOB, workflow_id="other"))
    await store.settle(replace(settlement("one", PAUSED, 3), pending=ASKED, assignees=(BOB, "group:x")))
    await store.settle(replace(settlement("one", COMPLETED, 9), assignees=("carol",)))
    one, two = (each for each in (await store.runs(RunFilter(limit=2))).runs[::-1])
    assert (one.status, one.assignees, one.pending) == (COMPLETED, (BOB, "carol", "group:x"), ())
    assert [(change.status, change.run) for change in await all_changes(store)] == [
        (PENDING, one),
        (PENDING, two),
        (PAUSED, one),
        (COMPLETED, one),
    ]


async def test_a_page_of_changes_costs_as_many_statements_as_one_change(database: Database) -> None:
    store = SqlStore(database)
    counts = []
    for number in range(1, 41):
        await store.create_run(new_run(f"run{number}"))
        await store.settle(replace(settlement(f"run{number}", PAUSED, 1), pending=ASKED, assignees=(f"user{number}",)))
        if number in (1, 40):
            await store.feed_ends()
            with statements() as seen:
                assert len(await store.changes(0)) == 2 * number
            counts.append(len(seen))
    assert counts[1] <= counts[0] + 1, "a page of forty times as many isn't read in more turns"


@contextmanager
def statements() -> Iterator[list[str]]:
    """Every statement that SQLAlchemy executes meanwhile."""
    seen: list[str] = []

    def executed(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", executed)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", executed)


async def test_no_change_after_a_list_takes_a_run_back(store: Store) -> None:
    """Whenever the list is read: what is behind its seq is as new as the list, and nothing is missing."""

    async def one_run(run_id: str) -> None:
        await store.create_run(new_run(run_id))
        for next_index, status in enumerate((RUNNING, PAUSED, RUNNING, COMPLETED), 1):
            await store.settle(settlement(run_id, status, next_index))

    async def follow() -> dict[str, int]:
        page = await store.runs(RunFilter(limit=100))
        places, seq = {run.run_id: run.next_index for run in page.runs}, page.seq
        while sum(places.values()) < 20 * 4:
            for change in await store.changes(seq, limit=3):
                assert change.run.next_index >= places.get(change.run.run_id, 0)
                places[change.run.run_id], seq = change.run.next_index, change.seq
        return places

    writers = [asyncio.create_task(one_run(f"run{number}")) for number in range(20)]
    async with asyncio.timeout(30):
        while not all(writer.done() for writer in writers):
            await follow()
    assert set((await follow()).values()) == {4}


async def test_a_list_holds_all_changes_up_to_its_seq_and_none_has_to_be_told_again(store: Store) -> None:
    await make_runs(store, 3)
    assert (await store.runs(RunFilter())).seq == 0, "nobody has read the feed yet"
    ends = await store.feed_ends()
    assert (await store.runs(RunFilter(limit=1))).seq == (await store.runs(RunFilter(user_id=BOB))).seq == ends.last


# --- the ends of the feed ---


async def test_ends_of_a_feed_without_changes_say_that_it_has_none(store: Store) -> None:
    assert await store.feed_ends() == FeedEnds(first=1, last=0)


async def test_ends_of_the_feed_know_all_that_is_committed(store: Store) -> None:
    await asyncio.gather(*(store.create_run(new_run(f"run{number}")) for number in range(2 * NUMBERED // 100)))
    assert await store.feed_ends() == FeedEnds(first=1, last=2 * NUMBERED // 100)


async def test_a_long_feed_that_nobody_has_read_is_numbered_in_parts(database: Database) -> None:
    store = SqlStore(database)
    await store.create_run(new_run("run"))
    count = 2 * NUMBERED + 5
    await database.write(lambda connection: connection.execute(text(MANY_CHANGES), {"count": count - 1}))
    assert len(await store.changes(0, limit=count)) == NUMBERED
    assert await store.feed_ends() == FeedEnds(first=1, last=count)
    assert [change.seq for change in await store.changes(0, limit=count)] == list(range(1, count + 1))


MANY_CHANGES = """
    INSERT INTO changes (run_id, status, pending, changed_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
    SELECT 'run', 'RUNNING', '[]', 1000 FROM numbers
"""


async def test_only_the_beginning_of_the_feed_is_forgotten_and_only_when_it_is_old(store: Store, clock: Clock) -> None:
    kept = CHANGES_KEPT_SECONDS * 1000
    for number, age in enumerate((kept + 3, kept + 2, kept, kept + 1)):
        await store.create_run(new_run(f"run{number}", created_at=clock.now - age))
    assert await store.forget_changes(1) == 1
    assert await store.feed_ends() == FeedEnds(first=2, last=4)
    assert [await store.forget_changes() for _ in range(2)] == [1, 0]
    assert [change.seq for change in await all_changes(store)] == [3, 4]
    clock.now += 2
    assert await store.forget_changes() == 2
    assert await store.feed_ends() == FeedEnds(first=5, last=4)
    await store.create_run(new_run("new", created_at=clock.now))
    assert [change.seq for change in await all_changes(store)] == [5]


async def test_many_who_forget_the_feed_at_once_forget_each_change_once(store: Store) -> None:
    await make_runs(store, 20)
    assert sum(await asyncio.gather(*(store.forget_changes(7) for _ in range(8)))) == 20
    assert await store.feed_ends() == FeedEnds(first=21, last=20)


async def test_whoever_listens_is_told_of_what_this_store_writes(store: Store) -> None:
    told: list[int] = []
    store.listen(lambda: told.append(1))
    await store.create_run(new_run("run"))
    await store.settle(settlement("run", PAUSED, 3))
    assert len(told) == 2


# --- the schema ---


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
    await store.settle(replace(settlement("old", PAUSED, 10), next_timer=5000))
    assert list(await store.take_due(5000, hold_ms=1)) == ["old"]
    await store.settle(settlement("old", COMPLETED, 11))
    assert [run_id for run_id, _, _ in (await store.session(ALICE, "session"))[1]] == ["old"]
    await database.close()


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


# --- when the database is gone ---


class _Gone:
    """A database that can't be reached."""

    dialect = "sqlite"

    async def write(self, work: object, *, one_statement: bool = False, long: bool = False) -> Never:
        raise DatabaseUnavailable("gone")

    async def read(self, work: object, *, one_statement: bool = False, long: bool = False) -> Never:
        raise DatabaseUnavailable("gone")

    async def close(self) -> None:
        raise NotImplementedError


async def test_an_unreachable_database_is_an_unavailable_store() -> None:
    store = SqlStore(_Gone())
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.create_run(new_run("run"))
    with pytest.raises(StoreUnavailable, match="gone"):
        await store.run("run")
