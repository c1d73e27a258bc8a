"""What happens to an open question without deciding it: claiming, releasing and handing it over.

Laws:
- Who may is judged as for a decision, and by the same people (`decider_of`).
- A change counts only on the question as it was: what came between is looked at again.
- What the run's row shows is written anew: whoever a question was handed to finds it among theirs.

Source: `docs/approvals.md`, "Claims and handing over".
"""

from __future__ import annotations

from dataclasses import dataclass

from interlock.auth import Principal
from interlock.engine.commands.apply import Accepted, Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.decide import decider_of
from interlock.engine.commands.refusals import or_unavailable, unavailable
from interlock.engine.commands.runs import Facts
from interlock.log.port import Appended
from interlock.workflow.program import Attention, Program, RunState, unserved


async def attend(context: Context, principal: Principal, message: Attention) -> Accepted:
    """Claim, release or hand over a requirement.

    Raises:
        Refusal: `run_not_found`, `unavailable`, or those of `Program.attend`.
    """
    facts = await context.runs.readable(principal, message.run_id)
    async with context.one_at_a_time.turn(facts.run_id, message.requirement_id):
        accepted = await apply(context, facts.run_id, Attend(context, facts, principal, message))
    if accepted is None:
        raise unavailable("Others decide on this run at the same time; send it again.", facts.run_id)
    return accepted


@dataclass(frozen=True, slots=True)
class Attend(Command):
    """What one message asks for."""

    context: Context
    facts: Facts
    principal: Principal
    message: Attention

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the event; nothing if it is so already."""
        by = await or_unavailable(decider_of(self.context, self.facts, self.principal, state))
        program = served or unserved(state.workflow_id)
        return Proposal(program.attend(state, self.message, by=by, now=self.context.clock.now_ms()))

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Have the row of a run that waits written anew; an owner does so by itself."""
        if appended is not None and not appended.owned:
            self.context.pool.dispatch(state.run_id)
