"""Every place where a value of an author or of a client enters, and every odd value: it is refused there, ends its run
with a sentence, or is carried. No run hangs, or can't be cancelled, or says what a client can't read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, RootModel, create_model
from pydantic_core import to_json
from tests.workflow import odd

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    CustomEvent,
    DeclarationError,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Step,
    StepInput,
    StepOutput,
    UserInputField,
    Workflow,
)
from interlock.testing import Refusal, Run, running
from interlock.workflow.declare.agents import AgentPause, AgentStream, Tool, ToolRequest
from interlock.workflow.declare.inputs import message_schema
from interlock_protocol.codec import JSON, MSGPACK
from interlock_protocol.messages import parse_server_message
from interlock_protocol.types import RunStatus

Place: TypeAlias = Callable[[Any], Workflow]

MANY = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
DEADLINE = 30.0

NOW: list[Any] = [None]
"""The value that the run of the moment is about: one server runs all of a place, one after the other."""


def value() -> Any:
    return NOW[0]


class Anything(RootModel[Any]):
    pass


class Failing(Exception):  # noqa: N818 - it says what it is given
    def __str__(self) -> str:
        return value() if isinstance(value(), str) else str(value())


class Agent:
    """Does one thing with the value."""

    id = name = "agent"
    type = "agent"

    def __init__(self, act: Callable[[AgentStream], Any]) -> None:
        self._act = act

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        return self._act(stream)

    async def resume(self, _: Any, __: Any, ___: StepInput, stream: AgentStream) -> Any:
        return "resumed"


def look(given: StepInput) -> str:
    """Writes down all that it sees: what JSON can't carry isn't there any more."""
    seen = [given.previous_step_content, given.session.state, given.all_step_contents(), given.user_input, given.input]
    return to_json(seen).decode()


def does(work: Callable[[], Any]) -> Step:
    return Step("does", lambda _: work())


def keeps(key: Callable[[], Any], kept: Callable[[], Any]) -> Step:
    def keep(given: StepInput) -> str:
        given.session.state[key()] = kept()
        return "kept"

    return Step("keeps", keep)


def yields(*items: Callable[[], Any]) -> Step:
    def generate(_: StepInput) -> Iterator[Any]:
        yield from (each() for each in items)

    return Step("yields", generate)


async def yields_on_the_loop(_: StepInput) -> AsyncIterator[Any]:
    yield value()


def fails(_: StepInput) -> None:
    raise Failing


def agent(act: Callable[[AgentStream], Any]) -> Step:
    return Step("agent", agent=Agent(act))


def tool(made: Callable[[], Tool]) -> Step:
    return agent(lambda stream: stream.tool_started(made()))


def pauses(made: Callable[[], ToolRequest]) -> Step:
    return agent(lambda _: AgentPause([made()], None))


RUNNING: dict[str, list[Any]] = {
    "an output": [does(value)],
    "an output in a StepOutput": [does(lambda: StepOutput(value()))],
    "an output's error": [does(lambda: StepOutput("x", success=False, error=value()))],
    "an output's success": [does(lambda: StepOutput("x", success=value()))],
    "an output's stop": [does(lambda: StepOutput("x", stop=value()))],
    "an output under review": [Step("s", lambda _: value(), human_review=Review("Right?"))],
    "a branch's output": [Parallel("p", [does(value), look])],
    "an iteration's output": [Loop("l", [does(value)], max_iterations=2, human_review=Review())],
    "an output that an expression sees": [does(value), Condition("c", "previous_step_content != 'x'", steps=[look])],
    "the input of a nested workflow": [
        does(value),
        Step("sub", workflow=Workflow("nested", steps=[look], input_schema=Anything)),
    ],
    "a yield": [yields(lambda: "a", value)],
    "a yield on the loop": [yields_on_the_loop],
    "the last yield": [yields(lambda: "a", lambda: StepOutput(value()))],
    "a custom event's data": [yields(lambda: CustomEvent("progress", value()))],
    "a custom event's name": [yields(lambda: CustomEvent(value(), 1))],
    "a session's value": [keeps(lambda: "key", value)],
    "a session's inner value": [keeps(lambda: "key", lambda: {"in": [value()]})],
    "a session's key": [keeps(value, lambda: "x")],
    "a session that an expression sees": [
        keeps(lambda: "key", value),
        Condition("c", "session_state.key != 'x'", steps=[look]),
    ],
    "an error": [fails],
    "an error that a person decides": [Step("s", fails, on_error="pause", human_review=ErrorReview())],
    "an error that is tried again": [Step("s", fails, retries=1, on_error="skip")],
    "a condition's answer": [Condition("c", lambda _: value(), steps=[look])],
    "a selector's answer": [Router("r", [look, does(value)], selector=lambda _: value())],
    "an end condition's answer": [Loop("l", [look], max_iterations=2, end_condition=lambda _: value())],
    "a predicate's answer": [Step("s", lambda _: "x", human_review=Review(when=lambda _: value()))],
    "an agent's output": [agent(lambda _: value())],
    "an agent's text": [agent(lambda stream: stream.content(value()))],
    "a tool's id": [tool(lambda: Tool(value(), "t"))],
    "a tool's name": [tool(lambda: Tool("1", value()))],
    "a tool's arguments": [tool(lambda: Tool("1", "t", {"a": value()}))],
    "a tool's result": [agent(lambda stream: stream.tool_completed(Tool("1", "t"), value()))],
    "a tool's error": [agent(lambda stream: stream.tool_failed(Tool("1", "t"), value()))],
    "an agent's state": [agent(lambda _: AgentPause([ToolRequest(Tool("1", "t"))], value()))],
    "an agent's run_id": [agent(lambda _: AgentPause([ToolRequest(Tool("1", "t"))], None, run_id=value()))],
    "the arguments of a tool that waits": [pauses(lambda: ToolRequest(Tool("1", "t", {"a": value()})))],
    "the name of a tool that waits": [pauses(lambda: ToolRequest(Tool("1", value())))],
    "a tool's questions": [
        pauses(lambda: ToolRequest(Tool("1", "t"), user_feedback=[{"question": value(), "options": [value()]}]))
    ],
    "a tool's form": [
        pauses(lambda: ToolRequest(Tool("1", "t"), user_input=[UserInputField("x", "dict", default={"a": value()})]))
    ],
}
"""Where a value enters while a run is under way: the steps that let it in."""


def defaulting(default: Any) -> type[BaseModel]:
    """A form, or an input, with a default."""
    return create_model("Defaulting", x=(Any, default))


def named(given: Any) -> Agent:
    made = Agent(lambda stream: stream.content("x"))
    made.id = given
    return made


def asks(review: Any) -> Workflow:
    return Workflow("w", steps=[Step("s", look, human_review=review)])


def form(*fields: UserInputField) -> Workflow:
    return asks(Ask(fields))


DECLARED: dict[str, Callable[[Any], Workflow]] = {
    "a workflow's id": lambda v: Workflow(v, steps=[look]),
    "a workflow's name": lambda v: Workflow("w", steps=[look], name=v),
    "a workflow's description": lambda v: Workflow("w", steps=[look], description=v),
    "a workflow's version": lambda v: Workflow("w", steps=[look], version=v),
    "an input's default": lambda v: Workflow("w", steps=[look], input_schema=defaulting(v)),
    "a step's name": lambda v: Workflow("w", steps=[Step(v, look)]),
    "a router's choice": lambda v: Workflow("w", steps=[Router("r", [Step(v, look)])]),
    "a confirmation's message": lambda v: asks(Confirm(v)),
    "a review's message": lambda v: asks(Review(v)),
    "a choice's message": lambda v: Workflow("w", steps=[Router("r", [look], human_review=Choose(v))]),
    "a form's message": lambda v: asks(Ask([UserInputField("x")], v)),
    "assignees": lambda v: asks(Confirm(assignees=v)),
    "an assignee": lambda v: asks(Confirm(assignees=[v])),
    "a timeout": lambda v: asks(Confirm(timeout=v)),
    "a time limit": lambda v: Workflow("w", steps=[Step("s", look, time_limit=v)]),
    "retries": lambda v: Workflow("w", steps=[Step("s", look, retries=v)]),
    "iterations": lambda v: Workflow("w", steps=[Loop("l", [look], max_iterations=v, end_condition=lambda _: True)]),
    "rounds of a review": lambda v: asks(Review(max_retries=v)),
    "a field's name": lambda v: form(UserInputField(v)),
    "a field's description": lambda v: form(UserInputField("x", description=v)),
    "a field's default": lambda v: form(UserInputField("x", default=v)),
    "a field's inner default": lambda v: form(UserInputField("x", "dict", default={"a": v})),
    "a field's values": lambda v: form(UserInputField("x", allowed_values=[v])),
    "a form's default": lambda v: asks(Ask(defaulting(v))),
    "an agent's id": lambda v: Workflow("w", steps=[Step("s", agent=named(v))]),
}
"""Where a value is declared."""


async def settled(run: Run) -> None:
    """Wait until the run has ended or waits for a person, and end it then: that it can be cancelled is a claim too."""

    def stands() -> bool | None:
        return run.status.is_final or run.status is RunStatus.PAUSED or None

    await run._followed.until(stands, "the end, or a pause", patient=True)
    if not run.status.is_final:
        await run.cancel("enough")
        await run.cancelled()


def check_readable(run: Run) -> None:
    """Every client can read what the run has said, in both codecs."""
    names = [event["event"] for event in run.events]
    assert names[0] == "WorkflowStarted"
    assert names[-1] in ("WorkflowCompleted", "WorkflowCancelled", "WorkflowError")
    for event in run.events:
        for codec in (JSON, MSGPACK):
            assert codec.decode(codec.encode(event)) == event
        parse_server_message(event)


def check_listed(workflow: Workflow) -> None:
    """What is listed of the workflow can be sent."""
    schema = message_schema(workflow)
    JSON.encode({"schema": schema, "name": workflow.name, "about": workflow.description, "version": workflow.version})


async def run_with(workflow: Workflow, values: list[Any], message: Any = "") -> None:
    """Runs of one workflow on one server, each about a value."""
    check_listed(workflow)
    async with running(workflow, message=message, deadline=DEADLINE) as first:
        run = first
        for NOW[0] in values:
            await settled(run)
            check_readable(run)
            run = await first.again(session_id="another")


@pytest.mark.parametrize("place", RUNNING)
def test_odd_value_in_a_run_ends_it_properly_or_is_carried(place: str) -> None:
    workflow = Workflow("w", steps=[*RUNNING[place], Step("last", look)])

    @MANY
    @given(st.lists(odd.values(), min_size=5, max_size=10))
    def tried(values: list[Any]) -> None:
        NOW[0] = values[0]
        asyncio.run(run_with(workflow, [*values, None]))

    tried()


@pytest.mark.parametrize("place", DECLARED)
def test_odd_value_that_is_declared_is_refused_or_carried(place: str) -> None:
    """Refused with a sentence; or the workflow can be listed, started, read and cancelled like any other."""
    carried = []
    for each in odd.ALL:
        # The latter comes of the sentence itself, which shows what it refuses.
        with contextlib.suppress(DeclarationError, RecursionError):
            carried.append(DECLARED[place](each))
    for workflow in carried[:: max(1, len(carried) // 4)]:
        with contextlib.suppress(Refusal):
            asyncio.run(run_with(workflow, [None]))


@MANY
@given(st.lists(odd.values(), min_size=5, max_size=10))
@pytest.mark.parametrize("model", [None, Anything])
def test_odd_message_is_refused_or_carried(model: type[BaseModel] | None, values: list[Any]) -> None:
    async def tried() -> None:
        async with running(Workflow("w", steps=[look], input_schema=model), deadline=DEADLINE) as first:
            for each in values:
                try:
                    run = await first.again(message=each)
                except (Refusal, ValueError):
                    continue  # the latter is what a client says: it doesn't get onto the wire
                await settled(run)
                check_readable(run)

    asyncio.run(tried())
