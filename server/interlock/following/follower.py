"""One who follows a run: from where they left off to the run's end, whatever the connection is.

Laws:
- Who watches before looking misses nothing: a follower has its cursor from the first moment, and tells nothing before
  it was told where to begin.
- What is sent is asked for by the task that sends: a follower has no task, and nothing is made for an event. There is
  room first, then a page is read; so a slow reader costs that page and a place in the log.
- `subscribed` stands between what was missed and what is live, in its place; where the run has ended, nowhere.
- What was lost is told as to one who comes back: what a `reconnect` would be answered is said, and goes on there.
- What can't be read now is asked for again after a while, by this follower; nobody else waits for it.
- Nothing is told any more of what was let go, also when it was let go while a page was read.

Source: `docs/architecture.md`, "Delivery"; `docs/protocol.md`, "Reconnecting"; `docs/durability.md`, "Loss".
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from interlock.engine.engine import Engine
from interlock.following.hub import Hub
from interlock.following.rest import Rest
from interlock.following.resume import Resumption, resume
from interlock.following.sink import Sink
from interlock.log.port import LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock_protocol.errors import Refusal
from interlock_protocol.messages import Reconnect
from interlock_protocol.types import RunStatus


class Follower:
    """Follows one run for one connection. It is watched from here on; one of the `begin`s says from where to tell.

    Args:
        wake: called, on the loop, when there may be something to tell. It must not block.

    Attributes:
        cursor: its place in the run's log; `held` while its connection changes the run.
        is_over: whether nothing more comes: the run has ended, or was let go.
    """

    __slots__ = ("_engine", "_rest", "_sink", "_subscribed", "_subscribed_at", "cursor", "is_over")

    def __init__(self, engine: Engine, hub: Hub, sink: Sink, run_id: str, wake: Callable[[], None]) -> None:
        self.cursor = hub.follow(run_id, wake)
        self.is_over = False
        self._engine = engine
        self._sink = sink
        self._subscribed: dict[str, Any] | None = None
        self._subscribed_at = 0
        self._rest = Rest(wake)

    # ── Where it begins ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, first: int) -> None:
        """Tell the events from an index on."""
        self.cursor.next_index = first
        self._subscribed, self.is_over = None, False

    def begin_after(self, snapshot: Mapping[str, Any]) -> None:
        """Tell what comes after a snapshot, also where what came before it was trimmed or lost."""
        self.begin(snapshot["as_of"] + 1)
        self.cursor.told(snapshot["epoch"], self.cursor.next_index)
        self.is_over = RunStatus(snapshot["status"]).is_final

    def begin_with(self, answer: Resumption) -> None:
        """Tell what answers a client that came back, and what follows."""
        for message in answer.says:
            self._sink.say(message)
        self._subscribed, self._subscribed_at = answer.subscribed, answer.subscribed_at
        self.is_over = answer.first is None
        if answer.first is not None:
            self.cursor.next_index = answer.first

    def close(self) -> None:
        """Let go of the run; again is fine."""
        self.is_over = True
        self._rest.end()
        self.cursor.close()

    # ── What it tells ───────────────────────────────────────────────────────────────────────────────────

    @property
    def has_news(self) -> bool:
        """Whether there may be something to tell now."""
        if self._subscribed is None and not self.cursor.is_behind:
            return False  # which is so nearly every time that it is asked
        return not (self.is_over or self.cursor.held or self._rest.is_on)

    async def deliver(self) -> None:
        """Tell what is next: that something was lost, `subscribed`, or a page of events."""
        cursor, sink = self.cursor, self._sink
        if self.is_over or cursor.held:
            return
        if cursor.lost_epoch:
            await self._tell_of_loss()
            return
        if self._subscribed is not None and self._announce():
            return
        await sink.room()
        try:
            frames, ends = await cursor.hub.page(cursor, sink.codec)
        except LogUnavailable:
            self._take_rest()
            return
        if not frames or self.is_over or cursor.held or cursor.lost_epoch:
            return
        if self._subscribed is not None and cursor.next_index + len(frames) > self._subscribed_at:
            frames, ends = frames[: self._subscribed_at - cursor.next_index], False
        cursor.next_index += len(frames)
        cursor.hub.counters.delivered += len(frames)
        self.is_over = ends
        await sink.send(frames)

    def _announce(self) -> bool:
        """Say `subscribed`, if its place is here; False when there is nothing to say."""
        if self.cursor.next_index < self._subscribed_at:
            return False
        message, self._subscribed = self._subscribed, None
        if message is None or self.cursor.tail.ended:
            return False
        self._sink.say(message)
        return True

    async def _tell_of_loss(self) -> None:
        """The run goes on in another epoch: say so, as if the client had come back to it."""
        cursor, epoch = self.cursor, self.cursor.lost_epoch
        last = cursor.next_index - 1 if cursor.next_index else None
        back = Reconnect(action="reconnect", run_id=cursor.run_id, last_event_index=last, epoch=epoch)
        try:
            answer = await resume(self._engine, back, cursor)
        except (LogUnavailable, StoreUnavailable, Refusal):
            self._take_rest()
            return
        if self.is_over:
            return
        self.begin_with(answer)
        if not answer.says:
            self._take_rest()  # somebody sees to it; who asked too early asks again

    def _take_rest(self) -> None:
        if not self.is_over:
            self._rest.begin()


class Followers:
    """The runs that one connection follows, by their ids.

    Args:
        wake: called, on the loop, when one of them may have something to tell. It must not block.
    """

    __slots__ = ("_engine", "_followed", "_hub", "_sink", "_wake")

    def __init__(self, engine: Engine, hub: Hub, sink: Sink, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._hub = hub
        self._sink = sink
        self._wake = wake
        self._followed: dict[str, Follower] = {}

    @contextlib.contextmanager
    def watching(self, run_id: str) -> Iterator[Follower]:
        """A follower that is let go again at the end of the block, unless it follows the run by then."""
        follower = Follower(self._engine, self._hub, self._sink, run_id, self._wake)
        try:
            yield follower
        finally:
            if self._followed.get(run_id) is not follower:
                follower.close()

    def follow(self, follower: Follower) -> None:
        """Have it told what it began with, in place of who followed the same run before."""
        self.unfollow(follower.cursor.run_id)
        self._followed[follower.cursor.run_id] = follower
        self._wake()

    def let_go(self, follower: Follower) -> None:
        """Follow no more with this one; another of the same run stays."""
        if self._followed.get(follower.cursor.run_id) is follower:
            del self._followed[follower.cursor.run_id]
        follower.close()

    def unfollow(self, run_id: str) -> None:
        """Let go of a run, if it is followed."""
        follower = self._followed.get(run_id)
        if follower is not None:
            self.let_go(follower)

    def clear(self) -> None:
        """Let go of all runs."""
        for run_id in self.run_ids():
            self.unfollow(run_id)

    def get(self, run_id: str) -> Follower | None:
        """Who follows a run; None where nobody does."""
        return self._followed.get(run_id)

    def run_ids(self) -> list[str]:
        """The runs that are followed."""
        return list(self._followed)

    def with_news(self) -> list[Follower]:
        """Those that may have something to tell."""
        return [follower for follower in self._followed.values() if follower.has_news]
