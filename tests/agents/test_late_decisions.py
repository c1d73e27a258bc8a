"""Decisions on an agent's tools that come again, or too late: the first ones stand, and are audited once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from tests.support.live import STORAGES, Message, Talk, live_server, storage_settings

from interlock import Step, StepInput, Workflow
from interlock.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest
from interlock.engine.driving.rows import audit_of
from interlock.testing import running


class TwoTurns:
    """Asks twice, for two tools each time."""

    id = "two-turns"
    name = "An agent that asks twice"
    type: Literal["agent"] = "agent"

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        return self._ask(1)

    async def resume(
        self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        return self._ask(2) if state == 1 else "done"

    def _ask(self, turn: int) -> AgentPause:
        return AgentPause([ToolRequest(Tool(f"call-{turn}-{each}", "pay", {"amount": each})) for each in (1, 2)], turn)


WORKFLOW = Workflow("two-turns", steps=[Step("act", agent=TwoTurns())])


def decision_on(output: Message, *, confirmed: bool = True) -> Message:
    (requirement,) = output["step_requirements"]
    tools = [{"id": each["id"], "confirmation": confirmed} for each in requirement["executor_requirements"]]
    return {
        "action": "continue-workflow",
        "workflow_id": output["workflow_id"],
        "run_id": output["run_id"],
        "step_requirements": [{"id": requirement["id"], "executor_requirements": tools}],
        "request_id": "decide",
    }


async def answer(talk: Talk, message: Message) -> Message:
    await talk.send(message)
    return (await talk.until("ack", "error", request_id="decide"))[-1]


@pytest.mark.parametrize("storage", STORAGES)
async def test_late_decision_on_an_earlier_turn_is_acknowledged_or_learns_what_stands(
    storage: str, tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    with (
        storage_settings(storage, tmp_path, redis_url=redis_url, postgres_url=postgres_url) as settings,
        live_server([WORKFLOW], **settings) as live,
    ):
        async with live.talk() as talk:
            run_id = await talk.start("two-turns")
            first = (await talk.until_pause(run_id))[-1]
            same, other = decision_on(first), decision_on(first, confirmed=False)
            assert (await answer(talk, same))["event"] == "ack"
            second = (await talk.until_pause(run_id))[-1]

            for _ in range(2):
                assert (await answer(talk, same))["event"] == "ack"
                assert (await answer(talk, other))["code"] == "conflict"
            assert (await answer(talk, decision_on(second)))["event"] == "ack"
            await talk.until_end(run_id)
            for output in (first, second):
                assert (await answer(talk, decision_on(output)))["event"] == "ack"
                assert (await answer(talk, decision_on(output, confirmed=False)))["code"] == "conflict"


def stated(decision: dict[str, Any]) -> dict[str, Any]:
    """What was decided, without what only the audit keeps of who decided (a digest of the arguments seen)."""
    return {key: value for key, value in decision.items() if key != "$private"}


async def test_audit_drawn_from_a_state_is_what_was_written_when_it_was_decided() -> None:
    async with running(WORKFLOW) as run:
        for _ in range(2):
            pause = await run.paused()
            for tool in pause.tools:
                await pause.approve(tool)
        await run.completed()
        engine = run._server.engine
        audited = {each.requirement_id: stated(each.decision) for each in await engine.store.decisions(run.run_id)}
        state = await engine.runs.state(run.run_id, fresh=True)
        drawn = {each.requirement_id: stated(each.decision) for each in audit_of(state)}

    assert len(audited) == 4
    assert drawn.items() <= audited.items()
