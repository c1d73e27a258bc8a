"""The adapter, in the engine, against the real framework with its own test models."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, RunContext
from pydantic_ai.capabilities import ProcessEventStream
from pydantic_ai.exceptions import ModelRetry, ToolFailed
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import DeferredToolRequests
from tests.agents.pydantic_agents import DELETE, deleting, flow, names, tool_events
from tests.agents.scripted import Call, Piece, asked, scripted, told
from tests.support.live import PATIENCE

from interlock import Review, StepInput
from interlock.agents.pydantic_ai import PydanticAgent
from interlock.testing import running

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
        async with asyncio.timeout(PATIENCE):
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
