"""The driver: one owned run, from its claim to its pause or end.

Laws:
- It calls `advance` for what happens next, appends the events, runs the work, and calls again.
- Before user code runs, all events that led to it are in the log.
- Every append carries the run's generation. If the head refuses it, the driver stops at once and writes nothing more
  about the run.
- A run of many branches is processed in slices, between which other tasks can run.
- A run that waits only for a time takes no place here: if that is more than `SHORT_WAIT_MS` away, the run is settled
  and released, asleep, and its timer wakes it.
- It releases a run only after writing its row, and only if its log hasn't grown since. When the process stops, the
  driver lets running steps end, begins no others, and hands the run over.

Source: `docs/architecture.md`, "Laws" 3 and "Order of writes".
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import structlog

from interlock.engine.clock import Clock
from interlock.engine.driving.loading import load_state
from interlock.engine.driving.rows import audit_of
from interlock.engine.driving.settling import MAX_TOLD, Settler
from interlock.engine.driving.writer import OwnershipLost, Writer
from interlock.engine.work.expressions import Expressions
from interlock.engine.work.functions import Threads
from interlock.engine.work.logic import LogicRunners
from interlock.engine.work.people import Groups, People
from interlock.engine.work.sessions import Sessions
from interlock.engine.work.worker import Worker
from interlock.log.port import Claimed, Log, LogUnavailable, Reason
from interlock.secrets.port import Vault
from interlock.store.port import Store, StoreUnavailable
from interlock.telemetry.counters import Counters
from interlock.telemetry.tracing import Traces
from interlock.workflow.activities import Asks, asks_nobody
from interlock.workflow.program import FOR_GOOD, Advance, Draft, Lifetimes, Path, Program, RunState, Work
from interlock_protocol.types import RunStatus
from interlock_protocol.values import NotWire

logger = structlog.get_logger(__name__)

STUBBORN_SECONDS = 5.0
"""How long a cancelled step may take to clean up before its run's place is freed for another run."""

HAND_OVER_SECONDS = 2.0
"""How long the log may take when a stopping process hands its runs over; after that, the leases expire."""

AWAY_SECONDS = 0.5
"""How long to wait before using an unreachable store again."""

SLICE = 256
"""How many events are made, or pieces of work begun, before other tasks can run."""

SHORT_WAIT_MS = 5_000
"""How long a wait may be that is waited for here: to settle and load a run costs more than its place for so long."""

SOON_SECONDS = 0.25
"""How long a run must be running before its row, and the change feed, show RUNNING, what is pending, its errors."""

MAX_UNTOLD = MAX_TOLD
"""How much of a run may be untold; with more, it goes on when that is told."""


_JITTER = random.SystemRandom()  # its own state: a workflow may have seeded `random`


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that the engine uses.

    Attributes:
        topics: of the messages that are left in the outbox for each requirement.
        away_topic: of those that are left besides where somebody is away.
    """

    log: Log
    store: Store
    clock: Clock
    topics: Sequence[str] = ()
    away_topic: str | None = None
    counters: Counters = field(default_factory=Counters)
    traces: Traces = field(default_factory=Traces)
    vault: Vault | None = None
    expressions: Expressions = field(default_factory=Expressions)
    logic: LogicRunners = field(default_factory=LogicRunners)
    max_log_events: int | None = None
    lifetimes: Lifetimes = FOR_GOOD
    threads: Threads = field(default_factory=Threads)
    groups: Groups = field(default_factory=dict)
    asks: Asks = asks_nobody
    settler: Settler = field(init=False)

    def __post_init__(self) -> None:
        settler = Settler(self.store, self.clock, self.lifetimes, self.topics, self.away_topic)
        object.__setattr__(self, "settler", settler)

    @property
    def people(self) -> People:
        """Looks up who is in a group: by the directory, and by `groups`, which the settings give."""
        return People(self.store, self.groups)


class Driver:
    """Drives one run that this process owns. `drive` returns when the run waits for people, or has ended.

    Args:
        on_pause: called when a pause that has a timeout is in the log, or several are.
    """

    def __init__(
        self,
        program: Program,
        state: RunState,
        ports: Ports,
        claimed: Claimed,
        *,
        on_pause: Callable[[RunState], None],
    ) -> None:
        self.program = program
        self.log = ports.log
        self.store = ports.store
        self.clock = ports.clock
        self._max_log_events = ports.max_log_events
        self._settler = ports.settler
        self.sessions = Sessions(ports.store, state)
        self._on_pause = on_pause
        self._traces = ports.traces
        self._noted = _shown(state)
        self._fault: Exception | None = None
        self._awake = asyncio.Event()
        self._counters = ports.counters
        self.writer = self._writer_of(state, claimed.generation)
        self._tasks: dict[Work, asyncio.Task[None]] = {}
        self._given_up: set[asyncio.Task[None]] = set()
        self._withdrawn = asyncio.Event()
        self._withdrawn.set()
        self._cut_off = claimed.abandoned
        self._paused_at = state.next_index if state.status is RunStatus.PAUSED else -1
        self._threads = ports.threads
        self._worker = Worker(
            program,
            self.writer,
            self.sessions,
            ports.threads,
            ports.expressions,
            ports.logic,
            ports.traces,
            ports.people,
            ports.store,
            ports.vault,
            counters=ports.counters,
            asks=ports.asks,
        )
        self._draining = False
        self._is_ending = False
        self._settling: asyncio.Task[bool] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def state(self) -> RunState:
        return self.writer.state

    # ── The loop ────────────────────────────────────────────────────────────────────────────────────────

    async def drive(self) -> None:
        """Drive the run until it waits for people or has ended.

        Raises:
            OwnershipLost: another process owns the run; whatever is not in the log did not happen.
        """
        self._settle_in(SOON_SECONDS)
        try:
            await self._drive()
        except OwnershipLost as lost:
            if lost.reason is not Reason.ENDED:
                raise
            # Another client cancelled the run meanwhile: its end is in the log, and this owner still has to write the
            # row.
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
        """Begin nothing more; `drive` returns when the running steps have ended."""
        self._draining = True
        self._awake.set()

    def hinted(self, epoch: int, next_index: int) -> None:
        """Note that another process may have appended entries up to this index."""
        if epoch == self.state.epoch:
            self.writer.hinted(next_index)

    def wake(self) -> None:
        """Advance again: a step that waits to be retried may be ready."""
        self._awake.set()

    async def _drive(self) -> None:
        try:
            await self._begin()
            await self._go_on()
        except NotWire as fault:
            # The value can't be written on a retry either: the run reports this, and ends.
            logger.warning("run_unwritable", why=str(fault))
            self.writer.emit(*self.program.unwritable(self.state, fault))
            await self._go_on()

    async def _go_on(self) -> None:
        while True:
            self._look_at_fault()
            if self._draining and not self.state.status.is_final:
                await self._drain()
                return
            look = await self._advance()
            self._awake.clear()
            self._is_ending = False
            self._give_up_work(look)
            if self._is_stuck(look):
                if await self._pause():
                    return
                continue
            if self.state.status.is_final:
                self._interrupt()
            await self._write()
            if self.state.status.is_final:
                # What was emitted while another writer's end was read isn't in the log: the next write finds out.
                if not self.writer.has_drafts and await self._let_go():
                    return
            elif not self._awake.is_set() and await self._carry_on(look):
                return

    async def _carry_on(self, look: Advance) -> bool:
        """Begin the work that is needed, and wait for news; or, if there is only a time to wait for, sleep. Return True
        if the run was released."""
        if self._may_sleep(look):
            return await self._let_go(wake_at=look.wake_at)
        if self.state.requirements:
            self._on_pause(self.state)
        await self.sessions.save(self.state)
        await self._start(look.work)
        self._give_up_work(look)
        await self._wait(look.wake_at)
        return False

    def _look_at_fault(self) -> None:
        """Raise the failure of a piece of work that couldn't be logged as its error."""
        fault, self._fault = self._fault, None
        if fault is not None and not self.state.status.is_final:
            raise fault

    def _is_stuck(self, look: Advance) -> bool:
        """Return True if nothing can go on without a person."""
        return not (self.state.status.is_final or look.work or self._tasks or look.wake_at is not None)

    def _may_sleep(self, look: Advance) -> bool:
        """Return True if the run waits for a time that is far enough away, and nothing of it is at work here."""
        is_idle = not (look.work or self._tasks or self._given_up or self._threads.of(self.state.run_id))
        return is_idle and look.wake_at is not None and look.wake_at - self.clock.now_ms() > SHORT_WAIT_MS

    async def _write(self) -> None:
        """Append everything that was emitted, in one batch: what begins next together with what led to it."""
        await self.writer.flush()
        self._note_pending()
        await self._tell()
        if self.writer.is_behind:
            await self.writer.catch_up()
            self._awake.set()

    async def _drain(self) -> None:
        """Let running steps end, begin no others, and hand the run over."""
        while self._tasks:
            await self._awake.wait()
            self._awake.clear()
            await self.writer.flush()
        await self._hand_over()

    async def _wait(self, wake_at: int | None) -> None:
        """Wait for news, or until a step is to be tried again."""
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
            look = self.program.advance(self.state, self.clock.now_ms(), most=1)
            evaluating = () if look.drafts else tuple(work for work in look.work if not work.is_execution)
        self.writer.emit(*self.program.recovered(self.state, evaluating=evaluating, was_let_go=not self._cut_off))

    async def _mend_audit(self) -> None:
        """Write the audit of decisions that an interrupted writer may have appended without their audit."""
        await self.store.record(self.state.run_id, self.state.epoch, audit_of(self.state))

    async def _advance(self) -> Advance:
        """Emit all that follows from the state, and return what is needed now: work, or a time to wait for.

        The last walk is a whole one, and nothing happens between it and the return.
        """
        begin: Path | None = None
        while not self.state.status.is_final:
            held = self._threads.of(self.state.run_id)
            look = self.program.advance(self.state, self.clock.now_ms(), held, most=SLICE, begin=begin)
            if not look.drafts and begin is None:
                return look
            emitted = list(takewhile(lambda draft: not draft.stands_alone, look.drafts))
            self.writer.emit(*emitted)
            if len(emitted) < len(look.drafts):
                await self._append_alone(look.drafts[len(emitted)])
                begin = None
                continue
            begin = look.cut
            if begin is not None:
                await asyncio.sleep(0)
        return Advance()

    # ── Releasing the run ───────────────────────────────────────────────────────────────────────────────

    async def _pause(self) -> bool:
        """Write that nothing can go on without a person, and release the run. Return False if something can."""
        if self.state.next_index == self._paused_at:
            return await self._let_go()
        if self.sessions.is_unsaved(self.state):
            await self.writer.flush()
            await self.sessions.save(self.state)
            return False  # others' decisions may precede it in the log: advance again
        if self.writer.is_long:
            await self.writer.flush()
            return False
        if not self.state.requirements:
            raise AssertionError(f"run {self.state.run_id} can't go on, and waits for nobody")
        if not await self.writer.flush_and_pause(self.program.paused(self.state)):
            return False
        self._paused_at = self.state.next_index
        return await self._let_go()

    async def _let_go(self, *, wake_at: int | None = None) -> bool:
        """Write the row, then release; return False if the log has grown meanwhile and the run goes on here.

        Args:
            wake_at: the time that the run waits for, if it sleeps.
        """
        self._settle_no_more()
        if self._settling is not None:
            await self._settling
            self._settling = None
        await self.sessions.save(self.state)
        if not await self._settler.settle(self.state, with_snapshot=True, wake_at=wake_at):
            pass  # only the log has the state: don't trim it
        elif self._max_log_events is not None and self.state.next_index > self._max_log_events:
            await self.log.trim(self.state.run_id, self.state.next_index - self._max_log_events)
        if self.state.status.is_final:
            return True
        refused = await self.log.release(
            self.state.run_id,
            self.writer.generation,
            expect_next=self.writer.durable_next,
            asleep=wake_at is not None,
        )
        if refused is None or refused.reason is not Reason.TAIL_MOVED:
            return True
        self._settle_in(SOON_SECONDS)
        await self.writer.catch_up()
        return False

    async def _hand_over(self) -> None:
        """On shutdown, write which steps are interrupted, and release the run to its next owner."""
        with contextlib.suppress(TimeoutError, LogUnavailable, OwnershipLost):
            async with asyncio.timeout(HAND_OVER_SECONDS):
                if not self.state.status.is_final:
                    held = self._threads.of(self.state.run_id)
                    self.writer.emit(*self.program.recovered(self.state, is_handover=True, held=held))
                await self.writer.flush()
                head = await self.log.head(self.state.run_id)
                if head is not None:
                    await self.log.release(self.state.run_id, self.writer.generation, expect_next=head.next_index)

    def _note_pending(self) -> None:
        """Have the row show soon what people may decide while the rest of the run goes on."""
        pending = _shown(self.state)
        if pending != self._noted:
            self._noted = pending
            self._settle_in(SOON_SECONDS)

    async def _tell(self) -> None:
        """Have others told soon of errors and milestones of a run that goes on."""
        if self.state.untold:
            self._settle_in(SOON_SECONDS)
        while self._is_much_untold():
            self._settle_no_more()
            if self._settling is not None:
                await self._settling
            if not await self._settle(self._is_much_untold):
                await asyncio.sleep(AWAY_SECONDS)

    def _is_much_untold(self) -> bool:
        """Return True if more than a settlement tells could be told now."""
        untold = self.state.untold
        is_much = len(untold) > MAX_UNTOLD and untold[MAX_UNTOLD].index < self.writer.durable_next
        return is_much and self.state.status is RunStatus.RUNNING

    def _settle_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._settle_soon)

    def _settle_no_more(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _settle_soon(self) -> None:
        """Write the row while the run goes on. A run that pauses or ends at once doesn't need it."""
        self._timer = None
        if self._settling is not None and not self._settling.done():
            self._settle_in(SOON_SECONDS)
        elif self._goes_on():
            self._settling = asyncio.create_task(self._settle(self._goes_on))

    def _goes_on(self) -> bool:
        return self.state.status is RunStatus.RUNNING

    async def _settle(self, is_due: Callable[[], bool]) -> bool:
        """Write the row if that is due still when it is known who listens; return False if the store is away."""
        try:
            await self._settler.forget_unheard(self.state)
            if is_due():
                await self._settler.settle_running(self.state, self.writer.durable_next)
        except StoreUnavailable:
            self._settle_in(AWAY_SECONDS)
            return False
        return True

    async def _reread(self) -> Writer:
        state = await load_state(self.log, self.store, self.state.run_id)
        assert state is not None
        return self._writer_of(state, self.writer.generation)

    def _writer_of(self, state: RunState, generation: int) -> Writer:
        return Writer(self.log, self.clock, state, generation, self._awake.set, counters=self._counters)

    # ── Work ────────────────────────────────────────────────────────────────────────────────────────────

    async def _start(self, work: tuple[Work, ...]) -> None:
        """Begin the work that isn't running yet, in slices; nothing more once the run is ending.

        Others' appends may end it. All other news waits until everything has begun: in a wide run a walk costs more
        than a slice.
        """
        begun = 0
        for each in work:
            if each in self._tasks:
                continue
            if begun and begun % SLICE == 0:
                await asyncio.sleep(0)
                if self._is_ending or self.writer.is_behind or self.state.status.is_final or self._draining:
                    return
            self._tasks[each] = asyncio.create_task(self._run(each), name=f"{self.state.run_id} {each.path}")
            begun += 1

    async def _run(self, work: Work) -> None:
        """Run one piece of work, and emit its events."""
        try:
            run = self.state
            with self._traces.step(run.run_id, run.workflow_id, work.task, work.name, work.attempt):
                result = await self._worker.result(work)
            await self._withdrawn.wait()
            if not self._is_given_up(work):
                self._finish(work, self.program.concluded(self.state, work, result, self.clock.now_ms()))
        except asyncio.CancelledError as error:
            if self._worker.is_cancelled or work not in self._tasks:
                raise
            await self._failed(work, error)
        except BaseException as error:
            # SystemExit and KeyboardInterrupt too: a step that exits must not end other runs.
            await self._failed(work, error)

    async def _failed(self, work: Work, error: BaseException) -> None:
        """Emit the error of work, unless the work was given up."""
        await self._withdrawn.wait()
        if not self._is_given_up(work):
            self._fail(work, error)

    def _is_given_up(self, work: Work) -> bool:
        """Return True if what the work came to isn't needed any more; the driver looks at the run again."""
        if work in self._tasks and not self.program.is_given_up(self.state, work):
            return False
        self._tasks.pop(work, None)
        self._awake.set()
        return True

    def _fail(self, work: Work, error: BaseException) -> None:
        try:
            draft = self.program.failed(
                self.state,
                work,
                error,
                self.clock.now_ms(),
                jitter=_JITTER.uniform(0.5, 1),
                at_work=self._worker.is_at_work(work),
                secrets=self._worker.secrets,
            )
            self._finish(work, (draft,))
        except Exception as fault:  # nothing awaits this task, so the driver must be told
            self._fault = fault
            self._tasks.pop(work, None)
            self._awake.set()

    def _finish(self, work: Work, drafts: tuple[Draft, ...]) -> None:
        """Emit the events of finished work, unless it was given up; if one can't be encoded, raise and emit nothing."""
        self.writer.emit(*drafts)
        self._is_ending = self._is_ending or self.program.ends_run(self.state, work)
        self._tasks.pop(work, None)
        self._awake.set()

    async def _append_alone(self, draft: Draft) -> None:
        """Append a withdrawal, or what takes a signal, unless somebody has appended: what they decided may be about it.

        Results of work wait for it: they may be of what is withdrawn.
        """
        self._withdrawn.clear()
        try:
            await self.writer.append_alone(draft)
        finally:
            self._withdrawn.set()

    def _give_up_work(self, look: Advance) -> None:
        """Cancel work that isn't needed any more: its result isn't logged."""
        if len(self._tasks) <= len(look.work):
            return
        needed = set(look.work)
        for work in [each for each in self._tasks if each not in needed]:
            task = self._tasks.pop(work)
            self._worker.give_up(work)
            self._given_up.add(task)
            task.add_done_callback(self._given_up.discard)
            task.cancel()

    def _interrupt(self) -> None:
        """Cancel running work; threads see it by `is_cancelled()`. The end of a run doesn't wait for it."""
        self._worker.is_cancelled = True
        for task in self._tasks.values():
            task.cancel()

    async def _stop_work(self) -> None:
        """Cancel running work, and wait a while for it; threads, and steps that don't stop, are left behind."""
        self._interrupt()
        tasks = [*self._tasks.values(), *self._given_up]
        self._tasks.clear()
        if tasks:
            await asyncio.wait(tasks, timeout=STUBBORN_SECONDS)


def _shown(state: RunState) -> frozenset[tuple[str, int]]:
    """What people may decide, and how often it was claimed, released or handed over: a row shows that."""
    return frozenset((each.id, each.attended) for each in state.requirements.values())
