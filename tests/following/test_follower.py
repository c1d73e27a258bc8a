"""One follower, whatever its transport: what it tells, in which order, and what it costs who doesn't read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.support.live import eventually

from interlock.engine.engine import Engine
from interlock.following import rest
from interlock.following.follower import Follower, Followers
from interlock.following.hub import Hub
from interlock.following.resume import Resumption, resume
from interlock.following.sink import Sink
from interlock.log.port import Batch, Entry, Head, LogUnavailable
from interlock_protocol.codec import JSON, Frame, event_body
from interlock_protocol.messages import Reconnect
from interlock_protocol.types import RunStatus

RUN = "run-1"
END = "WorkflowCompleted"


class Log:
    """A run's log by hand. While it is `away`, nothing is read of it; `meanwhile` is done while a page is read."""

    def __init__(self) -> None:
        self.away = False
        self.reads = 0
        self.epoch, self.next_index, self.first_index = 1, 0, 0
        self.meanwhile: Callable[[], None] = lambda: None
        self._batches: list[Batch] = []
        self._heard: list[Callable[[str, Batch], None]] = []

    def listen(self, heard: Callable[[str, Batch], None]) -> None:
        self._heard.append(heard)

    def watch(self, run_id: str, hinted: Callable[[int, int], None]) -> Callable[[], None]:
        return lambda: None

    def append(self, *names: str) -> None:
        bodies = [event_body({"event": name, "run_id": RUN}) for name in names]
        batch = Batch(self.epoch, self.next_index, tuple(Entry(body) for body in bodies))
        self.next_index = batch.next_index
        self._batches.append(batch)
        for heard in self._heard:
            heard(RUN, batch)

    def begin_anew(self) -> None:
        """What was appended is lost: the run goes on in another epoch."""
        self.epoch, self._batches, self.first_index = self.epoch + 1, [], self.next_index

    async def read(self, run_id: str, index: int) -> list[Batch]:
        self.reads += 1
        if self.away:
            raise LogUnavailable
        self.meanwhile()
        return [batch.since(index) for batch in self._batches if batch.next_index > index]


class Runs:
    """What a follower asks of the engine."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.status = RunStatus.RUNNING

    async def head(self, run_id: str) -> Head:
        if self._log.away:
            raise LogUnavailable
        log = self._log
        return Head(run_id, log.epoch, log.next_index, self.status, frozenset(), None, 0, log.first_index)

    async def snapshot(self, run_id: str) -> dict[str, Any]:
        as_of, status = self._log.next_index - 1, self.status.value
        return {"event": "WorkflowRunOutput", "epoch": self._log.epoch, "as_of": as_of, "status": status}

    async def last_event(self, head: Head) -> None:
        return None


@dataclass
class Told:
    """A transport without a wire: everything it was told, and how much it has room for."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    has_room: asyncio.Event = field(default_factory=asyncio.Event)
    woken: int = 0

    def say(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    async def room(self) -> None:
        await self.has_room.wait()

    async def send(self, frames: Sequence[Frame]) -> None:
        self.messages += [JSON.decode(frame) for frame in frames]

    def wake(self) -> None:
        self.woken += 1

    @property
    def in_short(self) -> list[str | int]:
        """Events by their indexes, everything else by its name."""
        return [each.get("event_index", each["event"]) for each in self.messages]


class World:
    """A run, and those who follow it."""

    def __init__(self) -> None:
        self.log = Log()
        self.runs = Runs(self.log)
        self.engine = cast("Engine", SimpleNamespace(runs=self.runs))
        self.lost: list[tuple[str, int, int]] = []
        self.hub = Hub(cast("Any", self.log), lambda *loss: self.lost.append(loss))

    def follower(self) -> tuple[Follower, Told]:
        told = Told()
        told.has_room.set()
        return Follower(self.engine, self.hub, sink_of(told), RUN, told.wake), told

    async def reconnected(self, follower: Follower, last: int | None = None, **fields: Any) -> Resumption:
        message = Reconnect(run_id=RUN, last_event_index=last, **fields)
        answer = await resume(self.engine, message, follower.cursor)
        follower.begin_with(answer)
        return answer


def sink_of(told: Told) -> Sink:
    return Sink(JSON, told.say, told.room, told.send)


async def deliver(follower: Follower) -> None:
    """Everything there is to tell now."""
    while follower.has_news:
        await follower.deliver()


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(rest, "AWAY_SECONDS", 0.02)
    return World()


# ── Order ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_told_before_it_has_begun_and_nothing_missed_after(world: World) -> None:
    follower, told = world.follower()
    world.log.append("a", "b")
    assert told.in_short == []
    follower.begin(0)
    world.log.append("c")
    await deliver(follower)
    assert told.in_short == [0, 1, 2]


async def test_subscribed_stands_between_what_was_missed_and_what_is_live(world: World) -> None:
    """Also where what is live is in the same page as what was missed, or came before anything was sent."""
    world.log.append("a", "b", "c")
    follower, told = world.follower()
    await world.reconnected(follower, 0)
    world.log.append("d", "e")
    await deliver(follower)
    world.log.append("f")
    await deliver(follower)
    assert told.in_short == ["catch_up", 1, 2, "subscribed", 3, 4, 5]


async def test_run_that_ended_while_it_was_caught_up_with_is_never_subscribed(world: World) -> None:
    world.log.append("a", "b")
    follower, told = world.follower()
    await world.reconnected(follower, 0)
    world.log.append(END)
    await deliver(follower)
    assert told.in_short == ["catch_up", 1, 2]
    assert follower.is_over


async def test_follower_is_over_with_the_runs_last_event_and_not_before(world: World) -> None:
    follower, told = world.follower()
    follower.begin(0)
    world.log.append("a")
    await deliver(follower)
    assert not follower.is_over
    world.log.append("b", END)
    await deliver(follower)
    assert (told.in_short, follower.is_over) == ([0, 1, 2], True)


async def test_snapshot_stands_for_all_before_it(world: World) -> None:
    world.log.append("a", "b", "c")
    follower, told = world.follower()
    follower.begin_after(await world.runs.snapshot(RUN))
    world.log.append("d")
    await deliver(follower)
    assert told.in_short == [3]


async def test_snapshot_of_a_run_that_has_ended_is_the_end(world: World) -> None:
    world.log.append("a", END)
    world.runs.status = RunStatus.COMPLETED
    follower, told = world.follower()
    follower.begin_after(await world.runs.snapshot(RUN))
    await deliver(follower)
    assert (told.in_short, follower.is_over) == ([], True)


async def test_events_wait_while_their_connection_changes_the_run(world: World) -> None:
    follower, told = world.follower()
    follower.begin(0)
    follower.cursor.held = True
    world.log.append("a")
    assert not follower.has_news
    await follower.deliver()
    assert told.in_short == []
    follower.cursor.held = False
    await deliver(follower)
    assert told.in_short == [0]


# ── Loss ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_lost_events_are_told_with_a_gap_and_a_snapshot_and_it_goes_on_there(world: World) -> None:
    follower, told = world.follower()
    follower.begin(0)
    world.log.append("a", "b", "c")
    await deliver(follower)
    world.log.begin_anew()
    world.log.append("d")
    await deliver(follower)
    world.log.append("e")
    await deliver(follower)
    assert told.in_short == [0, 1, 2, "gap", "WorkflowRunOutput", 4]
    gap = told.messages[3]
    assert (gap["epoch"], gap["requested_event_index"], gap["next_event_index"]) == (2, 3, 4)


async def test_run_whose_loss_has_ended_it_is_over_with_its_snapshot(world: World) -> None:
    follower, told = world.follower()
    follower.begin(0)
    world.log.append("a")
    await deliver(follower)
    world.log.begin_anew()
    world.runs.status = RunStatus.ERROR
    world.log.append("b")
    await deliver(follower)
    assert (told.in_short, follower.is_over) == ([0, "gap", "WorkflowRunOutput"], True)


async def test_loss_that_cannot_be_looked_into_yet_is_told_when_it_can(world: World) -> None:
    follower, told = world.follower()
    follower.begin(0)
    world.log.append("a")
    await deliver(follower)
    world.log.begin_anew()
    world.log.append("b")
    world.log.away = True
    await follower.deliver()
    assert (told.in_short, follower.has_news) == ([0], False)
    world.log.away = False
    await eventually(lambda: follower.has_news)
    await deliver(follower)
    assert told.in_short == [0, "gap", "WorkflowRunOutput"]


# ── Backpressure, and a log that is away ────────────────────────────────────────────────────────────────


async def test_nothing_is_read_for_who_has_no_room(world: World) -> None:
    world.log.append("a", "b")
    follower, told = world.follower()
    await world.reconnected(follower)
    told.has_room.clear()
    sending = asyncio.create_task(deliver(follower))
    await asyncio.sleep(0)
    world.log.append("c")
    await asyncio.sleep(0)
    assert (told.in_short, world.log.reads) == (["catch_up"], 0)
    told.has_room.set()
    await sending
    assert told.in_short == ["catch_up", 0, 1, "subscribed", 2]


async def test_log_that_is_away_is_asked_again_after_a_while_and_wakes_who_waits(world: World) -> None:
    world.log.append("a", "b")
    follower, told = world.follower()
    await world.reconnected(follower)
    world.log.away = True
    await follower.deliver()
    reads, woken = world.log.reads, told.woken
    for _ in range(100):
        world.log.append("x")  # others' events, which wake it, don't make it ask
        await deliver(follower)
    assert (world.log.reads, told.in_short) == (reads, ["catch_up"])
    world.log.away = False
    await eventually(lambda: told.woken > woken + 100)
    await deliver(follower)
    assert told.in_short == ["catch_up", 0, 1, "subscribed", *range(2, 102)]


# ── Letting go ──────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_told_of_what_was_let_go_while_a_page_was_read(world: World) -> None:
    world.log.append("a", "b")
    follower, told = world.follower()
    await world.reconnected(follower)
    world.log.meanwhile = follower.close
    await follower.deliver()
    await follower.deliver()
    assert (told.in_short, follower.is_over) == (["catch_up"], True)


async def test_nothing_is_told_of_what_was_let_go_before_it_was_announced(world: World) -> None:
    world.log.append("a", "b")
    follower, told = world.follower()
    await world.reconnected(follower, 1)
    follower.close()
    await follower.deliver()
    assert told.in_short == []


async def test_who_was_let_go_while_it_rested_wakes_nobody(world: World) -> None:
    world.log.append("a")
    (follower, told), (other, others) = world.follower(), world.follower()
    for each in (follower, other):
        await world.reconnected(each)
    world.log.away = True
    for each in (follower, other):
        await each.deliver()
    follower.close()
    woken, others.woken = told.woken, 0
    await eventually(lambda: others.woken > 0)  # which rested later, and as long
    assert told.woken == woken
    assert list(world.hub.cursors()) == [other.cursor]


async def test_follower_takes_the_place_of_who_followed_the_same_run(world: World) -> None:
    told = Told()
    followed = Followers(world.engine, world.hub, sink_of(told), told.wake)
    with followed.watching(RUN) as first:
        first.begin(0)
        followed.follow(first)
    with followed.watching(RUN) as second:
        second.begin(0)
        followed.follow(second)
    assert (first.is_over, second.is_over) == (True, False)
    followed.let_go(first)
    assert followed.get(RUN) is second, "who was replaced takes no other along"
    world.log.append("a")
    assert followed.with_news() == [second]
    followed.clear()
    assert list(world.hub.cursors()) == []


async def test_watched_run_that_is_not_followed_is_let_go(world: World) -> None:
    told = Told()
    followed = Followers(world.engine, world.hub, sink_of(told), told.wake)
    with pytest.raises(LogUnavailable), followed.watching(RUN):
        raise LogUnavailable
    assert list(world.hub.cursors()) == []
    assert followed.get(RUN) is None
