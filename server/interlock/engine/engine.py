"""The engine: commands in, runs driven.

Laws:
- A start is durable before it is acknowledged; a decision is in the log and in the audit before it is.
- A command that was begun is finished, also when whoever gave it is gone meanwhile.
- The process that takes a start or a decision drives the run itself when it has room, else when it has. A run that
  stays without an owner is taken up by the sweep.
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
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic_core import to_json

from interlock.auth import Principal, Verb, may
from interlock.auth.principal import is_user_id
from interlock.engine.driver import audit_of
from interlock.engine.journal import now_ms
from interlock.engine.pool import FIRST_EPOCH, Pool
from interlock.log.port import Append, Appended, Batch, Entry, Log, LogUnavailable, Reason, Refused
from interlock.store.port import Decision, IdempotencyKey, NewRun, Outcome, Store, StoreUnavailable
from interlock.workflow.advance import snapshot
from interlock.workflow.decide import Decided, cancel, continued, decide
from interlock.workflow.declaration import Workflow
from interlock.workflow.events import Draft, effects
from interlock.workflow.requirements import requirement_facts
from interlock.workflow.scope import Scope, place_at
from interlock.workflow.state import Requirement, Resolution, RunState
from interlock_protocol.codec import event_body, read_body
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import CancelWorkflow, ContinueWorkflow, StartWorkflow
from interlock_protocol.types import RunStatus

T = TypeVar("T")

CACHED_FACTS = 4096
RACES = 5
"""How often a command is decided anew because others appended meanwhile, before it is called unavailable."""


@dataclass(slots=True)
class Facts:
    """What has to be known of a run to say who may do what; it doesn't change, but for who was named."""

    run_id: str
    workflow_id: str
    session_id: str
    user_id: str
    fingerprint: str
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
    """

    def __init__(
        self, workflows: Sequence[Workflow], log: Log, store: Store, *, owner: str, max_concurrent: int = 1000
    ) -> None:
        self.workflows: Mapping[str, Workflow] = {workflow.id: workflow for workflow in workflows}
        self.log = log
        self.store = store
        self._pool = Pool(self.workflows, log, store, owner=owner, room=max_concurrent)
        self._facts: OrderedDict[str, Facts] = OrderedDict()
        self._commands: set[asyncio.Task[Any]] = set()
        self._turns: dict[tuple[str, str], _Turn] = {}

    # ── Life ────────────────────────────────────────────────────────────────────────────────────────────

    async def resume(self) -> None:
        """Take up every run that was cut off: rows that aren't begun or were running, and runs that nobody owns."""
        for run_id in dict.fromkeys([*await self.store.unfinished(), *await self.log.ownerless()]):
            self._pool.dispatch(run_id, cut_off=True)

    async def sweep(self, every: float) -> None:
        """Prolong what this process owns, and take up what nobody does, for ever, each `every` seconds.

        A run that was ownerless at the last look already isn't just on its way from a command to its driver.
        """
        before: set[str] = set()
        while True:
            await asyncio.sleep(every)
            try:
                await self.log.renew(self._pool.owner)
                ownerless = set(await self.log.ownerless()) - self._pool.working_on
            except LogUnavailable:
                continue
            for run_id in ownerless & before:
                self._pool.dispatch(run_id, cut_off=True)
            before = ownerless

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
        task.add_done_callback(self._commands.discard)
        return await asyncio.shield(task)

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
        run = NewRun(
            run_id=f"run-{uuid.uuid4().hex}",
            workflow_id=workflow.id,
            version=workflow.version,
            fingerprint=workflow.fingerprint,
            session_id=message.session_id or f"session-{uuid.uuid4().hex}",
            user_id=self._user_of(principal, message),
            input=message.message,
            created_at=now_ms(),
        )
        earlier = await _reached(self.store.create_run(run, _key(principal, message)))
        if earlier is not None:
            return await self._as_before(earlier, principal, message)
        self._remember(Facts(run.run_id, run.workflow_id, run.session_id, run.user_id, run.fingerprint, frozenset()))
        self._pool.keep(
            RunState(run.run_id, run.workflow_id, run.session_id, run.user_id, run.input, run.version, run.fingerprint)
        )
        self._pool.dispatch(run.run_id)
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
            workflow = self._definition(facts)
            state = await self.state(facts.run_id)
            for _ in range(RACES):
                if key is not None and key.digest in state.applied_keys:
                    return await self._decided_before(state, key)
                try:
                    decided = await self._decided(workflow, state, principal, message, facts, seen)
                except Refusal:
                    # What is kept here may be behind the log, where another process drove the run.
                    if not await self._is_behind(state):
                        raise
                    state = await self.state(facts.run_id, fresh=True)
                    continue
                if not decided:
                    return await self._decided_before(state, key)
                drafts = continued(workflow, state, decided, resolved_by=principal.user_id, now=now_ms())
                appended = await self._append(facts.run_id, drafts, key=key)
                if isinstance(appended, Appended):
                    if not appended.owned:
                        self._pool.dispatch(facts.run_id)
                    await self._record(facts.run_id, _audit(decided, drafts, appended), key)
                    return Accepted(facts.run_id, facts.session_id, appended.epoch, appended.first_index)
                state = await self.state(facts.run_id, fresh=True)
        raise _unavailable("Others decide on this run at the same time; send it again.", facts.run_id)

    async def _decided_before(self, state: RunState, key: IdempotencyKey | None) -> Accepted:
        """A repetition changes nothing, but mends what a process that died after its append left undone."""
        await self._record(state.run_id, audit_of(state), key)
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
        echoed = message.step_requirements or []
        audited = await self._audited(workflow, state, [each.id for each in echoed if each.id])

        def may_decide(requirement: Mapping[str, Any]) -> bool:
            return may(principal, Verb.DECIDE, facts, _Named(requirement.get("assignees")))

        return decide(workflow, state, echoed, may_decide=may_decide, seen=seen, audited=audited)

    async def _is_behind(self, state: RunState) -> bool:
        head = await _reached(self.log.head(state.run_id))
        return head is not None and state.next_index < head.next_index

    async def _audited(self, workflow: Workflow, state: RunState, ids: Sequence[str]) -> dict[str, Resolution]:
        """Resolutions that the state no longer keeps."""
        known = {*state.requirements, *(each.requirement.id for each in state.resolved.values())}
        found: dict[str, Resolution] = {}
        for id_ in ids:
            # PostgreSQL's text holds no NUL; no id of ours has one.
            if id_ in known or "\x00" in id_:
                continue
            decision = await _reached(self.store.decision(state.run_id, id_))
            if decision is None:
                continue
            batches = await _reached(self.log.read(state.run_id, decision.event_index, max_bytes=1))
            resolution = _resolution(workflow, state, decision, batches)
            if resolution is not None:
                found[id_] = resolution
        return found

    async def _record(self, run_id: str, decisions: Sequence[Decision], key: IdempotencyKey | None) -> None:
        if decisions or key is not None:
            await _reached(self.store.record(run_id, decisions, key))

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
            accepted = await self._cancelled(self._definition(facts), facts, principal, message)
            await self._record(facts.run_id, (), key)
            return accepted

    async def _cancelled(
        self, workflow: Workflow, facts: Facts, principal: Principal, message: CancelWorkflow
    ) -> Accepted:
        for _ in range(RACES):
            # As the log has it: a driver's state may be ahead of it.
            state = await self.state(facts.run_id, fresh=True)
            drafts = cancel(workflow, state, reason=message.reason, cancelled_by=principal.user_id)
            if not drafts:
                await self._settle(facts.run_id)
                return Accepted(facts.run_id, facts.session_id)
            # A run that hasn't begun begins with its end; if it has begun meanwhile, that is refused.
            expect_next = 0 if state.status is RunStatus.PENDING else None
            await _reached(self._pool.mark_unsettled(state))
            appended = await self._append(facts.run_id, drafts, expect_next=expect_next)
            if isinstance(appended, Appended):
                await self._settle(facts.run_id)
                return Accepted(facts.run_id, facts.session_id, appended.epoch, appended.first_index)
            if appended.reason is Reason.NO_RUN:  # it still waits for its turn
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
        facts = Facts(
            row.run_id, row.workflow_id, row.session_id, row.user_id, row.fingerprint, frozenset(row.assignees)
        )
        return self._remember(facts)

    def _remember(self, facts: Facts) -> Facts:
        self._facts[facts.run_id] = facts
        if len(self._facts) > CACHED_FACTS:
            self._facts.popitem(last=False)
        return facts

    def _definition(self, facts: Facts) -> Workflow:
        workflow = self.workflows.get(facts.workflow_id)
        if workflow is None or workflow.fingerprint != facts.fingerprint:
            raise _unavailable(
                "No server here has the definition this run began with; deploy that version, then send it again.",
                facts.run_id,
            )
        return workflow

    async def _outcome(self, key: IdempotencyKey | None) -> Outcome | None:
        return None if key is None else await _reached(self.store.outcome(key.user_id, key.key))

    async def _append(
        self,
        run_id: str,
        drafts: Sequence[Draft],
        *,
        expect_next: int | None = None,
        key: IdempotencyKey | None = None,
    ) -> Appended | Refused:
        """Append what isn't the owner's, under the head's conditions; sent again once when the reply was lost.

        Args:
            key: goes with the entries, so that it is as durable as what was done under it.
        """
        private = None if key is None else to_json({"key": key.digest})
        for draft in drafts:
            draft.event["created_at"] = now_ms()
        change = effects(draft.event for draft in drafts)
        append = Append(
            run_id=run_id,
            append_id=uuid.uuid4().hex,
            entries=[Entry(event_body(draft.event), private) for draft in drafts],
            expect_next=expect_next,
            resolves=change.resolves,
            status=change.status,
        )
        try:
            return await self.log.append(append)
        except LogUnavailable:
            return await _reached(self.log.append(append))

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


def _audit(decided: Sequence[Decided], drafts: Sequence[Draft], appended: Appended) -> list[Decision]:
    return [
        Decision(
            run_id=draft.event["run_id"],
            requirement_id=each.requirement.id,
            decision=each.decision,
            resolved_by=draft.event["resolved_by"],
            decided_at=draft.event["resolved_at"],
            epoch=appended.epoch,
            event_index=index,
        )
        for index, (each, draft) in enumerate(zip(decided, drafts, strict=True), appended.first_index)
    ]


def _resolution(workflow: Workflow, state: RunState, decision: Decision, logged: Sequence[Batch]) -> Resolution | None:
    """An audited decision as the state would keep it, if the log still has its event: what was asked is drawn up anew.

    Its kind is told from what was answered.
    """
    event = read_body(logged[0].entries[0].body) if logged else {}
    if event.get("requirement_id") != decision.requirement_id:
        return None
    kind = next(kind for field, kind in _KIND_OF_ANSWER.items() if field in decision.decision)
    path = tuple(event["step_path"])
    place = place_at(workflow, path)
    gate = next(gate for gate in place.node.gates if gate.flag == kind)
    facts = requirement_facts(state.run_id, place, path, event["visit"], gate, Scope(state.input))
    requirement = Requirement(decision.requirement_id, kind, list(path), decision.event_index, facts)
    return Resolution(requirement, decision.decision, decision.resolved_by, decision.decided_at, decision.event_index)


_KIND_OF_ANSWER = {
    "confirmed": "requires_confirmation",
    "user_input": "requires_user_input",
    "selected_choices": "requires_route_selection",
}


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
