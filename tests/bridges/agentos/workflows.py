"""What the clients of the peer are given to run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.testing.agents import Clerk

from interlock import (
    Ask,
    Choose,
    Confirm,
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
from interlock.workflow.declare.agents import Tool, ToolRequest


async def stream(step_input: StepInput) -> AsyncIterator[str]:
    for number in range(30):
        yield f"word {number} "
        await asyncio.sleep(0.005)


def echo(step_input: StepInput) -> str:
    return f"echo {step_input.previous_step_content or step_input.input}"


def half(step_input: StepInput) -> StepOutput:
    return StepOutput("half a draft", success=False, error="two sources are missing")


def filled(step_input: StepInput) -> object:
    return step_input.user_input


TOOLS = [ToolRequest(Tool("call-1", "delete_record", {"record_id": "42"}))]
FIELDS = [UserInputField(name="tone", description="formal or casual"), UserInputField(name="language", required=False)]

workflows = [
    Workflow(
        "content-creation-workflow", name="Content creation", steps=[Step("research", stream), Step("plan", echo)]
    ),
    Workflow("confirm", steps=[Step("draft", echo), Step("publish", echo, human_review=Confirm("Publish?"))]),
    Workflow("form", steps=[Step("ask", filled, human_review=Ask(FIELDS, message="Your preferences"))]),
    Workflow(
        "route",
        steps=[Router("way", choices=[Step("quick", echo), Step("deep", echo)], human_review=Choose("Which way?"))],
    ),
    Workflow("review", steps=[Step("draft", half, human_review=Review("Good enough?")), Step("after", echo)]),
    Workflow(
        "rounds", steps=[Loop("rounds", [Step("draft", echo)], max_iterations=3, human_review=Review("Once more?"))]
    ),
    Workflow("tools", steps=[Step("tidy", agent=Clerk([TOOLS]))]),
    Workflow("both", steps=[Parallel("both", [Step("left", echo), Step("right", echo)])]),
]
