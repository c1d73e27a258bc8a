"""Standing in: whoever a question names and who is away, somebody else is asked for besides.

Laws:
- It is found out after the question is in the log, by a message in the outbox: so a question of somebody who is away is
  asked of their substitute once, also over a crash. Only where somebody in the account is away is there a message.
- It is a handing over, on the condition that nothing else has happened to the question; the one who is away stays
  asked. If the substitute is away, too, that handing over is looked at in the same way.

Source: `docs/approvals.md`, "Absence".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from interlock.engine.commands.apply import Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.refusals import unavailable
from interlock.engine.upkeep.outbox import PauseNotice
from interlock.log.port import Appended
from interlock.store.ports.outbox import Patience
from interlock.workflow.program import Program, RunState, unserved

logger = structlog.get_logger(__name__)

AWAY: Final = "away"
"""The topic of the messages."""


class StandIns:
    """The listener that asks the substitutes of whoever is away.

    Args:
        context: returns what commands work with.
    """

    topic = AWAY
    hears_all = False
    at_once = 4
    patience: Patience | None = None

    def __init__(self, context: Callable[[], Context]) -> None:
        self._context = context

    async def tell(self, notice: PauseNotice, detail: str) -> None:
        """Look who of those who are asked is away; `detail` is the only one to look at, if there is one."""
        named = [detail] if detail else notice.requirement.get("assignees")
        people = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
        context = self._context()
        away = await context.store.substitutes(notice.account, people, context.clock.now_ms())
        for person, substitute in away.items():
            await stand_in(context, notice.run_id, str(notice.requirement["id"]), person, substitute)

    async def failed(self, notice: PauseNotice, detail: str, error: Exception, *, is_last: bool) -> None:
        """Say so in the log; it is tried again."""
        about = {"run_id": notice.run_id, "requirement_id": notice.requirement["id"]}
        logger.error("substitute_not_asked", **about, exc_info=error)


async def stand_in(context: Context, run_id: str, requirement_id: str, absent: str, substitute: str) -> None:
    """Ask a substitute besides somebody who is away. If it is decided by then, or the substitute may not, nobody is.

    Raises:
        Refusal: `run_not_found` or `unavailable`.
    """
    command = StandIn(context, requirement_id, absent, substitute)
    if await apply(context, run_id, command) is None:
        raise unavailable("Others decide on this run at the same time.", run_id)


@dataclass(frozen=True, slots=True)
class StandIn(Command):
    """One substitute for one who is away."""

    context: Context
    requirement_id: str
    absent: str
    substitute: str

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the handing over; nothing if it is so already, or can't be."""
        program = served or unserved(state.workflow_id)
        return Proposal(program.stands_in(state, self.requirement_id, self.absent, self.substitute))

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Have the row of a run that waits written anew; an owner does so by itself."""
        if appended is not None and not appended.owned:
            self.context.pool.dispatch(state.run_id)
