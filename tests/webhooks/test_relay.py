"""Deliveries to receivers of every manner: at least once, in order per run, by the schedule; none holds up others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest
from tests.support.live import eventually
from tests.webhooks.conftest import HALTED, OWNER, RETRIES, SECRET, Outbox, receiver

from interlock.auth import AuthUnavailable, InvalidToken, Principal
from interlock.identity.directory import facts_of
from interlock.store.port import ErrorFilter
from interlock.store.ports.webhooks import Attempt, DeliveryStatus, SubscriptionChange
from interlock.webhooks.lanes import HOLD_MS
from interlock.webhooks.schedule import FAILING_MS, RESTS_FROM
from interlock.webhooks.signing import Signed, headers
from interlock_protocol.namespaces import DEFAULT_ACCOUNT
from interlock_protocol.types import JsonObject


async def waited(event: asyncio.Event) -> int:
    await event.wait()
    return 200


async def test_what_is_told_is_delivered_signed_and_in_order(outbox: Outbox) -> None:
    async with receiver() as there:
        await outbox.subscribe(there.url)
        await outbox.tell("run-1", 3, 5, 9)
        await outbox.tell("run-2", 1)
        outbox.relay()
        await outbox.are(delivered=4)
    of_one = [each for each in there.bodies if each["data"]["run"] == "run-1"]
    assert [(each["sequence"], each["data"]["index"]) for each in of_one] == [(1, 3), (2, 5), (3, 9)]
    first, fields = there.bodies[0], there.headers[0]
    assert (first["event"], first["timestamp"]) == (HALTED, "2001-09-09T01:46:40.000Z")
    assert fields["X-Interactor-Delivery"] == first["delivery_id"]
    signed = Signed(fields["webhook-id"], HALTED, 1, 0, outbox.clock.now // 1000)
    (delivery, *_) = await outbox.all()
    assert set(headers(signed, b"", [SECRET])) <= set(fields)
    (attempt,) = delivery.attempts
    assert (attempt.code, attempt.response, attempt.at) == (200, "ok", outbox.clock.now)
    assert outbox.counters.webhook_deliveries == {"delivered": 4}


async def test_failures_are_tried_again_by_the_schedule_and_hold_up_only_their_own_run(outbox: Outbox) -> None:
    async with receiver(lambda body: 500 if body["sequence"] == 1 and "run-1" in str(body) else 200) as there:
        await outbox.subscribe(there.url)
        await outbox.tell("run-1", 1, 2)
        await outbox.tell("run-2", 1)
        relay = outbox.relay()
        for count, wait in enumerate(RETRIES, 1):
            outbox.clock.now += int(wait * 1.1)
            relay.poke()
            await eventually(partial(lambda count: there.runs.count("run-1") >= count, count))
        await outbox.are(dead=1, delivered=2)
    assert there.runs.count("run-1") == len(RETRIES) + 1
    retries = [each["X-Interactor-Retry-Count"] for each in there.headers if each["X-Interlock-Sequence"] == "1"]
    assert sorted(retries) == ["0", "0", "1", "2"]
    (dead,) = await outbox.all(status=DeliveryStatus.DEAD)
    assert [each.code for each in dead.attempts] == [500] * len(RETRIES)
    (error,) = (await outbox.store.errors(ErrorFilter(DEFAULT_ACCOUNT))).errors
    assert error.code == "webhook_failed"
    assert dead.id in error.message
    assert str(there.port) not in error.message


async def test_receiver_that_fails_rests_is_probed_by_one_and_loses_nothing(outbox: Outbox) -> None:
    async with receiver(lambda _: 503) as there:
        await outbox.subscribe(there.url)
        for number in range(30):
            await outbox.tell(f"run-{number}", 1)
        relays = [outbox.relay(), outbox.relay()]
        await eventually(lambda: len(there.bodies) >= RESTS_FROM)
        await _at_rest(outbox)
        before = len(there.bodies)
        assert RESTS_FROM <= before <= 2 * RESTS_FROM, "each node finds out by itself"
        for _ in range(2):
            outbox.clock.now = (await outbox.subscription()).rests_until or 0
            for relay in relays:
                relay.poke()
            await eventually(partial(lambda count: len(there.bodies) > count, before))
            await _at_rest(outbox)
            assert len(there.bodies) == before + 1, "one probe at a time, whatever the number of nodes"
            before += 1
        there.answer = lambda _: 200
        outbox.clock.now = max((await outbox.subscription()).rests_until or 0, outbox.clock.now + 200_000)
        for relay in relays:
            relay.poke()
        await outbox.are(delivered=30)
    assert (await outbox.subscription()).failures == 0


async def _at_rest(outbox: Outbox) -> None:
    """Wait until the receiver rests, no attempt is under way, and all is written."""

    async def is_so() -> bool:
        rests_until = (await outbox.subscription()).rests_until or 0
        return rests_until > outbox.clock.now and not any(relay.lanes for relay, _ in outbox.relays)

    await eventually(is_so)


async def test_what_is_gone_or_has_failed_for_days_is_disabled_and_keeps_what_is_pending(outbox: Outbox) -> None:
    async with receiver(lambda _: 410) as gone, receiver(lambda _: 301) as failing:
        await outbox.subscribe(gone.url, "whsub_gone")
        since = outbox.clock.now - FAILING_MS
        await outbox.subscribe(failing.url, "whsub_failing", failures=RESTS_FROM, failing_since=since)
        await outbox.tell("run-1", 1, 2)
        outbox.relay()
        await eventually(lambda: len(gone.bodies) == len(failing.bodies) == 1)

        async def are_disabled() -> bool:
            return {(await outbox.subscription(f"whsub_{each}")).status for each in ("gone", "failing")} == {"disabled"}

        await eventually(are_disabled)
        assert (await outbox.subscription("whsub_gone")).disabled_because == "gone"
        assert (await outbox.subscription("whsub_failing")).disabled_because == "failing"
        assert await outbox.statuses("whsub_gone") == await outbox.statuses("whsub_failing") == {"pending": 2}
        gone.answer = lambda _: 202
        enabled = {"status": "active", "disabled_because": None, "failures": 0}
        await outbox.store.change_subscription(DEFAULT_ACCOUNT, "whsub_gone", enabled, outbox.clock.now + 1)  # type: ignore[arg-type]
        outbox.clock.now += 60_000
        await outbox.are("whsub_gone", delivered=2)
    assert len(failing.bodies) == 1, "a redirect isn't followed, and isn't success"


async def test_receivers_that_hang_hold_up_nobody_and_are_asked_one_by_one(outbox: Outbox) -> None:
    forever = asyncio.Event()
    async with receiver(lambda _: waited(forever)) as hanging, receiver() as fast:
        await outbox.subscribe(hanging.url, "whsub_hanging")
        await outbox.subscribe(fast.url, "whsub_fast")
        for number in range(120):
            await outbox.tell(f"run-{number}", 1)
        outbox.relay()
        await outbox.are("whsub_fast", delivered=120)
        assert len(hanging.bodies) == hanging.open == 1


async def test_silence_is_a_failure_that_is_told(outbox: Outbox) -> None:
    forever = asyncio.Event()
    async with receiver(lambda _: waited(forever)) as hanging:
        await outbox.subscribe(hanging.url)
        await outbox.tell("run-1", 1)
        outbox.relay(seconds=0.1)
        (attempt,) = await eventually(partial(_attempts, outbox))
    assert (attempt.code, attempt.response) == (None, "The host took too long.")


async def test_nothing_is_told_that_the_creator_may_not_read_by_now(outbox: Outbox) -> None:
    outbox.creators = {
        "left": InvalidToken(),
        "elsewhere": Principal("elsewhere", OWNER.scopes),
        "without": Principal("alice", frozenset({"webhooks:manage"})),
        "unknown": AuthUnavailable(),
    }
    async with receiver() as there:
        for user_id in ("alice", *outbox.creators):
            await outbox.subscribe(there.url, f"whsub_{user_id}", creator=Principal(user_id, OWNER.scopes))
        await outbox.tell("run-1", 1)
        outbox.relay()
        await outbox.are("whsub_alice", delivered=1)
        for user_id in ("left", "elsewhere", "without"):
            await outbox.are(f"whsub_{user_id}", dropped=1)
        await outbox.are("whsub_unknown", pending=1)
        assert len(there.bodies) == 1
        outbox.creators["unknown"] = OWNER
        await outbox.are("whsub_unknown", delivered=1)


async def test_nobody_is_sent_what_the_creator_before_them_may_read(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The subscription becomes another's while it is found out what its creator may read."""
    mallory = Principal("mallory", frozenset({"webhooks:manage"}))
    outbox.creators = {"mallory": mallory}
    standing = outbox._standing
    async with receiver() as there, receiver() as hers:
        change: SubscriptionChange = {"url": hers.url, "creator": facts_of(mallory)}

        async def taken_over(facts: JsonObject) -> Principal:
            if facts["user_id"] != "mallory":
                changed = await outbox.store.change_subscription(DEFAULT_ACCOUNT, "whsub_1", change, outbox.clock.now)
                assert changed is not None
                relay._lanes["whsub_1"][0].look(changed)
            return await standing(facts)

        monkeypatch.setattr(outbox, "_standing", taken_over)
        await outbox.subscribe(there.url)
        await outbox.tell("run-1", 1)
        await outbox.tell("run-2", 1)
        relay = outbox.relay()
        await outbox.are(delivered=1, dropped=1)
    assert (there.runs, hers.runs) == (["run-1"], [])


async def test_test_is_delivered_whatever_the_creator_may_read(outbox: Outbox) -> None:
    outbox.creators = {"alice": InvalidToken()}
    async with receiver() as there:
        await outbox.subscribe(there.url)
        await outbox.store.add_test_delivery(DEFAULT_ACCOUNT, "whsub_1", "webhook.test", "{}", "", outbox.clock.now)
        outbox.relay()
        await outbox.are(delivered=1)
    assert there.bodies[0]["event"] == "webhook.test"


async def test_beyond_its_pace_a_subscription_waits_and_spends_nothing(outbox: Outbox) -> None:
    async with receiver() as there:
        await outbox.subscribe(there.url)
        outbox.paces["whsub_1"] = 0.05
        await outbox.tell("run-1", 1)
        outbox.relay()
        await asyncio.sleep(0.2)
        assert not there.bodies
        outbox.paces.clear()
        await outbox.are(delivered=1)
    (delivery,) = await outbox.all()
    assert len(delivery.attempts) == 1


async def test_what_a_killed_node_had_taken_is_delivered_by_another_after_a_while(outbox: Outbox) -> None:
    forever = asyncio.Event()
    async with receiver(lambda _: waited(forever)) as there:
        await outbox.subscribe(there.url)
        for number in range(40):
            await outbox.tell(f"run-{number % 20}", number)
        outbox.relay()
        await eventually(lambda: len(there.bodies) == 1)
        _, task = outbox.relays.pop()
        for lane in list(outbox_lanes(outbox, task)):
            lane.cancel()
        task.cancel()
        there.answer = lambda _: 200
        other = outbox.relay()
        outbox.clock.now += HOLD_MS
        other.poke()
        await outbox.are(delivered=40)
        for number in range(20):
            of_run = [each["sequence"] for each in there.bodies if each["data"]["run"] == f"run-{number}"]
            assert of_run == sorted(of_run)
            assert set(of_run) == {1, 2}


def outbox_lanes(_: Outbox, task: asyncio.Task[None]) -> list[asyncio.Task[None]]:
    """The tasks of a relay, which a killed process doesn't end one by one."""
    return [each for each in asyncio.all_tasks() if each.get_name() in ("webhooks", "webhook") and each is not task]


async def test_stop_lets_attempts_end_gives_back_the_rest_and_writes_it_all(outbox: Outbox) -> None:
    go, forever = asyncio.Event(), asyncio.Event()

    async with receiver(lambda _: waited(go)) as slow, receiver(lambda _: waited(forever)) as hanging:
        await outbox.subscribe(slow.url, "whsub_slow")
        await outbox.subscribe(hanging.url, "whsub_hanging")
        await outbox.tell("run-1", 1)
        await outbox.tell("run-2", 1)
        relay = outbox.relay()
        await eventually(lambda: bool(slow.bodies and hanging.bodies))
        stopping = asyncio.create_task(relay.stop(0.3))
        go.set()
        await stopping
        assert not relay.lanes
    assert await outbox.statuses("whsub_slow") == {"delivered": 1, "pending": 1}
    taken = await outbox.store.take_deliveries("whsub_hanging", outbox.clock.now, 1)
    assert len(taken) == 2, "given back, not only let go of when its time is over"


async def _attempts(outbox: Outbox) -> Sequence[Attempt]:
    return (await outbox.all())[0].attempts


@pytest.mark.parametrize(
    "said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n\x00ab\x1b[1m" + SECRET.encode()]
)
async def test_answers_are_kept_as_text_without_what_is_secret(outbox: Outbox, said: bytes) -> None:
    async with receiver(lambda _: said or None) as there:
        await outbox.subscribe(there.url)
        await outbox.tell("run-1", 1)
        outbox.relay()
        await eventually(lambda: outbox.counters.webhook_attempts.total() == 1)
        (attempt,) = await eventually(partial(_attempts, outbox))
    assert attempt.response is not None
    assert attempt.response.isprintable()
    assert SECRET not in attempt.response
