"""Who follows what: cursors on the logs of runs.

Laws:
- A subscription is a cursor, not a queue. Live is reading at the tail; there is no seam between replay and live.
- What is at the tail is delivered from memory, encoded once per codec; what is older is read from the log in pages.
- A slow follower costs a bounded buffer: its cursor stays behind, and nothing is lost.
- What other processes append is read once, however many follow it.
- A tail is of one epoch, the latest that was heard of. What still comes of an earlier one says nothing of it.
- Nothing here knows users or sockets; who may follow was asked before.

Source: `docs/architecture.md`, "Laws" 1 and 2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from functools import partial

from interlock.log.port import Batch, Log, LogUnavailable
from interlock.meter import Meter
from interlock.transport import Frame
from interlock_protocol.codec import Codec

TAIL_BYTES = 512 * 1024
"""How much of a followed run's newest entries is kept in memory."""

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
    """A batch in memory, and its frames in the codecs that were asked for."""

    __slots__ = ("_frames", "batch", "size")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.size = sum(len(entry.body) for entry in batch.entries)
        self._frames: dict[Codec, list[Frame]] = {}

    def frames(self, codec: Codec) -> list[Frame]:
        frames = self._frames.get(codec)
        if frames is None:
            frames = self._frames[codec] = encode(self.batch, codec)
        return frames


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
        "hinted",
        "looking",
        "next_index",
        "size",
        "unwatch",
    )

    def __init__(self) -> None:
        self.epoch = 0
        self.hinted = 0
        self.filling: asyncio.Task[None] | None = None
        self.doubted = False
        self.looking: asyncio.Task[None] | None = None
        self.unwatch: Callable[[], None] = _nothing
        self.next_index = 0
        self.batches: list[_TailBatch] = []
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
        self.batches.clear()
        self.size = 0
        self.next_index = 0
        self.hinted = 0
        self.ended = False

    def add(self, batch: Batch) -> None:
        """Take in a batch, in the order of the log."""
        if batch.epoch < self.epoch:
            return
        self.grown(batch.epoch, batch.next_index)
        if self.batches and self.batches[-1].batch.next_index != batch.first_index:
            self.batches.clear()
            self.size = 0
        held = _TailBatch(batch)
        self.batches.append(held)
        self.size += held.size
        self.ended = self.ended or ends_run(batch.entries[-1].body)
        while self.size > TAIL_BYTES and len(self.batches) > 1:
            self.size -= self.batches.pop(0).size

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

    def __init__(self, log: Log, on_loss: Callable[[str, int, int], None], meter: Meter | None = None) -> None:
        self.meter = meter or Meter()
        self._log = log
        self._on_loss = on_loss
        self._tails: dict[str, _Tail] = {}
        log.listen(self._appended)

    def follow(self, run_id: str, wake: Callable[[], None]) -> Cursor:
        """A cursor at the beginning of a run's log.

        Args:
            wake: called, on the loop, when there may be something new. It must not block.
        """
        tail = self._tails.get(run_id)
        if tail is None:
            tail = self._tails[run_id] = _Tail()
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
                    tail.add(batch)
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
        tail.add(batch)
        for cursor in tail.followers:
            cursor.wake()

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
