"""A follower of a run: delivers its events from where a client left off to the run's end, over any transport.

Laws:
- Subscribe first, then read, so that nothing is missed: a follower has its cursor from its creation on, and delivers
  nothing until one of the `begin` methods says where to start.
- The sending task pulls: a follower has no task, and nothing is allocated per event. It waits for room first and then
  reads a page, so a slow reader costs that page and a position in the log.
- `subscribed` is sent exactly between missed events and live ones; if the run has ended, it isn't sent.
- After a loss, the client gets what a `reconnect` would have been answered, and delivery goes on from there.
- If something can't be read now, this follower retries later; no other follower waits for it.
- After a follower is closed it delivers nothing, even if it was closed while a page was being read.

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
    """Follows one run for one connection. It watches the run from now on; a `begin` method says where delivery starts.

    Args:
        wake: called on the event loop when there may be something to deliver. It must not block.

    Attributes:
        cursor: the position in the run's log; `held` while this connection changes the run.
        is_over: nothing more will be delivered, because the run has ended or the follower was closed.
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

    # ── Start of delivery ───────────────────────────────────────────────────────────────────────────────

    def begin(self, first: int) -> None:
        """Deliver the events from an index on."""
        self.cursor.next_index = first
        self._subscribed, self.is_over = None, False

    def begin_after(self, snapshot: Mapping[str, Any]) -> None:
        """Deliver the events after a snapshot, even if events before it were trimmed or lost."""
        self.begin(snapshot["as_of"] + 1)
        self.cursor.told(snapshot["epoch"], self.cursor.next_index)
        self.is_over = RunStatus(snapshot["status"]).is_final

    def begin_with(self, answer: Resumption) -> None:
        """Send the answer to a client that came back, and deliver what follows."""
        for message in answer.says:
            self._sink.say(message)
        self._subscribed, self._subscribed_at = answer.subscribed, answer.subscribed_at
        self.is_over = answer.first is None
        if answer.first is not None:
            self.cursor.next_index = answer.first

    def close(self) -> None:
        """Stop following the run. Idempotent."""
        self.is_over = True
        self._rest.end()
        self.cursor.close()

    # ── Delivery ────────────────────────────────────────────────────────────────────────────────────────

    @property
    def has_news(self) -> bool:
        """True if there may be something to deliver now."""
        if self._subscribed is None and not self.cursor.is_behind:
            return False  # by far the most common case
        return not (self.is_over or self.cursor.held or self._rest.is_on)

    async def deliver(self) -> None:
        """Deliver what is next: the notice of a loss, `subscribed`, or a page of events."""
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
            self._back_off()
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
        """Send `subscribed` if delivery has reached its position. Return False if nothing was sent."""
        if self.cursor.next_index < self._subscribed_at:
            return False
        message, self._subscribed = self._subscribed, None
        if message is None or self.cursor.tail.ended:
            return False
        self._sink.say(message)
        return True

    async def _tell_of_loss(self) -> None:
        """Send what a client would get that reconnects now, because events were lost or trimmed."""
        cursor, epoch = self.cursor, self.cursor.lost_epoch
        last = cursor.next_index - 1 if cursor.next_index else None
        back = Reconnect(action="reconnect", run_id=cursor.run_id, last_event_index=last, epoch=epoch)
        try:
            answer = await resume(self._engine, back, cursor)
        except (LogUnavailable, StoreUnavailable, Refusal):
            self._back_off()
            return
        if self.is_over:
            return
        self.begin_with(answer)
        if not answer.says:
            self._back_off()  # the recovery is still under way; ask again later

    def _back_off(self) -> None:
        if not self.is_over:
            self._rest.begin()


class Followers:
    """The runs that one connection follows, by their ids.

    Args:
        wake: called on the event loop when one of them may have something to deliver. It must not block.
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
        """Yield a new follower, and close it at the end of the block unless it was passed to `follow`."""
        follower = Follower(self._engine, self._hub, self._sink, run_id, self._wake)
        try:
            yield follower
        finally:
            if self._followed.get(run_id) is not follower:
                follower.close()

    def follow(self, follower: Follower) -> None:
        """Start delivery by this follower, in place of an earlier one of the same run."""
        self.unfollow(follower.cursor.run_id)
        self._followed[follower.cursor.run_id] = follower
        self._wake()

    def let_go(self, follower: Follower) -> None:
        """Close this follower; another follower of the same run stays."""
        if self._followed.get(follower.cursor.run_id) is follower:
            del self._followed[follower.cursor.run_id]
        follower.close()

    def unfollow(self, run_id: str) -> None:
        """Stop following a run, if it is followed."""
        follower = self._followed.get(run_id)
        if follower is not None:
            self.let_go(follower)

    def clear(self) -> None:
        """Stop following all runs."""
        for run_id in self.run_ids():
            self.unfollow(run_id)

    def get(self, run_id: str) -> Follower | None:
        """Return the follower of a run, or None."""
        return self._followed.get(run_id)

    def run_ids(self) -> list[str]:
        """The runs that are followed."""
        return list(self._followed)

    def with_news(self) -> list[Follower]:
        """The followers that may have something to deliver."""
        return [follower for follower in self._followed.values() if follower.has_news]
