"""The driver: one owned run, from its claim to its pause or end.

Laws:
- It asks `advance` what happens next, appends what it says, runs the work it names, and asks again.
- Before user code runs, everything that led to it is in the log.
- Whoever works on the run has its generation. When the head refuses that, the driver stops where it stands and says
  nothing more about the run.
- A run of many branches takes its work in slices, between which others have their turn.
- It lets go only of a run whose row is written and whose log hasn't grown since. When the process stops, it lets the
  steps that run end, begins no other, and hands the run over.

Source: `docs/architecture.md`, "Laws" 3 and "Order of writes".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import structlog

from interlock.engine.clock import Clock
from interlock.engine.driving.loading import load_state
from interlock.engine.driving.rows import audit_of, settlement_of
from interlock.engine.driving.writer import OwnershipLost, Writer
from interlock.engine.work.expressions import Expressions
from interlock.engine.work.functions import Threads, backoff
from interlock.engine.work.sessions import Sessions
from interlock.engine.work.worker import Worker
from interlock.log.port import Claimed, Log, LogUnavailable, Reason
from interlock.secrets.port import Vault
from interlock.store.port import Settlement, Store, StoreUnavailable
from interlock.telemetry.counters import Counters
from interlock.telemetry.tracing import Traces
from interlock.workflow.declare.nodes import Step, Workflow
from interlock.workflow.run.advance import advance, concluded, failed, recovered, unwritable
from interlock.workflow.run.events import Draft, Path
from interlock.workflow.run.snapshots import paused
from interlock.workflow.run.state import RunState, node_at
from interlock.workflow.run.walk import Advance, Work
from interlock_protocol.types import RunStatus
from interlock_protocol.values import NotWire

logger = structlog.get_logger(__name__)

STUBBORN_SECONDS = 5.0
"""How long a cancelled step may take to clean up before its run's place goes to another."""

HAND_OVER_SECONDS = 2.0
"""How long the log may take when a stopping process hands its runs over; then their leases end by themselves."""

AWAY_SECONDS = 0.5
"""How long the store is left alone when it can't be reached."""

SLICE = 256
"""How many events are made, or pieces of work begun, before others have their turn."""

SOON_SECONDS = 0.25
"""How long a run must have been running before its row, and the change feed, say RUNNING, or what waits meanwhile."""


class Outbox(Protocol):
    """Where pauses are written down that somebody is to be told of."""

    async def add(self, run_id: str, requirement_ids: Sequence[str]) -> None:
        """Write these down, before they are in the log."""

    def logged(self) -> None:
        """What was written down is in the log by now."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the engine stands on."""

    log: Log
    store: Store
    clock: Clock
    outbox: Outbox | None = None
    counters: Counters = field(default_factory=Counters)
    traces: Traces = field(default_factory=Traces)
    vault: Vault | None = None
    expressions: Expressions = field(default_factory=Expressions)
    max_log_events: int | None = None
    threads: Threads = field(default_factory=Threads)


class Driver:
    """Drives one run that this process owns. `drive` returns when the run waits for people, or has ended.

    Args:
        on_pause: called when a pause that has a timeout is in the log, or several are.
    """

    def __init__(
        self,
        workflow: Workflow,
        state: RunState,
        ports: Ports,
        claimed: Claimed,
        *,
        on_pause: Callable[[RunState], None],
    ) -> None:
        self.workflow = workflow
        self.log = ports.log
        self.store = ports.store
        self.clock = ports.clock
        self._max_log_events = ports.max_log_events
        self.sessions = Sessions(ports.store, state)
        self._on_pause = on_pause
        self._outbox = ports.outbox
        self._traces = ports.traces
        self._announced: set[str] = set()
        self._noted = frozenset(state.requirements)
        self._untold = False
        self._fault: Exception | None = None
        self._awake = asyncio.Event()
        self.writer = Writer(self.log, self.clock, state, claimed.generation, self._awake.set)
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self._cut_off = claimed.abandoned
        self._paused_at = state.next_index if state.status is RunStatus.PAUSED else -1
        self._threads = ports.threads
        self._worker = Worker(workflow, self.writer, self.sessions, ports.threads, ports.expressions, ports.vault)
        self._draining = False
        self._settling: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> RunState:
        return self.writer.state

    # ── The loop ────────────────────────────────────────────────────────────────────────────────────────

    async def drive(self) -> None:
        """Work on the run until it waits for people or has ended.

        Raises:
            OwnershipLost: another process owns the run; whatever was not in the log did not happen.
        """
        self._settle_in(SOON_SECONDS)
        try:
            await self._drive()
        except OwnershipLost as lost:
            if lost.reason is not Reason.ENDED:
                raise
            # Somebody cancelled it under our hands: the end stands in the log, and it is ours to write the row.
            self._interrupt()
            self.writer = await self._reread()
            await self._let_go()
        except asyncio.CancelledError:
            await self._stop_work()
            await self._hand_over()
            raise
        finally:
            self._settle_no_more()
            await self._stop_work()

    def drain(self) -> None:
        """Begin nothing more; `drive` returns when the steps that run have ended."""
        self._draining = True
        self._awake.set()

    def hinted(self, epoch: int, next_index: int) -> None:
        """Another process may have appended up to there."""
        if epoch == self.state.epoch:
            self.writer.hinted(next_index)

    def wake(self) -> None:
        """Look again: what a step waits for before it is tried again may have come."""
        self._awake.set()

    async def _drive(self) -> None:
        try:
            await self._begin()
            await self._go_on()
        except NotWire as fault:
            # Whatever it is, it can't be written the next time either: the run says so, and has ended.
            logger.warning("run_unwritable", why=str(fault))
            self.writer.emit(*unwritable(self.workflow, self.state, fault))
            await self._go_on()

    async def _go_on(self) -> None:
        while True:
            self._look_at_fault()
            if self._draining and not self.state.status.is_final:
                await self._drain()
                return
            look = await self._advance()
            self._awake.clear()
            await self._announce()
            if self._is_stuck(look):
                if await self._pause():
                    return
                continue
            if self.state.status.is_final:
                self._interrupt()
            await self._write()
            if self.state.status.is_final:
                # What was emitted while somebody else's end was read isn't in the log: the next write finds that out.
                if not self.writer.has_drafts and await self._let_go():
                    return
            elif not self._awake.is_set():
                if self.state.requirements:
                    self._on_pause(self.state)
                await self.sessions.save(self.state)
                await self._start(look.work)
                await self._wait(look.wake_at)

    def _look_at_fault(self) -> None:
        """Raise what a piece of work came to that couldn't be told as its error."""
        fault, self._fault = self._fault, None
        if fault is not None and not self.state.status.is_final:
            raise fault

    def _is_stuck(self, look: Advance) -> bool:
        """Whether nothing can go on without a person."""
        return not (self.state.status.is_final or look.work or self._tasks or look.wake_at is not None)

    async def _write(self) -> None:
        """Everything that was emitted, in one append: what is to begin next stands beside what led to it."""
        await self.writer.flush()
        self._told_of_pauses()
        self._note_pending()
        if self.writer.is_behind:
            await self.writer.catch_up()
            self._awake.set()

    async def _announce(self) -> None:
        """Have the application told of pauses: written down before they are in the log."""
        if self._outbox is None or self.state.requirements.keys() <= self._announced:
            return
        new = sorted(self.state.requirements.keys() - self._announced)
        while not await self._is_noted(self._outbox, new):  # noqa: ASYNC110 - nothing tells when it is back
            await asyncio.sleep(AWAY_SECONDS)  # what runs goes on meanwhile
        self._announced.update(self.state.requirements)
        self._untold = True

    async def _is_noted(self, outbox: Outbox, requirement_ids: Sequence[str]) -> bool:
        try:
            await outbox.add(self.state.run_id, requirement_ids)
        except StoreUnavailable:
            return False
        return True

    def _told_of_pauses(self) -> None:
        """What was announced is in the log by now."""
        if self._outbox is not None and self._untold:
            self._outbox.logged()
        self._untold = False

    async def _drain(self) -> None:
        """Let what runs end, begin nothing else, and hand the run over."""
        while self._tasks:
            await self._awake.wait()
            self._awake.clear()
            await self.writer.flush()
        await self._hand_over()

    async def _wait(self, wake_at: int | None) -> None:
        """Wait for news, or for the time at which a step is to be tried again."""
        seconds = None if wake_at is None else max(0, wake_at - self.clock.now_ms()) / 1000
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._awake.wait()

    async def _begin(self) -> None:
        if self.state.status is RunStatus.PENDING:
            return
        evaluating: tuple[Work, ...] = ()
        if self._cut_off:
            await self._mend_audit()
            look = advance(self.workflow, self.state, self.clock.now_ms(), most=1)
            evaluating = () if look.drafts else tuple(work for work in look.work if work.task != "execute")
        self.writer.emit(*recovered(self.workflow, self.state, evaluating=evaluating, was_let_go=not self._cut_off))

    async def _mend_audit(self) -> None:
        """Whoever was cut off may have appended decisions, and not come to write their audit."""
        await self.store.record(self.state.run_id, self.state.epoch, audit_of(self.state))

    async def _advance(self) -> Advance:
        """Emit all that follows from the state, and return what is needed now: work, or a time to wait for.

        Nothing happens between the last look, which is a whole one, and the return.
        """
        begin: Path | None = None
        while not self.state.status.is_final:
            held = self._threads.of(self.state.run_id)
            look = advance(self.workflow, self.state, self.clock.now_ms(), held, most=SLICE, begin=begin)
            if not look.drafts and begin is None:
                return look
            self.writer.emit(*look.drafts)
            begin = look.cut
            if begin is not None:
                await asyncio.sleep(0)
        return Advance()

    # ── Letting go ──────────────────────────────────────────────────────────────────────────────────────

    async def _pause(self) -> bool:
        """Say that nothing can go on without a person, and let go of the run; False when something can after all."""
        if self.state.next_index == self._paused_at:
            return await self._let_go()
        if self.sessions.is_unsaved(self.state):
            await self.writer.flush()
            await self.sessions.save(self.state)
            return False  # what others decided may have come to stand before it: look again
        if self.writer.is_long:
            await self.writer.flush()
            return False
        if not self.state.requirements:
            raise AssertionError(f"run {self.state.run_id} can't go on, and waits for nobody")
        if not await self.writer.flush_and_pause(paused(self.workflow, self.state)):
            return False
        self._paused_at = self.state.next_index
        self._told_of_pauses()
        return await self._let_go()

    async def _let_go(self) -> bool:
        """Write the row, then release; False when the log has grown meanwhile and the run goes on here."""
        self._settle_no_more()
        if self._settling is not None:
            await self._settling
            self._settling = None
        await self.sessions.save(self.state)
        settlement = settlement_of(self.state, self.clock.now_ms(), with_snapshot=True)
        await self.store.settle(settlement)
        if settlement.snapshot is None:  # the log is all there is
            pass
        elif self._max_log_events is not None and self.state.next_index > self._max_log_events:
            await self.log.trim(self.state.run_id, self.state.next_index - self._max_log_events)
        if self.state.status.is_final:
            return True
        refused = await self.log.release(
            self.state.run_id, self.writer.generation, expect_next=self.writer.durable_next
        )
        if refused is None or refused.reason is not Reason.TAIL_MOVED:
            return True
        self._settle_in(SOON_SECONDS)
        await self.writer.catch_up()
        return False

    async def _hand_over(self) -> None:
        """The process stops: say which steps are broken off, and let whoever comes next own the run."""
        with contextlib.suppress(TimeoutError, LogUnavailable, OwnershipLost):
            async with asyncio.timeout(HAND_OVER_SECONDS):
                if not self.state.status.is_final:
                    held = self._threads.of(self.state.run_id)
                    self.writer.emit(*recovered(self.workflow, self.state, is_handover=True, held=held))
                await self.writer.flush()
                head = await self.log.head(self.state.run_id)
                if head is not None:
                    await self.log.release(self.state.run_id, self.writer.generation, expect_next=head.next_index)

    def _note_pending(self) -> None:
        """Have the row say before long what people may decide while the rest of the run goes on."""
        pending = frozenset(self.state.requirements)
        if pending != self._noted:
            self._noted = pending
            self._settle_in(SOON_SECONDS)

    def _settle_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._settle_soon)

    def _settle_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle_soon(self) -> None:
        """Write the row while the run goes on. A run that pauses or ends at once is spared it."""
        self._timer = None
        if self._settling is not None and not self._settling.done():
            self._settle_in(SOON_SECONDS)
        elif self.state.status is RunStatus.RUNNING:
            stands = settlement_of(self.state, self.clock.now_ms(), with_snapshot=False)
            running = replace(stands, next_index=self.writer.durable_next)
            self._settling = asyncio.create_task(self._settle(running))

    async def _settle(self, settlement: Settlement) -> None:
        try:
            await self.store.settle(settlement)
        except StoreUnavailable:
            self._settle_in(AWAY_SECONDS)

    async def _reread(self) -> Writer:
        state = await load_state(self.log, self.store, self.state.run_id)
        assert state is not None
        return Writer(self.log, self.clock, state, self.writer.generation, self._awake.set)

    # ── Work ────────────────────────────────────────────────────────────────────────────────────────────

    async def _start(self, work: tuple[Work, ...]) -> None:
        begun = 0
        for each in work:
            if each.key in self._tasks:
                continue
            if begun and begun % SLICE == 0:
                await asyncio.sleep(0)
                if self.state.status.is_final or self._draining:
                    return
            self._tasks[each.key] = asyncio.create_task(self._run(each), name=f"{self.state.run_id} {each.path}")
            begun += 1

    async def _run(self, work: Work) -> None:
        """One piece of work, to the events it comes to."""
        try:
            run, step = self.state, work.place.node.name
            with self._traces.step(run.run_id, run.workflow_id, work.task, step, work.attempt):
                result = await self._worker.result(work)
            self._finish(work, concluded(self.workflow, self.state, work, result, self.clock.now_ms()))
        except asyncio.CancelledError as error:
            if self._worker.is_cancelled:
                raise
            self._fail(work, error)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: a step that wants to go must not take everybody else's runs along.
            self._fail(work, error)

    def _fail(self, work: Work, error: BaseException) -> None:
        try:
            retry_at, at_work = self._retry_at(work), self._worker.is_at_work(work)
            draft = failed(
                self.workflow,
                self.state,
                work,
                error,
                retry_at=retry_at,
                at_work=at_work,
                secrets=self._worker.secrets,
            )
            self._finish(work, (draft,))
        except Exception as fault:  # nobody waits for this task: who drives the run has to hear of it
            self._fault = fault
            self._tasks.pop(work.key, None)
            self._awake.set()

    def _retry_at(self, work: Work) -> int | None:
        """When a step that failed is tried again (rule 8); None when it isn't."""
        step, node = work.place.node, node_at(self.state, list(work.path))
        if work.task != "execute" or not isinstance(step, Step) or node is None or node.tries > step.retries:
            return None
        return self.clock.now_ms() + round(1000 * backoff(node.tries))

    def _finish(self, work: Work, drafts: tuple[Draft, ...]) -> None:
        """Emit what the work came to; an output that can't be encoded raises, and nothing was emitted."""
        self.writer.emit(*drafts)
        self._tasks.pop(work.key, None)
        self._awake.set()

    def _interrupt(self) -> None:
        """Cancel what still runs; threads are told by `is_cancelled()`. The end of a run doesn't wait for it."""
        self._worker.is_cancelled = True
        for task in self._tasks.values():
            task.cancel()

    async def _stop_work(self) -> None:
        """Cancel what still runs, and wait for it a while; threads, and steps that won't go, are left behind."""
        self._interrupt()
        tasks = list(self._tasks.values())
        self._tasks.clear()
        if tasks:
            await asyncio.wait(tasks, timeout=STUBBORN_SECONDS)
