"""What the adapter asks of people, and what the real framework is told of their decisions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from pydantic_ai import Agent, RunContext, UsageLimits
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from tests.agents.pydantic_agents import DELETE, deleting, flow, names, tool_events
from tests.agents.scripted import Call, Piece, scripted, told

from interlock.agents.pydantic_ai import editable, user_feedback, user_input
from interlock.testing import ErrorCode, Pause, Refusal, running
from interlock_client.tools import ToolCall


def tool_named(pause: Pause, name: str) -> ToolCall:
    return next(tool for tool in pause.tools if tool.name == name)


# ── Confirmation ────────────────────────────────────────────────────────────────────────────────────────


async def test_approved_tool_runs_once_with_the_arguments_that_were_shown() -> None:
    calls: list[str] = []
    async with running(flow(deleting(["I delete. ", DELETE], [told], calls=calls))) as run:
        pause = await run.paused()
        (tool,) = pause.tools
        assert (tool.name, tool.kind, tool.args) == ("delete_record", "confirmation", {"record_id": "42"})
        assert calls == []
        assert tool_events(run) == []
        await pause.approve(tool)
        assert await run.completed() == "delete_record: 42 is gone"
        assert calls == ["42"]
        assert names(run) == [
            "WorkflowStarted",
            "StepStarted",
            "RunResponseContentEvent",
            "StepExecutorPaused",
            "StepPaused",
            "WorkflowRunOutput",
            "StepExecutorContinued",
            "ToolCallStarted",
            "ToolCallCompleted",
            "RunResponseContentEvent",
            "StepCompleted",
            "WorkflowCompleted",
        ]


async def test_pause_names_the_agent_and_its_run() -> None:
    async with running(flow(deleting([DELETE], ["done"]))) as run:
        requirement = (await run.paused()).requirement
        assert requirement is not None
        assert (requirement.executor_id, requirement.executor_name) == ("ActionAgent", "ActionAgent")
        assert requirement.executor_run_id
        assert requirement.executor_session_id


@pytest.mark.parametrize(
    ("note", "heard"), [("Keep it.", "Keep it."), (None, "The tool call was denied.")], ids=["with a note", "without"]
)
async def test_rejection_reaches_the_model(note: str | None, heard: str) -> None:
    calls: list[str] = []
    async with running(flow(deleting([DELETE], [told], calls=calls))) as run:
        pause = await run.paused()
        await pause.deny(pause.tools[0], note)
        assert await run.completed() == f"delete_record: {heard}"
        assert tool_events(run) == [("Error", "delete_record", heard)]
    assert calls == []


async def test_tool_may_ask_when_it_has_seen_its_arguments() -> None:
    agent = Agent(scripted([Call("pay", {"amount": 1}, "a"), Call("pay", {"amount": 1000}, "b")], [told]))

    @agent.tool
    def pay(ctx: RunContext[object], amount: int) -> str:
        if amount > 100 and not ctx.tool_call_approved:
            raise ApprovalRequired
        return f"paid {amount}"

    async with running(flow(agent)) as run:
        pause = await run.paused()
        assert [tool.args for tool in pause.tools] == [{"amount": 1000}]
        await pause.confirm()
        assert await run.completed() == "pay: paid 1; pay: paid 1000"
        assert [event for event in tool_events(run) if event[0] == "Completed"] == [
            ("Completed", "pay", "paid 1"),
            ("Completed", "pay", "paid 1000"),
        ]


async def test_tool_that_needs_nobody_runs_once_beside_one_that_waits() -> None:
    looks: list[str] = []
    agent = deleting([Call("look"), DELETE], [told])

    @agent.tool_plain
    def look() -> str:
        looks.append("look")
        return "42 is there"

    async with running(flow(agent)) as run:
        pause = await run.paused()
        assert looks == ["look"]
        await pause.confirm()
        assert await run.completed() == "look: 42 is there; delete_record: 42 is gone"
    assert looks == ["look"]


# ── Edited arguments ────────────────────────────────────────────────────────────────────────────────────


def mailing(*turns: list[Piece], metadata: dict[str, Any], sent: list[Any] | None = None) -> Agent[Any, Any]:
    """An agent with one tool, `send_mail`, that is marked with `metadata`."""
    agent = Agent(scripted(*turns))

    @agent.tool_plain(metadata=metadata)
    def send_mail(to: str, copies: int = 1, urgency: Literal["low", "high"] = "low") -> str:
        (sent if sent is not None else []).append((to, copies, urgency))
        return f"sent to {to}"

    return agent


MAIL = Call("send_mail", {"to": "ada@example.org", "copies": 2})


async def test_edited_arguments_run() -> None:
    sent: list[Any] = []
    async with running(flow(mailing([MAIL], [told], metadata=editable(), sent=sent))) as run:
        pause = await run.paused()
        assert pause.tools[0].editable
        await pause.approve(pause.tools[0], edited_args={"to": "bob@example.org"})
        assert await run.completed() == "send_mail: sent to bob@example.org"
        assert tool_events(run)[0] == ("Started", "send_mail", {"to": "bob@example.org"})
    assert sent == [("bob@example.org", 1, "low")]


@pytest.mark.parametrize(
    ("edited", "fields"),
    [
        ({"to": "x", "copies": "many"}, ["edited_args.copies"]),
        ({"copies": 2}, ["edited_args"]),
        ({"to": "x", "copies": True}, ["edited_args.copies"]),
    ],
)
async def test_edited_arguments_that_do_not_fit_go_back_to_the_person(edited: Any, fields: list[str]) -> None:
    sent: list[Any] = []
    async with running(flow(mailing([MAIL], [told], metadata=editable(), sent=sent))) as run:
        pause = await run.paused()
        with pytest.raises(Refusal) as refused:
            await pause.approve(pause.tools[0], edited_args=edited)
        assert refused.value.code is ErrorCode.INVALID_DECISION
        assert [each["field"] for each in refused.value.details] == fields
        await run.restart()
        with pytest.raises(Refusal):
            await (await run.paused()).approve(pause.tools[0], edited_args=edited)
        await pause.approve(pause.tools[0], edited_args={"to": "x"})
        await run.completed()
    assert sent == [("x", 1, "low")]


async def test_arguments_of_a_tool_that_is_not_editable_stay() -> None:
    calls: list[str] = []
    async with running(flow(deleting([DELETE], ["done"], calls=calls))) as run:
        pause = await run.paused()
        with pytest.raises(Refusal) as refused:
            await pause.approve(pause.tools[0], edited_args={"record_id": "*"})
        assert refused.value.code is ErrorCode.INVALID_DECISION
        assert (await run.paused()).tools == pause.tools
        await pause.confirm()
        await run.completed()
    assert calls == ["42"]


# ── User input, questions, external execution ───────────────────────────────────────────────────────────


async def test_person_fills_in_what_the_model_has_proposed() -> None:
    sent: list[Any] = []
    async with running(flow(mailing([MAIL], [told], metadata=user_input("to", "urgency"), sent=sent))) as run:
        pause = await run.paused()
        (tool,) = pause.tools
        assert tool.kind == "user_input"
        assert [(each.name, each.field_type, each.default, each.allowed_values) for each in tool.fields] == [
            ("to", "str", "ada@example.org", None),
            ("urgency", "str", "low", ["low", "high"]),
        ]
        with pytest.raises(Refusal):
            await pause.fill(tool, urgency="medium")
        await pause.fill(tool, urgency="high")
        assert await run.completed() == "send_mail: sent to ada@example.org"
        shown = {"to": "ada@example.org", "copies": 2, "urgency": "high"}
        assert tool_events(run)[0] == ("Started", "send_mail", shown)
    assert sent == [("ada@example.org", 2, "high")]


async def test_all_arguments_are_asked_for_by_default() -> None:
    async with running(flow(mailing([MAIL], ["done"], metadata=user_input()))) as run:
        assert [field.name for field in (await run.paused()).tools[0].fields] == ["to", "copies", "urgency"]


async def test_mark_for_an_argument_that_is_not_there_fails_the_step() -> None:
    async with running(flow(mailing([MAIL], ["done"], metadata=user_input("cc")))) as run:
        assert await run.failed() == "The tool has no argument 'cc'; it has: to, copies, urgency."


async def test_answers_to_questions_are_the_tools_result() -> None:
    agent = Agent(scripted([Call("ask_colour")], [told]))

    @agent.tool_plain
    def ask_colour() -> str:
        options: Any = [{"label": "red"}, {"label": "blue"}]
        question: Any = {"question": "Which colour?", "header": "Colour", "options": options, "multi_select": False}
        raise CallDeferred(user_feedback(question))

    async with running(flow(agent)) as run:
        pause = await run.paused()
        (tool,) = pause.tools
        assert tool.kind == "user_feedback"
        await pause.select(tool, {"Which colour?": ["blue"]})
        answer = '[{"question":"Which colour?","selected_options":["blue"]}]'
        assert await run.completed() == f"ask_colour: {answer}"


async def test_external_tool_gets_its_result_from_outside() -> None:
    schema = {"type": "object", "properties": {"sql": {"type": "string"}}}
    outside = ExternalToolset[None]([ToolDefinition(name="query", parameters_json_schema=schema)])
    agent = Agent(scripted([Call("query", {"sql": "SELECT 1"})], [told]), toolsets=[outside])
    async with running(flow(agent)) as run:
        pause = await run.paused()
        (tool,) = pause.tools
        assert (tool.kind, tool.args) == ("external_execution", {"sql": "SELECT 1"})
        await pause.hand_in(tool, {"rows": [1]})
        assert await run.completed() == 'query: {"rows":[1]}'
        assert tool_events(run) == [("Completed", "query", {"rows": [1]})]


async def test_tool_may_defer_its_call() -> None:
    agent = Agent(scripted([Call("build")], [told]))

    @agent.tool_plain
    def build() -> str:
        raise CallDeferred

    async with running(flow(agent)) as run:
        pause = await run.paused()
        await pause.hand_in(pause.tools[0], "built")
        assert await run.completed() == "build: built"


async def test_approved_tool_may_still_defer_its_call() -> None:
    agent = Agent(scripted([Call("build")], [told]))

    @agent.tool_plain(requires_approval=True)
    def build() -> str:
        raise CallDeferred

    async with running(flow(agent)) as run:
        await (await run.paused()).confirm()
        await run.until("StepExecutorPaused", count=2)
        pause = await run.paused()
        await pause.hand_in(pause.tools[0], "built")
        assert await run.completed() == "build: built"


# ── Several tools, several pauses ───────────────────────────────────────────────────────────────────────


def three_kinds() -> Agent[Any, Any]:
    agent = mailing([Call("build"), MAIL, DELETE], [told], metadata=user_input("to"))

    @agent.tool_plain
    def build() -> str:
        raise CallDeferred

    @agent.tool_plain(requires_approval=True)
    def delete_record(record_id: str) -> str:
        return f"{record_id} is gone"

    return agent


async def answer(pause: Pause, name: str) -> None:
    tool = tool_named(pause, name)
    match tool.kind:
        case "confirmation":
            await pause.deny(tool, "no")
        case "user_input":
            await pause.fill(tool, to="bob@example.org")
        case _:
            await pause.hand_in(tool, "built")


@pytest.mark.parametrize("order", list(itertools.permutations(("build", "send_mail", "delete_record"))), ids="-".join)
async def test_tools_of_one_turn_are_decided_one_at_a_time_in_any_order(order: Sequence[str]) -> None:
    async with running(flow(three_kinds())) as run:
        pause = await run.paused()
        assert [tool.name for tool in pause.tools] == ["build", "send_mail", "delete_record"]
        for number, name in enumerate(order, 1):
            await answer((await run.paused()), name)
            assert names(run).count("StepExecutorContinued") == number
            if number < 3:
                assert tool_events(run) == [("Started", "build", {})]
        told_it = "build: built; send_mail: sent to bob@example.org; delete_record: no"
        assert await run.completed() == told_it
        assert names(run).count("StepExecutorPaused") == 1


async def test_restart_between_decisions_keeps_those_that_are_made() -> None:
    async with running(flow(three_kinds())) as run:
        for name in ("delete_record", "build", "send_mail"):
            await answer(await run.paused(), name)
            if name != "send_mail":
                await run.restart()
        assert await run.completed() == "build: built; send_mail: sent to bob@example.org; delete_record: no"


async def test_agent_may_pause_many_times() -> None:
    turns: list[list[Piece]] = [[Call("delete_record", {"record_id": str(n)}, f"call-{n}")] for n in range(5)]
    calls: list[str] = []
    async with running(flow(deleting(*turns, [told], calls=calls))) as run:
        for number in range(5):
            pause = await run.paused()
            assert [tool.args for tool in pause.tools] == [{"record_id": str(number)}]
            await pause.confirm()
        assert await run.completed() == "delete_record: 4 is gone"
        assert names(run).count("StepStarted") == 1
        assert "WorkflowRecovered" not in names(run)
    assert calls == ["0", "1", "2", "3", "4"]


async def test_usage_is_counted_over_pauses() -> None:
    agent = deleting([DELETE], [Call("delete_record", {"record_id": "43"}, "again")], ["done"])
    async with running(flow(agent, usage_limits=UsageLimits(request_limit=2))) as run:
        for _ in range(2):
            await (await run.paused()).confirm()
            await run.until("ToolCallCompleted")
        assert "request_limit of 2" in await run.failed()
