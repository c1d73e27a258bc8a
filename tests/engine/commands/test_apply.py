"""How every command is carried out, whatever it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import ClassVar

import pytest
import pytest_asyncio
from tests.engine.driving.test_pool import idle
from tests.support.storage import Storage

from interlock import Confirm, Step, Workflow
from interlock.definitions.code import CodeDefinitions
from interlock.engine.commands.apply import RACES, Accepted, Command, Proposal, apply
from interlock.engine.commands.context import Context
from interlock.engine.commands.refusals import unavailable
from interlock.engine.engine import Engine
from interlock.log.port import Append, Appended, Entry
from interlock.workflow.program import Program
from interlock.workflow.run.events import Draft, run_event
from interlock.workflow.run.state import RunState
from interlock_protocol.codec import event_body
from interlock_protocol.errors import Refusal

FLOW = Workflow("flow", steps=[Step("send", lambda _: "sent", human_review=Confirm("Send it?"))])


@pytest_asyncio.fixture
async def context(storage: Storage) -> AsyncIterator[Context]:
    engine = Engine(CodeDefinitions([FLOW]), storage.log, storage.store, owner="me")
    yield engine._context
    await engine.stop(1)


@pytest_asyncio.fixture
async def run_id(storage: Storage, context: Context) -> str:
    """A run that waits, and is kept at hand."""
    run_id = await storage.create(FLOW, "run-1")
    context.pool.dispatch(run_id)
    await idle(context.pool)
    return run_id


def said(state: RunState) -> Draft:
    return Draft(run_event(state, "flow", "CustomEvent", data={}))


async def others_append(storage: Storage, state: RunState) -> None:
    """As another process does, of which this one hears nothing."""
    elsewhere = Storage(storage.log._database)
    draft = said(state)
    draft.event["created_at"] = 0
    entry = Entry(event_body(draft.event), None)
    appended = await elsewhere.log.append(
        Append(run_id=state.run_id, append_id=f"theirs-{state.next_index}", entries=[entry])
    )
    assert isinstance(appended, Appended)


@dataclass
class Says(Command):
    """Appends an event at the very end of what it looked at."""

    storage: Storage
    others_are_faster: int = 0
    refuses_until: int = 0
    looked_at: list[int] = field(default_factory=list)
    followed: list[bool] = field(default_factory=list)

    async def propose(self, served: Program | None, state: RunState) -> Proposal:
        assert served is not None
        assert served.workflow is FLOW
        self.looked_at.append(state.next_index)
        if state.next_index < self.refuses_until:
            raise unavailable("It isn't there yet.")
        proposal = Proposal([said(state)], expect_next=state.next_index)
        if len(self.looked_at) <= self.others_are_faster:
            await others_append(self.storage, state)
        return proposal

    async def follow_up(self, state: RunState, appended: Appended | None) -> None:
        self.followed.append(appended is not None)


class SaysOnTheLog(Says):
    reads_log: ClassVar[bool] = True


async def test_what_others_were_faster_than_is_proposed_anew_on_what_they_appended(
    storage: Storage, context: Context, run_id: str
) -> None:
    first = (await context.runs.state(run_id)).next_index
    command = Says(storage, others_are_faster=2)
    assert await apply(context, run_id, command) == Accepted(run_id, "session", 1, first + 2)
    assert command.looked_at == [first, first + 1, first + 2]
    assert command.followed == [True]  # nothing follows from what was not appended


async def test_command_gives_up_when_others_are_always_faster(storage: Storage, context: Context, run_id: str) -> None:
    command = Says(storage, others_are_faster=RACES)
    assert await apply(context, run_id, command) is None
    assert (len(command.looked_at), command.followed) == (RACES, [])


async def test_nobody_is_refused_for_what_is_kept_here_and_is_behind_the_log(
    storage: Storage, context: Context, run_id: str
) -> None:
    state = await context.runs.state(run_id)
    first = state.next_index
    await others_append(storage, state)
    command = Says(storage, refuses_until=first + 1)
    assert await apply(context, run_id, command) is not None
    assert command.looked_at == [first, first + 1]


@pytest.mark.parametrize("kind", [Says, SaysOnTheLog])
async def test_refusal_on_what_the_log_says_is_final(
    storage: Storage, context: Context, run_id: str, kind: type[Says]
) -> None:
    command = kind(storage, refuses_until=1000)
    with pytest.raises(Refusal, match="isn't there yet"):
        await apply(context, run_id, command)
    assert (len(command.looked_at), command.followed) == (1, [])


async def test_command_is_finished_when_whoever_gave_it_is_gone(
    storage: Storage, context: Context, run_id: str
) -> None:
    storage.log.way.clear()
    storage.log.begun.clear()
    command = Says(storage)
    asking = asyncio.create_task(context.in_full(apply(context, run_id, command)))
    await storage.log.begun.wait()
    asking.cancel()
    await asyncio.wait([asking])
    storage.log.way.set()
    await asyncio.wait(set(context.under_way))
    assert command.followed == [True]
    assert not context.under_way
