"""Resolving requirements that nobody decided in time, what happens to them before, and cancelling instances that didn't
change for too long.

Laws:
- A timeout is a command like a person's decision: its append has a condition, so it fires once, however many try. So
  does each reminder and each escalation, and only while the question is open.
- An instance is cancelled only if nothing was appended since this looked: one that was just resumed goes on. So does
  one whose wait is over, however long nobody looked.

Source: `docs/workflows.md`, "Timeouts"; `docs/approvals.md`, "When nobody answers";
`docs/machines.md`, "How long a run may take".
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.engine.commands.apply import Command, Proposal, apply, settle_ended
from interlock.engine.commands.context import Context
from interlock.engine.commands.definition import DefinitionGone, ask_about_definition
from interlock.log.port import Appended
from interlock.workflow.program import DAY_MS, EXPIRED_BY, TIMEOUT, Program, RunState, unserved
from interlock_protocol.types import RunStatus


async def expire(context: Context, run_id: str) -> bool:
    """Resolve a run's due timeouts. Return False if others were faster each time; the caller looks again later.

    Raises:
        Refusal: `run_not_found` or `unavailable`.
    """
    try:
        return await apply(context, run_id, Expire(context)) is not None
    except DefinitionGone:
        await ask_about_definition(context, run_id)
        return True


@dataclass(frozen=True, slots=True)
class Expire(Command):
    """The resolution of a run's due timeouts, or the end of an instance whose time is over."""

    context: Context

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the events of the due timeouts; none if nothing is due, perhaps because an earlier try resolved it
        but couldn't record it."""
        now = self.context.clock.now_ms()
        fits = served is not None and served.fits(state)
        if served is not None and fits:
            decided = served.expired(state, now)
            if decided:
                return Proposal(served.continued(state, decided, resolved_by=TIMEOUT, now=now), decided)
            if state.status is RunStatus.RUNNING and served.advance(state, now, most=1).drafts:
                return Proposal()  # what it waited for came first, while no server was there: it goes on
        program = served or unserved(state.workflow_id)
        if self._is_over(state):
            return self._end(program, state)
        steps = program.climbed(state, now)
        if not steps and not fits:
            raise DefinitionGone(state.run_id)
        return Proposal(steps)

    def _is_over(self, state: RunState) -> bool:
        expires_at = self.context.pool.ports.lifetimes.expires_at(state)
        return expires_at is not None and expires_at <= self.context.clock.now_ms()

    def _end(self, program: Program, state: RunState) -> Proposal:
        days = (self.context.pool.ports.lifetimes.of(state) or 0) / DAY_MS
        drafts = program.cancel(state, reason=f"Nothing changed for {days:g} days.", cancelled_by=EXPIRED_BY)
        return Proposal(drafts, expect_next=state.next_index)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Dispatch the run, so that it goes on, or its row gets the next timer; write its end, if it has one now."""
        if appended is not None and self._is_over(state):
            await settle_ended(self.context, state.run_id)
        self.context.pool.dispatch(state.run_id)
