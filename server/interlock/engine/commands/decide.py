"""Applying people's decisions on a run's requirements.

Laws:
- A message is applied whole, or not at all.
- `may()` says who may decide, per requirement.
- In a run whose definition is missing, the only decision is what becomes of the run (`definition_changed`).

Source: `docs/protocol.md`, "Decisions"; `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.auth import Principal, Verb, may
from interlock.definitions.port import program_of_run
from interlock.engine.commands.apply import Accepted, Command, Proposal
from interlock.engine.commands.audit import audited
from interlock.engine.commands.context import Context
from interlock.engine.commands.definition import DefinitionGone, ask_about_definition
from interlock.engine.commands.files import check_files, use_files
from interlock.engine.commands.idempotency import is_of, key_of
from interlock.engine.commands.refusals import or_unavailable, unavailable, used_otherwise
from interlock.engine.commands.requests import apply_once, run_named_by
from interlock.engine.commands.runs import Facts
from interlock.log.port import Appended
from interlock.store.port import IdempotencyKey
from interlock.workflow.program import Decided, Echoed, Program, RunState, asks_about_definition, unserved
from interlock_protocol.messages import ContinueWorkflow
from interlock_protocol.types import RunStatus


async def continue_run(
    context: Context,
    principal: Principal,
    message: ContinueWorkflow,
    seen: int | None,
    key: IdempotencyKey | None = None,
) -> Accepted:
    """Apply the decisions of a message.

    Args:
        seen: on a connection that follows the run, the index after the last event that it was sent.
        key: instead of the message's own.

    Raises:
        Refusal: those of `Program.decide`, or `run_not_found`, `workflow_mismatch`, `conflict`, `unavailable`.
    """
    facts = await run_named_by(context, principal, message)
    served = await or_unavailable(program_of_run(context.definitions, facts))
    vault = context.vault if served is not None and served.asks_secrets else None
    command = Decide(context, facts, principal, message, seen, key or key_of(principal, message, vault))
    try:
        accepted = await apply_once(context, facts.run_id, principal, command)
    except DefinitionGone:
        await ask_about_definition(context, facts.run_id)
        raise
    if accepted is None:
        raise unavailable("Others decide on this run at the same time; send it again.", facts.run_id)
    return accepted


@dataclass(frozen=True, slots=True)
class Decide(Command):
    """The decisions of one message."""

    context: Context
    facts: Facts
    principal: Principal
    message: ContinueWorkflow
    seen: int | None
    key: IdempotencyKey | None

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the events of the decisions; none if all of them were already taken before."""
        program = self._definition(served, state)
        if self._was_applied(state):
            return Proposal()
        decided = await self._decided(program, state)
        await check_files(self.context, self.principal, state, decided)
        by, now = self.principal.user_id, self.context.clock.now_ms()
        return Proposal(program.continued(state, decided, resolved_by=by, now=now), decided)

    def _was_applied(self, state: RunState) -> bool:
        """Return True if the log has this message, by its key.

        Raises:
            Refusal: `conflict`; it has another message with this key.
        """
        if self.key is None:
            return False
        fingerprint = self.key.fingerprint_in(state.applied_keys)
        if fingerprint and not is_of(fingerprint, self.key, self.context.vault):
            raise used_otherwise(state.run_id)
        return fingerprint is not None

    def _definition(self, served: Program | None, state: RunState) -> Program:
        if served is not None and served.fits(state):
            return served
        if asks_about_definition(state) and self.message.error_requirements and not self.message.step_requirements:
            return unserved(state.workflow_id)  # refuses any other requirement as not found
        raise DefinitionGone(state.run_id)

    async def _decided(self, program: Program, state: RunState) -> tuple[Decided, ...]:
        echoed: list[Echoed] = [*(self.message.step_requirements or ()), *(self.message.error_requirements or ())]
        ids = [each.id for each in echoed if each.id]
        context = self.context
        earlier = await or_unavailable(audited(context.log, context.store, program, state, ids))
        return program.decide(
            state,
            echoed,
            may_decide=self._may_decide,
            seen=self.seen,
            audited=earlier,
            vault=context.vault,
        )

    def _may_decide(self, requirement: Mapping[str, Any]) -> bool:
        return may(self.principal, Verb.DECIDE, self.facts, _Named(requirement.get("assignees")))

    async def prepare(self, state: RunState, proposal: Proposal) -> None:
        """Note which files the run uses from now on, and put its next work into this message's trace."""
        await use_files(self.context, state, proposal.decided)
        self.context.traces.remember(state.run_id)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Dispatch the run, unless it has an owner that goes on."""
        goes_on = state.status is RunStatus.RUNNING if appended is None else not appended.owned
        if goes_on:
            self.context.pool.dispatch(state.run_id)


@dataclass(frozen=True, slots=True)
class _Named:
    """The part of a requirement that `may` needs."""

    assignees: Sequence[str] | None
