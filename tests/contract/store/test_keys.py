"""What `IdempotencyKeys` promises."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from tests.contract.store.samples import ALICE, BOB, Clock, all_changes, key, new_run

from interlock.database import Database
from interlock.store.port import IDEMPOTENCY_SECONDS, KeptAnswer, Outcome, RunFilter, Store
from interlock.store.sql import SqlStore


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


async def test_answer_is_kept_with_its_key_until_the_key_is_over(store: Store, clock: Clock) -> None:
    ours = key()
    assert await store.create_run(new_run("first"), ours) is None
    await store.keep_answer(ours, KeptAnswer(201, '{"data": 1}'))
    await store.keep_answer(ours, KeptAnswer(201, "another"))
    kept = Outcome("body", "first", KeptAnswer(201, '{"data": 1}'))
    assert await store.outcome(ALICE, "k") == kept
    assert await store.create_run(new_run("second"), key()) == kept
    clock.now += IDEMPOTENCY_SECONDS * 1000
    assert await store.create_run(new_run("third"), key(fingerprint="new")) is None
    assert await store.outcome(ALICE, "k") == Outcome("new", "third")


async def test_answer_of_another_request_is_not_kept(store: Store) -> None:
    assert await store.create_run(new_run("first"), key()) is None
    await store.keep_answer(key(fingerprint="other"), KeptAnswer(200, "x"))
    await store.keep_answer(replace(key(), key="unknown"), KeptAnswer(200, "x"))
    assert await store.outcome(ALICE, "k") == Outcome("body", "first")


async def test_answer_about_what_is_no_run_is_remembered_once_and_for_24_hours(store: Store, clock: Clock) -> None:
    await store.remember_answer(key(), "whsub_1", KeptAnswer(201, "first"))
    await store.remember_answer(key(fingerprint="other"), "whsub_2", KeptAnswer(201, "second"))
    assert await store.outcome(ALICE, "k") == Outcome("body", "whsub_1", KeptAnswer(201, "first"))
    clock.now += IDEMPOTENCY_SECONDS * 1000
    await store.remember_answer(key(fingerprint="other"), "whsub_2", KeptAnswer(201, "second"))
    assert await store.outcome(ALICE, "k") == Outcome("other", "whsub_2", KeptAnswer(201, "second"))
