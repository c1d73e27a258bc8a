"""Asking a person what becomes of a run whose position no longer exists in its workflow (`definition_changed`).

Laws:
- Only a server that is alone asks: with several servers, another one may have the definition.
- The question is asked once; the run keeps its position, and its timers don't fire meanwhile.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from interlock.engine.commands.apply import Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.work.sessions import Sessions
from interlock.log.port import Appended
from interlock.workflow.program import Program, RunState, asks_about_definition, definition_changed
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import RunStatus


class DefinitionGone(Refusal):
    """This server has no definition in which the run can go on."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            ErrorCode.UNAVAILABLE,
            "This run's place in its workflow isn't there any more; decide its error requirement, or serve the earlier "
            "definition again.",
            run_id=run_id,
        )


async def ask_about_definition(context: Context, run_id: str) -> None:
    """Ask a person what becomes of a run that can't go on in the served definition.

    Raises:
        LogUnavailable, StoreUnavailable, Refusal: the question couldn't be asked now.
    """
    if context.is_alone:
        await apply(context, run_id, AskAboutDefinition(context))


@dataclass(frozen=True, slots=True)
class AskAboutDefinition(Command):
    """The question of what becomes of a run."""

    reads_log: ClassVar[bool] = True

    context: Context

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """Propose the question; nothing if it is already asked, or the run has ended or hasn't begun."""
        if state.status.is_final or state.status is RunStatus.PENDING or asks_about_definition(state) is not None:
            return Proposal()
        drafts = definition_changed(served, state, self.context.clock.now_ms())
        return Proposal(drafts, expect_next=state.next_index)

    async def prepare(self, state: RunState, proposal: Proposal) -> None:
        """Save the session changes of the run's steps, before a snapshot replaces them."""
        await Sessions(self.context.store, state).save(state)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Write a row that says that the run waits, and without its timers: it waits for this answer alone, as long
        as it may."""
        if appended is not None:
            state = await self.context.runs.state(state.run_id, fresh=True)
        if asks_about_definition(state) is not None:
            ports = self.context.pool.ports
            await ports.settler.settle(state, with_snapshot=True, next_timer=ports.lifetimes.expires_at(state))
