"""What the client's tests run: short, and each with a way to see how often it really ran."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from pydantic import BaseModel
from tests.testing.agents import Clerk

from interlock import (
    Ask,
    Choose,
    Confirm,
    Halting,
    Machine,
    Parallel,
    Review,
    Router,
    State,
    Step,
    StepInput,
    StepOutput,
    ToolReview,
    Transition,
    UserInputField,
    Workflow,
)
from interlock.workflow.declare.agents import Tool, ToolRequest

EXECUTIONS: Counter[str] = Counter()
"""How often each run, and each message, has executed the step `once`; the server is a thread of this process."""


class Release(BaseModel):
    """The form of the workflow `release`."""

    version: str
    count: int = 3


async def stream(step_input: StepInput) -> AsyncIterator[str | StepOutput]:
    """Yields as many pieces as the message says, with a pause after every tenth. All events are small."""
    for number in range(int(str(step_input.input))):
        yield f"piece {number} of a stream; "
        if number % 10 == 9:
            await asyncio.sleep(0.001)
    yield StepOutput("streamed")


async def flood(step_input: StepInput) -> AsyncIterator[str]:
    """Yields as many pieces as the message says, as fast as it can."""
    for number in range(int(str(step_input.input))):
        yield f"piece {number} of a flood; "
        if number % 100 == 99:
            await asyncio.sleep(0)


def once(step_input: StepInput) -> str:
    EXECUTIONS[step_input.run_id] += 1
    EXECUTIONS[str(step_input.input)] += 1
    return "done"


def fails(step_input: StepInput) -> str:
    raise RuntimeError("the printer is on fire")


def fails_once(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        raise RuntimeError("the printer is on fire")
    return "printed"


TOOLS = (
    ToolRequest(Tool("call-1", "delete", {"path": "/tmp/x"})),
    ToolRequest(Tool("call-2", "rename", {"path": "/tmp/y"}), editable=True),
    ToolRequest(Tool("call-3", "send", {}), user_input=[UserInputField("to")]),
    ToolRequest(
        Tool("call-4", "ask", {}), user_feedback=[{"question": "Which?", "options": [{"label": "a"}, {"label": "b"}]}]
    ),
    ToolRequest(Tool("call-5", "query", {}), external_execution=True),
)


async def waits(step_input: StepInput) -> str:
    await asyncio.sleep(3600)
    return "never"


APPROVAL = Machine(
    "approval",
    {
        "ask": State(
            halt=Halting({"type": "form", "title": "Approve?", "fields": [{"name": "ok", "type": "boolean"}]}),
            transitions=[Transition("done", {"field": "ok", "equals": True}), Transition("ask")],
        ),
        "done": State(is_terminal=True),
    },
    initial_state="ask",
)
"""Asks until somebody says yes."""

workflows = [
    Workflow("approval", steps=[APPROVAL]),
    Workflow("stream", steps=[Step("stream", stream)]),
    Workflow("flood", steps=[Step("flood", flood)]),
    Workflow("once", steps=[Step("once", once)]),
    Workflow("confirmed", steps=[Step("once", once, human_review=Confirm("Do it?"))]),
    Workflow("confirmed-by-bob", steps=[Step("once", once, human_review=Confirm("Do it?", assignees=["bob"]))]),
    Workflow(
        "release",
        steps=[
            Step("form", once, human_review=Ask(Release, "Which version?")),
            Router("route", [Step("quick", once), Step("deep", once)], human_review=Choose("How?", multiple=True)),
        ],
    ),
    Workflow(
        "both",
        steps=[Parallel("both", [Step(side, once, human_review=Confirm("Do it?")) for side in ("left", "right")])],
    ),
    Workflow("reviewed", steps=[Step("once", once, human_review=Review("Right?", on_reject="retry"))]),
    Workflow("office", steps=[Step("clerk", agent=Clerk([TOOLS]))]),
    Workflow(
        "hasty-office",
        steps=[Step("clerk", agent=Clerk([TOOLS]), human_review=ToolReview(timeout=1, on_timeout="skip")), once],
    ),
    Workflow("mended", steps=[Step("fails", fails_once, on_error="pause")]),
    Workflow(
        "hasty",
        steps=[
            Parallel(
                "both",
                [
                    Step("soon", once, human_review=Confirm("Do it?", timeout=0.5, on_timeout="skip")),
                    Step("waits", once, human_review=Confirm("Do it?")),
                ],
            )
        ],
    ),
    Workflow("broken", steps=[Step("fails", fails)]),
    Workflow("forever", steps=[Step("waits", waits)]),
]
