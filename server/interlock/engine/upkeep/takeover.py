"""Taking over runs that need an owner: runs of dead processes, and runs for which other processes have no room.

Laws:
- A process takes only as many runs as it can drive.
- Renewing leases, taking over runs and comparing run in separate loops. So a wait, above all for the database, neither
  costs a lease nor delays the takeover of a dead process's run.
- Every process may try to take a run; the head decides who owns it.
- An ownerless run is taken only if it was ownerless at the previous look too: otherwise it may just be on its way from
  a command to its driver. A run that is offered is taken at once.
- Runs that the store says are running are compared with the log, a few at a time: a process may die between its writes
  to the two, and a log may come back empty.

Source: `docs/architecture.md`, "Order of writes" and "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator

import structlog

from interlock.engine.driving.pool import FIRST_EPOCH, Pool
from interlock.log.port import Head, Log, LogUnavailable
from interlock.store.port import StoreUnavailable
from interlock.store.ports.runs import Runs
from interlock_protocol.types import RunStatus

logger = structlog.get_logger(__name__)

COMPARED = 50
"""How many pending runs, and how many running ones, are compared at a time."""

LINGERING_MS = 3000
"""The minimum age of a row that is compared: a younger row's process is still busy with it."""

ARCHIVE_AFTER_MS = 15 * 60_000
"""How long a run waits before its log is archived."""

ARCHIVED = 100
"""How many logs are archived at a time."""


class Takeover:
    """Takes over runs.

    Args:
        head: returns the head of a run; if the log is lost, it begins a new epoch first.
        is_alone: no other process drives these runs, so runs of dead processes are found at the start only.
    """

    def __init__(
        self, log: Log, store: Runs, pool: Pool, head: Callable[[str], Awaitable[Head]], *, is_alone: bool
    ) -> None:
        self._log = log
        self._store = store
        self._pool = pool
        self._head = head
        self._is_alone = is_alone
        self._offered = asyncio.Event()
        self._before: set[str] = set()
        self._compared_to = {RunStatus.PENDING: "", RunStatus.RUNNING: ""}
        log.on_ready(self._offered.set)

    async def resume(self) -> None:
        """At the start of a process that is alone: resume every unfinished run that isn't asleep."""
        if self._is_alone:
            for run_id in dict.fromkeys([*await self._store.unfinished(), *await self._log.ownerless()]):
                head = await self._log.head(run_id)
                if head is None or not head.asleep:  # a sleeping run was settled, and its timer wakes it
                    self._pool.dispatch(run_id)

    async def renew(self, every: float) -> None:
        """Renew this process's leases every `every` seconds, forever, independently of the other loops."""
        while True:
            with self._logging_errors():
                await self._log.renew(self._pool.owner)
            await asyncio.sleep(every)

    async def run(self, every: float) -> None:
        """Take over ownerless runs every `every` seconds, and offered runs at once, forever."""
        loop = asyncio.get_running_loop()
        look_at = loop.time() + every
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._offered.wait()
            self._offered.clear()
            offered = loop.time() < look_at
            if not offered:
                look_at = loop.time() + every
            with self._logging_errors():
                await self._take(offered=offered)
                if not self._is_alone and not offered:  # this process hears its own offers
                    await self._offer()

    async def tidy(self, every: float) -> None:
        """Compare the store with the log, and archive logs of long pauses, every `every` seconds, forever."""
        while not self._is_alone:
            await asyncio.sleep(every)
            for status in self._compared_to:
                with self._logging_errors():
                    await self._compare(status)
            with self._logging_errors():
                await self._archive()

    @contextlib.contextmanager
    def _logging_errors(self) -> Iterator[None]:
        try:
            yield
        except (LogUnavailable, StoreUnavailable):
            pass  # the next round tries again
        except Exception:
            logger.exception("sweep_failed")

    async def _take(self, *, offered: bool) -> None:
        found = await self._log.ownerless() if self._pool.room else []
        ownerless = [run_id for run_id in found if self._is_free(run_id)]
        for run_id in ownerless:
            if self._pool.room and (offered or run_id in self._before):
                self._pool.dispatch(run_id, unaudited=True)
        if not offered:
            self._before = set(ownerless)

    async def _offer(self) -> None:
        """Offer the runs that wait here for their turn to other processes."""
        for run_id in self._pool.waiting[:ARCHIVED]:
            await self._log.offer(run_id, create_epoch=FIRST_EPOCH)

    async def _compare(self, status: RunStatus) -> None:
        """Compare a page of the store's runs of this status with their logs, and dispatch those that never began.

        Reading the head begins a new epoch for a run whose log is lost.

        Pending runs have a page of their own: they are few, and must not wait behind all the running ones.
        """
        after = self._compared_to[status]
        page = await self._store.lingering(status, LINGERING_MS, after=after, limit=COMPARED)
        self._compared_to[status] = page[-1] if len(page) == COMPARED else ""
        for run_id in page:
            with self._logging_errors():  # a run that can't be reached now delays no other
                if self._is_free(run_id) and self._pool.room:
                    head = await self._head(run_id)
                    if head.generation == 0 and head.status is RunStatus.PENDING:
                        self._pool.dispatch(run_id)

    async def _archive(self) -> None:
        for run_id in await self._log.long_paused(ARCHIVE_AFTER_MS, limit=ARCHIVED):
            await self._log.archive(run_id)

    def _is_free(self, run_id: str) -> bool:
        return run_id not in self._pool.working_on and not self._pool.was_left(run_id)
