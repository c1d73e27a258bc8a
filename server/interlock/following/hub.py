"""Who follows what: cursors on the logs of runs.

Laws:
- A subscription is a cursor, not a queue. Live is reading at the tail; there is no seam between replay and live.
- What is at the tail is delivered from memory, encoded once per codec; what is older is read from the log in pages.
- A slow follower costs a bounded buffer: its cursor stays behind, and nothing is lost.
- What all tails hold together is bounded in bytes. Of a run that is quiet nothing stays that every cursor has passed.
  Whether a batch is in memory or not, a cursor gets the same: what isn't there is read from the log.
- What other processes append is read once, however many follow it.
- A tail is of one epoch, the latest that was heard of. What still comes of an earlier one says nothing of it.
- Nothing here knows users or sockets; who may follow was asked before.

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
"""How much of a followed run's newest entries is kept in memory."""

TAILS_BYTES = 32 * 1024 * 1024
"""How much all followed runs together keep in memory, as entries and as frames."""

QUIET_SECONDS = 1.0
"""How long, at least, a run has been quiet when what everybody has passed of its tail is dropped."""

ENTRY_BYTES = 128
"""About what an entry costs in memory beside its bytes, and what a frame does."""

BATCH_BYTES = 512
"""The same of a batch, beside its entries."""

AWAY_SECONDS = 0.25
"""How long the log is left alone when it can't be reached."""

DOUBT_SECONDS = 1.0
"""How often, at most, it is looked whether a log is shorter than was told, where hints only come late."""

_FINAL = (b'{"event":"WorkflowCompleted"', b'{"event":"WorkflowCancelled"', b'{"event":"WorkflowError"')


def ends_run(body: bytes) -> bool:
    """Whether this is the last event of its run; `event` is always an event's first field."""
    return body.startswith(_FINAL)


def _nothing() -> None: ...


class _TailBatch:
    """A batch in memory, and its frames in the codecs that were asked for.

    Attributes:
        size: the bytes of its entries.
        cost: about what it takes in memory.
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
    """What all tails hold: each batch of theirs, the oldest first. Whoever adds one too many loses the oldest.

    Attributes:
        cost: about what they take in memory together.
    """

    def __init__(self) -> None:
        self.cost = 0
        self._held: OrderedDict[_TailBatch, _Tail] = OrderedDict()

    def add(self, held: _TailBatch, tail: _Tail) -> None:
        """Take in a batch that was put at the end of a tail."""
        self._held[held] = tail
        self.cost += held.cost
        self._trim()

    def grow(self, held: _TailBatch, by: int) -> None:
        """Take in that a batch takes more memory than it did; one that was dropped meanwhile is nobody's concern."""
        if held in self._held:
            held.cost += by
            self.cost += by
            self._trim()

    def remove(self, held: _TailBatch) -> None:
        """Take in that a tail holds a batch no longer."""
        del self._held[held]
        self.cost -= held.cost

    def _trim(self) -> None:
        while self.cost > TAILS_BYTES and len(self._held) > 1:
            # A tail's first batch is its oldest, and so the oldest of all is the first of its tail.
            next(iter(self._held.values())).drop_first()


def encode(batch: Batch, codec: Codec) -> list[Frame]:
    """The frames of a batch."""
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
        """Take in that the log reaches up to (not including) `next_index` in this epoch."""
        if epoch >= self.epoch:
            self.begin(epoch)
            self.next_index = max(self.next_index, next_index)

    def begin(self, epoch: int) -> None:
        """The run is in this epoch. Whoever was sent events of an earlier one has to be told that some may be lost."""
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
        """Take in a batch, in the order of the log."""
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
        """Let go of the oldest batch that is in memory."""
        held = self.batches.popleft()
        self.size -= held.size
        self.tails.remove(held)

    def clear(self) -> None:
        """Let go of all that is in memory."""
        while self.batches:
            self.drop_first()

    def drop_passed(self) -> None:
        """Let go of what every follower has passed. (Whoever comes later reads it from the log.)"""
        passed = min((cursor.next_index for cursor in self.followers), default=self.next_index)
        while self.batches and self.batches[0].batch.next_index <= passed:
            self.drop_first()

    def find(self, index: int) -> _TailBatch | None:
        """The batch in memory that holds `index`. Followers are mostly at the end: look from there."""
        if not self.batches or index < self.batches[0].batch.first_index:
            return None
        for held in reversed(self.batches):
            if held.batch.first_index <= index < held.batch.next_index:
                return held
        return None


class Hub:
    """Follows runs for any number of cursors.

    Args:
        on_loss: called with (run id, epoch, next index) when the log seems to have lost entries that it had.
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
        """About what the tails take in memory."""
        return self._memory.cost

    def follow(self, run_id: str, wake: Callable[[], None]) -> Cursor:
        """A cursor at the beginning of a run's log.

        Args:
            wake: called, on the loop, when there may be something new. It must not block.
        """
        tail = self._tails.get(run_id)
        if tail is None:
            tail = self._tails[run_id] = _Tail(self._memory)
            tail.unwatch = self._log.watch(run_id, partial(self._hinted, run_id, tail))
        cursor = Cursor(self, run_id, tail, wake)
        tail.followers.add(cursor)
        return cursor

    def unfollow(self, cursor: Cursor) -> None:
        """Let go of a cursor; again is fine."""
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
        """The log may be shorter than was told; or the hint only comes late, as many do while a run streams.

        Hints come in their order: one that goes back isn't late.
        """
        before, tail.hinted = tail.hinted, next_index
        if next_index < before:
            self._on_loss(run_id, tail.epoch, tail.next_index)
            return
        tail.doubted = True
        if tail.looking is None:
            tail.looking = asyncio.create_task(self._look(run_id, tail), name=f"look {run_id}")

    async def _look(self, run_id: str, tail: _Tail) -> None:
        """Compare the log with what was told, now and then for as long as there is doubt."""
        try:
            while tail.doubted:
                tail.doubted, epoch, told = False, tail.epoch, tail.next_index
                with contextlib.suppress(LogUnavailable):  # there is another hint when it is back
                    head = await self._log.head(run_id)
                    if head is None or (head.epoch == epoch and head.next_index < told):
                        self._on_loss(run_id, epoch, told)
                await asyncio.sleep(DOUBT_SECONDS)
        finally:
            tail.looking = None

    async def _fill(self, run_id: str, tail: _Tail) -> None:
        """Read what others appended, for all followers."""
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
        """Every cursor that there is."""
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
        """Look at the tails that hold something, and let go of what was passed of those that are quiet."""
        for tail in self._warm:
            if not tail.has_grown:
                tail.drop_passed()
            tail.has_grown = False
        self._warm = {tail for tail in self._warm if tail.batches}
        loop = asyncio.get_running_loop()
        self._cooling = loop.call_later(QUIET_SECONDS, self._cool) if self._warm else None

    async def page(self, cursor: Cursor, codec: Codec) -> tuple[list[Frame], bool]:
        """The next frames of a cursor, none when it is at the tail, and whether the last of them ends the run."""
        held = cursor.tail.find(cursor.next_index)
        if held is not None:
            skip = cursor.next_index - held.batch.first_index
            frames = held.frames(codec)
            return frames[skip:] if skip else frames, ends_run(held.batch.entries[-1].body)
        batches = await self._log.read(cursor.run_id, cursor.next_index)
        pages = [frame for batch in batches for frame in encode(batch, codec)]
        if not pages and cursor.is_behind:
            # What it is to read next is gone: it was trimmed, or lost.
            self._on_loss(cursor.run_id, cursor.tail.epoch, cursor.tail.next_index)
            cursor.lost_epoch = cursor.lost_epoch or cursor.tail.epoch or 1
        return pages, bool(batches) and ends_run(batches[-1].entries[-1].body)


class Cursor:
    """A place in a run's log, of one follower.

    `held` stops delivery while the follower itself is changing the run, so that an acknowledgement comes before what
    it acknowledges. `lost_epoch`, unless 0, is the epoch of what was delivered, when what comes next is gone or the run
    has gone on in another epoch: then nothing is delivered until the follower was told so, and has set it to 0.
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
        """Whether there is something to deliver, or to tell."""
        return self.next_index < self.tail.next_index or self.lost_epoch > 0

    def told(self, epoch: int, next_index: int) -> None:
        """Take in that the follower is told where the log stood: in this epoch, reaching up to `next_index`."""
        self.tail.grown(epoch, next_index)
        self.lost_epoch = epoch if epoch < self.tail.epoch else 0

    def close(self) -> None:
        """Stop following."""
        self.hub.unfollow(self)
