"""The writer of a run's owner: batches its events, appends them, and folds them into the state.

Laws:
- Encode once: an event is encoded when it is emitted, and the same bytes are stored and sent.
- One append is in flight at a time; events emitted meanwhile go into the next one.
- The state here is ahead of the log only by the events that are not yet appended. If the head refuses them, the state
  is discarded together with its driver.
- Entries of other writers are read from the log and folded at their index (`docs/architecture.md`, law 3).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pydantic_core import from_json, to_json

from interlock.engine.clock import Clock
from interlock.log.port import Append, Appended, Batch, Entry, Log, LogUnavailable, Reason, Refused
from interlock.telemetry.counters import Counters
from interlock.workflow.program import Draft, NotLate, RunState, effects, fold, fold_late, shift, stay_of
from interlock_protocol.codec import event_body
from interlock_protocol.limits import MAX_PENDING_BYTES
from interlock_protocol.types import FINAL_STATUSES
from interlock_protocol.values import encoded, too_large

BATCH_EVENTS = 256
BATCH_BYTES = 64 * 1024
BATCH_SECONDS = 0.005
APPEND_EVENTS = 1024
"""How many events go into one append. A step's result and the starts of the next steps are fewer."""

RETRY_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)


class OwnershipLost(Exception):  # noqa: N818 - names an event, not an error of this process
    """The head refused the owner's append: another process owns the run, or the run has ended."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.reason.value)
        self.reason = refused.reason
        self.head = refused.head


class LogShorter(Exception):  # noqa: N818 - names an event, not an error of this process
    """The log has lost entries: they can't be read any more, or an append got an index before its predecessor's."""


def _pauses() -> Iterator[float]:
    """The waits between tries, without end."""
    return itertools.chain(RETRY_SECONDS, itertools.repeat(RETRY_SECONDS[-1]))


def fold_batch(state: RunState, batch: Batch) -> None:
    """Fold stored entries; the batch begins at the state's next index."""
    state.epoch = batch.epoch
    for entry in batch.entries:
        fold_entry(state, entry)


def fold_entry(state: RunState, entry: Entry, *, is_late: bool = False) -> None:
    """Fold a stored entry, at the state's next index.

    Args:
        is_late: later entries are already folded.
    """
    take_in = fold_late if is_late else fold
    take_in(state, from_json(entry.body), None if entry.private is None else from_json(entry.private))


def pending_bytes(state: RunState) -> int:
    """The size of a run's pending requirements as JSON."""
    return sum(len(to_json(each.facts)) for each in state.requirements.values())


class Writer:
    """Writes one owned run. It calls `wake` on the event loop whenever the driver has something to look at."""

    def __init__(
        self,
        log: Log,
        clock: Clock,
        state: RunState,
        generation: int,
        wake: Callable[[], None],
        *,
        counters: Counters | None = None,
    ) -> None:
        self.log = log
        self.clock = clock
        self.state = state
        self.generation = generation
        self.durable_next = state.next_index
        self._wake = wake
        self._counters = counters
        self._drafts: list[tuple[Entry, dict[str, Any]]] = []
        self._bytes = 0
        self._oldest = 0.0
        self._waiting: list[asyncio.Future[None]] = []
        self._known: dict[int, Batch] = {}
        self._others = 0  # how many entries of other writers were folded
        self._is_appending = False
        self.tail = state.next_index
        self._pending_bytes = MAX_PENDING_BYTES  # not counted yet

    # ── Emitting ────────────────────────────────────────────────────────────────────────────────────────

    def emit(self, *drafts: Draft) -> None:
        """Fold events into the state and add them to the next append, all or none; after the run's end, drop them.

        Raises:
            NotWire: one of them can't be written; none was taken.
        """
        if self.state.status.is_final:
            return
        entries = [self._entry(draft) for draft in drafts]
        self._make_room(drafts, entries)
        for draft, entry in zip(drafts, entries, strict=True):
            if not self.state.status.is_final:
                self._write(entry, draft.event)
                self._count(draft)
                fold(self.state, draft.event, draft.private)

    def _count(self, draft: Draft) -> None:
        """Count how long a machine was in a state that it leaves by this event, which isn't folded yet."""
        if self._counters is None or draft.event["event"] != "StateChanged":
            return
        stay = stay_of(self.state, draft.event)
        if stay is not None:
            name, ms = stay
            durations = self._counters.by_workflow.states.of(self.state.account, self.state.workflow_id, name)
            durations.add(ms / 1000)

    def _entry(self, draft: Draft) -> Entry:
        """Stamp a draft with the time, and encode it and its private data as a log entry."""
        draft.event["created_at"] = self.clock.now_ms()
        return Entry(event_body(draft.event), None if draft.private is None else encoded(draft.private))

    def _make_room(self, drafts: Sequence[Draft], entries: Sequence[Entry]) -> None:
        """Check that the pending requirements still fit into one frame.

        `_pending_bytes` is an upper bound of their size; it is recounted only when it exceeds the limit.
        """
        if not any(draft.event["event"] == "StepPaused" for draft in drafts):
            return
        new = sum(len(entry.body) + len(entry.private or b"") for entry in entries)
        if self._pending_bytes + new > MAX_PENDING_BYTES:
            self._pending_bytes = pending_bytes(self.state)
        if self._pending_bytes + new > MAX_PENDING_BYTES:
            raise too_large(self._pending_bytes + new, MAX_PENDING_BYTES, "what waits for people in a run")
        self._pending_bytes += new

    def emit_streamed(self, event: str, body: bytes) -> None:
        """The fast path for an encoded event that changes no state; after the run's end, drop it."""
        if self.state.status in FINAL_STATUSES:
            return
        self._write(Entry(body), {"event": event})
        self.state.next_index += 1

    def _write(self, entry: Entry, event: dict[str, Any]) -> None:
        if not self._drafts:
            self._oldest = time.monotonic()
            self._wake()
        self._drafts.append((entry, event))
        self._bytes += len(entry.body)

    @property
    def has_drafts(self) -> bool:
        return bool(self._drafts)

    @property
    def is_long(self) -> bool:
        """True if the emitted events need more than one append."""
        return len(self._drafts) > APPEND_EVENTS

    @property
    def is_full(self) -> bool:
        """True if the next batch is full or old; the emitter then waits for `room`.

        A batch ages only while it could be sent: during an append, however long the log is away, steps go on until the
        batch is large.
        """
        if len(self._drafts) >= BATCH_EVENTS or self._bytes >= BATCH_BYTES:
            return True
        return bool(self._drafts) and not self._is_appending and time.monotonic() - self._oldest >= BATCH_SECONDS

    async def room(self) -> None:
        """Wait until the current batch is on its way to the log."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        self._wake()
        await waiter

    # ── Appending ───────────────────────────────────────────────────────────────────────────────────────

    async def flush(self) -> None:
        """Wait until everything emitted so far is in the log.

        Raises:
            OwnershipLost: the head refused the append; the state here is void.
            LogShorter: the log has lost entries.
        """
        while self._drafts:
            drafts = self._take()
            # A run that hasn't begun may be begun by somebody's signal: then this state is void.
            appended = await self._append(drafts, expect_next=None if self.durable_next else 0)
            if isinstance(appended, Refused):
                raise OwnershipLost(appended)
            await self._account(appended, len(drafts))

    async def flush_and_pause(self, draft: Draft) -> bool:
        """Append the emitted events and `draft` in one append, if nobody else has appended meanwhile.

        If somebody has, `draft` is not appended and the result is False. The emitted events must fit into one append
        (`is_long`). `draft` is folded only after it is in the log.

        Raises:
            NotWire: `draft` can't be written; nothing has happened.
        """
        entry = self._entry(draft)
        drafts = self._take()
        batch = [*drafts, (entry, draft.event)]
        appended = await self._append(batch, expect_next=self.durable_next)
        if isinstance(appended, Refused):
            if appended.reason is not Reason.TAIL_MOVED:
                raise OwnershipLost(appended)
            self._drafts[:0] = drafts
            self._bytes += sum(len(entry.body) for entry, _ in drafts)
            await self.flush()
            await self.catch_up()
            return False
        fold(self.state, draft.event)
        await self._account(appended, len(batch))
        return True

    async def append_alone(self, draft: Draft) -> bool:
        """Append one event by itself, if nobody else has appended meanwhile; if somebody has, return False.

        It is folded only after it is in the log, at its place: what was emitted meanwhile stands after it, and has to
        be streamed text, which changes no state.

        Raises:
            NotWire: `draft` can't be written; nothing has happened.
        """
        others = self._others
        await self.flush()
        if self._others != others:
            return False  # the draft was made without these
        entry = self._entry(draft)
        appended = await self._append([(entry, draft.event)], expect_next=self.durable_next)
        if isinstance(appended, Refused):
            if appended.reason is not Reason.TAIL_MOVED:
                raise OwnershipLost(appended)
            await self.catch_up()
            return False
        shift(self.state, appended.first_index, 1)
        self._fold_at(appended.first_index, draft)
        self.durable_next = appended.next_index
        return True

    def _fold_at(self, index: int, draft: Draft) -> None:
        place, self.state.next_index = self.state.next_index, index
        fold(self.state, draft.event, draft.private)
        self.state.next_index = place

    def _take(self) -> list[tuple[Entry, dict[str, Any]]]:
        drafts, self._drafts = self._drafts[:APPEND_EVENTS], self._drafts[APPEND_EVENTS:]
        self._bytes = sum(len(entry.body) for entry, _ in self._drafts)
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        return drafts

    async def _append(
        self, drafts: Sequence[tuple[Entry, dict[str, Any]]], *, expect_next: int | None = None
    ) -> Appended | Refused:
        """Send one append, and repeat it under the same id until the log answers."""
        change = effects(event for _, event in drafts)
        append = Append(
            run_id=self.state.run_id,
            append_id=secrets.token_hex(16),
            entries=[entry for entry, _ in drafts],
            generation=self.generation,
            expect_next=expect_next,
            known_next=self.durable_next,
            opens=change.opens,
            withdraws=change.withdraws,
            status=change.status,
            reducer=change.reducer,
            workflow=(self.state.account, self.state.workflow_id),
        )
        self._is_appending = True
        try:
            for seconds in _pauses():
                with contextlib.suppress(LogUnavailable):
                    return await self.log.append(append)
                await asyncio.sleep(seconds)
        finally:
            self._is_appending = False
        raise AssertionError

    async def _account(self, appended: Appended, count: int) -> None:
        """Take in the batch's index, and fold the entries of other writers before it."""
        expected = self.durable_next
        foreign = appended.first_index - expected
        if foreign < 0:
            raise LogShorter(self.state.run_id)
        self.durable_next = appended.next_index
        if foreign:
            self._others += foreign
            shift(self.state, expected, foreign)
            await self._fold_between(expected, appended.first_index)
            self._wake()  # the driver hasn't seen these entries
        for first in [first for first in self._known if first < self.durable_next]:
            del self._known[first]

    # ── Others' entries ─────────────────────────────────────────────────────────────────────────────────

    def told(self, batch: Batch) -> None:
        """Take in a batch that this process appended to the run: this writer's own, or a command's.

        An append in flight needs no wake-up: it looks at the log when it returns.
        """
        self.tail = max(self.tail, batch.next_index)
        self._known[batch.first_index] = batch
        if not self._is_appending:
            self._wake()

    def hinted(self, next_index: int) -> None:
        """Note that the log may reach up to `next_index`, because another process appended."""
        if next_index > self.durable_next:
            self.tail = max(self.tail, next_index)
            if not self._is_appending:
                self._wake()

    @property
    def is_behind(self) -> bool:
        """True if the log has entries that aren't folded yet."""
        return self.tail > self.durable_next

    async def catch_up(self) -> None:
        """Fold what others appended at the tail. No append of this writer may be in flight."""
        head = await self.log.head(self.state.run_id) if not self.is_behind else None
        if head is not None and head.generation == self.generation and head.next_index < self.durable_next:
            raise LogShorter(self.state.run_id)
        tail = self.tail if head is None else head.next_index
        if tail <= self.durable_next:
            return
        first = self.durable_next
        self._others += tail - first
        shift(self.state, first, tail - first)
        self.durable_next = tail
        await self._fold_between(first, tail)

    async def _fold_between(self, first: int, end: int) -> None:
        """Fold the entries from `first` up to, not including, `end`, and leave the state's next index where it is."""
        while first < end:
            known = self._known.get(first)
            batches = [known] if known else await self._read(first)
            if not batches:
                await self._refuse_to_wait()
            for batch in batches:
                try:
                    self._fold_in_place(batch, end)
                except NotLate:
                    await self._check_ownership()
                    raise
                first = batch.next_index

    async def _refuse_to_wait(self) -> None:
        """Raise the reason why entries are missing from the log: another owner has trimmed them, or they are lost."""
        await self._check_ownership()
        raise LogShorter(self.state.run_id)

    async def _check_ownership(self) -> None:
        """Raise `OwnershipLost` if another process owns the run by now."""
        head = await self.log.head(self.state.run_id)
        if head is None:
            raise OwnershipLost(Refused(Reason.NO_RUN))
        if head.generation != self.generation:
            raise OwnershipLost(Refused(Reason.NOT_OWNER, head))

    def _fold_in_place(self, batch: Batch, end: int) -> None:
        place = self.state.next_index
        for index, entry in enumerate(batch.entries, batch.first_index):
            if index < end:
                self.state.next_index = index
                fold_entry(self.state, entry, is_late=place > end)
        self.state.next_index = place

    async def _read(self, first: int) -> list[Batch]:
        """Read the log, and retry until it can be reached: user code is running, and must not be started again."""
        for seconds in _pauses():
            with contextlib.suppress(LogUnavailable):
                return await self.log.read(self.state.run_id, first)
            await asyncio.sleep(seconds)
        raise AssertionError
