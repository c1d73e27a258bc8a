"""An agent of one's own, without any framework: what the protocol promises it, and what it must keep to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Literal

import pytest

from interlock import DeclarationError, Step, StepInput, StepOutput, Workflow
from interlock.agents import AgentExecutor, AgentPause, AgentStream, Tool, ToolDecision, ToolRequest
from interlock.testing import Run, running

PAY = Tool("call-1", "pay", {"amount": 5})


class Own:
    """Pauses once, with what it is given, and returns what it was then resumed with."""

    id = "own"
    name = "An agent of one's own"
    type: Literal["agent"] = "agent"

    def __init__(self, first: Any) -> None:
        self.first = first
        self.resumed: list[tuple[Any, Sequence[ToolDecision]]] = []

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        return self.first

    async def resume(
        self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        self.resumed.append((state, decisions))
        return "done"


def flow(agent: AgentExecutor) -> Workflow:
    return Workflow("own", steps=[Step("act", agent=agent)])


async def decide(run: Run, **decision: Any) -> None:
    pause = await run.paused()
    await pause.approve(pause.tools[0], **decision)
    await run.completed()


async def test_agent_may_return_whatever_a_step_may() -> None:
    async with running(flow(Own(StepOutput({"sum": 5}, stop=True)))) as run:
        assert await run.completed() == {"sum": 5}


async def test_state_and_decisions_come_back_as_they_were_logged() -> None:
    state: Any = {"turn": 1, "due": date(2030, 1, 1)}
    agent = Own(AgentPause([ToolRequest(PAY)], state))
    async with running(flow(agent)) as run:
        await decide(run, note="fine")
    assert agent.resumed == [({"turn": 1, "due": "2030-01-01"}, [ToolDecision(PAY, approved=True, note="fine")])]


async def test_state_is_shown_to_nobody() -> None:
    agent = Own(AgentPause([ToolRequest(PAY)], {"secret": "sesame"}))
    async with running(flow(agent)) as run:
        await decide(run)
        assert "sesame" not in str(run.events)


async def test_arguments_that_run_are_those_of_the_log() -> None:
    args: Any = {"day": date(2030, 1, 1)}
    agent = Own(AgentPause([ToolRequest(Tool("call-1", "book", args))], None))
    async with running(flow(agent)) as run:
        await decide(run)
    ((_, (decision,)),) = agent.resumed
    assert decision.tool.args == {"day": "2030-01-01"}


@pytest.mark.parametrize("edited", [{"amount": 4}, {}], ids=["changed", "none left"])
async def test_edited_arguments_stand_in_the_place_of_the_pauses(edited: dict[str, Any]) -> None:
    agent = Own(AgentPause([ToolRequest(PAY, editable=True)], None))
    async with running(flow(agent)) as run:
        await decide(run, edited_args=edited)
    ((_, (decision,)),) = agent.resumed
    assert decision.tool.args == edited


async def test_what_an_agent_changes_in_its_state_changes_nothing_else() -> None:
    class Careless(Own):
        async def resume(
            self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
        ) -> Any:
            state.append("more")
            if len(self.resumed) == 0:
                self.resumed.append((list(state), decisions))
                raise RuntimeError("try again")
            return state

    agent = Careless(AgentPause([ToolRequest(PAY)], ["kept"]))
    workflow = Workflow("own", steps=[Step("act", agent=agent, retries=1)])
    async with running(workflow) as run:
        await (await run.paused()).confirm()
        assert await run.completed() == ["kept", "more"]


@pytest.mark.parametrize(
    ("pause", "sentence"),
    [
        (AgentPause([], None), "the agent paused without a request; it must say which tools wait for a person"),
        (AgentPause([ToolRequest(PAY)], object()), "must be str, dict, list"),  # type: ignore[arg-type]
        (AgentPause([ToolRequest(Tool("1", "pay", {"x": float("nan")}))], None), "NaN and infinity aren't JSON"),
    ],
    ids=["no request", "state", "arguments"],
)
async def test_pause_that_cannot_be_logged_fails_the_step(pause: AgentPause, sentence: str) -> None:
    async with running(flow(Own(pause))) as run:
        assert sentence in await run.failed()


async def test_tool_events_say_what_happened() -> None:
    class Busy(Own):
        async def run(self, step_input: StepInput, stream: AgentStream) -> str:
            stream.tool_started(PAY)
            stream.tool_completed(PAY, {"paid": 5})
            stream.tool_failed(PAY, "half a character: \ud800")
            await stream.room()
            return "done"

    async with running(flow(Busy(None))) as run:
        await run.completed()
        told = [(event["event"], event["tool"]) for event in run.events if "tool" in event]
    call = {"tool_call_id": "call-1", "tool_name": "pay", "tool_args": {"amount": 5}}
    assert told == [
        ("ToolCallStarted", call),
        ("ToolCallCompleted", {**call, "result": {"paid": 5}}),
        ("ToolCallError", {**call, "error": "half a character: ?"}),
    ]


def test_step_takes_only_agents() -> None:
    with pytest.raises(DeclarationError, match="AgentExecutor"):
        Step("act", agent=object())
