"""Cancelling a run.

Laws:
- Cancelling a cancelled run again changes nothing.
- A run that hasn't begun yet gets its end as its first event.

Source: `docs/architecture.md`, "Order of writes"; `docs/protocol.md`, "Actions".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from interlock.auth import Principal, Verb, may
from interlock.engine.commands.apply import Accepted, Command, Proposal, settle_ended
from interlock.engine.commands.context import Context
from interlock.engine.commands.idempotency import key_of
from interlock.engine.commands.refusals import forbidden, or_unavailable, unavailable
from interlock.engine.commands.requests import apply_once, run_named_by
from interlock.log.port import Appended
from interlock.store.port import IdempotencyKey
from interlock.workflow.program import Program, RunState, unserved
from interlock_protocol.messages import CancelWorkflow
from interlock_protocol.types import RunStatus


async def cancel_run(context: Context, principal: Principal, message: CancelWorkflow) -> Accepted:
    """End a run as CANCELLED.

    Raises:
        Refusal: `run_not_found`, `workflow_mismatch`, `forbidden`, `run_finished`, `conflict`, `unavailable`.
    """
    facts = await run_named_by(context, principal, message)
    if not may(principal, Verb.CANCEL, facts):
        raise forbidden("Only the run's owner, with the scope workflows:execute, cancels it.", facts.run_id)
    if context.definitions.is_built_in(facts.workflow_id):
        sentence = "This run is an interaction: cancel it by its own route, so that whoever waits for it is told."
        raise forbidden(sentence, facts.run_id)
    command = Cancel(context, principal, message, key_of(principal, message))
    accepted = await apply_once(context, facts.run_id, principal, command)
    if accepted is None:
        context.pool.dispatch(facts.run_id)
        raise unavailable("The run is just beginning; send it again.", facts.run_id)
    return accepted


@dataclass(frozen=True, slots=True)
class Cancel(Command):
    """The cancellation that one message asks for."""

    reads_log: ClassVar[bool] = True  # a driver's state may be ahead of the log

    context: Context
    principal: Principal
    message: CancelWorkflow
    key: IdempotencyKey | None

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the run's end; nothing if the run is already cancelled."""
        program = served or unserved(state.workflow_id)
        drafts = program.cancel(state, reason=self.message.reason, cancelled_by=self.principal.user_id)
        # Index 0 is refused if a pending run has begun meanwhile.
        return Proposal(drafts, expect_next=0 if state.status is RunStatus.PENDING else None)

    async def prepare(self, state: RunState, proposal: Proposal) -> None:
        """Set the row of a waiting run to RUNNING, so that a restart looks at the run again."""
        await or_unavailable(self.context.pool.mark_unsettled(state))

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Write the end into the run's row."""
        await settle_ended(self.context, state.run_id)
