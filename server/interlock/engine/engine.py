"""The engine: commands in, runs driven.

Laws:
- A start is durable before it is acknowledged; a decision is in the log and in the audit before it is.
- A command that was begun is finished, also when whoever gave it is gone meanwhile.
- The process that takes a start or a decision drives the run itself when it has room, else whoever has: see `takeover`.
- Every question of permission is asked of `may()`; for whoever may not read a run it doesn't exist.

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import UnusableUserId, check_user_id
from interlock.engine.clock import Clock
from interlock.engine.commands.audit import audit, audited
from interlock.engine.commands.idempotency import OneAtATime, is_of, key_of
from interlock.engine.commands.refusals import forbidden, no_run, no_workflow, reached, unavailable
from interlock.engine.commands.runs import Facts, Runs
from interlock.engine.driving.driver import Ports
from interlock.engine.driving.lost_log import Seen, begin_anew
from interlock.engine.driving.pool import FIRST_EPOCH, Pool
from interlock.engine.driving.rows import audit_of, settlement_of
from interlock.engine.upkeep.outbox import OnPause, PauseRelay
from interlock.engine.upkeep.takeover import Takeover
from interlock.engine.upkeep.timers import Timers
from interlock.engine.work.sessions import Sessions, own_session
from interlock.log.port import Appended, Log, LogUnavailable, Reason, Refused
from interlock.secrets.port import Vault
from interlock.store.port import Decision, IdempotencyKey, NewRun, Outcome, Store, StoreUnavailable
from interlock.telemetry.counters import Counters
from interlock.workflow.decide.decide import Decided, cancel, continued, decide, ended_with, expired, next_timer
from interlock.workflow.decide.merge import Echoed
from interlock.workflow.declare.inputs import checked_input
from interlock.workflow.declare.nodes import Workflow
from interlock.workflow.run.changed_definition import asks_about_definition, definition_changed, fits, stand_in
from interlock.workflow.run.state import RunState
from interlock.workflow.run.walk import TIMEOUT
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.namespaces import home_of
from interlock_protocol.types import RunStatus

T = TypeVar("T")

RACES = 5
"""How often a command is decided anew because others appended meanwhile, before it is called unavailable."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An action that is durable. `first_index` is where its own events begin, None when it caused none."""

    run_id: str
    session_id: str
    epoch: int = 1
    first_index: int | None = None


class Engine:
    """Takes commands and drives runs.

    Args:
        owner: this process's name as an owner of runs, new at each start.
        max_concurrent: how many runs are worked on at a time; the others wait their turn.
        max_log_events: how many events of a run are kept when it pauses or ends; None keeps all.
        clock: the store's time; one of its own by default.
        is_alone: no other server works on these runs: a definition that isn't here is nowhere.
        on_pause: told of each pause; `base_url` is where the links that it gets begin.
        counters: counts what is claimed.
        vault: seals the secrets that people type into forms.
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
        counters: Counters | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._vault = vault
        self.workflows: Mapping[str, Workflow] = {workflow.id: workflow for workflow in workflows}
        self._asking_secrets = frozenset(workflow.id for workflow in workflows if workflow.asks_secrets)
        for workflow in workflows:
            workflow.prepare()
        self.log = log
        self.store = store
        self.clock = clock or Clock()
        self.timers = Timers(store, self.clock, self._expire)
        self._is_alone = is_alone
        self.relay = None if on_pause is None else PauseRelay(store, self.clock, on_pause, self._logged, base_url)
        ports = Ports(
            log, store, self.clock, self.relay, counters or Counters(), vault=vault, max_log_events=max_log_events
        )
        self._traces = ports.traces
        self._expressions = ports.expressions
        on_lost = _nothing_lost if is_alone else partial(begin_anew, log, store, self.clock)
        self._pool = Pool(
            self.workflows,
            ports,
            owner=owner,
            room=max_concurrent,
            on_pause=self._watch,
            on_let_go=self.timers.let_go,
            on_unknown_definition=self._ask_about_definition,
            on_lost=on_lost,
        )
        self.runs = Runs(self.workflows, self._pool, on_lost, is_alone=is_alone)
        self.takeover = Takeover(log, store, self._pool, self.runs.head, is_alone=is_alone)
        self._commands: set[asyncio.Task[Any]] = set()
        self._one_at_a_time = OneAtATime()

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────

    async def stop(self, grace: float) -> None:
        """Stop working; every run stays as its log has it, for the next owner.

        Args:
            grace: how long the steps that run may take to end, in seconds.
        """
        if under_way := {*self._commands, *self.runs.suspicions}:
            await asyncio.wait(under_way, timeout=grace)
        await self._pool.stop(grace)
        await self._expressions.close()

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

    # ── Start ───────────────────────────────────────────────────────────────────────────────────────────

    async def start(self, principal: Principal, message: StartWorkflow) -> Accepted:
        """Accept a run durably, and drive it.

        Raises:
            Refusal: `forbidden`, `workflow_not_found`, `workflow_mismatch`, `conflict` or `unavailable`.
        """
        return await self._in_full(self._start(principal, message))

    async def _start(self, principal: Principal, message: StartWorkflow) -> Accepted:
        owner = self._user_of(principal, message)
        place = Facts.of_new(principal.account, message.namespace or home_of(owner), owner)
        if not may(principal, Verb.START, place):
            raise forbidden(_why_not_started(principal, place.namespace))
        workflow = self.workflows.get(message.workflow_id)
        if workflow is None:
            raise no_workflow(message.workflow_id, self.workflows)
        if message.version is not None and message.version != workflow.version:
            raise Refusal(
                ErrorCode.WORKFLOW_MISMATCH,
                f"Version {message.version!r} isn't served; leave `version` out, or ask for {workflow.version!r}.",
            )
        if self.log.is_away:  # it could be kept, but nobody knows until when it wouldn't begin
            raise unavailable("The server can't reach its log at the moment; send it again in a while.")
        run_id = f"run-{uuid.uuid4().hex}"
        run = NewRun(
            run_id=run_id,
            workflow_id=workflow.id,
            version=workflow.version,
            fingerprint=workflow.fingerprint,
            session_id=message.session_id or own_session(run_id),
            user_id=owner,
            input=checked_input(workflow, message.message),
            created_at=self.clock.now_ms(),
            account=place.account,
            namespace=place.namespace,
        )
        earlier = await reached(self.store.create_run(run, key_of(principal, message)))
        if earlier is not None:
            return await self._as_before(earlier, principal, message)
        self._traces.remember(run.run_id)
        self.runs.remember(replace(place, run_id=run_id, workflow_id=run.workflow_id, session_id=run.session_id))
        self._pool.begin(
            RunState(
                run.run_id,
                run.workflow_id,
                run.session_id,
                run.user_id,
                run.input,
                run.version,
                run.fingerprint,
                account=run.account,
                namespace=run.namespace,
            )
        )
        return Accepted(run.run_id, run.session_id, FIRST_EPOCH, 0)

    def _user_of(self, principal: Principal, message: StartWorkflow) -> str:
        """Whose run it is: the principal's, or, when an admin says so, another user's."""
        if message.user_id is None or not may(principal, Verb.ACT_FOR):
            return principal.user_id
        try:
            return check_user_id(message.user_id)
        except UnusableUserId as error:
            sentence = f"`user_id` can't be one; leave it out or give a plain name. {error}"
            details = [{"field": "user_id", "error": str(error)}]
            raise Refusal(ErrorCode.INVALID_MESSAGE, sentence, details=details) from None

    async def _as_before(self, earlier: Outcome, principal: Principal, message: Any) -> Accepted:
        """The first outcome of an idempotency key, or `conflict` when it was used for something else."""
        if not is_of(earlier.fingerprint, message, self._vault):
            raise Refusal(
                ErrorCode.CONFLICT,
                "This idempotency_key was used with another message; use a new key for a new request.",
                run_id=earlier.run_id,
            )
        facts = await self.runs.readable(principal, earlier.run_id)
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
        key = key_of(principal, message, self._vault if facts.workflow_id in self._asking_secrets else None)
        async with self._one_at_a_time(key):
            if (earlier := await self._outcome(key)) is not None:
                return await self._as_before(earlier, principal, message)
            state = await self.runs.state(facts.run_id)
            workflow = self._definition(facts, state)
            if workflow is None:
                await self._refuse_strange(state, message)
                workflow = stand_in(facts.workflow_id)
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
                state = await self.runs.state(facts.run_id, fresh=True)
        raise unavailable("Others decide on this run at the same time; send it again.", facts.run_id)

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
        appended = await self.runs.append(state, drafts, key=key)
        if isinstance(appended, Refused):
            return None
        if not appended.owned:
            self._pool.dispatch(run_id)
        rows = audit(decided, drafts[: len(decided)], appended)
        if not await self._record(run_id, appended.epoch, rows, key):
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
        earlier = await reached(audited(self.log, self.store, workflow, state, [each.id for each in echoed if each.id]))

        def may_decide(requirement: Mapping[str, Any]) -> bool:
            return may(principal, Verb.DECIDE, facts, _Named(requirement.get("assignees")))

        return decide(workflow, state, echoed, may_decide=may_decide, seen=seen, audited=earlier, vault=self._vault)

    async def _is_behind(self, state: RunState) -> bool:
        head = await reached(self.log.head(state.run_id))
        return head is not None and (state.epoch, state.next_index) < (head.epoch, head.next_index)

    async def _record(self, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None) -> bool:
        """Write down what was done in an epoch; False when it was lost with that, and another has begun since."""
        if await reached(self.store.record(run_id, epoch, decisions, key)):
            return True
        await reached(self.runs.begin_anew(run_id))  # if whoever was about to has died
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
        facts = await self.runs.facts(run_id)
        for _ in range(RACES):
            state = await self.runs.state(run_id)
            workflow = self._definition(facts, state)
            if workflow is None:
                return await self._ask_about_definition(state)
            decided = expired(state, self.clock.now_ms())
            if not decided:
                # By an earlier look, perhaps, that didn't come to write its audit.
                await self._record(run_id, state.epoch, audit_of(state), None)
                break
            drafts = continued(workflow, state, decided, resolved_by=TIMEOUT, now=self.clock.now_ms())
            appended = await self.runs.append(state, drafts)
            if isinstance(appended, Appended):
                rows = audit(decided, drafts, appended)
                if await self._record(run_id, appended.epoch, rows, None):
                    break
            await self.runs.state(run_id, fresh=True)
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
            raise forbidden("Only the run's owner, with the scope workflows:execute, cancels it.", facts.run_id)
        key = key_of(principal, message)
        async with self._one_at_a_time(key):
            if (earlier := await self._outcome(key)) is not None:
                return await self._as_before(earlier, principal, message)
            return await self._cancelled(facts, principal, message, key)

    async def _cancelled(
        self, facts: Facts, principal: Principal, message: CancelWorkflow, key: IdempotencyKey | None
    ) -> Accepted:
        workflow = self.workflows.get(facts.workflow_id) or stand_in(facts.workflow_id)
        for _ in range(RACES):
            # As the log has it: a driver's state may be ahead of it.
            state = await self.runs.state(facts.run_id, fresh=True)
            drafts = cancel(workflow, state, reason=message.reason, cancelled_by=principal.user_id)
            if not drafts:
                await self._settle(facts.run_id)
                if await self._record(facts.run_id, state.epoch, (), key):
                    return Accepted(facts.run_id, facts.session_id)
                continue
            # A run that hasn't begun begins with its end; if it has begun meanwhile, that is refused.
            expect_next = 0 if state.status is RunStatus.PENDING else None
            await reached(self._pool.mark_unsettled(state))
            appended = await self.runs.append(state, drafts, expect_next=expect_next)
            if isinstance(appended, Appended):
                await self._settle(facts.run_id)
                if await self._record(facts.run_id, appended.epoch, (), key):
                    return Accepted(facts.run_id, facts.session_id, appended.epoch, appended.first_index)
            elif appended.reason is Reason.NO_RUN:  # it still waits for its turn
                await reached(self._pool.make_head(facts.run_id))
        self._pool.dispatch(facts.run_id)
        raise unavailable("The run is just beginning; send it again.", facts.run_id)

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
        facts = await self.runs.readable(principal, message.run_id)
        if message.workflow_id != facts.workflow_id:
            raise Refusal(
                ErrorCode.WORKFLOW_MISMATCH,
                f"The run is one of {facts.workflow_id!r}, not of {message.workflow_id!r}; correct workflow_id.",
                run_id=facts.run_id,
            )
        if message.session_id is not None and message.session_id != facts.session_id:
            raise no_run(facts.run_id)
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
            workflow = self.workflows.get(state.workflow_id)
            await Sessions(self.store, state).save(state)
            await self.runs.append(
                state, definition_changed(workflow, state, self.clock.now_ms()), expect_next=state.next_index
            )
            state = await self.runs.state(state.run_id, fresh=True)
        # Its timers wait with it.
        waits = settlement_of(state, self.clock.now_ms(), with_snapshot=True)
        await self.store.settle(replace(waits, next_timer=None))

    async def _refuse_strange(self, state: RunState, message: ContinueWorkflow) -> None:
        """In a run whose definition isn't here, only what becomes of it can be decided."""
        question, answers = asks_about_definition(state), message.error_requirements
        if question is not None and answers and not message.step_requirements:
            return  # whatever else it answers is refused as not found
        await self._ask_about_definition(state)
        raise unavailable(
            "This run's place in its workflow isn't there any more; decide its error requirement, or serve the earlier "
            "definition again.",
            state.run_id,
        )

    async def _outcome(self, key: IdempotencyKey | None) -> Outcome | None:
        if key is None:
            return None
        return await reached(self.store.outcome(key.user_id, key.key, account=key.account))

    async def _logged(self, run_id: str) -> RunState:
        return await self.runs.logged(run_id)


@dataclass(frozen=True, slots=True)
class _Named:
    """What `may` has to know of a requirement."""

    assignees: Sequence[str] | None


def _why_not_started(principal: Principal, namespace: str) -> str:
    if not may(principal, Verb.START):
        return "Starting workflows needs the scope workflows:execute."
    return f"The namespace {namespace!r} isn't one of yours; leave `namespace` out, or name one that is."


async def _nothing_lost(run_id: str, seen: Seen) -> bool:
    """Of a log that nobody else writes to, in a database that keeps what it was given."""
    return False
