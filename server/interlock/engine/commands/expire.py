"""Resolving requirements that nobody decided in time.

Law: a timeout is a command like a person's decision: its append has a condition, so it fires once, however many try.

Source: `docs/workflows.md`, "Timeouts".
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.engine.commands.apply import Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.definition import DefinitionGone, ask_about_definition
from interlock.log.port import Appended
from interlock.workflow.program import TIMEOUT, Program, RunState


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
    """The resolution of a run's due timeouts."""

    context: Context

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the events of the due timeouts; none if nothing is due, perhaps because an earlier try resolved it
        but couldn't record it."""
        if served is None or not served.fits(state):
            raise DefinitionGone(state.run_id)
        now = self.context.clock.now_ms()
        decided = served.expired(state, now)
        return Proposal(served.continued(state, decided, resolved_by=TIMEOUT, now=now), decided)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Dispatch the run, so that it goes on, or its row gets the next timer."""
        self.context.pool.dispatch(state.run_id)
