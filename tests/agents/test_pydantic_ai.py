"""The adapter, in the engine, against the real framework with its own test models."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, RunContext, UsageLimits
from pydantic_ai.capabilities import ProcessEventStream
from pydantic_ai.exceptions import ApprovalRequired, CallDeferred, ModelRetry, ToolFailed
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests, ToolDefinition
from pydantic_ai.toolsets import ExternalToolset
from tests.agents.scripted import Call, Piece, asked, scripted, told

from interlock import Review, Step, StepInput, Workflow
from interlock.agents.pydantic_ai import PydanticAgent, editable, user_feedback, user_input
from interlock.testing import ErrorCode, Pause, Refusal, Run, running
from interlock_client.tools import ToolCall


def flow(agent: Agent[Any, Any], *, before: Sequence[Any] = (), human_review: Any = None, **options: Any) -> Workflow:
    """A workflow of one step, the agent's. The options that aren't `Step`'s are `PydanticAgent`'s."""
    of_step = {name: options.pop(name) for name in ("retries", "restart") if name in options}
    step = Step("act", agent=PydanticAgent(agent, **options), human_review=human_review, **of_step)
    return Workflow("agents", steps=[*before, step])


def tool_named(pause: Pause, name: str) -> ToolCall:
    return next(tool for tool in pause.tools if tool.name == name)


def tool_events(run: Run) -> list[tuple[str, str, Any]]:
    """What became of tools: (`Started`, `Completed` or `Error`; the tool; its arguments, result or error)."""
    shown = {"Started": "tool_args", "Completed": "result", "Error": "error"}
    found = [(event["event"].removeprefix("ToolCall"), event["tool"]) for event in run.events if "tool" in event]
    return [(what, tool["tool_name"], tool[shown[what]]) for what, tool in found]


def names(run: Run) -> list[str]:
    return [event["event"] for event in run.events]


def deleting(*turns: list[Piece], calls: list[str] | None = None, **options: Any) -> Agent[Any, Any]:
    """An agent with one tool, `delete_record`, that must be approved; `calls` are those that were made."""
    agent = Agent(scripted(*turns), name="ActionAgent", **options)

    @agent.tool_plain(requires_approval=True)
    def delete_record(record_id: str) -> str:
        (calls if calls is not None else []).append(record_id)
        return f"{record_id} is gone"

    return agent


DELETE = Call("delete_record", {"record_id": "42"})


# ── Content and output ──────────────────────────────────────────────────────────────────────────────────


async def test_each_piece_of_text_is_a_content_event_of_the_agent() -> None:
    agent = Agent(scripted(["Hello", ", ", "world"]), name="Greeter")
    async with running(flow(agent, id="agent-001")) as run:
        assert await run.completed() == "Hello, world"
        events = [event for event in run.events if event["event"] == "RunResponseContentEvent"]
    assert [event["content"] for event in events] == ["Hello", ", ", "world"]
    assert {(each["executor_id"], each["executor_name"], each["executor_type"]) for each in events} == {
        ("agent-001", "Greeter", "agent")
    }


async def test_agent_without_a_name_has_an_id_all_the_same() -> None:
    assert (PydanticAgent(Agent(TestModel())).id, PydanticAgent(Agent(TestModel())).name) == ("agent", "agent")
    assert (PydanticAgent(Agent(TestModel(), name="a")).id, PydanticAgent(Agent(TestModel()), id="b").name) == (
        "a",
        "b",
    )


async def test_pydantic_model_is_the_output_and_its_name_the_content_type() -> None:
    class City(BaseModel):
        name: str
        inhabitants: int

    agent = Agent(TestModel(custom_output_args={"name": "Ulm", "inhabitants": 126_000}), output_type=City)
    async with running(flow(agent)) as run:
        assert await run.completed() == {"name": "Ulm", "inhabitants": 126_000}
        assert run.events[-1]["content_type"] == "City"


async def test_tools_that_need_nobody_just_run() -> None:
    agent = Agent(TestModel(custom_output_text="done"))

    @agent.tool_plain
    def add(one: int, other: int) -> dict[str, int]:
        return {"sum": one + other}

    async with running(flow(agent)) as run:
        assert await run.completed() == "done"
        assert tool_events(run) == [("Started", "add", {"one": 0, "other": 0}), ("Completed", "add", {"sum": 0})]


async def test_result_that_is_not_json_is_shown_and_reaches_the_model() -> None:
    agent = Agent(scripted([Call("photo"), Call("measure")], ["seen"]))

    @agent.tool_plain
    def photo() -> BinaryContent:
        return BinaryContent(b"\xff\xfe", media_type="image/png")

    @agent.tool_plain
    def measure() -> float:
        return float("nan")

    async with running(flow(agent)) as run:
        assert await run.completed() == "seen"
        results = {name: result for what, name, result in tool_events(run) if what == "Completed"}
    assert results["photo"]["media_type"] == "image/png"
    assert results["measure"] == "NaN"


# ── The prompt, and what tools are given ────────────────────────────────────────────────────────────────


async def test_agent_is_asked_the_message() -> None:
    async with running(flow(Agent(scripted([asked]))), message="3 crates") as run:
        assert await run.completed() == "3 crates"


async def test_agent_is_asked_the_content_before_it() -> None:
    def order(_: StepInput) -> dict[str, int]:
        return {"crates": 3}

    async with running(flow(Agent(scripted([asked])), before=[order]), message="apples") as run:
        assert await run.completed() == '{"crates":3}'


async def test_prompt_may_be_made_by_a_function() -> None:
    agent = Agent(scripted([asked]))
    async with running(flow(agent, prompt=lambda given: f"For {given.user_id}: {given.input}"), message="x") as run:
        assert await run.completed() == "For tester: x"


async def test_agent_hears_why_its_output_was_sent_back() -> None:
    agent = Agent(scripted([asked]))
    review = Review("Right?", on_reject="retry")
    async with running(flow(agent, human_review=review), message="Greet.") as run:
        await (await run.paused()).reject("Longer!")
        second = await run.paused()
        assert second.output == (
            "Greet.\n\nYour previous answer was sent back:\nGreet.\n\nWhat was said about it:\nLonger!"
        )
        await second.confirm()
        await run.completed()


async def test_tools_get_the_dependencies() -> None:
    agent = Agent(scripted([Call("whoami")], [told]), deps_type=str)

    @agent.tool
    def whoami(ctx: RunContext[str]) -> str:
        return ctx.deps

    async with running(flow(agent, deps="always the same")) as run:
        assert await run.completed() == "whoami: always the same"
    async with running(flow(agent, deps_of=lambda given: given.user_id), user="ada") as run:
        assert await run.completed() == "whoami: ada"


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


# ── Restarts ────────────────────────────────────────────────────────────────────────────────────────────


async def test_restart_between_pause_and_decision_changes_nothing() -> None:
    calls: list[str] = []
    async with running(flow(deleting(["I delete. ", DELETE], [told], calls=calls))) as run:
        before = (await run.paused()).tools
        await run.restart()
        pause = await run.paused()
        assert pause.tools == before
        await pause.confirm()
        assert await run.completed() == "delete_record: 42 is gone"
        assert names(run).count("RunResponseContentEvent") == 2
    assert calls == ["42"]


async def test_restart_after_a_decision_asks_nobody_again() -> None:
    """What was approved runs again when it was broken off: with the same idempotency key."""
    keys: list[str] = []
    finish = asyncio.Event()
    agent = Agent(scripted([Call("pay")], [told]), deps_type=StepInput)

    @agent.tool(requires_approval=True)
    async def pay(ctx: RunContext[StepInput]) -> str:
        keys.append(ctx.deps.idempotency_key)
        await finish.wait()
        return "paid"

    async with running(flow(agent, deps_of=lambda given: given)) as run:
        await (await run.paused()).confirm()
        await run.until("ToolCallStarted")
        await run.restart()
        finish.set()
        assert await run.completed() == "pay: paid"
        assert names(run).count("StepExecutorPaused") == 1
        assert "WorkflowRecovered" in names(run)
    assert len(keys) == 2
    assert len(set(keys)) == 1


async def test_restart_before_the_first_pause_begins_again() -> None:
    begun, finish = asyncio.Event(), asyncio.Event()
    agent = deleting([Call("look")], [DELETE], [told])

    @agent.tool_plain
    async def look() -> str:
        begun.set()
        await finish.wait()
        return "42"

    async with running(flow(agent)) as run:
        await begun.wait()
        await run.restart()
        finish.set()
        await (await run.paused()).confirm()
        assert await run.completed() == "delete_record: 42 is gone"


async def test_broken_off_agent_that_must_not_repeat_itself_asks() -> None:
    finish = asyncio.Event()
    agent = Agent(scripted([Call("pay")], [told]))

    @agent.tool_plain(requires_approval=True)
    async def pay() -> str:
        await finish.wait()
        return "paid"

    async with running(flow(agent, restart="ask")) as run:
        await (await run.paused()).confirm()
        await run.until("ToolCallStarted")
        await run.restart()
        finish.set()
        pause = await run.paused()
        assert pause.kind == "error_decision"
        await pause.decide("retry")
        assert await run.completed() == "pay: paid"
        assert names(run).count("StepExecutorPaused") == 1


# ── Failures ────────────────────────────────────────────────────────────────────────────────────────────


def failing(error: Exception, *turns: list[Piece], calls: list[int] | None = None) -> Agent[Any, Any]:
    """An agent with one tool, `pay`, that must be approved and raises `error` when it is called the first time."""
    agent = Agent(scripted(*turns))
    made = calls if calls is not None else []

    @agent.tool_plain(requires_approval=True)
    def pay() -> str:
        made.append(1)
        if len(made) == 1:
            raise error
        return "paid"

    return agent


@pytest.mark.parametrize("error", [ModelRetry("no funds"), ToolFailed("no funds")], ids=["retry", "failed"])
async def test_approved_and_succeeded_are_two_facts(error: Exception) -> None:
    async with running(flow(failing(error, [Call("pay")], ["It failed."]))) as run:
        await (await run.paused()).confirm()
        assert await run.completed() == "It failed."
        (decided,) = [event for event in run.events if event["event"] == "StepExecutorContinued"]
        assert decided["decision"]["executor_requirements"][0]["confirmation"] is True
        ((_, _, args), (what, _, said)) = tool_events(run)
        assert (args, what) == ({}, "Error")
        assert "no funds" in said


async def test_approved_tool_that_raises_fails_the_step() -> None:
    async with running(flow(failing(RuntimeError("no bank"), [Call("pay")], ["unreached"]))) as run:
        await (await run.paused()).confirm()
        assert await run.failed() == "no bank"
        assert tool_events(run) == [("Started", "pay", {}), ("Error", "pay", "no bank")]


async def test_retry_goes_on_from_the_decision() -> None:
    calls: list[int] = []
    agent = failing(RuntimeError("no bank"), [Call("pay")], [told], calls=calls)
    async with running(flow(agent, retries=1)) as run:
        await (await run.paused()).confirm()
        assert await run.completed() == "pay: paid"
        assert names(run).count("StepExecutorPaused") == 1
    assert len(calls) == 2


async def test_agent_that_raises_fails_the_step() -> None:
    def broken(_: object) -> str:
        raise RuntimeError("the model is down")

    async with running(flow(Agent(scripted([broken])))) as run:
        assert await run.failed() == "the model is down"
        assert [event["error_type"] for event in run.events if event["event"] == "StepError"] == ["RuntimeError"]


async def test_agent_that_raises_is_tried_again() -> None:
    tries: list[int] = []

    def flaky(_: object) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("the model is down")
        return "up again"

    async with running(flow(Agent(scripted([flaky])), retries=2)) as run:
        assert await run.completed() == "up again"
        assert [step.attempt for step in run.steps("act")] == [2]


async def test_arguments_that_the_model_got_wrong_are_seen() -> None:
    agent = deleting([Call("delete_record", {"id": "42"})], [DELETE], [told])
    async with running(flow(agent)) as run:
        pause = await run.paused()
        ((what, name, error),) = tool_events(run)
        assert (what, name) == ("Error", "delete_record")
        assert "record_id" in error
        await pause.confirm()
        assert await run.completed() == "delete_record: 42 is gone"


async def test_cancel_reaches_a_tool_that_runs() -> None:
    begun, broken_off = asyncio.Event(), asyncio.Event()
    agent = Agent(scripted([Call("wait")], ["unreached"]))

    @agent.tool_plain
    async def wait() -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            broken_off.set()
            raise
        return "unreached"

    async with running(flow(agent)) as run:
        await begun.wait()
        await run.cancel("enough")
        assert await run.cancelled() == "enough"
        async with asyncio.timeout(10):
            await broken_off.wait()


# ── The framework's own rules ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("output_type", [[str, DeferredToolRequests], str | DeferredToolRequests], ids=["list", "|"])
async def test_agent_may_name_deferred_requests_itself(output_type: Any) -> None:
    async with running(flow(deleting([DELETE], [told], output_type=output_type))) as run:
        await (await run.paused()).confirm()
        assert await run.completed() == "delete_record: 42 is gone"


async def test_agent_with_output_validators_runs_and_pauses_where_it_names_deferred_requests() -> None:
    def validated(agent: Agent[Any, Any]) -> Agent[Any, Any]:
        @agent.output_validator
        def loud(output: Any) -> Any:
            return output.upper() if isinstance(output, str) else output

        return agent

    async with running(flow(validated(Agent(scripted(["hello"]))))) as run:
        assert await run.completed() == "HELLO"
    async with running(flow(validated(deleting([DELETE], ["done"])))) as run:
        assert "DeferredToolRequests" in await run.failed()
    named = deleting([DELETE], ["done"], output_type=[str, DeferredToolRequests])
    async with running(flow(validated(named))) as run:
        await (await run.paused()).confirm()
        assert await run.completed() == "DONE"


async def test_agents_own_listener_still_hears() -> None:
    heard: list[Any] = []

    async def listen(_: Any, events: Any) -> None:
        heard.extend([event async for event in events])

    agent = Agent(scripted(["hello"]), capabilities=[ProcessEventStream(listen)])
    async with running(flow(agent)) as run:
        assert await run.completed() == "hello"
    assert heard


def test_missing_framework_names_the_extra() -> None:
    """In a process of its own, in which the framework can't be imported."""
    code = "import sys; sys.modules['pydantic_ai'] = None; import interlock.agents.pydantic_ai"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "interlock.workflow.declare.errors.MissingExtra: PydanticAgent needs Pydantic AI: install the extra, "
        "`pip install 'interlock[pydantic-ai]'`."
    )
