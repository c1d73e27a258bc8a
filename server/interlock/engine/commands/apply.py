"""Applies any command to a run in the same steps: load the state, propose, append, follow up, record.

Laws:
- A command makes its proposal from a state that it doesn't change. The proposal is appended whole, under the head's
  conditions, or not at all. If another writer was faster, the command makes a new proposal from the log's new state.
- No command is refused because of a stale state: the cached state may be behind the log when another process drives
  the run, so a refusal counts only on a state that is as new as the log.
- Before a command is acknowledged it is in the log, and then in the audit, with its idempotency key.
- A repeated command appends nothing, but completes what a process left undone that died after its append. If only the
  store failed then, the process itself completes the audit as soon as it can.

Source: `docs/architecture.md`, "A decision, from room to room" and "Order of writes".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from interlock.definitions.port import program_of_run
from interlock.engine.commands.audit import audit
from interlock.engine.commands.context import Context
from interlock.engine.commands.refusals import or_unavailable
from interlock.engine.driving.rows import audit_of
from interlock.log.port import Appended, LogUnavailable, Reason
from interlock.store.port import Decision, IdempotencyKey, StoreUnavailable
from interlock.workflow.program import Decided, Draft, Program, RunState, UnreadableRun
from interlock_protocol.errors import Refusal
from interlock_protocol.types import RunStatus

RACES = 5
"""How often a command is proposed, because others keep appending, before it is given up."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A durable action. `first_index` is the index of its first event; None if it caused none. `signal_id` is that of
    a signal. Nothing follows from one that doesn't go on: it was one of several responses."""

    run_id: str
    session_id: str
    epoch: int = 1
    first_index: int | None = None
    signal_id: str | None = None
    goes_on: bool = True


@dataclass(frozen=True, slots=True)
class Proposal:
    """The effect of a command on a state; without drafts, the command was already done before.

    Attributes:
        drafts: the events to append: first those of `decided`, in its order.
        decided: the decisions to record in the audit.
        expect_next: the only index at which the drafts may be appended; None allows any.
        append_id: what the log knows the append by; the same id is appended once. By default it is a new one.
        goes_on: whether anything follows from the drafts: one of several responses may leave the run as it was.
        refusal: what is answered once they are recorded.
    """

    drafts: Sequence[Draft] = ()
    decided: Sequence[Decided] = ()
    expect_next: int | None = None
    append_id: str | None = None
    goes_on: bool = True
    refusal: Refusal | None = None


class Command(ABC):
    """A command on one run.

    Attributes:
        reads_log: the first proposal loads the state from the log; otherwise it uses the cached state, which is faster.
        reads_head: every proposal is made from a state as new as the log's head.
        races: how often it is proposed before it is given up.
        key: the idempotency key of the command's message, if it has one.
    """

    reads_log: ClassVar[bool] = False
    reads_head: ClassVar[bool] = False
    races: ClassVar[int] = RACES
    key: IdempotencyKey | None = None

    @abstractmethod
    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Return the command's effect on this state; change nothing.

        Args:
            served: the definition served for the run's workflow and version, whether or not this run can go on in it.

        Raises:
            Refusal: the command is forbidden or impossible.
        """

    async def prepare(self, state: RunState, proposal: Proposal) -> None:  # noqa: B027 - most have none
        """Do what must be done before the append."""

    @abstractmethod
    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Trigger the consequences: drive the run, or write its row.

        Args:
            appended: None if the command was already done before.
        """


async def apply(context: Context, run_id: str, command: Command) -> Accepted | None:
    """Apply a command. Return None if others were faster each time, or if the run's log was lost meanwhile.

    Raises:
        Refusal: the command's own refusal, `run_not_found` or `unavailable`.
    """
    is_fresh = command.reads_log
    for _ in range(command.races):
        state = await context.runs.state(run_id, fresh=is_fresh)
        if command.reads_head and not is_fresh and await context.runs.is_behind(state):
            state = await context.runs.state(run_id, fresh=True)
        proposal = await _proposal(context, command, state, is_fresh=is_fresh)
        if proposal is not None:
            accepted = await _carry_out(context, command, state, proposal)
            if accepted is not None:
                return accepted
        is_fresh = True
    return None


async def _proposal(context: Context, command: Command, state: RunState, *, is_fresh: bool) -> Proposal | None:
    """Return the command's proposal, or None if it was refused on a state that is behind the log."""
    served = await or_unavailable(program_of_run(context.definitions, state))
    try:
        return await command.propose(served, state)
    except Refusal:
        if is_fresh or not await _is_behind(context, state):
            raise
        return None


async def _is_behind(context: Context, state: RunState) -> bool:
    head = await or_unavailable(context.log.head(state.run_id))
    return head is not None and (state.epoch, state.next_index) < (head.epoch, head.next_index)


async def _carry_out(context: Context, command: Command, state: RunState, proposal: Proposal) -> Accepted | None:
    """Append and record a proposal. Return None if others were faster."""
    run_id = state.run_id
    if not proposal.drafts:
        await command.follow_up(state, None)
        is_recorded = await or_unavailable(_record(context, run_id, state.epoch, audit_of(state), command.key))
        return Accepted(run_id, state.session_id) if is_recorded else None
    appended = await _append(context, command, state, proposal)
    if appended is None:
        return None
    if proposal.goes_on:
        await command.follow_up(state, appended)
    rows = audit(proposal.decided, proposal.drafts[: len(proposal.decided)], appended)
    key = command.key if proposal.refusal is None else None
    is_recorded = await or_unavailable(_record(context, run_id, appended.epoch, rows, key))
    if is_recorded and proposal.refusal is not None:
        raise proposal.refusal
    if not is_recorded:
        return None
    return Accepted(run_id, state.session_id, appended.epoch, appended.first_index, goes_on=proposal.goes_on)


async def _append(context: Context, command: Command, state: RunState, proposal: Proposal) -> Appended | None:
    await command.prepare(state, proposal)
    is_taken = bool(proposal.decided) and proposal.refusal is None
    key = command.key if is_taken else None  # makes a decision's key as durable as the decision
    appended = await context.runs.append(
        state, proposal.drafts, expect_next=proposal.expect_next, key=key, append_id=proposal.append_id
    )
    if isinstance(appended, Appended):
        return appended
    if appended.reason is Reason.NO_RUN and state.status is RunStatus.PENDING:  # the run still waits for its turn
        await or_unavailable(context.pool.make_head(state.run_id))
    return None


async def _record(
    context: Context, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None
) -> bool:
    """Record decisions and the key in the store. Return False if their epoch was lost, and a later one has begun."""
    try:
        is_recorded = await context.store.record(run_id, epoch, decisions, key)
    except StoreUnavailable:
        context.pool.dispatch(run_id, unaudited=True)  # nobody may ever send the command again
        raise
    if is_recorded:
        return True
    await or_unavailable(context.runs.begin_anew(run_id))  # in case the process that began the epoch has died
    return False


async def settle_ended(context: Context, run_id: str) -> None:
    """Write the row of a run that a command ended.

    If the run is driven here, or storage is unavailable, dispatch the run instead; its row is written in its turn.
    """
    if run_id in context.pool.working_on:
        context.pool.dispatch(run_id)
        return
    try:
        await context.pool.settle_ended(run_id)
    except (LogUnavailable, StoreUnavailable, UnreadableRun):
        context.pool.dispatch(run_id)
