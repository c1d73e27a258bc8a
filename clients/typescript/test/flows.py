"""The workflows that the tests of the TypeScript client run: short, of each kind of pause, and some that stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pydantic import BaseModel

from interlock import Ask, Choose, Confirm, Loop, Parallel, Review, Router, Step, StepInput, Workflow


class Form(BaseModel):
    """What the workflow `form` asks for."""

    title: str
    count: int = 3


async def stream(step_input: StepInput) -> AsyncIterator[str]:
    """Writes as many pieces as the message says, a few at a time."""
    for number in range(int(str(step_input.input))):
        yield f"{number} "
        if number % 10 == 9:
            await asyncio.sleep(0.005)


async def flood(step_input: StepInput) -> AsyncIterator[str]:
    """Writes as many pieces as the message says, as fast as it can."""
    for number in range(int(str(step_input.input))):
        yield f"{number} "
        if number % 100 == 99:
            await asyncio.sleep(0)


def say(step_input: StepInput) -> str:
    return f"said {step_input.input}"


def fails_once(step_input: StepInput) -> str:
    if step_input.attempt == 1:
        raise RuntimeError("the printer is on fire")
    return "printed"


async def waits(step_input: StepInput) -> str:
    await asyncio.sleep(3600)
    return "never"


workflows = [
    Workflow("say", steps=[Step("say", say)]),
    Workflow("stream", steps=[Step("stream", stream)]),
    Workflow("flood", steps=[Step("flood", flood)]),
    Workflow("waits", steps=[Step("waits", waits)]),
    Workflow("confirmed", steps=[Step("say", say, human_review=Confirm("Say it?"))]),
    Workflow("confirmed-by-bob", steps=[Step("say", say, human_review=Confirm("Say it?", assignees=["bob"]))]),
    Workflow("written", steps=[Step("stream", stream), Step("say", say, human_review=Confirm("Say it?"))]),
    Workflow("form", steps=[Step("say", say, human_review=Ask(Form, "Which?"))]),
    Workflow("routes", steps=[Router("route", [Step("quick", say), Step("deep", say)], human_review=Choose("How?"))]),
    Workflow("reviewed", steps=[Step("say", say, human_review=Review("Right?", on_reject="retry"))]),
    Workflow("mended", steps=[Step("print", fails_once, on_error="pause")]),
    Workflow(
        "both",
        steps=[Parallel("both", [Step(side, say, human_review=Confirm("Say it?")) for side in ("left", "right")])],
    ),
    Workflow(
        "shared",
        steps=[
            Parallel(
                "shared",
                [
                    Step("mine", say, human_review=Confirm("Say it?")),
                    Step("bobs", say, human_review=Confirm("Say it?", assignees=["bob"])),
                    Step("theirs", say, human_review=Confirm("Say it?", assignees=["group:others"])),
                ],
            )
        ],
    ),
    Workflow("rounds", steps=[Loop("rounds", [Step("say", say)], max_iterations=3)]),
]
