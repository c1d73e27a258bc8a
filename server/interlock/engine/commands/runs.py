"""What is known of runs, and what is appended to them beside their owner.

Laws:
- For whoever may not read a run it doesn't exist.
- A state is to be looked at, and not to be changed; who wants it as the log has it says `fresh`.
- A log that seems to have lost something is looked after before anything is said of it: see `loss`.

Source: `docs/architecture.md`, "Order of writes" and "On many nodes".
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from interlock.auth import Principal, Verb, may
from interlock.definitions.port import Definitions
from interlock.engine.commands.refusals import no_run, or_unavailable
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
    """What has to be known of a run to say who may do what, and with what; it doesn't change, but for who was named."""

    run_id: str
    workflow_id: str
    version: str | None
    session_id: str
    user_id: str
    assignees: frozenset[str]
    account: str
    namespace: str

    @classmethod
    def of_new(cls, account: str, namespace: str, user_id: str) -> Facts:
        """Those of a run that isn't there yet."""
        return cls("", "", None, "", user_id, frozenset(), account, namespace)


class Runs:
    """The runs there are.

    Args:
        pool: has the states of those that are worked on here.
        on_lost: begins another epoch of a run if its log is lost, and says whether it was.
        is_alone: no other process appends: a head that is there is right.
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
        """The facts of a run that the principal may read.

        Raises:
            Refusal: `run_not_found`, also for a run that isn't the principal's to see; `unavailable`.
        """
        facts = await self.facts(run_id)
        if may(principal, Verb.READ, facts):
            return facts
        # Somebody may have been named since: in the run's pending requirements, or in its row.
        named = await self._named(facts)
        if not may(principal, Verb.READ, named):
            raise no_run(run_id)
        return named

    async def _named(self, facts: Facts) -> Facts:
        row = await or_unavailable(self._store.run(facts.run_id))
        assignees = set(facts.assignees) | set(row.assignees if row else ())
        state = await self.state(facts.run_id)
        for requirement in state.requirements.values():
            assignees.update(requirement.facts.get("assignees") or ())
        facts.assignees = frozenset(assignees)
        return facts

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
        return self.remember(Facts(*of_run, row.account, row.namespace))

    def remember(self, facts: Facts) -> Facts:
        """Keep the facts of a run at hand."""
        self._facts[facts.run_id] = facts
        if len(self._facts) > CACHED_FACTS:
            self._facts.popitem(last=False)
        return facts

    # ── States ──────────────────────────────────────────────────────────────────────────────────────────

    async def state(self, run_id: str, *, fresh: bool = False) -> RunState:
        """The state of a run, to look at and not to change; when `fresh`, as the log has it.

        Raises:
            Refusal: `run_not_found` or `unavailable`.
        """
        state = await or_unavailable(self._pool.fresh_state(run_id) if fresh else self._pool.state(run_id))
        if state is None:
            raise no_run(run_id)
        return state

    async def logged(self, run_id: str) -> RunState:
        """The state of a run as its log has it: `state`, when fresh."""
        return await self.state(run_id, fresh=True)

    async def snapshot(self, run_id: str) -> dict[str, Any]:
        """A `WorkflowRunOutput` that stands for everything in the log so far; its `as_of` says how far that is."""
        state = await self.state(run_id, fresh=True)
        program = await or_unavailable(self._definitions.program_of(state.workflow_id, state.version))
        return snapshot(state.workflow_id if program is None else program.name, state, self._clock.now_ms())

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────

    async def logged_from(self, run_id: str, index: int) -> list[Batch]:
        """A page of a run's log that begins with `index`, or no later; empty at its end.

        Raises:
            LogUnavailable: the log is away.
        """
        return await self._log.read(run_id, index)

    async def last_event(self, head: Head) -> dict[str, Any] | None:
        """The last event of a run, without its index and epoch; None where it isn't kept any more.

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
        """The head of a run that exists, also of one that waits to begin and has none yet.

        A log that has lost what the store knows of begins another epoch first. An end is doubted like anything else: it
        may have been appended to a log that had lost something before it.

        Raises:
            LogUnavailable, StoreUnavailable: neither is known now.
        """
        head = await self._log.head(run_id)
        if (head is None or not self._is_alone) and await self.begin_anew(run_id):
            head = await self._log.head(run_id)
        return head or Head(run_id, FIRST_EPOCH, 0, RunStatus.PENDING, frozenset(), None, 0)

    def suspect(self, run_id: str, epoch: int, next_index: int) -> None:
        """Entries that were told of don't seem to be in the log any more: look, and see to it."""
        if run_id in self._suspected:
            return
        task = asyncio.create_task(self._look_after(run_id, Seen(epoch, next_index)), name=f"suspect {run_id}")
        self._suspected[run_id] = task
        task.add_done_callback(lambda _: self._suspected.pop(run_id))

    async def _look_after(self, run_id: str, seen: Seen) -> None:
        with contextlib.suppress(LogUnavailable, StoreUnavailable, Refusal):  # whoever asks for it next looks again
            await self.begin_anew(run_id, seen)

    @property
    def suspicions(self) -> Sequence[asyncio.Task[None]]:
        """What is being looked after at the moment."""
        return tuple(self._suspected.values())

    async def begin_anew(self, run_id: str, seen: Seen = NOTHING_SEEN) -> bool:
        """Have a run whose log is lost go on in another epoch; whether it was lost."""
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
    ) -> Appended | Refused:
        """Append what isn't the owner's, under the head's conditions; sent again once when the reply was lost.

        What comes to stand before what is known of the log is as good as refused: the log has lost something, and this
        goes with it.

        Args:
            state: what it was decided on.
            key: goes with the entries, so that it is as durable as what was done under it.
        """
        for draft in drafts:
            draft.event["created_at"] = self._clock.now_ms()
        change = effects(draft.event for draft in drafts)
        run_id, known = state.run_id, self._pool.known(state)
        append = Append(
            run_id=run_id,
            append_id=uuid.uuid4().hex,
            entries=[Entry(event_body(draft.event), _private(draft, key)) for draft in drafts],
            expect_next=expect_next,
            resolves=[id_ for draft in drafts for id_ in draft.resolves],
            opens=change.opens,
            status=change.status,
        )
        try:
            appended = await self._log.append(append)
        except LogUnavailable:
            appended = await or_unavailable(self._log.append(append))
        if isinstance(appended, Refused) and appended.reason in (Reason.NO_RUN, Reason.NOT_PENDING):
            await or_unavailable(self.begin_anew(run_id))
        if isinstance(appended, Appended) and Seen(appended.epoch, appended.first_index) < known:
            await or_unavailable(self.begin_anew(run_id, Seen(appended.epoch, MORE_THAN_ANY)))
            return Refused(Reason.TAIL_MOVED)
        return appended


def _private(draft: Draft, key: IdempotencyKey | None) -> bytes | None:
    private = {**(draft.private or {}), **({} if key is None else {"key": key.digest})}
    return to_json(private) if private else None
