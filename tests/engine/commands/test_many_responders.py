"""Many people who respond at the same moment, on two nodes: one outcome, and counts that only ever fall."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.replay.recording import entries_of
from tests.support.live import eventually, settings_with, storage_settings

from interlock import All, Confirm, Majority, Step, Workflow
from interlock.app import Interlock
from interlock.auth import Principal
from interlock.auth.principal import USER_SCOPES
from interlock.auth.tokens import StaticTokens
from interlock.engine.engine import Engine
from interlock.settings import Settings
from interlock.store.ports.decisions import Decision
from interlock_protocol.errors import ErrorCode, Refusal
from interlock_protocol.messages import ContinueWorkflow, StartWorkflow
from interlock_protocol.requirements import EchoedRequirement

PEOPLE = [f"person-{number:03}" for number in range(200)]


def asking(name: str, policy: Any, people: list[str]) -> Workflow:
    asks = Confirm("Go?", assignees=people, policy=policy, timeout=3600)
    return Workflow(name, steps=[Step("gate", lambda _: "went", human_review=asks), Step("after", lambda _: "done")])


@asynccontextmanager
async def nodes(folder: Path, redis_url: str, postgres_url: str, workflow: Workflow) -> AsyncIterator[list[Interlock]]:
    async with AsyncExitStack() as stack:
        storage = storage_settings("redis+postgresql", folder, redis_url=redis_url, postgres_url=postgres_url)
        settings = Settings(**settings_with(**stack.enter_context(storage)))
        servers = [Interlock([workflow], settings, StaticTokens({})) for _ in range(2)]
        for server in servers:
            await server.start()
            stack.push_async_callback(server.stop)
        yield servers


async def asked(engine: Engine, workflow: str) -> tuple[str, str]:
    """A run that has asked: its id, and that of its requirement."""
    start = StartWorkflow(workflow_id=workflow, message="")
    accepted = await engine.start(Principal("starter", USER_SCOPES), start)

    async def waits() -> str | None:
        state = await engine.runs.logged(accepted.run_id)
        return None if state.paused_at is None else next(iter(state.requirements))

    return accepted.run_id, await eventually(waits)


async def respond(engine: Engine, workflow: str, run_id: str, id_: str, person: str, *, confirmed: bool) -> str:
    """The code of a refusal; "" if it was taken."""
    echoed = [EchoedRequirement(id=id_, confirmed=confirmed)]
    message = ContinueWorkflow(workflow_id=workflow, run_id=run_id, step_requirements=echoed)
    try:
        await engine.continue_run(Principal(person, USER_SCOPES), message)
    except Refusal as refusal:
        return refusal.code.value
    return ""


@pytest.mark.parametrize(("name", "policy", "people"), [("all", All(), PEOPLE), ("majority", Majority(), PEOPLE[:60])])
async def test_two_hundred_racing_responders_on_two_nodes_come_to_one_outcome(
    tmp_path: Path, redis_url: str, postgres_url: str, name: str, policy: Any, people: list[str]
) -> None:
    workflow = asking(name, policy, people)
    async with nodes(tmp_path, redis_url, postgres_url, workflow) as servers:
        one, two = (server.services().engine for server in servers)
        run_id, id_ = await asked(one, name)
        answers = await asyncio.gather(
            *(
                respond((one, two)[number % 2], name, run_id, id_, person, confirmed=True)
                for number, person in enumerate(people)
            )
        )

        async def has_ended() -> bool:
            return (await two.runs.logged(run_id)).status.is_final

        await eventually(has_ended)
        events = [entry["event"] for entry in await entries_of(one.log, run_id)]
        audited = await servers[0].services().store.decisions(run_id)
    voted = [each for each in events if each["event"] == "InteractionResponded" and not each.get("late")]
    [resolved] = [each for each in events if each["event"] == "StepContinued"]
    needed = 200 if name == "all" else 31
    assert len(voted) == needed
    assert resolved["outcome"] == "approved"
    assert resolved["resolved_by"] == voted[-1]["responded_by"]
    assert [(each["number"], each["responded"], each["needed"]) for each in voted] == [
        (number, number, needed - number) for number in range(1, needed + 1)
    ], "for every follower, each response is told once, in order"
    assert len({each["voter"] for each in voted}) == needed
    assert answers.count("") == needed
    over = {ErrorCode.CONFLICT, ErrorCode.RUN_FINISHED}
    assert set(answers) - {""} <= {each.value for each in over}, "who came too late is told what won"
    assert _on_responses(audited, id_) >= needed, "each response is audited"


def _on_responses(audited: Any, id_: str) -> int:
    rows: list[Decision] = [each for each in audited if each.requirement_id.startswith(f"{id_}#")]
    return len(rows)
