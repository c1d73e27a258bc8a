"""Deciding what nobody has decided in time.

Law: a timeout is a command like a person's: it carries its condition, so that it fires once, whoever tries.

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
    """Resolve what is due in a run; False when others were faster each time, and it is to be looked at again.

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
    """What the timeouts of a run resolve now."""

    context: Context

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """The events of what is due; none when nothing is: by an earlier look, perhaps, that couldn't record it."""
        if served is None or not served.fits(state):
            raise DefinitionGone(state.run_id)
        now = self.context.clock.now_ms()
        decided = served.expired(state, now)
        return Proposal(served.continued(state, decided, resolved_by=TIMEOUT, now=now), decided)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Have the run driven, to go on, or to have its row say when the next timer is due."""
        self.context.pool.dispatch(state.run_id)
