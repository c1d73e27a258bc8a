"""What a chaos run runs: workflows of all kinds, short, whose ends follow from what people decide.

A run's message is an object; `pieces` and `pace` say how much its steps stream, and how slowly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Literal

from interlock import (
    Ask,
    Choose,
    Condition,
    Confirm,
    ErrorReview,
    Loop,
    Parallel,
    Review,
    Router,
    Signal,
    Step,
    StepInput,
    Steps,
    UserInputField,
    Workflow,
)
from interlock.agents import AgentPause, AgentStream, Tool, ToolDecision, ToolRequest

WAIT = 1.5
"""Seconds until a timeout decides."""

MANY = 50
"""So many retries of a review that nobody uses them up."""


def text_of(message: dict[str, Any]) -> str:
    """All that `stream` yields."""
    return "".join(f"{message['plan']}.{number} " for number in range(message.get("pieces", 5)))


async def stream(step_input: StepInput) -> AsyncIterator[str]:
    message = step_input.input
    for number in range(message.get("pieces", 5)):
        yield f"{message['plan']}.{number} "
        await asyncio.sleep(message.get("pace", 0))


async def work(step_input: StepInput) -> str:
    await asyncio.sleep(step_input.input.get("pace", 0) * 3)
    return f"{step_input.previous_step_content or 'begin'}+"


def blocking_work(step_input: StepInput) -> str:
    return f"{step_input.previous_step_content or 'begin'}-"


async def echo(step_input: StepInput) -> Any:
    return step_input.user_input


async def told(step_input: StepInput) -> Any:
    """Gives what came with the signal that it waited for."""
    return step_input.signal


async def left(_: StepInput) -> str:
    return "left"


async def right(_: StepInput) -> str:
    return "right"


async def flaky(step_input: StepInput) -> str:
    if step_input.attempt <= 2:
        raise ConnectionError(f"attempt {step_input.attempt} fails")
    return "it works"


async def broken(_: StepInput) -> str:
    raise RuntimeError("on purpose")


async def remember(step_input: StepInput) -> str:
    step_input.session.state.setdefault("plans", []).append(step_input.input["plan"])
    return "remembered"


async def forever(step_input: StepInput) -> AsyncIterator[str]:
    number = 0
    while True:
        yield f"{number} "
        number += 1
        await asyncio.sleep(0.1)


class Assistant:
    """An agent that asks for one tool, then for another, and tells what was decided."""

    id = "assistant"
    name = "Assistant"
    type: Literal["agent", "team"] = "agent"

    async def run(self, step_input: StepInput, stream: AgentStream) -> Any:
        stream.content("Let me see. ")
        return AgentPause([ToolRequest(Tool("call-1", "look", {"at": "it"}))], {"said": []})

    async def resume(
        self, state: Any, decisions: Sequence[ToolDecision], step_input: StepInput, stream: AgentStream
    ) -> Any:
        said = [*state["said"], *(bool(decision.approved) for decision in decisions)]
        if len(said) == 1:
            return AgentPause([ToolRequest(Tool("call-2", "write", {"what": "it"}))], {"said": said})
        return {"said": said}


FORM = [UserInputField("word"), UserInputField("count", "int"), UserInputField("sure", "bool")]
CONFIRM = Confirm("Go on?", on_reject="skip")
GO = Signal("go")


def _timed(on_timeout: Literal["approve", "skip", "cancel"]) -> Workflow:
    asked = Step("asked", work, human_review=Confirm("In time?", timeout=WAIT, on_timeout=on_timeout))
    return Workflow(f"timeout-{on_timeout}", steps=[work, asked, blocking_work])


workflows = [
    Workflow("stream", steps=[stream]),
    Workflow("chain", steps=[Step(f"link {number}", work) for number in range(6)]),
    Workflow("confirm", steps=[work, Step("publish", work, human_review=CONFIRM), blocking_work]),
    Workflow("confirm-or-cancel", steps=[work, Step("publish", stream, human_review=Confirm("Go on?"))]),
    Workflow("ask", steps=[Step("fill in", echo, human_review=Ask(FORM, "What?"))]),
    Workflow("choose", steps=[Router("which", [left, right], human_review=Choose("Which?", multiple=True)), work]),
    Workflow(
        "review",
        steps=[
            Step("draft", stream, human_review=Review("Fine?", on_reject="retry", max_retries=MANY)),
            Step("print", work),
        ],
    ),
    Workflow(
        "parallel",
        steps=[
            Parallel(
                "all",
                [
                    Step("one", work, human_review=CONFIRM),
                    Step("two", echo, human_review=Ask(FORM, "What?")),
                    Step("three", stream),
                    Steps("four", [Step("inner", work, human_review=CONFIRM), stream]),
                ],
            ),
            Step("after", right),
        ],
    ),
    Workflow("loop", steps=[Loop("again", [Step("asked", work, human_review=CONFIRM), stream], max_iterations=3)]),
    Workflow(
        "iterations",
        steps=[Loop("again", [work], max_iterations=4, human_review=Review("Enough?", on_reject="retry"))],
    ),
    Workflow(
        "nested",
        steps=[
            Step(
                "inner",
                workflow=Workflow("inside", steps=[work, Step("asked", work, human_review=CONFIRM)]),
                human_review=CONFIRM,
            ),
            Condition("even?", "input.plan % 2 == 0", steps=[left], else_steps=[right]),
            Router("by number", [left, right], selector="input.plan % 3 == 0 ? 'left' : 'right'"),
        ],
    ),
    _timed("approve"),
    _timed("skip"),
    _timed("cancel"),
    Workflow("flaky", steps=[work, Step("call", flaky, retries=4), blocking_work]),
    Workflow("broken", steps=[work, Step("call", broken, retries=1)]),
    Workflow("error", steps=[Step("call", flaky, on_error="pause", human_review=ErrorReview()), Step("after", right)]),
    Workflow("session", steps=[work, remember, Step("publish", work, human_review=CONFIRM)]),
    Workflow("agent", steps=[Step("act", agent=Assistant())]),
    Workflow("forever", steps=[work, forever]),
    Workflow(
        "signals",
        steps=[
            Parallel(
                "both", [Step("one", told, human_review=GO), Steps("two", [work, Step("late", told, human_review=GO)])]
            ),
            Loop("again", [Step("each", told, human_review=[GO, CONFIRM]), work], max_iterations=3),
        ],
    ),
]
