"""Access to runs: their facts, states and events, and appends by others than their owner.

Laws:
- To a caller who may not read a run, the run doesn't exist.
- A state is read-only; a caller that needs it as new as the log passes `fresh`.
- If a log seems to have lost entries, that is checked and repaired before anything is said of it: see `lost_log`.

Source: `docs/architecture.md`, "Order of writes" and "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic_core import to_json

from interlock.auth import Principal, Verb, may
from interlock.definitions.port import Definitions, program_of_run
from interlock.engine.commands.refusals import needs_newer, no_run, or_unavailable
from interlock.engine.driving.lost_log import MORE_THAN_ANY, NOTHING_SEEN, Seen
from interlock.engine.driving.pool import FIRST_EPOCH, Pool
from interlock.log.port import Append, Appended, Batch, Entry, Head, LogUnavailable, Reason, Refused
from interlock.store.port import IdempotencyKey, StoreUnavailable
from interlock.workflow.program import Draft, RunState, effects, snapshot
from interlock_protocol.codec import event_body, read_body
from interlock_protocol.errors import Refusal
from interlock_protocol.types import RunStatus

CACHED_FACTS = 4096


@dataclass(slots=True)
class Facts:
    """What the checks of permission and of a message's ids need to know of a run. Only `assignees` may change."""

    run_id: str
    workflow_id: str
    version: str | None
    session_id: str
    user_id: str
    assignees: frozenset[str]
    account: str
    namespace: str
    created_at: int
    business_key: str | None = None
    retried_from: str | None = None

    @classmethod
    def of_new(cls, account: str, namespace: str, user_id: str) -> Facts:
        """Those of a run that isn't there yet."""
        return cls("", "", None, "", user_id, frozenset(), account, namespace, 0)


class Runs:
    """All runs.

    Args:
        pool: has the states of the runs that are driven here.
        on_lost: begins a new epoch of a run if its log is lost, and returns whether it was.
        is_alone: no other process appends, so a head that exists is right.
    """

    def __init__(
        self,
        definitions: Definitions,
        pool: Pool,
        on_lost: Callable[[str, Seen], Awaitable[bool]],
        *,
        is_alone: bool,
    ) -> None:
        self._definitions = definitions
        self._pool = pool
        self._log = pool.log
        self._store = pool.store
        self._clock = pool.ports.clock
        self._on_lost = on_lost
        self._is_alone = is_alone
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._suspected: dict[str, asyncio.Task[None]] = {}

    # ── Facts ───────────────────────────────────────────────────────────────────────────────────────────

    async def readable(self, principal: Principal, run_id: str) -> Facts:
        """Return the facts of a run that the principal may read.

        Raises:
            Refusal: `run_not_found`, also for a run that the principal may not read; `unavailable`.
        """
        facts = await self.facts(run_id)
        if may(principal, Verb.READ, facts):
            return facts
        # It is readable for those it names, and may have come to name the principal since.
        may_be_named = may(principal, Verb.READ, replace(facts, assignees=principal.names))
        if may_be_named and await self._names(principal, facts):
            return facts
        raise no_run(run_id)

    async def _names(self, principal: Principal, facts: Facts) -> bool:
        """Return True if the run names the principal by now, so that they may read it.

        A state may be large; it is loaded only if the log is ahead of the run's row.
        """
        row = await or_unavailable(self._store.run(facts.run_id))
        if row is None:
            return False
        facts.assignees |= frozenset(row.assignees)
        if may(principal, Verb.READ, facts):
            return True
        head = await or_unavailable(self._log.head(facts.run_id))
        if head is None or (head.epoch, head.next_index) == (row.epoch, row.next_index):
            return False
        state = await self.state(facts.run_id)
        named = (each.facts.get("assignees") or () for each in state.requirements.values())
        facts.assignees = facts.assignees.union(*named)
        return may(principal, Verb.READ, facts)

    async def facts(self, run_id: str) -> Facts:
        """The facts of a run.

        Raises:
            Refusal: `run_not_found` or `unavailable`.
        """
        known = self._facts.get(run_id)
        if known is not None:
            return known
        row = await or_unavailable(self._store.run(run_id))
        if row is None:
            raise no_run(run_id)
        of_run = row.run_id, row.workflow_id, row.version, row.session_id, row.user_id, frozenset(row.assignees)
        return self.remember(
            Facts(*of_run, row.account, row.namespace, row.created_at, row.business_key, row.retried_from)
        )

    def remember(self, facts: Facts) -> Facts:
        """Cache the facts of a run."""
        self._facts[facts.run_id] = facts
        if len(self._facts) > CACHED_FACTS:
            self._facts.popitem(last=False)
        return facts

    # ── States ──────────────────────────────────────────────────────────────────────────────────────────

    async def state(self, run_id: str, *, fresh: bool = False) -> RunState:
        """Return a run's state, read-only; with `fresh`, loaded from the log.

        Raises:
            Refusal: `run_not_found` or `unavailable`.
        """
        state = await or_unavailable(self._pool.fresh_state(run_id) if fresh else self._pool.state(run_id))
        if state is None:
            raise no_run(run_id)
        return state

    async def is_behind(self, state: RunState) -> bool:
        """Return True if the log has entries that this state lacks; what its driver hasn't written yet doesn't count.

        Raises:
            Refusal: `unavailable`.
        """
        head, known = await or_unavailable(self._log.head(state.run_id)), self._pool.known(state)
        return head is not None and known < Seen(head.epoch, head.next_index)

    async def logged(self, run_id: str) -> RunState:
        """Return a run's state, loaded from its log: `state` with `fresh`."""
        return await self.state(run_id, fresh=True)

    async def snapshot(self, run_id: str) -> dict[str, Any]:
        """Return a `WorkflowRunOutput` that covers everything in the log so far; its `as_of` says how far that is."""
        state = await self.state(run_id, fresh=True)
        program = await or_unavailable(program_of_run(self._definitions, state))
        return snapshot(state.workflow_id if program is None else program.name, state, self._clock.now_ms())

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────

    async def logged_from(self, run_id: str, index: int) -> list[Batch]:
        """Return a page of a run's log that begins at `index` or before; empty at the log's end.

        Raises:
            LogUnavailable: the log is away.
        """
        return await self._log.read(run_id, index)

    async def last_event(self, head: Head) -> dict[str, Any] | None:
        """Return the last event of a run, without its index and epoch, or None if the log no longer has it.

        Raises:
            LogUnavailable: the log is away.
        """
        index = head.next_index - 1
        for batch in await self.logged_from(head.run_id, index):
            if batch.epoch == head.epoch and batch.first_index <= index < batch.next_index:
                return read_body(batch.entries[index - batch.first_index].body)
        return None

    # ── Loss ────────────────────────────────────────────────────────────────────────────────────────────

    async def head(self, run_id: str) -> Head:
        """Return the head of a run that exists; a pending run that has none yet gets a default one.

        If the log has lost entries that the store knows of, a new epoch begins first. That applies to ended runs, too:
        the end may have been appended to a log that had lost entries before it.

        Raises:
            LogUnavailable, StoreUnavailable: the head, or what the store knows, can't be read now.
        """
        head = await self._log.head(run_id)
        if (head is None or not self._is_alone) and await self.begin_anew(run_id):
            head = await self._log.head(run_id)
        return head or Head(run_id, FIRST_EPOCH, 0, RunStatus.PENDING, frozenset(), None, 0)

    async def head_now(self, run_id: str) -> Head:
        """Like `head`, but a head that is there is taken as it is; for looks before a command, which checks it."""
        return await self._log.head(run_id) or await self.head(run_id)

    def suspect(self, run_id: str, epoch: int, next_index: int) -> None:
        """Check in the background a log that seems to have lost entries this process knew of, and recover the run."""
        if run_id in self._suspected:
            return
        task = asyncio.create_task(self._check_loss(run_id, Seen(epoch, next_index)), name=f"suspect {run_id}")
        self._suspected[run_id] = task
        task.add_done_callback(lambda _: self._suspected.pop(run_id))

    async def _check_loss(self, run_id: str, seen: Seen) -> None:
        with contextlib.suppress(LogUnavailable, StoreUnavailable, Refusal):  # the next request checks again
            await self.begin_anew(run_id, seen)

    @property
    def suspicions(self) -> Sequence[asyncio.Task[None]]:
        """The checks that are under way."""
        return tuple(self._suspected.values())

    async def begin_anew(self, run_id: str, seen: Seen = NOTHING_SEEN) -> bool:
        """If the run's log is lost, begin a new epoch and drive the run in it. Return whether it was lost."""
        if not await self._on_lost(run_id, seen):
            return False
        self._pool.forget(run_id)
        self._pool.dispatch(run_id)
        return True

    # ── Appending ───────────────────────────────────────────────────────────────────────────────────────

    async def append(
        self,
        state: RunState,
        drafts: Sequence[Draft],
        *,
        expect_next: int | None = None,
        key: IdempotencyKey | None = None,
        append_id: str | None = None,
    ) -> Appended | Refused:
        """Append events of others than the owner, under the head's conditions; retried once if the reply is lost.

        If the events land before an index that is known to be taken, they count as refused: the log has lost entries,
        and the new epoch drops these events, too.

        Args:
            state: the state that the events were proposed on.
            key: is logged with the entries, so that it is as durable as they are.
            append_id: what the log knows this append by, if it isn't a new one.

        Raises:
            Refusal: `unavailable`.
        """
        for draft in drafts:
            draft.event["created_at"] = self._clock.now_ms()
        change = effects(draft.event for draft in drafts)
        run_id, known = state.run_id, self._pool.known(state)
        append = Append(
            run_id=run_id,
            append_id=append_id or uuid.uuid4().hex,
            entries=[Entry(event_body(draft.event), _private(draft, key)) for draft in drafts],
            expect_next=expect_next,
            resolves=[id_ for draft in drafts for id_ in draft.resolves],
            opens=change.opens,
            status=change.status,
            reducer=change.reducer,
            workflow=(state.account, state.workflow_id),
        )
        try:
            appended = await self._log.append(append)
        except LogUnavailable:
            appended = await or_unavailable(self._log.append(append))
        if isinstance(appended, Refused) and appended.reason is Reason.TOO_NEW:
            raise needs_newer(run_id)
        if isinstance(appended, Refused) and appended.reason in (Reason.NO_RUN, Reason.NOT_PENDING):
            await or_unavailable(self.begin_anew(run_id))
        if isinstance(appended, Appended) and Seen(appended.epoch, appended.first_index) < known:
            await or_unavailable(self.begin_anew(run_id, Seen(appended.epoch, MORE_THAN_ANY)))
            return Refused(Reason.TAIL_MOVED)
        return appended


def _private(draft: Draft, key: IdempotencyKey | None) -> bytes | None:
    private = {**(draft.private or {}), **({} if key is None else {"key": key.logged})}
    return to_json(private) if private else None
