"""Asking what becomes of a run whose place in its workflow is gone (`definition_changed`).

Laws:
- It is asked by a server that is alone: elsewhere another may have the definition.
- It is asked once; where the run stands stays as it is, and its timers wait with it.

Source: `docs/workflows.md`, "Changing a workflow".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from interlock.engine.commands.apply import Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.driving.rows import settlement_of
from interlock.engine.work.sessions import Sessions
from interlock.log.port import Appended
from interlock.workflow.program import Program, RunState, asks_about_definition, definition_changed
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.types import RunStatus


class DefinitionGone(Refusal):
    """The definition that a run can go on in isn't here."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            ErrorCode.UNAVAILABLE,
            "This run's place in its workflow isn't there any more; decide its error requirement, or serve the earlier "
            "definition again.",
            run_id=run_id,
        )


async def ask_about_definition(context: Context, run_id: str) -> None:
    """Have a person say what becomes of a run that can't go on in what is served.

    Raises:
        LogUnavailable, StoreUnavailable, Refusal: it couldn't be asked now.
    """
    if context.is_alone:
        await apply(context, run_id, AskAboutDefinition(context))


@dataclass(frozen=True, slots=True)
class AskAboutDefinition(Command):
    """The question what becomes of a run."""

    reads_log: ClassVar[bool] = True

    context: Context

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        """The question; nothing where it is asked already, or no more or not yet of any use."""
        if state.status.is_final or state.status is RunStatus.PENDING or asks_about_definition(state) is not None:
            return Proposal()
        drafts = definition_changed(served, state, self.context.clock.now_ms())
        return Proposal(drafts, expect_next=state.next_index)

    async def prepare(self, state: RunState) -> None:
        """Save what the run's steps changed in its session, before its snapshot stands for it."""
        await Sessions(self.context.store, state).save(state)

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        """Have the run's row say that it waits for this answer alone."""
        if appended is not None:
            state = await self.context.runs.state(state.run_id, fresh=True)
        if asks_about_definition(state) is not None:
            waits = settlement_of(state, self.context.clock.now_ms(), with_snapshot=True)
            await self.context.store.settle(replace(waits, next_timer=None))
