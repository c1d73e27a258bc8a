"""The runs that this process drives, and its cache of states.

Laws:
- At most one driver here drives a run. A request that comes meanwhile has the run driven again afterwards.
- The number of runs driven at a time is bounded; the others wait in order.
- The cache of states of runs that nobody drives is bounded, and only a shortcut: the log has everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence

import structlog

from interlock.definitions.port import Definitions, program_of_run
from interlock.engine.driving.driver import Driver, Ports
from interlock.engine.driving.loading import catch_up, load_state
from interlock.engine.driving.lost_log import MORE_THAN_ANY, NOTHING_SEEN, Seen
from interlock.engine.driving.rows import audit_of
from interlock.engine.driving.writer import LogShorter, OwnershipLost, fold_batch
from interlock.engine.work.sessions import Sessions
from interlock.log.port import Batch, Claimed, LogUnavailable, Reason, Refused
from interlock.store.port import StoreUnavailable
from interlock.telemetry import log_context as about
from interlock.workflow.program import REDUCER_VERSION, Program, RunState, UnreadableRun
from interlock_protocol.types import RunStatus

logger = structlog.get_logger(__name__)

KEPT_STATES = 256
RETRY_SECONDS = 0.5

LEFT_SECONDS = 30.0
"""How long a run whose definition is missing here is left to other processes before this one looks again."""

BROKE_OFF_SECONDS = 30.0
"""How long this process waits before it retries a run that broke off; other processes may try earlier."""

MOST_LEFT = 10_000
FIRST_EPOCH = 1


class Pool:
    """Claims and drives runs.

    Args:
        owner: the name under which this process owns runs; a new one at each start.
        room: how many runs are driven at a time.
        on_pause: called with the state of a run that goes on while something in it waits for people.
        on_let_go: called with a run's id when this process stops driving it.
        on_unknown_definition: called with the state of a run whose definition is missing here.
        on_lost: begins a new epoch of a run if its log is lost, and returns whether it was.
    """

    def __init__(
        self,
        definitions: Definitions,
        ports: Ports,
        *,
        owner: str,
        room: int,
        on_pause: Callable[[RunState], None],
        on_let_go: Callable[[str], None],
        on_unknown_definition: Callable[[RunState], Awaitable[None]],
        on_lost: Callable[[str, Seen], Awaitable[bool]],
    ) -> None:
        self._definitions = definitions
        self._on_unknown_definition = on_unknown_definition
        self._on_lost = on_lost
        self._new: set[str] = set()
        self.ports = ports
        self.log = log = ports.log
        self.store = ports.store
        self._on_pause = on_pause
        self._on_let_go = on_let_go
        self.owner = owner
        self._most = room
        self._drivers: dict[str, Driver] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiting: dict[str, None] = {}
        self._again: set[str] = set()
        self._unaudited: set[str] = set()
        self._lost: dict[str, Seen] = {}
        self._left: OrderedDict[str, float] = OrderedDict()
        self._kept: OrderedDict[str, RunState] = OrderedDict()
        self._stopping = False
        self._context = contextvars.copy_context()
        log.listen(self._appended)

    # ── Dispatch ────────────────────────────────────────────────────────────────────────────────────────

    def dispatch(self, run_id: str, *, unaudited: bool = False) -> None:
        """Have the run driven, now or when there is room.

        Args:
            unaudited: decisions on the run may lack their audit: a sweep found the run, and the process that took one
                may have died before it wrote it; or the store failed here when it was to be written.
        """
        if self._stopping:
            return
        if unaudited:
            self._unaudited.add(run_id)
        if run_id in self._tasks:
            self._again.add(run_id)
        elif len(self._tasks) < self._most:
            # Not in the caller's context: the caller may be working on another run, or for a client.
            own = self._context.copy()
            task = asyncio.create_task(self._work_on(run_id), name=f"drive {run_id}", context=own)
            self._tasks[run_id] = task
        else:
            self._waiting[run_id] = None

    def begin(self, state: RunState) -> None:
        """Drive a run that this process has just created."""
        self.keep(state)
        self._new.add(state.run_id)
        self.dispatch(state.run_id)

    @property
    def working_on(self) -> frozenset[str]:
        """The runs that are driven here, or wait here for their turn."""
        return frozenset(self._tasks) | frozenset(self._waiting)

    @property
    def waiting(self) -> Sequence[str]:
        """The runs that wait here for their turn, and that another process may take."""
        return tuple(self._waiting)

    @property
    def room(self) -> int:
        """How many more runs this process can drive."""
        return 0 if self._stopping else max(0, self._most - len(self._tasks) - len(self._waiting))

    def was_left(self, run_id: str) -> bool:
        """Return True if this process left the run recently: its definition is missing here, a newer version is needed,
        or driving it failed."""
        return self._left.get(run_id, 0.0) > time.monotonic()

    def wake(self) -> None:
        """Wake all drivers."""
        for driver in self._drivers.values():
            driver.wake()

    async def stop(self, grace: float) -> None:
        """Stop driving runs; each run stays as its log has it, for the next owner.

        Args:
            grace: how many seconds the running steps have to finish; after that they are cancelled.
        """
        self._stopping = True
        self._waiting.clear()
        for driver in self._drivers.values():
            driver.drain()
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()  # only once: a cancelled driver still hands its run over
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work_on(self, run_id: str) -> None:
        about.run(run_id)
        try:
            await self._drive(run_id)
        except (LogUnavailable, StoreUnavailable):
            logger.warning("run_delayed", why="the log or the database can't be reached")
            await asyncio.sleep(RETRY_SECONDS)
            self._again.add(run_id)
        except UnreadableRun as unreadable:
            self._kept.pop(run_id, None)
            self._leave_to_newer(run_id, str(unreadable))
        except OwnershipLost as lost:
            self._kept.pop(run_id, None)
            if lost.head is not None and lost.head.owner == self.owner:  # to a later claim by this process
                self._again.add(run_id)
            logger.info("run_taken_over", reason=lost.reason.value)
        except Exception:
            self._kept.pop(run_id, None)
            self._leave(run_id)
            logger.exception("run_broke_off")
            asyncio.get_running_loop().call_later(BROKE_OFF_SECONDS, self.dispatch, run_id)
        finally:
            self._tasks.pop(run_id, None)
            self._next(run_id)

    def _next(self, run_id: str) -> None:
        if run_id in self._again:
            self._again.remove(run_id)
            self._waiting[run_id] = None
        while self._waiting and len(self._tasks) < self._most and not self._stopping:
            first = next(iter(self._waiting))
            del self._waiting[first]
            self.dispatch(first)

    def _look_for_loss(self, run_id: str, epoch: int) -> None:
        """Note that the run's log has lost entries of this epoch, unless a later epoch has begun meanwhile."""
        self._lost[run_id] = Seen(epoch, MORE_THAN_ANY)
        self._again.add(run_id)

    async def _drive(self, run_id: str) -> None:
        if run_id in self._lost:
            await self._begin_anew(run_id, self._lost[run_id])
            del self._lost[run_id]
        kept = self._kept.pop(run_id, None)
        if run_id in self._unaudited:
            state = await self._load_and_audit(run_id)
        else:
            state = kept or await load_state(self.log, self.store, run_id)
        program = None if state is None else await self._program_of(state)
        if state is None or program is None:
            self._leave(run_id)
            logger.info("run_left", why="this server doesn't have the definition it began with")
            if state is not None:
                await self._on_unknown_definition(state)
            return
        claimed = await self._claim(run_id)
        if isinstance(claimed, Claimed):
            if _is_behind(claimed, state) and await self._begin_anew(run_id, Seen(state.epoch, state.next_index)):
                return
            await self._own(program, state, claimed)
        elif claimed is not None and claimed.reason is Reason.TOO_NEW:
            self._leave_to_newer(run_id, "its log has events of a newer version")
        elif claimed is not None and claimed.reason is Reason.ENDED:
            await self.settle_ended(run_id)

    async def _load_and_audit(self, run_id: str) -> RunState | None:
        """Load a run as its log has it now, and write the audit of its decisions, in case they lack it."""
        self._unaudited.discard(run_id)  # first: it may be said again of a later decision
        try:
            state = await load_state(self.log, self.store, run_id)
            if state is not None:
                await self.store.record(run_id, state.epoch, audit_of(state))
        except BaseException:
            self._unaudited.add(run_id)
            raise
        return state

    async def _claim(self, run_id: str) -> Claimed | Refused | None:
        """Claim the run, and create its head if it is new. Return None if it began a new epoch; it is then driven
        again."""
        is_new = run_id in self._new
        self._new.discard(run_id)
        if not is_new:
            claimed = await self.log.claim(run_id, self.owner)
            if isinstance(claimed, Claimed) or claimed.reason is not Reason.NO_RUN:
                return claimed
            if await self._begin_anew(run_id, NOTHING_SEEN):
                return None
        return await self.log.claim(run_id, self.owner, create_epoch=FIRST_EPOCH)

    async def _begin_anew(self, run_id: str, seen: Seen) -> bool:
        self._kept.pop(run_id, None)
        if await self._on_lost(run_id, seen):
            self._again.add(run_id)
            return True
        return False

    async def _own(self, program: Program, state: RunState, claimed: Claimed) -> None:
        """Drive a run that this process has claimed."""
        run_id = state.run_id
        self.ports.counters.claimed(cut_off=claimed.abandoned)
        try:
            state = await self._as_claimed(state, claimed)
            await self._drive_on(Driver(program, state, self.ports, claimed, on_pause=self._on_pause))
        except LogShorter:
            self._look_for_loss(run_id, claimed.head.epoch)
        except OwnershipLost as lost:
            if lost.reason is Reason.NO_RUN:  # the head existed at the claim
                self._look_for_loss(run_id, claimed.head.epoch)
            elif lost.reason is Reason.TOO_NEW:  # a newer node has appended what only its like can fold
                await self._give_up(run_id, claimed.generation)
            raise
        except (LogUnavailable, StoreUnavailable):
            raise
        except Exception:
            await self._give_up(run_id, claimed.generation)
            raise

    async def _as_claimed(self, state: RunState, claimed: Claimed) -> RunState:
        """Return a state that is at least as new as the head at the claim.

        Raises:
            LogShorter: neither the log nor a snapshot reaches that far any more.
        """
        if state.epoch == claimed.head.epoch and state.next_index < claimed.head.next_index:
            await catch_up(self.log, state)
        if state.next_index < claimed.head.next_index or state.epoch != claimed.head.epoch:
            # A new epoch has begun, or the next entries were trimmed; in both cases there is a snapshot.
            state = await load_state(self.log, self.store, state.run_id) or state
        if state.next_index < claimed.head.next_index:
            raise LogShorter(state.run_id)
        return state

    async def _drive_on(self, driver: Driver) -> None:
        run_id = driver.state.run_id
        self._drivers[run_id] = driver
        unwatch = self.log.watch(run_id, driver.hinted)
        if self._stopping:
            driver.drain()
        try:
            await driver.drive()
        except BaseException:
            # A command may still hold this state: what was never written must not look to it like entries that the
            # log has lost.
            driver.state.next_index = min(driver.state.next_index, driver.writer.durable_next)
            raise
        finally:
            unwatch()
            del self._drivers[run_id]
            self._on_let_go(run_id)
        if driver.state.status.is_final:
            await self.log.archive(run_id)
        else:
            self.keep(driver.state)

    async def _give_up(self, run_id: str, generation: int) -> None:
        """Release the run after an unexpected error, so that another process, or this one later, can try it."""
        with contextlib.suppress(LogUnavailable):
            head = await self.log.head(run_id)
            if head is not None:
                await self.log.release(run_id, generation, expect_next=head.next_index)

    def forget(self, run_id: str) -> None:
        """Drop the cached state of this run; the next request for it reads the log."""
        self._kept.pop(run_id, None)

    def _leave(self, run_id: str) -> None:
        self._left[run_id] = time.monotonic() + LEFT_SECONDS
        self._left.move_to_end(run_id)
        if len(self._left) > MOST_LEFT:
            self._left.popitem(last=False)

    def _leave_to_newer(self, run_id: str, why: str) -> None:
        self._leave(run_id)
        logger.info("run_left_to_newer", why=why)

    async def _program_of(self, state: RunState) -> Program | None:
        """Return the definition in which the run can go on, or None."""
        program = await program_of_run(self._definitions, state)
        return None if program is None or not program.fits(state) else program

    async def make_head(self, run_id: str) -> None:
        """Create the head of a run that still waits for its turn. A driver that was faster has to claim again."""
        await self.log.claim(run_id, self.owner, create_epoch=FIRST_EPOCH)
        self.dispatch(run_id)

    async def mark_unsettled(self, state: RunState) -> None:
        """Set the row of a waiting run to RUNNING before a change, so that a restart looks at the run again.

        Raises:
            UnreadableRun: a newer version is needed to change the run.
        """
        if state.status is RunStatus.PAUSED:
            head = await self.log.head(state.run_id)
            if head is not None and head.reducer > REDUCER_VERSION:
                raise UnreadableRun(f"Run {state.run_id} needs version {head.reducer} of the reducer.")
            await self.ports.settler.settle(state, with_snapshot=False, status=RunStatus.RUNNING)

    async def settle_ended(self, run_id: str) -> None:
        """Write the row of a run that ended while it had no owner, and archive its log."""
        state = await self.fresh_state(run_id)
        if state is not None and state.status.is_final:
            await Sessions(self.store, state).save(state)
            await self.ports.settler.settle(state, with_snapshot=True)
            await self.log.archive(run_id)

    # ── States ──────────────────────────────────────────────────────────────────────────────────────────

    async def state(self, run_id: str) -> RunState | None:
        """Return a run's state, read-only: its driver's, else the cached one, else the one loaded from the log."""
        driver = self._drivers.get(run_id)
        if driver is not None:
            return driver.state
        return self._kept.get(run_id) or await self.fresh_state(run_id)

    async def fresh_state(self, run_id: str) -> RunState | None:
        """Load a run's state from its log as it is now."""
        state = await load_state(self.log, self.store, run_id)
        if state is not None and run_id not in self._drivers and not state.status.is_final:
            self.keep(state)
        return state

    def known(self, state: RunState) -> Seen:
        """How far a state shows the log to reach: as far as the state, without what its driver hasn't written yet."""
        driver = self._drivers.get(state.run_id)
        if driver is None or driver.state is not state:
            return Seen(state.epoch, state.next_index)
        return Seen(state.epoch, driver.writer.durable_next)

    def keep(self, state: RunState) -> None:
        """Cache a state; the oldest one is evicted if there are too many."""
        self._kept[state.run_id] = state
        self._kept.move_to_end(state.run_id)
        if len(self._kept) > KEPT_STATES:
            self._kept.popitem(last=False)

    def _appended(self, run_id: str, batch: Batch) -> None:
        """Pass on an append by this process: tell the run's driver, or fold it into the cached state."""
        driver = self._drivers.get(run_id)
        if driver is not None:
            driver.writer.told(batch)
            return
        kept = self._kept.get(run_id)
        if kept is None:
            return
        if kept.next_index == batch.first_index and kept.epoch == batch.epoch:
            fold_batch(kept, batch)
        else:
            del self._kept[run_id]


def _is_behind(claimed: Claimed, state: RunState) -> bool:
    """Return True if the log has lost entries that are folded into the state."""
    return (claimed.head.epoch, claimed.head.next_index) < (state.epoch, state.next_index)
