"""The engine: commands in, runs driven.

Laws:
- A start is durable before it is acknowledged; a decision is in the log and in the audit before it is.
- A command that was begun is finished, also when whoever gave it is gone meanwhile.
- The process that takes a start or a decision drives the run itself when it has room, else whoever has: see `sweep`.
- Every question of permission is asked of `may()`; for whoever may not read a run it doesn't exist.

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import is_user_id
from interlock.engine.audit import audit, paused_in, resolution_of, resolved_tools, tools_of
from interlock.engine.clock import Clock
from interlock.engine.driver import Ports
from interlock.engine.journal import now_ms
from interlock.engine.loss import MORE_THAN_ANY, NOTHING_SEEN, Seen, begin_anew
from interlock.engine.notices import Notices, OnPause
from interlock.engine.pool import FIRST_EPOCH, Pool
from interlock.engine.rows import audit_of, settlement_of
from interlock.engine.sessions import Sessions, own_session
from interlock.engine.sweep import Sweep
from interlock.engine.timers import Timers
from interlock.log.port import Append, Appended, Entry, Head, Log, LogUnavailable, Reason, Refused
from interlock.meter import Meter
from interlock.store.port import Decision, IdempotencyKey, NewRun, Outcome, Store, StoreUnavailable
from interlock.workflow.decide import Decided, cancel, continued, decide, ended_with, expired, next_timer
from interlock.workflow.declaration import Workflow
from interlock.workflow.definitions import asks_about_definition, definition_changed, fits
from interlock.workflow.events import Draft, effects
from interlock.workflow.merge import Echoed
from interlock.workflow.outputs import snapshot
from interlock.workflow.state import Resolution, RunState
from interlock.workflow.walk import TIMEOUT
from interlock_protocol.codec import event_body
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.types import JsonValue, RunStatus

T = TypeVar("T")

CACHED_FACTS = 4096
LOOKED_BACK = 4096
"""How many events before a late click's decision its pause is looked for; beyond, it isn't found."""

RACES = 5
"""How often a command is decided anew because others appended meanwhile, before it is called unavailable."""


@dataclass(slots=True)
class Facts:
    """What has to be known of a run to say who may do what; it doesn't change, but for who was named."""

    run_id: str
    workflow_id: str
    session_id: str
    user_id: str
    assignees: frozenset[str]


@dataclass(frozen=True, slots=True)
class Accepted:
    """An action that is durable. `first_index` is where its own events begin, None when it caused none."""

    run_id: str
    session_id: str
    epoch: int = 1
    first_index: int | None = None


@dataclass(slots=True)
class _Turn:
    """The commands of one idempotency key that are under way, and how many they are."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Engine:
    """Takes commands and drives runs.

    Args:
        owner: this process's name as an owner of runs, new at each start.
        max_concurrent: how many runs are worked on at a time; the others wait their turn.
        max_log_events: how many events of a run are kept when it pauses or ends; None keeps all.
        clock: the store's time; one of its own by default.
        is_alone: no other server works on these runs: a definition that isn't here is nowhere.
        on_pause: told of each pause; `base_url` is where the links that it gets begin.
        meter: counts what is claimed.
    """

    def __init__(
        self,
        workflows: Sequence[Workflow],
        log: Log,
        store: Store,
        *,
        owner: str,
        max_concurrent: int = 1000,
        max_log_events: int | None = None,
        clock: Clock | None = None,
        on_pause: OnPause | None = None,
        base_url: str = "",
        is_alone: bool = False,
        meter: Meter | None = None,
    ) -> None:
        self.workflows: Mapping[str, Workflow] = {workflow.id: workflow for workflow in workflows}
        self.log = log
        self.store = store
        self.clock = clock or Clock()
        self.timers = Timers(store, self.clock, self._expire)
        self._is_alone = is_alone
        self.notices = None if on_pause is None else Notices(store, self.clock, on_pause, self._logged_state, base_url)
        ports = Ports(log, store, self.clock, self.notices, meter or Meter(), max_log_events=max_log_events)
        self._traces = ports.traces
        self._pool = Pool(
            self.workflows,
            ports,
            owner=owner,
            room=max_concurrent,
            on_pause=self._watch,
            on_let_go=lambda run_id: self.timers.watch(run_id, None),
            on_strange=self._ask_about_definition,
            on_lost=self._begin_anew,
        )
        self.sweep = Sweep(log, store, self._pool, self.head, is_alone=is_alone)
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._commands: set[asyncio.Task[Any]] = set()
        self._suspected: set[str] = set()
        self._turns: dict[tuple[str, str], _Turn] = {}

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self, grace: float) -> None:
        """Stop working; every run stays as its log has it, for the next owner.

        Args:
            grace: how long the steps that run may take to end, in seconds.
        """
        if self._commands:
            await asyncio.wait(self._commands, timeout=grace)
        await self._pool.stop(grace)

    async def _in_full(self, command: Coroutine[Any, Any, T]) -> T:
        """Carry out a command to its end, whatever becomes of the caller."""
        task = asyncio.create_task(command)
        self._commands.add(task)
        task.add_done_callback(self._commanded)
        return await asyncio.shield(task)

    def _commanded(self, task: asyncio.Task[Any]) -> None:
        self._commands.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, also when whoever gave the command is gone and doesn't ask

    @contextlib.asynccontextmanager
    async def _one_at_a_time(self, key: IdempotencyKey | None) -> AsyncIterator[None]:
        """Commands of one idempotency key wait for each other: the second finds what became of the first."""
        if key is None:
            yield
            return
        turn = self._turns.setdefault((key.user_id, key.key), _Turn())
        turn.waiting += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[key.user_id, key.key]

    # ── Start ───────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, principal: Principal, message: StartWorkflow) -> Accepted:
        """Accept a run durably, and drive it.

        Raises:
            Refusal: `forbidden`, `workflow_not_found`, `workflow_mismatch`, `conflict` or `unavailable`.
        """
        return await self._in_full(self._start(principal, message))

    async def _start(self, principal: Principal, message: StartWorkflow) -> Accepted:
        if not may(principal, Verb.START):
            raise _forbidden("Starting workflows needs the scope workflows:execute.")
        workflow = self.workflows.get(message.workflow_id)
        if workflow is None:
            raise _no_workflow(message.workflow_id, self.workflows)
        if message.version is not None and message.version != workflow.version:
            raise Refusal(
                ErrorCode.WORKFLOW_MISMATCH,
                f"Version {message.version!r} isn't served; leave `version` out, or ask for {workflow.version!r}.",
            )
        if self.log.is_away:  # it could be kept, but nobody knows until when it wouldn't begin
            raise _unavailable("The server can't reach its log at the moment; send it again in a while.")
        run_id = f"run-{uuid.uuid4().hex}"
        run = NewRun(
            run_id=run_id,
            workflow_id=workflow.id,
            version=workflow.version,
            fingerprint=workflow.fingerprint,
            session_id=message.session_id or own_session(run_id),
            user_id=self._user_of(principal, message),
            input=_checked_input(workflow, message.message),
            created_at=now_ms(),
        )
        earlier = await _reached(self.store.create_run(run, _key(principal, message)))
        if earlier is not None:
            return await self._as_before(earlier, principal, message)
        self._traces.remember(run.run_id)
        self._remember(Facts(run.run_id, run.workflow_id, run.session_id, run.user_id, frozenset()))
        self._pool.begin(
            RunState(run.run_id, run.workflow_id, run.session_id, run.user_id, run.input, run.version, run.fingerprint)
        )
        return Accepted(run.run_id, run.session_id, FIRST_EPOCH, 0)

    def _user_of(self, principal: Principal, message: StartWorkflow) -> str:
        """Whose run it is: the principal's, or, when an admin says so, another user's."""
        if message.user_id is None or not may(principal, Verb.ACT_FOR):
            return principal.user_id
        if not is_user_id(message.user_id):
            raise Refusal(ErrorCode.INVALID_MESSAGE, "`user_id` isn't a user id; leave it out or give a plain name.")
        return message.user_id

    async def _as_before(self, earlier: Outcome, principal: Principal, message: Any) -> Accepted:
        """The first outcome of an idempotency key, or `conflict` when it was used for something else."""
        if earlier.fingerprint != _fingerprint(message):
            raise Refusal(
                ErrorCode.CONFLICT,
                "This idempotency_key was used with another message; use a new key for a new request.",
                run_id=earlier.run_id,
            )
        facts = await self.facts(earlier.run_id)
        return Accepted(facts.run_id, facts.session_id)

    # ── Continue ────────────────────────────────────────────────────────────────────────────────────────

    async def continue_run(
        self, principal: Principal, message: ContinueWorkflow, *, seen: int | None = None
    ) -> Accepted:
        """Apply decisions, whole or not at all.

        Args:
            seen: on a connection that follows the run, the index up to (not including) which it was sent events.

        Raises:
            Refusal: as `decide` says, or `run_not_found`, `workflow_mismatch`, `conflict`, `unavailable`.
        """
        return await self._in_full(self._continue(principal, message, seen))

    async def _continue(self, principal: Principal, message: ContinueWorkflow, seen: int | None) -> Accepted:
        facts = await self._asked_of(principal, message)
        key = _key(principal, message)
        async with self._one_at_a_time(key):
            if (earlier := await self._outcome(key)) is not None:
                return await self._as_before(earlier, principal, message)
            state = await self.state(facts.run_id)
            workflow = self._definition(facts, state)
            if workflow is None:
                await self._refuse_strange(state, message)
                workflow = _stand_in(facts.workflow_id)
            for looks in range(RACES):
                is_known = key is not None and key.digest in state.applied_keys
                try:
                    decided = () if is_known else await self._decided(workflow, state, principal, message, facts, seen)
                except Refusal:
                    # What is kept here may be behind the log, where another process drives the run; a fresh look isn't.
                    if looks or not await self._is_behind(state):
                        raise
                else:
                    if decided:
                        accepted = await self._decide(workflow, state, decided, principal, key)
                    else:
                        accepted = await self._decided_before(state, key)
                    if accepted is not None:
                        return accepted
                state = await self.state(facts.run_id, fresh=True)
        raise _unavailable("Others decide on this run at the same time; send it again.", facts.run_id)

    async def _decide(
        self,
        workflow: Workflow,
        state: RunState,
        decided: Sequence[Decided],
        principal: Principal,
        key: IdempotencyKey | None,
    ) -> Accepted | None:
        """Append decisions and write them down; None when others were faster, or the log was lost meanwhile."""
        run_id = state.run_id
        drafts = continued(workflow, state, decided, resolved_by=principal.user_id, now=self.clock.now_ms())
        drafts += ended_with(workflow, state, decided, principal.user_id)
        self._traces.remember(run_id)
        appended = await self._append(state, drafts, key=key)
        if isinstance(appended, Refused):
            return None
        if not appended.owned:
            self._pool.dispatch(run_id)
        audited = audit(decided, drafts[: len(decided)], appended)
        if not await self._record(run_id, appended.epoch, audited, key):
            return None
        return Accepted(run_id, state.session_id, appended.epoch, appended.first_index)

    async def _decided_before(self, state: RunState, key: IdempotencyKey | None) -> Accepted | None:
        """A repetition changes nothing, but mends what a process that died after its append left undone.

        None when what is kept here is of an epoch that was lost meanwhile: what was decided in it, may not be.
        """
        if not await self._record(state.run_id, state.epoch, audit_of(state), key):
            return None
        if state.status is RunStatus.RUNNING:
            self._pool.dispatch(state.run_id)
        return Accepted(state.run_id, state.session_id)

    async def _decided(
        self,
        workflow: Workflow,
        state: RunState,
        principal: Principal,
        message: ContinueWorkflow,
        facts: Facts,
        seen: int | None,
    ) -> tuple[Decided, ...]:
        echoed: list[Echoed] = [*(message.step_requirements or ()), *(message.error_requirements or ())]
        audited = await self._audited(workflow, state, [each.id for each in echoed if each.id])

        def may_decide(requirement: Mapping[str, Any]) -> bool:
            return may(principal, Verb.DECIDE, facts, _Named(requirement.get("assignees")))

        return decide(workflow, state, echoed, may_decide=may_decide, seen=seen, audited=audited)

    async def _is_behind(self, state: RunState) -> bool:
        head = await _reached(self.log.head(state.run_id))
        return head is not None and (state.epoch, state.next_index) < (head.epoch, head.next_index)

    async def _audited(self, workflow: Workflow, state: RunState, ids: Sequence[str]) -> dict[str, Resolution]:
        """Resolutions that the state no longer keeps."""
        known = {*state.requirements, *(each.requirement.id for each in state.resolved.values())}
        found: dict[str, Resolution] = {}
        for id_ in ids:
            # PostgreSQL's text holds no NUL; no id of ours has one.
            if id_ in known or "\x00" in id_:
                continue
            decision = await _reached(self.store.decision(state.run_id, id_))
            resolution = None
            if decision is not None:
                batches = await _reached(self.log.read(state.run_id, decision.event_index, max_bytes=1))
                resolution = resolution_of(workflow, state, decision, batches)
            resolution = resolution or await self._audited_tools(state.run_id, id_)
            if resolution is not None:
                found[id_] = resolution
        return found

    async def _audited_tools(self, run_id: str, requirement_id: str) -> Resolution | None:
        """The resolution of an agent's requirement, whose tools are decided one by one."""
        made = tools_of(await _reached(self.store.decisions(run_id)), requirement_id)
        if not made:
            return None
        place, end = max(0, made[0].event_index - LOOKED_BACK), made[0].event_index
        while place < end and (batches := await _reached(self.log.read(run_id, place))):
            if (requirement := paused_in(batches, requirement_id)) is not None:
                return resolved_tools(requirement, made)
            place = batches[-1].next_index
        return None

    async def _record(self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None) -> bool:
        """Write down what was done in an epoch; False when it was lost with that, and another has begun since."""
        if await _reached(self.store.record(run_id, epoch, decisions, key)):
            return True
        await _reached(self.begin_anew(run_id))  # if whoever was about to has died
        return False

    # ── Timeouts ────────────────────────────────────────────────────────────────────────────────────────

    def clock_moved(self) -> None:
        """The clock was moved, by a test: what waits for a time looks at it again."""
        self.timers.poke()
        self._pool.wake()

    def _watch(self, state: RunState) -> None:
        self.timers.watch(state.run_id, next_timer(state))

    async def _expire(self, run_id: str) -> None:
        """Resolve what nobody has decided in time."""
        facts = await self.facts(run_id)
        for _ in range(RACES):
            state = await self.state(run_id)
            workflow = self._definition(facts, state)
            if workflow is None:
                return await self._ask_about_definition(state)
            decided = expired(state, self.clock.now_ms())
            if not decided:
                break
            drafts = continued(workflow, state, decided, resolved_by=TIMEOUT, now=self.clock.now_ms())
            appended = await self._append(state, drafts)
            if isinstance(appended, Appended):
                audited = audit(decided, drafts, appended)
                if await self._record(run_id, appended.epoch, audited, None):
                    break
            await self.state(run_id, fresh=True)
        else:
            self._watch(state)
        return self._pool.dispatch(run_id)  # to go on, or to have its row say when the next timer is due

    # ── Cancel ──────────────────────────────────────────────────────────────────────────────────────────

    async def cancel_run(self, principal: Principal, message: CancelWorkflow) -> Accepted:
        """End a run as CANCELLED; a cancelled one again changes nothing.

        Raises:
            Refusal: `run_not_found`, `workflow_mismatch`, `forbidden`, `run_finished`, `conflict`, `unavailable`.
        """
        return await self._in_full(self._cancel(principal, message))

    async def _cancel(self, principal: Principal, message: CancelWorkflow) -> Accepted:
        facts = await self._asked_of(principal, message)
        if not may(principal, Verb.CANCEL, facts):
            raise _forbidden("Only the run's owner, with the scope workflows:execute, cancels it.", facts.run_id)
        key = _key(principal, message)
        async with self._one_at_a_time(key):
            if (earlier := await self._outcome(key)) is not None:
                return await self._as_before(earlier, principal, message)
            return await self._cancelled(facts, principal, message, key)

    async def _cancelled(
        self, facts: Facts, principal: Principal, message: CancelWorkflow, key: IdempotencyKey | None
    ) -> Accepted:
        workflow = self.workflows.get(facts.workflow_id) or _stand_in(facts.workflow_id)
        for _ in range(RACES):
            # As the log has it: a driver's state may be ahead of it.
            state = await self.state(facts.run_id, fresh=True)
            drafts = cancel(workflow, state, reason=message.reason, cancelled_by=principal.user_id)
            if not drafts:
                await self._settle(facts.run_id)
                if await self._record(facts.run_id, state.epoch, (), key):
                    return Accepted(facts.run_id, facts.session_id)
                continue
            # A run that hasn't begun begins with its end; if it has begun meanwhile, that is refused.
            expect_next = 0 if state.status is RunStatus.PENDING else None
            await _reached(self._pool.mark_unsettled(state))
            appended = await self._append(state, drafts, expect_next=expect_next)
            if isinstance(appended, Appended):
                await self._settle(facts.run_id)
                if await self._record(facts.run_id, appended.epoch, (), key):
                    return Accepted(facts.run_id, facts.session_id, appended.epoch, appended.first_index)
            elif appended.reason is Reason.NO_RUN:  # it still waits for its turn
                await _reached(self._pool.make_head(facts.run_id))
        self._pool.dispatch(facts.run_id)
        raise _unavailable("The run is just beginning; send it again.", facts.run_id)

    async def _settle(self, run_id: str) -> None:
        """Write the row of a run that was cancelled: here, or, when its driver does or storage is away, in its turn."""
        if run_id in self._pool.working_on:
            self._pool.dispatch(run_id)
            return
        try:
            await self._pool.settle_ended(run_id)
        except (LogUnavailable, StoreUnavailable):
            self._pool.dispatch(run_id)

    # ── What commands need ──────────────────────────────────────────────────────────────────────────────

    async def _asked_of(self, principal: Principal, message: ContinueWorkflow | CancelWorkflow) -> Facts:
        """The run a message names, if the principal may know of it, and the message means that run."""
        facts = await self.readable(principal, message.run_id)
        if message.workflow_id != facts.workflow_id:
            raise Refusal(
                ErrorCode.WORKFLOW_MISMATCH,
                f"The run is one of {facts.workflow_id!r}, not of {message.workflow_id!r}; correct workflow_id.",
                run_id=facts.run_id,
            )
        if message.session_id is not None and message.session_id != facts.session_id:
            raise _no_run(facts.run_id)
        return facts

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
            raise _no_run(run_id)
        return named

    async def _named(self, facts: Facts) -> Facts:
        row = await _reached(self.store.run(facts.run_id))
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
        row = await _reached(self.store.run(run_id))
        if row is None:
            raise _no_run(run_id)
        facts = Facts(row.run_id, row.workflow_id, row.session_id, row.user_id, frozenset(row.assignees))
        return self._remember(facts)

    def _remember(self, facts: Facts) -> Facts:
        self._facts[facts.run_id] = facts
        if len(self._facts) > CACHED_FACTS:
            self._facts.popitem(last=False)
        return facts

    def _definition(self, facts: Facts, state: RunState) -> Workflow | None:
        """The definition that a run goes on in; None when it isn't here."""
        workflow = self.workflows.get(facts.workflow_id)
        return None if workflow is None or not fits(workflow, state) else workflow

    async def _ask_about_definition(self, state: RunState) -> None:
        """Have a person say what becomes of a run whose place is gone everywhere (`definition_changed`)."""
        if not self._is_alone or state.status.is_final or state.status is RunStatus.PENDING:
            return
        if asks_about_definition(state) is None:
            await Sessions(self.store, state).save(state)
            await self._append(state, definition_changed(state, now_ms()), expect_next=state.next_index)
            state = await self.state(state.run_id, fresh=True)
        # Its timers wait with it.
        await self.store.settle(replace(settlement_of(state, with_snapshot=True), next_timer=None))

    async def _refuse_strange(self, state: RunState, message: ContinueWorkflow) -> None:
        """In a run whose definition isn't here, only what becomes of it can be decided."""
        question, answers = asks_about_definition(state), message.error_requirements
        if question is not None and answers and not message.step_requirements:
            return  # whatever else it answers is refused as not found
        await self._ask_about_definition(state)
        raise _unavailable(
            "This run's place in its workflow isn't there any more; decide its error requirement, or serve the earlier "
            "definition again.",
            state.run_id,
        )

    async def _outcome(self, key: IdempotencyKey | None) -> Outcome | None:
        return None if key is None else await _reached(self.store.outcome(key.user_id, key.key))

    async def _append(
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
            draft.event["created_at"] = now_ms()
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
            appended = await self.log.append(append)
        except LogUnavailable:
            appended = await _reached(self.log.append(append))
        if isinstance(appended, Refused) and appended.reason in (Reason.NO_RUN, Reason.NOT_PENDING):
            await _reached(self.begin_anew(run_id))
        if isinstance(appended, Appended) and Seen(appended.epoch, appended.first_index) < known:
            await _reached(self.begin_anew(run_id, Seen(appended.epoch, MORE_THAN_ANY)))
            return Refused(Reason.TAIL_MOVED)
        return appended

    # ── Loss ────────────────────────────────────────────────────────────────────────────────────────────

    async def head(self, run_id: str) -> Head:
        """The head of a run that exists, also of one that waits to begin and has none yet.

        A log that has lost what the store knows of begins another epoch first. An end is doubted like anything else: it
        may have been appended to a log that had lost something before it.

        Raises:
            LogUnavailable, StoreUnavailable: neither is known now.
        """
        head = await self.log.head(run_id)
        if (head is None or not self._is_alone) and await self.begin_anew(run_id):
            head = await self.log.head(run_id)
        return head or Head(run_id, FIRST_EPOCH, 0, RunStatus.PENDING, frozenset(), None, 0)

    def suspect(self, run_id: str, epoch: int, next_index: int) -> None:
        """Entries that were told of don't seem to be in the log any more: look, and see to it."""
        if run_id in self._suspected:
            return
        self._suspected.add(run_id)
        task = asyncio.create_task(self._look_after(run_id, Seen(epoch, next_index)))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)

    async def _look_after(self, run_id: str, seen: Seen) -> None:
        try:
            with contextlib.suppress(LogUnavailable, StoreUnavailable, Refusal):  # whoever asks for it next looks again
                await self.begin_anew(run_id, seen)
        finally:
            self._suspected.discard(run_id)

    async def begin_anew(self, run_id: str, seen: Seen = NOTHING_SEEN) -> bool:
        """Have a run whose log is lost go on in another epoch; whether it was lost."""
        if not await self._begin_anew(run_id, seen):
            return False
        self._pool.forget(run_id)
        self._pool.dispatch(run_id)
        return True

    async def _begin_anew(self, run_id: str, seen: Seen) -> bool:
        return not self._is_alone and await begin_anew(self.log, self.store, run_id, seen)

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────

    async def state(self, run_id: str, *, fresh: bool = False) -> RunState:
        """The state of a run, to look at and not to change; when `fresh`, as the log has it.

        Raises:
            Refusal: `run_not_found` or `unavailable`.
        """
        state = await _reached(self._pool.fresh_state(run_id) if fresh else self._pool.state(run_id))
        if state is None:
            raise _no_run(run_id)
        return state

    async def _logged_state(self, run_id: str) -> RunState:
        return await self.state(run_id, fresh=True)

    async def snapshot(self, run_id: str) -> dict[str, Any]:
        """A `WorkflowRunOutput` that stands for everything in the log so far; its `as_of` says how far that is."""
        state = await self.state(run_id, fresh=True)
        workflow = self.workflows.get(state.workflow_id)
        return snapshot(state.workflow_id if workflow is None else workflow.name, state, now_ms())


@dataclass(frozen=True, slots=True)
class _Named:
    """What `may` has to know of a requirement."""

    assignees: Sequence[str] | None


async def _reached(awaitable: Awaitable[T]) -> T:
    """The result, or the refusal `unavailable` when the log or the database can't be reached."""
    try:
        return await awaitable
    except (LogUnavailable, StoreUnavailable) as error:
        raise _unavailable("The server can't reach its storage at the moment; send it again in a while.") from error


def _key(principal: Principal, message: StartWorkflow | ContinueWorkflow | CancelWorkflow) -> IdempotencyKey | None:
    if message.idempotency_key is None:
        return None
    return IdempotencyKey(principal.user_id, message.idempotency_key, _fingerprint(message))


def _fingerprint(message: StartWorkflow | ContinueWorkflow | CancelWorkflow) -> str:
    """A hash of what a message asks for: all of it but its correlation id."""
    body = message.model_dump(mode="json", exclude={"request_id", "idempotency_key"})
    return hashlib.blake2b(to_json(body), digest_size=16).hexdigest()


def _private(draft: Draft, key: IdempotencyKey | None) -> bytes | None:
    private = {**(draft.private or {}), **({} if key is None else {"key": key.digest})}
    return to_json(private) if private else None


def _stand_in(workflow_id: str) -> Workflow:
    """A workflow that has only its name, for runs whose definition is gone."""
    return Workflow(workflow_id, steps=[lambda _: None])


def _checked_input(workflow: Workflow, message: JsonValue) -> JsonValue:
    """The run's input: the message, checked against what the workflow declares, with its defaults.

    Raises:
        Refusal: `invalid_message`.
    """
    model = workflow.input_schema
    if model is None:
        return message
    try:
        given = model.model_validate(message)
        checked: JsonValue = given.model_dump(mode="json", by_alias=True, round_trip=True)
        is_kept = model.model_validate(checked) == given
    except ValidationError as error:
        details = [
            {"field": ".".join(("message", *map(str, each["loc"]))), "error": each["msg"]} for each in error.errors()
        ]
        sentence = f"`message` isn't what workflow {workflow.id!r} needs: {details[0]['field']}: {details[0]['error']}"
        raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=details) from None
    if not is_kept:
        raise Refusal(
            ErrorCode.INVALID_MESSAGE,
            f"The input_schema of workflow {workflow.id!r} can't be written as JSON and read back (a secret, perhaps); "
            "whoever declared it has to change that.",
        )
    return checked


# ── Refusals ────────────────────────────────────────────────────────────────────────────────────────────


def _forbidden(sentence: str, run_id: str | None = None) -> Refusal:
    return Refusal(ErrorCode.FORBIDDEN, sentence, run_id=run_id)


def _unavailable(sentence: str, run_id: str | None = None) -> Refusal:
    return Refusal(ErrorCode.UNAVAILABLE, sentence, run_id=run_id)


def _no_run(run_id: str) -> Refusal:
    return Refusal(ErrorCode.RUN_NOT_FOUND, "There is no such run; check run_id (and session_id).", run_id=run_id)


def _no_workflow(workflow_id: str, served: Mapping[str, Workflow]) -> Refusal:
    known = ", ".join(sorted(served))
    return Refusal(
        ErrorCode.WORKFLOW_NOT_FOUND, f"There is no workflow {workflow_id!r} here; this server has: {known}."
    )
