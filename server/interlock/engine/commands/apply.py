"""How a command is carried out on a run, the same way for all: look, propose, append, have follow what follows, record.

Laws:
- A command proposes on a state that it only looks at. What it proposes is appended whole, under the head's conditions,
  or not at all; when others were faster, it proposes anew on what the log has by then.
- Nobody is refused for what the log doesn't say: a state that is kept here may be behind it, where another process
  drives the run.
- What is acknowledged is in the log first, and then in the audit, with its idempotency key.
- A repetition appends nothing, but mends what a process that died after its append left undone.

Source: `docs/architecture.md`, "A decision, from room to room" and "Order of writes".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from interlock.engine.commands.audit import audit
from interlock.engine.commands.context import Context
from interlock.engine.commands.refusals import or_unavailable
from interlock.engine.driving.rows import audit_of
from interlock.log.port import Appended, LogUnavailable, Reason
from interlock.store.port import Decision, IdempotencyKey, StoreUnavailable
from interlock.workflow.program import Decided, Draft, Program, RunState
from interlock_protocol.errors import Refusal
from interlock_protocol.types import RunStatus

RACES = 5
"""How often a command is proposed anew because others appended meanwhile, before it is given up."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An action that is durable. `first_index` is where its own events begin, None when it caused none."""

    run_id: str
    session_id: str
    epoch: int = 1
    first_index: int | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a command comes to in a state; nothing is to be appended when it was done before.

    Attributes:
        drafts: what is to be appended: the events of `decided` first, in their order.
        decided: what is to be recorded in the audit.
        expect_next: the only index at which the drafts may come to stand; None when any will do.
    """

    drafts: Sequence[Draft] = ()
    decided: Sequence[Decided] = ()
    expect_next: int | None = None


class Command(ABC):
    """What is to be done to one run.

    Attributes:
        reads_log: it is proposed on what the log has from the start; otherwise on what is kept here, which is quicker.
        key: what the command was sent with, so that it counts once.
    """

    reads_log: ClassVar[bool] = False
    key: IdempotencyKey | None = None

    @abstractmethod
    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """What the command comes to in this state; changes nothing.

        Args:
            served: what is served for runs of its workflow and version, whether this one can go on in it or not.

        Raises:
            Refusal: it may not be done, or can't be.
        """

    async def prepare(self, state: RunState) -> None:  # noqa: B027 - most have nothing to prepare
        """Do what has to be done before something is appended."""

    @abstractmethod
    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Have happen what follows from it: the run is driven, or its row is written.

        Args:
            appended: None when it was done before.
        """


async def apply(context: Context, run_id: str, command: Command) -> Accepted | None:
    """Carry out a command; None when others were faster `RACES` times, or its log was lost meanwhile.

    Raises:
        Refusal: what the command is refused with, `run_not_found` or `unavailable`.
    """
    is_fresh = command.reads_log
    for _ in range(RACES):
        state = await context.runs.state(run_id, fresh=is_fresh)
        proposal = await _proposal(context, command, state, is_fresh=is_fresh)
        if proposal is not None:
            accepted = await _carry_out(context, command, state, proposal)
            if accepted is not None:
                return accepted
        is_fresh = True
    return None


async def _proposal(context: Context, command: Command, state: RunState, *, is_fresh: bool) -> Proposal | None:
    """What the command proposes; None when it was refused on a state that is behind the log."""
    served = await or_unavailable(context.definitions.program_of(state.workflow_id, state.version))
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
    """Append and record what was proposed; None when others were faster."""
    run_id = state.run_id
    if not proposal.drafts:
        await command.follow_up(state, None)
        is_recorded = await _record(context, run_id, state.epoch, audit_of(state), command.key)
        return Accepted(run_id, state.session_id) if is_recorded else None
    appended = await _append(context, command, state, proposal)
    if appended is None:
        return None
    await command.follow_up(state, appended)
    rows = audit(proposal.decided, proposal.drafts[: len(proposal.decided)], appended)
    is_recorded = await _record(context, run_id, appended.epoch, rows, command.key)
    return Accepted(run_id, state.session_id, appended.epoch, appended.first_index) if is_recorded else None


async def _append(context: Context, command: Command, state: RunState, proposal: Proposal) -> Appended | None:
    await command.prepare(state)
    key = command.key if proposal.decided else None  # a decision's is as durable as the decision
    appended = await context.runs.append(state, proposal.drafts, expect_next=proposal.expect_next, key=key)
    if isinstance(appended, Appended):
        return appended
    if appended.reason is Reason.NO_RUN and state.status is RunStatus.PENDING:  # it still waits for its turn
        await or_unavailable(context.pool.make_head(state.run_id))
    return None


async def _record(
    context: Context, run_id: str, epoch: int, decisions: Sequence[Decision], key: IdempotencyKey | None
) -> bool:
    """Write down what was done in an epoch; False when that epoch was lost with it, and another has begun since."""
    if await or_unavailable(context.store.record(run_id, epoch, decisions, key)):
        return True
    await or_unavailable(context.runs.begin_anew(run_id))  # if whoever was about to has died
    return False


async def settle_ended(context: Context, run_id: str) -> None:
    """Write the row of a run that a command ended: here, or, when it is driven here or storage is away, in its turn."""
    if run_id in context.pool.working_on:
        context.pool.dispatch(run_id)
        return
    try:
        await context.pool.settle_ended(run_id)
    except (LogUnavailable, StoreUnavailable):
        context.pool.dispatch(run_id)
