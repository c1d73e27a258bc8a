"""The real log and store, with faults at their doors, and what tests of the engine ask of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic_core import from_json

from interlock import Workflow
from interlock.database import Database
from interlock.engine.driving.loading import catch_up
from interlock.log.port import Append, Appended, Batch, Claimed, Entry, LogUnavailable, Reason, Refused
from interlock.log.sql import SqlLog
from interlock.store.port import NewRun, Snapshot
from interlock.store.sql import SqlStore
from interlock.workflow.decide.decide import cancel, continued, decide
from interlock.workflow.decide.standing import Decider
from interlock.workflow.run.state import RunState
from interlock_protocol.codec import event_body
from interlock_protocol.requirements import EchoedRequirement
from interlock_protocol.types import RunStatus

T = TypeVar("T")

Fault: TypeAlias = Literal["before", "after"]
"""Whether a call fails before anything happened, or its reply is lost after it."""


class FaultyLog(SqlLog):
    """A log that fails when it is told to, and whose appends can be held up.

    Attributes:
        faults: what becomes of the next calls; a call takes the first.
        way: appends wait for it before they are written.
        begun: set when an append waits, or would.
        claims: the runs that were claimed and had a head, in order.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.faults: deque[Fault] = deque()
        self.way = asyncio.Event()
        self.way.set()
        self.begun = asyncio.Event()
        self.claims: list[str] = []

    async def append(self, append: Append) -> Appended | Refused:
        self.begun.set()
        await self.way.wait()
        return await self._faulty(lambda: super(FaultyLog, self).append(append))

    async def claim(self, run_id: str, owner: str, *, create_epoch: int | None = None) -> Claimed | Refused:
        claimed = await self._faulty(lambda: super(FaultyLog, self).claim(run_id, owner, create_epoch=create_epoch))
        if isinstance(claimed, Claimed) or claimed.reason is not Reason.NO_RUN:
            self.claims.append(run_id)
        return claimed

    async def read(self, run_id: str, first_index: int, **options: Any) -> list[Batch]:
        return await self._faulty(lambda: super(FaultyLog, self).read(run_id, first_index, **options))

    async def _faulty(self, call: Callable[[], Awaitable[T]]) -> T:
        fault = self.faults.popleft() if self.faults else None
        if fault == "before":
            raise LogUnavailable("It can't be reached.")
        result = await call()
        if fault == "after":
            raise LogUnavailable("The reply was lost.")
        return result


class CountingStore(SqlStore):
    """A store that counts how often a run is loaded from it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.loaded: list[str] = []

    async def snapshot(self, run_id: str) -> Snapshot | None:
        self.loaded.append(run_id)
        return await super().snapshot(run_id)


class Storage:
    """A log and a store on one database."""

    def __init__(self, database: Database) -> None:
        self.log = FaultyLog(database)
        self.store = CountingStore(database)

    async def create(self, workflow: Workflow, run_id: str, message: Any = "") -> str:
        """A run that was accepted, and that nobody works on yet."""
        run = NewRun(run_id, workflow.id, None, workflow.fingerprint, "session", "ada", message, 1)
        assert await self.store.create_run(run, None) is None
        return run_id

    async def batches(self, run_id: str) -> list[Batch]:
        """The log of a run, as it was appended."""
        found: list[Batch] = []
        while page := await self.log.read(run_id, found[-1].next_index if found else 0):
            found += page
        return found

    async def events(self, run_id: str) -> list[dict[str, Any]]:
        """The log of a run, event by event."""
        return [from_json(entry.body) for batch in await self.batches(run_id) for entry in batch.entries]

    async def names(self, run_id: str) -> list[str]:
        """What stands in the log of a run."""
        return [event["event"] for event in await self.events(run_id)]

    async def folded(self, workflow: Workflow, run_id: str) -> RunState:
        """The state of a run, from nothing but its log."""
        state = fresh(workflow, run_id)
        await catch_up(self.log, state)
        return state

    async def confirm(self, workflow: Workflow, run_id: str, step: str) -> Appended:
        """Confirm what this step asks, as somebody who isn't the run's owner."""
        state = await self.folded(workflow, run_id)
        asked = next(each for each in state.requirements.values() if each.path[-1] == step)
        answer = EchoedRequirement.model_validate({"id": asked.id, "confirmed": True})
        decided = decide(workflow, state, [answer], by=Decider("ada", lambda _: True), now=0)
        drafts = continued(workflow, state, decided, resolved_by="bob", now=2)
        entries = [event_body(draft.event) for draft in drafts]
        appended = await SqlLog.append(
            self.log, _append(run_id, entries, tuple(id_ for draft in drafts for id_ in draft.resolves))
        )
        assert isinstance(appended, Appended), appended
        return appended

    async def cancel(self, workflow: Workflow, run_id: str) -> None:
        """Cancel a run, as somebody who isn't its owner."""
        drafts = cancel(workflow, await self.folded(workflow, run_id), reason=None, cancelled_by="bob")
        entries = [Entry(event_body(draft.event)) for draft in drafts]
        ends = Append(run_id, "cancelled-by-bob", entries, status=RunStatus.CANCELLED)
        appended = await SqlLog.append(self.log, ends)
        assert isinstance(appended, Appended), appended


def fresh(workflow: Workflow, run_id: str) -> RunState:
    """The state of a run before its first event."""
    return RunState(run_id, workflow.id, "session", "ada", fingerprint=workflow.fingerprint, namespace="user_ada")


def _append(run_id: str, bodies: list[bytes], resolves: tuple[str, ...]) -> Append:
    entries = [Entry(body) for body in bodies]
    return Append(run_id, f"by-bob-{resolves}", entries, resolves=resolves, status=RunStatus.RUNNING)
