"""The hub: cursors on the logs of runs, and the newest batches in memory.

Laws:
- A subscription is a cursor, not a queue. Live delivery is reading at the tail; there is no switch between replay and
  live.
- Batches at the tail are delivered from memory, encoded once per codec; older ones are read from the log in pages.
- A slow follower costs a bounded buffer: its cursor stays behind, and nothing is lost.
- The memory of all tails together is bounded in bytes. A quiet run keeps no batches that every cursor has passed. A
  cursor gets the same events either way: what isn't in memory is read from the log.
- Entries of other processes are read once, however many followers there are.
- A tail belongs to one epoch, the latest one known. Late messages about an earlier epoch are ignored.
- Nothing here knows users or sockets; permission to follow was checked before.

Source: `docs/architecture.md`, "Laws" 1 and 2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from functools import partial

from interlock.log.port import Batch, Log, LogUnavailable
from interlock.telemetry.counters import Counters
from interlock_protocol.codec import Codec, Frame

TAIL_BYTES = 512 * 1024
"""How many bytes of a run's newest entries are kept in memory while it is followed."""

TAILS_BYTES = 32 * 1024 * 1024
"""How many bytes all followed runs together keep in memory, as entries and as frames."""

QUIET_SECONDS = 1.0
"""How long a run must have been quiet before the batches that every cursor has passed are dropped."""

ENTRY_BYTES = 128
"""The approximate memory overhead of an entry, and of a frame."""

BATCH_BYTES = 512
"""The approximate memory overhead of a batch."""

AWAY_SECONDS = 0.25
"""The delay before the log is read again after it couldn't be reached."""

DOUBT_SECONDS = 1.0
"""The minimum time between two checks for a log that has shrunk; late hints ask for many."""

_FINAL = (b'{"event":"WorkflowCompleted"', b'{"event":"WorkflowCancelled"', b'{"event":"WorkflowError"')


def ends_run(body: bytes) -> bool:
    """Return True if this is the last event of its run; `event` is always an event's first field."""
    return body.startswith(_FINAL)


def _nothing() -> None: ...


class _TailBatch:
    """A batch in memory, and its frames in the codecs in use.

    Attributes:
        size: the bytes of its entries' bodies.
        cost: its approximate memory use.
    """

    __slots__ = ("_frames", "_once", "_tails", "batch", "cost", "size")

    def __init__(self, batch: Batch, tails: _Tails) -> None:
        self.batch = batch
        self.size = sum(len(entry.body) for entry in batch.entries)
        private = sum(len(entry.private) for entry in batch.entries if entry.private is not None)
        self._once = self.size + ENTRY_BYTES * len(batch.entries)
        self.cost = BATCH_BYTES + self._once + private
        self._frames: dict[Codec, list[Frame]] = {}
        self._tails = tails

    def frames(self, codec: Codec) -> list[Frame]:
        frames = self._frames.get(codec)
        if frames is None:
            frames = self._frames[codec] = encode(self.batch, codec)
            self._tails.grow(self, self._once)
        return frames


class _Tails:
    """The batches of all tails, the oldest first. If they take too much memory, the oldest are dropped.

    Attributes:
        cost: their approximate memory use.
    """

    def __init__(self) -> None:
        self.cost = 0
        self._held: OrderedDict[_TailBatch, _Tail] = OrderedDict()

    def add(self, held: _TailBatch, tail: _Tail) -> None:
        """Add a batch that was put at the end of a tail."""
        self._held[held] = tail
        self.cost += held.cost
        self._trim()

    def grow(self, held: _TailBatch, by: int) -> None:
        """Note that a batch takes more memory than before; a batch that was dropped meanwhile is ignored."""
        if held in self._held:
            held.cost += by
            self.cost += by
            self._trim()

    def remove(self, held: _TailBatch) -> None:
        """Remove a batch that its tail has dropped."""
        del self._held[held]
        self.cost -= held.cost

    def _trim(self) -> None:
        while self.cost > TAILS_BYTES and len(self._held) > 1:
            # A tail's first batch is its oldest, so the oldest batch of all is the first of its tail.
            next(iter(self._held.values())).drop_first()


def encode(batch: Batch, codec: Codec) -> list[Frame]:
    """Encode a batch as frames."""
    run_frame, epoch = codec.run_frame, batch.epoch
    return [run_frame(entry.body, index, epoch) for index, entry in enumerate(batch.entries, batch.first_index)]


class _Tail:
    """The end of one followed run's log."""

    __slots__ = (
        "batches",
        "doubted",
        "ended",
        "epoch",
        "filling",
        "followers",
        "has_grown",
        "hinted",
        "looking",
        "next_index",
        "size",
        "tails",
        "unwatch",
    )

    def __init__(self, tails: _Tails) -> None:
        self.tails = tails
        self.has_grown = False
        self.epoch = 0
        self.hinted = 0
        self.filling: asyncio.Task[None] | None = None
        self.doubted = False
        self.looking: asyncio.Task[None] | None = None
        self.unwatch: Callable[[], None] = _nothing
        self.next_index = 0
        self.batches: deque[_TailBatch] = deque()
        self.size = 0
        self.ended = False
        self.followers: set[Cursor] = set()

    def grown(self, epoch: int, next_index: int) -> None:
        """Note that the log's next index in this epoch is at least `next_index`."""
        if epoch >= self.epoch:
            self.begin(epoch)
            self.next_index = max(self.next_index, next_index)

    def begin(self, epoch: int) -> None:
        """Move to this epoch, if it is a later one, and mark each cursor: its client must learn of a possible loss."""
        if self.epoch and epoch > self.epoch:
            self._forget()
            for cursor in self.followers:
                cursor.lost_epoch = cursor.lost_epoch or self.epoch
                cursor.wake()
        self.epoch = max(self.epoch, epoch)

    def _forget(self) -> None:
        self.clear()
        self.next_index = 0
        self.hinted = 0
        self.ended = False

    def add(self, batch: Batch) -> None:
        """Add a batch; the caller keeps the log's order."""
        if batch.epoch < self.epoch:
            return
        self.grown(batch.epoch, batch.next_index)
        if self.batches and self.batches[-1].batch.next_index != batch.first_index:
            self.clear()
        held = _TailBatch(batch, self.tails)
        self.batches.append(held)
        self.size += held.size
        self.has_grown = True
        self.ended = self.ended or ends_run(batch.entries[-1].body)
        while self.size > TAIL_BYTES and len(self.batches) > 1:
            self.drop_first()
        self.tails.add(held, self)

    def drop_first(self) -> None:
        """Drop the oldest batch in memory."""
        held = self.batches.popleft()
        self.size -= held.size
        self.tails.remove(held)

    def clear(self) -> None:
        """Drop all batches in memory."""
        while self.batches:
            self.drop_first()

    def drop_passed(self) -> None:
        """Drop the batches that every cursor has passed. (A new cursor reads them from the log.)"""
        passed = min((cursor.next_index for cursor in self.followers), default=self.next_index)
        while self.batches and self.batches[0].batch.next_index <= passed:
            self.drop_first()

    def find(self, index: int) -> _TailBatch | None:
        """Return the batch in memory that holds `index`, or None; search from the end, where most cursors are."""
        if not self.batches or index < self.batches[0].batch.first_index:
            return None
        for held in reversed(self.batches):
            if held.batch.first_index <= index < held.batch.next_index:
                return held
        return None

    def since(self, index: int) -> Iterator[Batch]:
        """The batches in memory from the one that holds `index` on; none if that one isn't in memory."""
        if self.find(index) is not None:
            yield from (held.batch for held in self.batches if held.batch.next_index > index)


class Hub:
    """Follows runs for any number of cursors.

    Args:
        on_loss: called with (run id, epoch, next index) when the log seems to have lost entries.
    """

    def __init__(self, log: Log, on_loss: Callable[[str, int, int], None], counters: Counters | None = None) -> None:
        self.counters = counters or Counters()
        self._log = log
        self._on_loss = on_loss
        self._tails: dict[str, _Tail] = {}
        self._memory = _Tails()
        self._warm: set[_Tail] = set()
        self._cooling: asyncio.TimerHandle | None = None
        log.listen(self._appended)

    @property
    def held_bytes(self) -> int:
        """The approximate memory use of all tails."""
        return self._memory.cost

    def follow(self, run_id: str, wake: Callable[[], None]) -> Cursor:
        """Return a new cursor at the beginning of a run's log.

        Args:
            wake: called on the event loop when there may be something new. It must not block.
        """
        tail = self._tails.get(run_id)
        if tail is None:
            tail = self._tails[run_id] = _Tail(self._memory)
            tail.unwatch = self._log.watch(run_id, partial(self._hinted, run_id, tail))
        cursor = Cursor(self, run_id, tail, wake)
        tail.followers.add(cursor)
        return cursor

    def unfollow(self, cursor: Cursor) -> None:
        """Remove a cursor. Idempotent."""
        tail = cursor.tail
        tail.followers.discard(cursor)
        if not tail.followers and self._tails.get(cursor.run_id) is tail:
            del self._tails[cursor.run_id]
            tail.clear()
            tail.unwatch()
            for task in (tail.filling, tail.looking):
                if task is not None:
                    task.cancel()

    def _hinted(self, run_id: str, tail: _Tail, epoch: int, next_index: int) -> None:
        if epoch < tail.epoch:
            return
        if epoch == tail.epoch and next_index < tail.next_index:
            self._doubt(run_id, tail, next_index)
            return
        tail.begin(epoch)
        tail.hinted = next_index
        if next_index > tail.next_index and tail.filling is None:
            tail.filling = asyncio.create_task(self._fill(run_id, tail), name=f"fill {run_id}")

    def _doubt(self, run_id: str, tail: _Tail, next_index: int) -> None:
        """Handle a hint below the known next index: the log has shrunk, or the hint is late, as many are in a stream.

        Hints arrive in order. So a hint below the previous hint isn't late, and the log has shrunk.
        """
        before, tail.hinted = tail.hinted, next_index
        if next_index < before:
            self._on_loss(run_id, tail.epoch, tail.next_index)
            return
        tail.doubted = True
        if tail.looking is None:
            tail.looking = asyncio.create_task(self._look(run_id, tail), name=f"look {run_id}")

    async def _look(self, run_id: str, tail: _Tail) -> None:
        """Compare the log's head with the known next index, periodically, as long as new hints raise a doubt."""
        try:
            while tail.doubted:
                tail.doubted, epoch, told = False, tail.epoch, tail.next_index
                with contextlib.suppress(LogUnavailable):  # another hint comes when the log is back
                    head = await self._log.head(run_id)
                    if head is None or (head.epoch == epoch and head.next_index < told):
                        self._on_loss(run_id, epoch, told)
                await asyncio.sleep(DOUBT_SECONDS)
        finally:
            tail.looking = None

    async def _fill(self, run_id: str, tail: _Tail) -> None:
        """Read the entries that other processes appended, for all cursors."""
        try:
            while tail.next_index < tail.hinted:
                try:
                    batches = await self._log.read(run_id, tail.next_index)
                except LogUnavailable:
                    await asyncio.sleep(AWAY_SECONDS)
                    continue
                new = [batch for batch in batches if batch.next_index > tail.next_index]
                for batch in new:
                    self._add(tail, batch)
                for cursor in tail.followers:
                    cursor.wake()
                if not new:
                    return
        finally:
            tail.filling = None

    def cursors(self) -> Iterator[Cursor]:
        """All cursors."""
        return (cursor for tail in self._tails.values() for cursor in tail.followers)

    def _appended(self, run_id: str, batch: Batch) -> None:
        tail = self._tails.get(run_id)
        if tail is None:
            return
        self._add(tail, batch)
        for cursor in tail.followers:
            cursor.wake()

    def _add(self, tail: _Tail, batch: Batch) -> None:
        tail.add(batch)
        self._warm.add(tail)
        if self._cooling is None:
            self._cooling = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._cool)

    def _cool(self) -> None:
        """Drop the passed batches of all tails that are quiet."""
        for tail in self._warm:
            if not tail.has_grown:
                tail.drop_passed()
            tail.has_grown = False
        self._warm = {tail for tail in self._warm if tail.batches}
        loop = asyncio.get_running_loop()
        self._cooling = loop.call_later(QUIET_SECONDS, self._cool) if self._warm else None

    async def page(self, cursor: Cursor, codec: Codec) -> tuple[list[Frame], bool]:
        """Return a cursor's next frames, none at the tail, and whether the last of them ends the run."""
        held = cursor.tail.find(cursor.next_index)
        if held is not None:
            skip = cursor.next_index - held.batch.first_index
            frames = held.frames(codec)
            return frames[skip:] if skip else frames, ends_run(held.batch.entries[-1].body)
        batches = await self._log.read(cursor.run_id, cursor.next_index)
        pages = [frame for batch in batches for frame in encode(batch, codec)]
        if not pages and cursor.is_behind:
            # The next entries are gone: they were trimmed, or lost.
            self._on_loss(cursor.run_id, cursor.tail.epoch, cursor.tail.next_index)
            cursor.lost_epoch = cursor.lost_epoch or cursor.tail.epoch or 1
        return pages, bool(batches) and ends_run(batches[-1].entries[-1].body)


class Cursor:
    """One follower's position in a run's log.

    `held` stops delivery while the follower's own connection changes the run, so that the acknowledgement comes before
    the events. `lost_epoch` is normally 0. If the next events are gone, or the run goes on in a later epoch, it is the
    epoch of the events delivered so far; then nothing is delivered until the client was told, and it is 0 again.
    """

    __slots__ = ("held", "hub", "lost_epoch", "next_index", "run_id", "tail", "wake")

    def __init__(self, hub: Hub, run_id: str, tail: _Tail, wake: Callable[[], None]) -> None:
        self.hub = hub
        self.run_id = run_id
        self.next_index = 0
        self.tail = tail
        self.wake = wake
        self.held = False
        self.lost_epoch = 0

    @property
    def is_behind(self) -> bool:
        """True if there are events to deliver, or a loss to report."""
        return self.next_index < self.tail.next_index or self.lost_epoch > 0

    def recent(self, first: int) -> Iterator[Batch]:
        """The newest batches, without a gap, from the one that holds `first` on; none if the log has to be read."""
        return self.tail.since(first)

    def told(self, epoch: int, next_index: int) -> None:
        """Note that the client has learned the log's epoch and next index."""
        self.tail.grown(epoch, next_index)
        self.lost_epoch = epoch if epoch < self.tail.epoch else 0

    def close(self) -> None:
        """Stop following."""
        self.hub.unfollow(self)
