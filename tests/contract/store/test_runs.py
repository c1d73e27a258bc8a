"""What `Runs` promises of one run: created, settled, with its snapshot."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise, product
from operator import itemgetter

import pytest
from tests.contract.store.samples import (
    ALICE,
    ASKED,
    BOB,
    CANCELLED,
    COMPLETED,
    PAUSED,
    PENDING,
    RUNNING,
    all_changes,
    facts_of,
    key,
    new_run,
    settlement,
    the_run,
)

from interlock.store.port import Run, Settlement, Snapshot, Store
from interlock_protocol.types import RunStatus


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
        namespace="user_alice",
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

    for number, (_, pairs) in enumerate(groupby(product(each, each), key=itemgetter(0))):
        runs = [(f"r{number}-{n}", pair) for n, pair in enumerate(pairs)]  # a pool of connections has its bounds
        await asyncio.gather(*(check(run_id, [step(run_id, one) for one in pair]) for run_id, pair in runs))


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
