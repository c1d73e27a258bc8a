"""What `Webhooks` promises: each run has a queue for each subscription, whose head alone is due; nothing is lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from tests.contract.store.samples import ALICE, BOB, COMPLETED, RUNNING, Clock, new_run, settlement

from interlock.database import Database
from interlock.store.port import ErrorFilter, FoundMilestone, Store
from interlock.store.ports.webhooks import (
    Attempt,
    Delivery,
    DeliveryFilter,
    DeliveryStatus,
    Due,
    Subscription,
    SubscriptionStatus,
    Tried,
)
from interlock.store.sql import SqlStore
from interlock_protocol.namespaces import DEFAULT_ACCOUNT

CREATED, HALTED, COMPLETED_EVENT = (f"workflow.instance.{name}" for name in ("created", "halted", "completed"))
DAY = 24 * 60 * 60 * 1000
T0 = 1_000_000_000_000
HOLD = 60_000
PENDING, DELIVERED, DEAD, DROPPED = DeliveryStatus


def subscription(id_: str = "whsub_1", **fields: Any) -> Subscription:
    return Subscription(
        **{
            "id": id_,
            "account": DEFAULT_ACCOUNT,
            "url": "https://example.org/hook",
            "events": (CREATED, HALTED, COMPLETED_EVENT),
            "secret": "sealed",
            "creator": {"user_id": ALICE},
            "created_at": 0,
            "updated_at": 0,
            **fields,
        }
    )


def milestone(
    index: int, event: str = HALTED, *, at: int = T0, epoch: int = 0, data: str = '{"a":1}'
) -> FoundMilestone:
    return FoundMilestone(epoch=epoch, index=index, at=at, event=event, data=data)


async def told(store: Store, run_id: str, *milestones: FoundMilestone, status: Any = RUNNING, index: int = 50) -> int:
    return await store.settle(replace(settlement(run_id, status, index), milestones=milestones, updated_at=T0))


async def listed(store: Store, id_: str = "whsub_1", **which: Any) -> Sequence[Delivery]:
    page = await store.deliveries(DEFAULT_ACCOUNT, id_, DeliveryFilter(**which))
    return page.deliveries


async def seqs(store: Store, id_: str = "whsub_1", run_id: str = "run") -> list[tuple[int, str, int]]:
    """The number, event and index of each delivery of a run, in order."""
    found = await listed(store, id_, run_id=run_id)
    return [(each.seq, each.event.rpartition(".")[2], each.index) for each in reversed(found)]


async def take(store: Store, id_: str = "whsub_1", *, now: int = T0, limit: int = 100) -> Sequence[Due]:
    return await store.take_deliveries(id_, now, HOLD, limit)


def ok(delivery: Delivery, *, at: int = T0) -> Tried:
    return Tried(delivery_id=delivery.id, status=DELIVERED, attempt=Attempt(at, 200, 7, "ok"), succeeded=True)


def failed(delivery: Delivery, *, at: int = T0, again_at: int | None = None, **fields: Any) -> Tried:
    status = DEAD if again_at is None else PENDING
    attempt = Attempt(at, 500, 7, "broke \x00")
    facts = {"delivery_id": delivery.id, "status": status, "attempt": attempt, "next_attempt_at": again_at}
    return Tried(**{**facts, "succeeded": False, **fields})


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────────────


async def test_a_subscription_is_read_as_it_was_written_and_only_in_its_account(store: Store) -> None:
    new = subscription(
        namespace_filter="org_x", old_secret="older", old_until=5, description="„ja“", failures=3, failing_since=4
    )
    await store.add_subscription(new)
    assert await store.subscription(DEFAULT_ACCOUNT, "whsub_1") == new
    assert await store.subscription("acme", "whsub_1") is None
    assert await store.subscription(DEFAULT_ACCOUNT, "\x00") is None
    assert await store.listening() == {DEFAULT_ACCOUNT}


async def test_subscriptions_are_listed_newest_first_by_namespace_and_in_pages(store: Store) -> None:
    for n in range(5):
        await store.add_subscription(
            subscription(f"whsub_{n}", created_at=n // 2, namespace_filter="org_x" if n % 2 else None)
        )
    first = await store.subscriptions(DEFAULT_ACCOUNT, limit=3)
    rest = await store.subscriptions(DEFAULT_ACCOUNT, limit=3, cursor=first.next_cursor)
    assert [each.id for each in (*first.subscriptions, *rest.subscriptions)] == [f"whsub_{n}" for n in (4, 3, 2, 1, 0)]
    assert rest.next_cursor is None
    only = await store.subscriptions(DEFAULT_ACCOUNT, namespaces=frozenset({"org_x", "org_y"}))
    assert [each.id for each in only.subscriptions] == ["whsub_3", "whsub_1"]
    assert (await store.subscriptions("acme")).subscriptions == ()
    with pytest.raises(ValueError, match="cursor"):
        await store.subscriptions(DEFAULT_ACCOUNT, cursor="nonsense")


async def test_a_change_is_of_the_named_fields_and_not_over_one_that_was_not_seen(store: Store) -> None:
    await store.add_subscription(subscription())
    changed = await store.change_subscription(
        DEFAULT_ACCOUNT, "whsub_1", {"events": (HALTED,), "status": SubscriptionStatus.DISABLED}, 7
    )
    assert changed == subscription(events=(HALTED,), status=SubscriptionStatus.DISABLED, updated_at=7)
    assert await store.listening() == frozenset()
    late = store.change_subscription(DEFAULT_ACCOUNT, "whsub_1", {"secret": "new"}, 8, unless_changed_since=0)
    assert await late is None
    seen = store.change_subscription(DEFAULT_ACCOUNT, "whsub_1", {"secret": "new"}, 8, unless_changed_since=7)
    assert await seen == replace(changed, secret="new", updated_at=8)
    assert await store.change_subscription("acme", "whsub_1", {"secret": "no"}, 9) is None


async def test_what_is_deleted_takes_its_deliveries_along(store: Store) -> None:
    await store.create_run(new_run("run"))
    for id_ in ("whsub_1", "whsub_2"):
        await store.add_subscription(subscription(id_))
    await told(store, "run", milestone(1), milestone(2))
    assert not await store.delete_subscription("acme", "whsub_1")
    assert await store.delete_subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert not await store.delete_subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert await seqs(store) == []
    assert await seqs(store, "whsub_2") == [(1, "halted", 1), (2, "halted", 2)]


# ── Telling ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_subscription_gets_what_it_matches_numbered_without_gaps(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.create_run(replace(new_run("other"), account="acme"))
    for new in (
        subscription(),
        subscription("whsub_ends", events=(COMPLETED_EVENT,)),
        subscription("whsub_home", namespace_filter=f"user_{ALICE}"),
        subscription("whsub_elsewhere", namespace_filter="org_x"),
        subscription("whsub_off", status=SubscriptionStatus.DISABLED),
        subscription("whsub_later", created_at=T0 + 1),
        subscription("whsub_acme", account="acme"),
    ):
        await store.add_subscription(new)
    milestones = (milestone(0, CREATED), milestone(5), milestone(9, COMPLETED_EVENT))
    assert await told(store, "run", *milestones) == 7
    assert await told(store, "other", milestone(2)) == 1
    everything = [(1, "created", 0), (2, "halted", 5), (3, "completed", 9)]
    assert await seqs(store) == await seqs(store, "whsub_home") == everything
    assert await seqs(store, "whsub_ends") == [(1, "completed", 9)]
    for nothing in ("whsub_elsewhere", "whsub_off", "whsub_later"):
        assert await seqs(store, nothing) == []
    (delivery,) = await listed(store, event=COMPLETED_EVENT)
    assert (delivery.namespace, delivery.epoch, delivery.at, delivery.account) == (f"user_{ALICE}", 0, T0, "default")
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == (PENDING, (), None)


async def test_a_milestone_is_told_once_however_often_it_is_settled(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    assert await told(store, "run", milestone(1), milestone(2)) == 2
    assert await told(store, "run", milestone(1), milestone(2)) == 0
    await store.add_subscription(subscription("whsub_2"))
    assert await told(store, "run", milestone(2), milestone(7)) == 2
    assert await told(store, "run", milestone(7, epoch=1), index=60) == 2
    assert [seq for seq, *_ in await seqs(store)] == [1, 2, 3, 4]
    assert [seq for seq, *_ in await seqs(store, "whsub_2")] == [1, 2]


async def test_a_settlement_that_comes_too_late_tells_nothing(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    await store.settle(settlement("run", COMPLETED, 60))
    assert await told(store, "run", milestone(1)) == 0
    assert await told(store, "nothing", milestone(1)) == 0
    assert await listed(store) == ()


# ── Delivering ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_only_the_head_of_a_queue_is_due_and_the_next_follows_it(store: Store, clock: Clock) -> None:
    await store.create_run(new_run("run"))
    await store.create_run(replace(new_run("other"), user_id=BOB))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1), milestone(2))
    await told(store, "run", milestone(3), index=51)
    await told(store, "other", milestone(1))
    heads = await take(store)
    assert sorted((each.run_id, each.index) for each in heads) == [("other", 1), ("run", 1)]
    assert await take(store) == []
    of_run = next(each for each in heads if each.run_id == "run")
    assert (of_run.data, of_run.user_id, of_run.workflow_id, of_run.assignees) == ('{"a":1}', ALICE, "release", ())
    await store.tried([ok(of_run)])
    (second,) = await take(store)
    assert second.index == 2
    clock.now = T0 + 5
    await store.tried([Tried(delivery_id=second.id, status=DROPPED)])
    assert await take(store) == []
    (third,) = await take(store, now=T0 + 5)
    await store.tried([ok(third)])
    assert await take(store, now=T0 + HOLD - 1) == []
    await told(store, "run", milestone(4), index=52)
    (fourth,) = await take(store)
    assert (fourth.seq, fourth.index) == (4, 4)


async def test_a_delivery_that_nobody_reports_is_handed_out_again(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1))
    (first,) = await take(store)
    assert await take(store, now=T0 + HOLD - 1) == []
    (again,) = await take(store, now=T0 + HOLD)
    assert again == first
    await store.tried([ok(again)])
    await store.tried([failed(first, again_at=T0)])
    (delivery,) = await listed(store)
    assert (delivery.status, len(delivery.attempts)) == (DELIVERED, 1)


async def test_failures_put_a_delivery_off_and_those_behind_it_wait(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1), milestone(2))
    (head,) = await take(store)
    await store.tried([failed(head, at=T0 + 1, again_at=T0 + 30_000)])
    assert await take(store, now=T0 + 29_999) == []
    assert await store.next_due() == T0 + 30_000
    (head,) = await take(store, now=T0 + 30_000)
    assert (head.tries, head.attempts) == (1, (Attempt(T0 + 1, 500, 7, "broke �"),))
    await store.tried([failed(head, at=T0 + 2, again_at=T0 + 40_000, spends=False, rests_until=T0 + 50_000)])
    found = await store.subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert found is not None
    assert (found.failures, found.failing_since, found.last_success_at) == (2, T0 + 1, None)
    assert found.rests_until == T0 + 50_000 == await store.next_due()
    assert await store.due_subscriptions(T0 + 49_999) == []
    assert await store.due_subscriptions(T0 + 50_000) == [found]
    (head,) = await take(store, now=T0 + 50_000)
    assert head.tries == 1
    await store.tried([ok(head, at=T0 + 9)])
    found = await store.subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert found is not None
    assert (found.failures, found.failing_since, found.last_success_at, found.rests_until) == (0, None, T0 + 9, None)


async def test_a_batch_of_reports_says_of_a_receiver_what_came_last(store: Store) -> None:
    await store.add_subscription(subscription())
    runs = [f"run{n}" for n in range(4)]
    for run_id in runs:
        await store.create_run(new_run(run_id))
        await told(store, run_id, milestone(1))
    heads = await take(store)
    later = [failed(head, at=T0 + n, again_at=T0 + 9) for n, head in enumerate(heads)]
    await store.tried([later[3], later[2], ok(heads[1], at=T0 + 1), later[0]])
    found = await store.subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert found is not None
    assert (found.failures, found.failing_since, found.last_success_at) == (2, T0 + 2, T0 + 1)


async def test_a_disabled_subscription_keeps_its_deliveries_and_has_none_due(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1))
    (head,) = await take(store)
    await store.tried([failed(head, again_at=T0, disable="gone")])
    found = await store.subscription(DEFAULT_ACCOUNT, "whsub_1")
    assert found is not None
    assert (found.status, found.disabled_because) == (SubscriptionStatus.DISABLED, "gone")
    assert await store.due_subscriptions(T0 + DAY) == []
    assert await store.next_due() is None
    assert await store.listening() == frozenset()
    await store.change_subscription(DEFAULT_ACCOUNT, "whsub_1", {"status": SubscriptionStatus.ACTIVE}, T0)
    assert [each.id for each in await store.due_subscriptions(T0)] == ["whsub_1"]


async def test_a_dead_delivery_stands_among_the_errors_once_and_the_next_follows_it(store: Store, clock: Clock) -> None:
    await store.create_run(replace(new_run("run"), namespace="org_x"))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1, data='{"current_state":"wait"}'), milestone(2))
    (head,) = await take(store)
    for _ in range(2):
        await store.tried([failed(head, error="whsub_1 didn't take it")])
    (second,) = await take(store, now=clock.now)
    assert second.index == 2
    await store.tried([ok(second)])
    await store.replay(DEFAULT_ACCOUNT, head.id, T0)
    (head,) = await take(store)
    await store.tried([failed(head, error="whsub_1 didn't take it")])
    assert [each.id for each in await listed(store, status=DEAD)] == [head.id]
    (error,) = (await store.errors(ErrorFilter())).errors
    assert (error.code, error.message, error.run_id) == ("webhook_failed", "whsub_1 didn't take it", "run")
    assert (error.state, error.namespace, error.is_fatal) == ("wait", "org_x", False)


async def test_many_nodes_deliver_everything_once_and_in_order_while_runs_go_on(
    store: Store, database: Database, clock: Clock
) -> None:
    nodes = (store, SqlStore(database, clock=clock))
    runs = [f"run{n}" for n in range(4)]
    ids = ("whsub_1", "whsub_2")
    for run_id in runs:
        await store.create_run(new_run(run_id))
    for id_ in ids:
        await store.add_subscription(subscription(id_))
    got: dict[tuple[str, str], list[int]] = {(id_, run_id): [] for id_ in ids for run_id in runs}

    async def settles(run_id: str) -> None:
        for index in range(12):
            node = nodes[index % 2]
            await told(node, run_id, *(milestone(one) for one in range(max(0, index - 2), index + 1)), index=index + 1)

    async def delivers(node: Store, seed: int) -> None:
        draw = random.Random(seed)
        while any(len(each) < 12 for each in got.values()):
            for found in await node.due_subscriptions(T0):
                taken = await take(node, found.id, limit=draw.randint(1, 3))
                for each in taken:
                    got[found.id, each.run_id].append(each.index)
                await node.tried([ok(each) for each in taken])
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(*(settles(run_id) for run_id in runs), *(delivers(nodes[n % 2], n) for n in range(4)))
    assert set(map(tuple, got.values())) == {tuple(range(12))}
    assert all([await seqs(store, *key) == [(n + 1, "halted", n) for n in range(12)] for key in got])


# ── Looking, and again ──────────────────────────────────────────────────────────────────────────────────────


async def test_deliveries_are_listed_newest_first_filtered_and_in_pages(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.create_run(new_run("other"))
    await store.add_subscription(subscription())
    await told(store, "run", *(milestone(n, CREATED if n == 0 else HALTED) for n in range(5)))
    await told(store, "other", milestone(3))
    (head,) = [each for each in await take(store) if each.run_id == "run"]
    await store.tried([ok(head)])
    assert [each.id for each in await listed(store, status=DELIVERED)] == [head.id]
    assert [each.id for each in await listed(store, event=CREATED)] == [head.id]
    assert len(await listed(store, run_id="other")) == 1
    pages, cursor = [], None
    while True:
        page = await store.deliveries(DEFAULT_ACCOUNT, "whsub_1", DeliveryFilter(cursor=cursor, limit=4))
        pages += [(each.run_id, each.seq) for each in page.deliveries]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(pages) == len(set(pages)) == 6
    assert [seq for run_id, seq in pages if run_id == "run"] == [5, 4, 3, 2, 1]
    assert (await store.deliveries("acme", "whsub_1", DeliveryFilter())).deliveries == ()
    assert await store.delivery(DEFAULT_ACCOUNT, head.id) == (await listed(store, status=DELIVERED))[0]
    assert await store.delivery("acme", head.id) is None
    for cursor in ("nonsense", "WzEsMiwieFx1MDAwMCJd"):
        with pytest.raises(ValueError, match="cursor"):
            await store.deliveries(DEFAULT_ACCOUNT, "whsub_1", DeliveryFilter(cursor=cursor))


async def test_a_test_is_delivered_whatever_else_waits_and_is_of_no_run(store: Store) -> None:
    await store.add_subscription(subscription())
    assert await store.add_test_delivery("acme", "whsub_1", HALTED, "{}", "", T0) is None
    added = [await store.add_test_delivery(DEFAULT_ACCOUNT, "whsub_1", HALTED, "{}", "org_x", T0) for _ in range(2)]
    taken = await take(store)
    assert {each.id for each in taken} == {each.id for each in added if each is not None}
    assert {(each.user_id, each.workflow_id, each.data, each.namespace) for each in taken} == {
        (None, None, "{}", "org_x")
    }
    await store.tried([failed(each, error="no") for each in taken])
    assert (await store.errors(ErrorFilter())).errors == ()


async def test_a_replayed_delivery_is_due_again_with_its_id_and_its_attempts(store: Store) -> None:
    await store.create_run(new_run("run"))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1))
    (head,) = await take(store)
    await store.tried([failed(head, again_at=T0 + 9000)])
    waiting = await store.replay(DEFAULT_ACCOUNT, head.id, T0 + 5)
    assert waiting is not None
    assert (waiting.status, waiting.next_attempt_at, waiting.tries) == (PENDING, T0 + 5, 1)
    (head,) = await take(store, now=T0 + 5)
    held = await store.replay(DEFAULT_ACCOUNT, head.id, T0 + 6)
    assert held is not None
    assert held.next_attempt_at == T0 + 5
    await store.tried([ok(head)])
    again = await store.replay(DEFAULT_ACCOUNT, head.id, T0 + 7)
    assert again is not None
    assert (again.status, again.next_attempt_at, again.tries, len(again.attempts)) == (PENDING, T0 + 7, 0, 2)
    assert [each.id for each in await take(store, now=T0 + 7)] == [head.id]
    assert await store.replay("acme", head.id, T0) is None
    assert await store.replay(DEFAULT_ACCOUNT, "del_nothing", T0) is None


async def test_what_happened_since_a_time_is_replayed_in_order(store: Store) -> None:
    for run_id in ("run", "other"):
        await store.create_run(new_run(run_id))
    await store.add_subscription(subscription())
    await told(store, "run", *(milestone(n, at=T0 + n) for n in range(4)))
    await told(store, "other", milestone(0))
    for _ in range(3):
        await store.tried([ok(each) for each in await take(store)])
    assert await store.replay_since("acme", "whsub_1", T0, T0) == 0
    assert await store.replay_since(DEFAULT_ACCOUNT, "whsub_1", T0 + 1, T0) == 2
    got = []
    while taken := await take(store):
        got += [(each.run_id, each.index) for each in taken]
        await store.tried([ok(each) for each in taken])
    assert got == [("run", 3), ("run", 1), ("run", 2)]
    assert await store.replay_since(DEFAULT_ACCOUNT, "whsub_1", T0 + 1, T0) == 3


# ── Forgetting ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_old_deliveries_are_forgotten_and_the_numbers_of_a_run_that_goes_on_are_not(
    store: Store, clock: Clock
) -> None:
    for run_id in ("run", "ended"):
        await store.create_run(new_run(run_id))
    await store.add_subscription(subscription())
    await told(store, "run", milestone(1), milestone(2))
    await told(store, "ended", milestone(1), status=COMPLETED)
    clock.now = T0 + 30 * DAY - 1
    assert await store.forget_deliveries() == 0
    clock.now = T0 + 30 * DAY
    later = replace(settlement("run", RUNNING, 60), milestones=(milestone(8),), updated_at=clock.now)
    await store.settle(later)
    while await store.forget_deliveries(limit=2):
        pass
    assert await seqs(store) == [(3, "halted", 8)]
    assert await seqs(store, run_id="ended") == []
    (head,) = await take(store, now=clock.now)
    assert head.seq == 3
    await store.tried([ok(head)])
    clock.now += 40 * DAY
    while await store.forget_deliveries():
        pass
    await store.settle(replace(later, next_index=70, milestones=(milestone(9),), updated_at=clock.now))
    assert await seqs(store) == [(4, "halted", 9)]
